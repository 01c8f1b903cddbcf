"""An httpx transport over one aiohttp session.

httpx's own transport loses its throughput under concurrency; aiohttp keeps it. What aiohttp lacks
is done here: a bound on writing, a bound on the reply's size, the path left exactly as it was
given, and a witness of what was sent (httpx's exceptions alone cannot tell).
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextvars import ContextVar
from types import SimpleNamespace

import aiohttp
import httpx
from aiohttp.connector import Connection
from yarl import URL

from .faults import ReplyTooLarge, TransportClosed, translate
from .witness import PhaseClock, Upload, Witness

KEEPALIVE_S = 1.5
"""How long an idle connection is kept: shorter than the servers' shortest usual patience (gunicorn
2 s, Node and uvicorn 5 s). A POST into a connection that the server was just closing may or may not
have been taken, and costs a settle period to find out; a new connection costs milliseconds."""
HEAD_LINE_BYTES, HEAD_LINES = 64 * 1024, 1024
"""Of a reply's head: no narrower than other clients are (httpx takes 100 KiB of it)."""

_current: ContextVar[Witness] = ContextVar("upstream_http_witness")


class _WitnessedRequest(aiohttp.ClientRequest):
    """Shows the witness the connection that the request is written to."""

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        _current.get().connection = conn.transport
        return await super().send(conn)


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Sends each request once: no redirects, no cookies, no decompression, no retries but aiohttp's
    own of a GET that met a closed idle connection.

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
        self._session: aiohttp.ClientSession | None = None
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
            return await self._open().request(
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

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._max_connections,
                    keepalive_timeout=self._keepalive_s,
                    ssl=True if self._ssl is None else self._ssl,
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
        return self._session

    async def aclose(self) -> None:
        """Close all connections. Idempotent; a later request raises TransportClosed."""
        self._closed = True
        if self._session is not None:
            await self._session.close()


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

    config = aiohttp.TraceConfig()
    config.on_connection_queued_start.append(queued)
    config.on_connection_create_start.append(connecting)
    config.on_connection_create_end.append(connected)
    config.on_connection_reuseconn.append(connected)
    return config
