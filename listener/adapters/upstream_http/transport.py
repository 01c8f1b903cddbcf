"""An httpx transport over one aiohttp session.

httpx's own transport loses its throughput under concurrency; aiohttp keeps it. What aiohttp lacks
is done here: a bound on writing, a bound on the reply's size, the path left exactly as it was
given, and a witness of what was sent (httpx's exceptions alone cannot tell).
"""

from __future__ import annotations

import select
import ssl
from collections.abc import AsyncIterator
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

import aiohttp
import httpx
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from yarl import URL

from .faults import ReplyTooLarge, TransportClosed, translate
from .witness import PhaseClock, Upload, Witness

KEEPALIVE_S = 1.5
"""How long an idle connection is kept for the next GET: shorter than the servers' shortest usual
patience (gunicorn 2 s, Node and uvicorn 5 s)."""
REPEATABLE = frozenset({"GET", "HEAD"})
"""What may share a connection with others: met by a close, it is asked again."""
HEAD_LINE_BYTES, HEAD_LINES = 64 * 1024, 1024
"""Of a reply's head: no narrower than other clients are (httpx takes 100 KiB of it)."""

_current: ContextVar[Witness] = ContextVar("upstream_http_witness")


class _WitnessedRequest(aiohttp.ClientRequest):
    """Shows the witness the connection that the request is written to."""

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        _current.get().connection = conn.transport
        return await super().send(conn)


class _Pool(aiohttp.TCPConnector):
    """Gives no connection back to use that has something to read, or is being closed: what lies
    there answers no request of ours, and would pass for the reply to the next."""

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own method has it
    ) -> Connection:
        while True:
            connection = await super().connect(req, traces, timeout)
            witness = _current.get()
            if not (witness.reused and _spoilt(connection)):
                return connection
            connection.close()
            witness.connected = witness.reused = False


def _spoilt(connection: Connection) -> bool:
    protocol, transport = connection.protocol, connection.transport
    if protocol is None or transport is None or protocol.should_close:
        return True
    # What the kernel has and the loop has not read yet: the end of the stream, too.
    waiting = select.poll()
    waiting.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(waiting.poll(0))


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Sends each request once: no redirects, no cookies, no decompression, no retries but aiohttp's
    own of a GET that met a closed idle connection. Of connections used again, and their number:
    those of ``REPEATABLE`` requests share a pool; every other request has one of its own, newly
    made and closed after its reply. A server that closes idle connections a moment after a reply
    would leave an update that meets the close in doubt, for a settle period; a new connection costs
    a round trip or two. ``max_connections``: of each kind.

    ``request.extensions``: ``timeout`` as httpx gives it (``pool``, ``connect``, ``write`` and
    ``read`` seconds, the write's per chunk), ``witness``, a :class:`Witness` to fill, and
    ``max_bytes`` of the reply's body, where that is not ``max_response_bytes``.
    Raises httpx's exceptions, without a cause and without a URL in the text. ``proxy`` is an
    ``http://`` URL, its credentials included. Belongs to the loop of its first request.
    """

    def __init__(
        self,
        *,
        max_connections: int,
        max_response_bytes: int,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = None,
        keepalive_s: float = KEEPALIVE_S,
    ) -> None:
        self._max_connections = max_connections
        self._max_response_bytes = max_response_bytes
        self._ssl = ssl_context
        self._proxy = proxy
        self._keepalive_s = keepalive_s
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        """Of shared connections, and of those for one request."""
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The head of the reply, its body still to be read from the stream."""
        if self._closed:
            raise TransportClosed("the transport was closed")
        witness = request.extensions.get("witness") or Witness()
        clock = PhaseClock(request.extensions.get("timeout", {}))
        upload = self._upload(request, witness, clock)
        failure: Exception
        try:
            async with clock.running("pool"):
                reply = await self._send(request, witness, clock, upload)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            failure = (
                clock.failure()
                or (upload and upload.broken)
                or translate(error, connected=witness.connected, whole=witness.whole)
            )
        except BaseException:
            _stop(upload, witness)
            raise
        else:
            most = request.extensions.get("max_bytes", self._max_response_bytes)
            return httpx.Response(
                reply.status,
                headers=list(reply.raw_headers),
                stream=_Reply(reply, witness, upload, clock, most),
                extensions={
                    "http_version": b"HTTP/1.1",
                    "reason_phrase": (reply.reason or "").encode("ascii", "ignore"),
                },
            )
        # Raised out here, so that no URL in an aiohttp exception hangs on as its context.
        _stop(upload, witness)
        raise failure

    def _upload(self, request: httpx.Request, witness: Witness, clock: PhaseClock) -> Upload | None:
        length = request.headers.get("content-length")
        if length == "0" or (length is None and "transfer-encoding" not in request.headers):
            return None
        if not isinstance(request.stream, httpx.AsyncByteStream):
            raise TypeError("expected an asynchronous request body, found a synchronous one")
        witness.expected = None if length is None else int(length)
        return Upload(request.stream, witness, clock)

    async def _send(
        self, request: httpx.Request, witness: Witness, clock: PhaseClock, upload: Upload | None
    ) -> aiohttp.ClientResponse:
        url = request.url
        target = f"{url.scheme}://{url.netloc.decode()}{url.raw_path.decode()}"
        # How a body without a length is sent is aiohttp's to say.
        headers = [pair for pair in request.headers.multi_items() if pair[0] != "transfer-encoding"]
        token = _current.set(witness)
        try:
            return await self._open(shared=request.method in REPEATABLE).request(
                request.method,
                URL(target, encoded=True),
                headers=headers,
                data=upload,
                allow_redirects=False,
                proxy=self._proxy,
                trace_request_ctx=(witness, clock, "read" if upload is None else "write"),
            )
        finally:
            _current.reset(token)

    def _open(self, *, shared: bool) -> aiohttp.ClientSession:
        if shared not in self._sessions:
            kept: dict[str, Any] = {"keepalive_timeout": self._keepalive_s}
            self._sessions[shared] = aiohttp.ClientSession(
                connector=_Pool(
                    limit=self._max_connections,
                    ssl=True if self._ssl is None else self._ssl,
                    **(kept if shared else {"force_close": True}),
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                skip_auto_headers=("accept", "accept-encoding", "content-type", "user-agent"),
                request_class=_WitnessedRequest,
                max_line_size=HEAD_LINE_BYTES,
                max_field_size=HEAD_LINE_BYTES,
                max_headers=HEAD_LINES,
                trace_configs=[_tracing()],
            )
        return self._sessions[shared]

    async def aclose(self) -> None:
        """Close all connections. Idempotent; a later request raises TransportClosed."""
        self._closed = True
        for session in self._sessions.values():
            await session.close()


class _Reply(httpx.AsyncByteStream):
    """The reply's body: each read bounded in time, all of it in size."""

    def __init__(
        self,
        reply: aiohttp.ClientResponse,
        witness: Witness,
        upload: Upload | None,
        clock: PhaseClock,
        max_bytes: int,
    ) -> None:
        self._reply = reply
        self._witness = witness
        self._upload = upload
        self._clock = clock
        self._max_bytes = max_bytes
        self._complete = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        total = 0
        try:
            while chunk := await self._next():
                total += len(chunk)
                if total > self._max_bytes:
                    raise ReplyTooLarge(f"the reply is longer than {self._max_bytes} bytes")
                yield chunk
            self._complete = True
        finally:
            self._end()

    async def _next(self) -> bytes:
        try:
            async with self._clock.running("read"):
                return await self._reply.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            failure = self._clock.failure() or translate(error, connected=True, whole=True)
        raise failure

    async def aclose(self) -> None:
        """Give the connection back where the reply was read to its end, else break it."""
        self._end()

    def _end(self) -> None:
        if self._upload is not None:
            self._upload.stop()
        if self._complete:
            self._reply.release()
        else:
            self._reply.close()
            self._witness.cut()


def _stop(upload: Upload | None, witness: Witness) -> None:
    if upload is not None:
        upload.stop()
    witness.cut()


def _tracing() -> aiohttp.TraceConfig:
    """aiohttp's own signals of getting a connection. Those of headers and chunks prove nothing:
    they fire into a reset connection too."""

    async def queued(session: object, context: SimpleNamespace, params: object) -> None:
        context.trace_request_ctx[1].enter("pool")

    async def connecting(session: object, context: SimpleNamespace, params: object) -> None:
        context.trace_request_ctx[1].enter("connect")

    async def connected(session: object, context: SimpleNamespace, params: object) -> None:
        witness, clock, phase = context.trace_request_ctx
        witness.connected = True
        clock.enter(phase)

    async def reused(session: object, context: SimpleNamespace, params: object) -> None:
        context.trace_request_ctx[0].reused = True
        await connected(session, context, params)

    config = aiohttp.TraceConfig()
    config.on_connection_queued_start.append(queued)
    config.on_connection_create_start.append(connecting)
    config.on_connection_create_end.append(connected)
    config.on_connection_reuseconn.append(reused)
    return config
