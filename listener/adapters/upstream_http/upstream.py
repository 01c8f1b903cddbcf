"""The ``Upstream`` port over HTTP: every end of a request is a value."""

from __future__ import annotations

import asyncio
import inspect
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from listener.adapters.credentials import Fresh
from listener.adapters.tls import client_context
from listener.core import wire
from listener.core.evidence import PostResult, Reading
from listener.core.names import CvCode, Millis, PostKind
from listener.core.submission import FileFacts
from listener.core.tracing import traceparent
from listener.ports.upstream import NoReply, OnReply, RawReply, unheeded

from .body import FileBody
from .faults import ReplyGarbled, UploadBroken, slug
from .transport import KEEPALIVE_S, AiohttpTransport
from .witness import Witness

MAX_FETCHED_BYTES = 8 << 20
"""Of a record that is passed on unread: what a daemon need not understand may be longer."""
LOOKED_AT_BYTES = 256 * 1024
"""A longer one is parsed in a thread, for the loop has others to serve."""
TIMEOUTS = frozenset({"total_timeout", "connect_timeout", "read_timeout", "pool_timeout"})


@dataclass(frozen=True, slots=True)
class Greeting:
    """How a server answered to its address alone. ``date``: its ``Date``; ``kind``: its media type,
    perhaps empty."""

    status: int
    date: str | None
    kind: str


def _ignore(fault: Exception) -> None:
    """Nobody asked to be told."""


class HttpUpstream:
    """Implements ``ports.upstream.Upstream``.

    ``timeout_s`` bounds waiting for a connection, connecting, and each step of a GET;
    ``upload_timeout_s`` each wait while a file is sent in which nothing of it arrives, and waiting
    for the reply to it. A whole GET ends within twice ``timeout_s``, a whole POST within twice both
    and ``wire.longest_upload_s``, whatever the server does.

    ``headers`` is called before each request, and what it returns, or what that can be awaited for,
    is used once. ``proxy`` is an ``http://`` URL. ``ca_file`` is trusted besides the usual
    authorities. ``not_applied_statuses`` and ``retry_after_cap_ms`` are as ``wire.read_post`` takes
    them. ``on_fault`` is told of exceptions that nobody foresaw, whose request counts as possibly
    sent, and of those of ``headers``, for which nothing was sent.

    httpx's transport interface is used without ``httpx.AsyncClient``: the client logs every URL at
    INFO, ``cv_code`` and all, and what else it adds (redirects, cookies, the environment's proxies)
    is not wanted here.
    """

    def __init__(
        self,
        *,
        base_url: str,
        timeout_s: float,
        upload_timeout_s: float,
        max_connections: int,
        max_response_bytes: int,
        retry_after_cap_ms: int,
        now_ms: Callable[[], Millis],
        headers: Fresh = dict,
        proxy: str | None = None,
        ca_file: Path | None = None,
        not_applied_statuses: Collection[int] = (),
        on_fault: Callable[[Exception], None] = _ignore,
        keepalive_s: float = KEEPALIVE_S,
    ) -> None:
        url = httpx.URL(base_url)
        if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
            raise ValueError("expected an http or https base URL without query or fragment")
        if url.userinfo:
            raise ValueError("expected a base URL without credentials: put them into the headers")
        self._base_url = base_url
        self._host = url.netloc.decode()
        self._timeout_s = timeout_s
        self._upload_timeout_s = upload_timeout_s
        self._retry_after_cap_ms = retry_after_cap_ms
        self._now_ms = now_ms
        self._headers = headers
        self._not_applied = frozenset(not_applied_statuses)
        self._on_fault = on_fault
        self._transport = AiohttpTransport(
            max_connections=max_connections,
            max_response_bytes=max_response_bytes,
            ssl_context=client_context(ca_file) if url.scheme == "https" else None,
            proxy=proxy,
            keepalive_s=keepalive_s,
        )

    async def read_record(self, code: CvCode, *, request_id: str) -> Reading:
        """See the port."""
        read_ms = self._now_ms()
        found = await self._get(code, request_id, fresh=True)
        if isinstance(found, str):
            return Reading(read_ms=read_ms, known=False, detail=found)
        reply, body = found
        return wire.read_record(reply.status_code, reply.headers, body, read_ms, code=code)

    async def fetch_record(self, code: CvCode, *, request_id: str) -> RawReply | NoReply:
        """See the port."""
        found = await self._get(code, request_id, max_bytes=MAX_FETCHED_BYTES)
        if isinstance(found, str):
            return NoReply(found, timed_out=found in TIMEOUTS)
        if await _is_another(found[1], code):
            return NoReply("other_record", timed_out=False)
        return _raw(*found)

    async def greet(self) -> Greeting | str:
        """A GET of the base URL itself, with our headers and without any code: the head of whatever
        is answered, or how it failed (a stable slug)."""
        try:
            async with asyncio.timeout(2 * self._timeout_s):
                request = httpx.Request(
                    "GET",
                    self._base_url,
                    headers=await self._request_headers("greeting"),
                    extensions={"timeout": self._steps(self._timeout_s)},
                )
                reply = await self._transport.handle_async_request(request)
                await reply.aclose()
        except TimeoutError:
            return "total_timeout"
        except httpx.TransportError as error:
            return slug(error)
        except _HeadersFailed:
            return "headers_failed"
        kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
        return Greeting(reply.status_code, reply.headers.get("date"), kind)

    async def _get(
        self, code: CvCode, request_id: str, *, fresh: bool = False, **limits: int
    ) -> tuple[httpx.Response, bytes] | str:
        """The reply and its body, or how it failed."""
        try:
            async with asyncio.timeout(2 * self._timeout_s):
                request = httpx.Request(
                    "GET",
                    wire.record_url(self._base_url, code),
                    headers=await self._request_headers(request_id, fresh=fresh),
                    extensions={"timeout": self._steps(self._timeout_s), **limits},
                )
                reply = await self._transport.handle_async_request(request)
                return reply, await _body(reply)
        except TimeoutError:
            return "total_timeout"
        except httpx.TransportError as error:
            return slug(error)
        except _HeadersFailed:
            return "headers_failed"
        except Exception as error:  # noqa: BLE001 - the port promises a value, whatever went wrong
            self._on_fault(error)
            return "internal_error"

    async def post_update(
        self,
        code: CvCode,
        file: Path,
        facts: FileFacts,
        *,
        request_id: str,
        on_reply: OnReply = unheeded,
    ) -> PostResult:
        """See the port."""
        witness = Witness()
        reply: httpx.Response | None = None
        body = b""
        detail = ""
        resendable = True
        try:
            async with asyncio.timeout(self._longest_s(facts)):
                request = await self._post_request(code, file, facts, request_id, witness)
                reply = await self._transport.handle_async_request(request)
                body = await _body(reply)
        except TimeoutError:
            detail = "total_timeout"
        except UploadBroken:
            lost = await asyncio.to_thread(_lost, file, facts.size)
            detail = "file_lost" if lost else "file_unreadable"
        except httpx.TransportError as error:
            detail = slug(error)
            # What was answered may have been a success: aiohttp tells no status of a broken reply.
            resendable = not isinstance(error, ReplyGarbled)
        except _HeadersFailed:
            detail = "headers_failed"
        except Exception as error:  # noqa: BLE001 - the port promises a value, whatever went wrong
            self._on_fault(error)
            detail = "internal_error"
        if reply is not None:
            result = self._read_reply(code, reply, body, detail)
            if not detail and result.detail != "other_record":
                on_reply(_raw(reply, body))
            return result
        # Where our own code is wrong, its witness may be wrong too.
        if witness.unsent and detail != "internal_error":
            return PostResult(PostKind.NOT_SENT, detail, resendable=detail != "file_lost")
        return PostResult(PostKind.POSSIBLY_SENT, detail, resendable=resendable)

    def _longest_s(self, facts: FileFacts) -> float:
        steps_s = 2 * (self._timeout_s + self._upload_timeout_s)
        return steps_s + wire.longest_upload_s(facts.size)

    async def close(self) -> None:
        """See the port."""
        await self._transport.aclose()

    async def _post_request(
        self, code: CvCode, file: Path, facts: FileFacts, request_id: str, witness: Witness
    ) -> httpx.Request:
        frame = wire.frame(secrets.token_hex(16), facts.name, facts.kind, facts.size)
        body = FileBody(file, facts.size, frame)
        await body.prepare()
        return httpx.Request(
            "POST",
            wire.edits_url(self._base_url, code),
            headers=await self._request_headers(request_id, frame),
            stream=body,
            extensions={"timeout": self._steps(self._upload_timeout_s), "witness": witness},
        )

    def _read_reply(
        self, code: CvCode, reply: httpx.Response, body: bytes, broken: str
    ) -> PostResult:
        """Once a status was read it decides, even where the body then broke off: a refusal stays
        one, and a success that cannot be read is never sent again."""
        result = wire.read_post(
            reply.status_code,
            reply.headers,
            body,
            code=code,
            now_ms=self._now_ms(),
            retry_after_cap_ms=self._retry_after_cap_ms,
            not_applied_statuses=self._not_applied,
        )
        if broken and not result.resendable:
            return replace(result, detail=broken)
        return result

    async def _request_headers(
        self, request_id: str, frame: wire.MultipartFrame | None = None, *, fresh: bool = False
    ) -> httpx.Headers:
        try:
            made = self._headers()
            headers = wire.request_headers(
                (await made if inspect.isawaitable(made) else made) or {},
                request_id=request_id,
                traceparent=traceparent(request_id),
                content_type=None if frame is None else frame.content_type,
                content_length=None if frame is None else frame.total_length,
                fresh=fresh,
            )
            pairs = {"host": self._host, **headers}.items()
            return httpx.Headers([(name.encode(), value.encode()) for name, value in pairs])
        except Exception as error:
            self._on_fault(error)
            raise _HeadersFailed from error

    def _steps(self, step_s: float) -> dict[str, float]:
        return {
            "pool": self._timeout_s,
            "connect": self._timeout_s,
            "write": step_s,
            "read": step_s,
        }


class _HeadersFailed(Exception):
    """The configured headers could not be had, so nothing was sent."""


async def _body(reply: httpx.Response) -> bytes:
    """The body as it came: encoded, where the server encoded it although asked not to."""
    try:
        return b"".join([chunk async for chunk in reply.aiter_raw()])
    finally:
        await reply.aclose()


async def _is_another(body: bytes, code: CvCode) -> bool:
    """Whether it is somebody else's record: a person's data that nobody asked for."""

    def look() -> bool:
        reply = wire.read_object(body)
        return reply is not None and wire.tells_of_another(reply, code)

    return look() if len(body) <= LOOKED_AT_BYTES else await asyncio.to_thread(look)


def _raw(reply: httpx.Response, body: bytes) -> RawReply:
    return RawReply(
        reply.status_code, reply.reason_phrase, wire.end_to_end(reply.headers.raw), body
    )


def _lost(file: Path, size: int) -> bool:
    """Whether the file is gone or no longer what was taken in: no later attempt can send it."""
    try:
        return file.stat().st_size != size
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
