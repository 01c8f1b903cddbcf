"""``CVService``: the upstream's own client, for programs that need no daemon.

It sends once and says what was answered; it does not hear events, keeps nothing and tries nothing
again. ``AsyncCVService`` is the same with ``await``.
"""

from __future__ import annotations

import asyncio
import io
import os
import secrets
import ssl
import time
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import httpx
from dotenv import dotenv_values

from listener.core import seconds, wire
from listener.core.errors import InvalidCode, SettingsInvalid
from listener.core.names import CvCode

DEFAULT_BASE_URL = "https://api-v2.uptal.com/cv-enhance"
DEFAULT_TIMEOUT_S = 10.0
UPLOADS_TAKE = 3
"""Times the timeout, unless ``CV_API_UPLOAD_TIMEOUT`` says otherwise."""
MAX_REPLY_BYTES = 16 * 1024 * 1024
KEEPALIVE_S = 1.5
"""An idle connection is kept shorter than servers keep it."""

CvFile = BinaryIO | bytes | str | os.PathLike[str]
"""A file opened for reading in binary mode, the bytes themselves, or a path."""


class CVServiceException(Exception):
    """Base of all errors of the service. The texts never hold a ``cv_code``."""

    def __init__(self, message: str, status_code: int = 500) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = status_code


class CVNotFoundException(CVServiceException):
    """The upstream knows no such ``cv_code``."""

    def __init__(self, message: str = "CV not found", status_code: int = 404) -> None:
        super().__init__(message, status_code)


class CVTimeoutException(CVServiceException):
    """No answer came in time. An update may nevertheless have been applied."""

    def __init__(self, message: str = "request timed out", status_code: int = 504) -> None:
        super().__init__(message, status_code)


class CVAPIException(CVServiceException):
    """Anything else. ``status_code`` is the upstream's; 400 where our side refused the ``cv_code``
    or the file and sent nothing; 500 where there was no usable answer."""


@dataclass(frozen=True, slots=True, repr=False)
class _Call:
    """One request, ready to be sent by any of httpx's transports, whose record it is about, and the
    bound of it all."""

    request: httpx.Request
    code: CvCode
    total_s: float


class _Requests:
    """Where to, how long, and with which headers: what both services have in common."""

    def __init__(
        self,
        base_url: str | None,
        timeout: float | None,
        upload_timeout: float | None,
        headers: Mapping[str, str] | None,
    ) -> None:
        # To be empty counts as not set.
        named = {name: text for name, text in os.environ.items() if text}
        found = {**dotenv_values(".env"), **named}
        self._base_url = _base(base_url or found.get("CV_API_BASE_URL") or DEFAULT_BASE_URL)
        self._timeout_s = (
            _above_zero(timeout) or _seconds(found, "CV_API_TIMEOUT") or DEFAULT_TIMEOUT_S
        )
        self._upload_timeout_s = (
            _above_zero(upload_timeout)
            or _seconds(found, "CV_API_UPLOAD_TIMEOUT")
            or UPLOADS_TAKE * self._timeout_s
        )
        self._headers = dict(headers or {})

    def get(self, code: str) -> _Call:
        checked = _checked(code)
        url = wire.record_url(self._base_url, checked)
        return self._call("GET", checked, url, self._timeout_s)

    def update(self, code: str, name: str, content: bytes) -> _Call:
        checked = _checked(code)
        url = wire.edits_url(self._base_url, checked)
        if not content:
            raise CVAPIException(
                "expected a CV file, found no bytes to read: was it read to its end before?", 400
            )
        kind = wire.sniff(io.BytesIO(content))
        frame = wire.frame(secrets.token_hex(16), name, kind, len(content))
        body = frame.head + content + frame.tail
        return self._call("POST", checked, url, self._upload_timeout_s, frame, body)

    def _call(
        self,
        method: str,
        code: CvCode,
        url: str,
        step_s: float,
        frame: wire.MultipartFrame | None = None,
        body: bytes = b"",
    ) -> _Call:
        headers = wire.request_headers(
            self._headers,
            request_id=secrets.token_hex(16),
            traceparent=f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01",
            content_type=None if frame is None else frame.content_type,
            content_length=None if frame is None else frame.total_length,
        )
        steps = {"pool": step_s, "connect": self._timeout_s, "write": step_s, "read": step_s}
        request = httpx.Request(
            method,
            url,
            headers=headers,
            content=body or None,
            extensions={"timeout": steps},
        )
        total_s = 2 * (self._timeout_s + step_s) + wire.longest_upload_s(len(body))
        return _Call(request, code, total_s)


class CVService:
    """Reads ``CV_API_BASE_URL`` and ``CV_API_TIMEOUT`` (seconds) from the environment, or else from
    ``.env`` in the working directory, where they are not given. May be used from several threads.

    httpx's transport is used without ``httpx.Client``, which logs every URL, ``cv_code`` and all.
    """

    def __init__(
        self,
        base_url: str | None = None,
        timeout: float | None = None,
        *,
        upload_timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._requests = _Requests(base_url, timeout, upload_timeout, headers)
        trust = _trust()
        shared = httpx.Limits(max_connections=None, keepalive_expiry=KEEPALIVE_S)
        # An update never meets a close, or a stray reply, on a connection that others used.
        own = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        self._transports = {
            method: httpx.HTTPTransport(verify=trust, trust_env=False, limits=limits)
            for method, limits in (("GET", shared), ("POST", own))
        }
        self._finalizer = weakref.finalize(self, _close_all, tuple(self._transports.values()))

    def get_cv_by_code(self, cv_code: str) -> dict[str, object]:
        """The upstream's whole JSON object. Raises CVServiceException."""
        return self._send(self._requests.get(cv_code))

    def update_cv_edits(self, cv_code: str, file: CvFile) -> dict[str, object]:
        """Replace the CV. Sent once, never again. Returns the upstream's whole JSON object.

        The file's name is taken from its ``name``; an open file is read from where it stands.
        Raises CVServiceException; OSError where the file cannot be read.
        """
        return self._send(self._requests.update(cv_code, *_read_file(file)))

    def close(self) -> None:
        """Close idle connections. Optional: they go with the service too."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _send(self, call: _Call) -> dict[str, object]:
        ends_at = time.monotonic() + call.total_s
        try:
            reply = self._transports[call.request.method].handle_request(call.request)
            try:
                body = _Body()
                for chunk in reply.iter_raw():
                    body.take(chunk, late=time.monotonic() > ends_at)
            finally:
                reply.close()
        except (httpx.TransportError, OSError, ValueError) as error:
            failure = _failure(error)
        else:
            return _answer(call, reply.status_code, bytes(body))
        # Raised out here, so that nothing that knows the URL hangs on as its context.
        raise failure


class AsyncCVService:
    """As :class:`CVService`, with ``await``. Used as ``async with AsyncCVService() as service`` it
    keeps its connections; otherwise each call opens and closes its own, on whatever loop it runs.
    """

    def __init__(
        self,
        base_url: str | None = None,
        timeout: float | None = None,
        *,
        upload_timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._requests = _Requests(base_url, timeout, upload_timeout, headers)
        self._ssl = _trust()
        self._kept: httpx.AsyncBaseTransport | None = None

    async def get_cv_by_code(self, cv_code: str) -> dict[str, object]:
        """See :meth:`CVService.get_cv_by_code`."""
        return await self._send(self._requests.get(cv_code))

    async def update_cv_edits(self, cv_code: str, file: CvFile) -> dict[str, object]:
        """See :meth:`CVService.update_cv_edits`. The file is read in a thread."""
        name, content = await asyncio.to_thread(_read_file, file)
        return await self._send(self._requests.update(cv_code, name, content))

    async def aclose(self) -> None:
        """Close what ``async with`` kept. Idempotent."""
        kept, self._kept = self._kept, None
        if kept is not None:
            await kept.aclose()

    async def __aenter__(self) -> Self:
        self._kept = self._transport()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def _transport(self) -> httpx.AsyncBaseTransport:
        # Here, and not above: aiohttp is heavy, and who needs CVService alone never loads it.
        from listener.adapters.upstream_http.transport import AiohttpTransport

        return AiohttpTransport(
            max_connections=256,
            max_response_bytes=MAX_REPLY_BYTES,
            ssl_context=self._ssl,
        )

    async def _send(self, call: _Call) -> dict[str, object]:
        transport = self._kept or self._transport()
        try:
            async with asyncio.timeout(call.total_s):
                reply = await transport.handle_async_request(call.request)
                try:
                    body = _Body()
                    async for chunk in reply.aiter_raw():
                        body.take(chunk)
                finally:
                    await reply.aclose()
        except (httpx.TransportError, OSError, ValueError) as error:
            failure = _failure(error)
        else:
            return _answer(call, reply.status_code, bytes(body))
        finally:
            if transport is not self._kept:
                await transport.aclose()
        raise failure


class _Body(bytearray):
    """A reply's body, bounded."""

    def take(self, chunk: bytes, *, late: bool = False) -> None:
        if late:
            raise httpx.ReadTimeout("the reply did not end in time")
        if len(self) + len(chunk) > MAX_REPLY_BYTES:
            raise ValueError("expected a shorter reply")
        self += chunk


def _close_all(transports: Iterable[httpx.HTTPTransport]) -> None:
    for transport in transports:
        transport.close()


def _checked(code: str) -> CvCode:
    try:
        return wire.check_code(code)
    except InvalidCode as error:
        reason = str(error)
    raise CVAPIException(reason, 400)


def _read_file(file: CvFile) -> tuple[str, bytes]:
    """The file's name and its bytes."""
    if isinstance(file, bytes | bytearray | memoryview):
        return "", bytes(file)
    if isinstance(file, str | os.PathLike):
        path = Path(file)
        return path.name, path.read_bytes()
    content = file.read()
    if not isinstance(content, bytes | bytearray):
        raise CVAPIException("expected a file opened in binary mode, found one of text", 400)
    # Web frameworks' uploads keep it in ``filename``, and Werkzeug's ``name`` is the form field's.
    names = (getattr(file, attribute, None) for attribute in ("filename", "name"))
    return next((name for name in names if isinstance(name, str)), ""), bytes(content)


def _failure(error: Exception) -> CVServiceException:
    """What to raise where there was no whole answer."""
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return CVTimeoutException("the upstream did not answer in time")
    if isinstance(error, httpx.ConnectError | httpx.ProxyError):
        return CVAPIException("the upstream could not be reached: check CV_API_BASE_URL")
    return CVAPIException("the connection to the upstream broke, or its answer is not HTTP")


def _answer(call: _Call, http_status: int, body: bytes) -> dict[str, object]:
    """The JSON object of a good answer. The upstream's own error texts are not passed on: they may
    repeat the ``cv_code``. Nor is what tells of another code: it is somebody else's."""
    method = call.request.method
    if http_status == 404:
        raise CVNotFoundException
    if http_status in (408, 504):
        raise CVTimeoutException(f"the upstream timed out (HTTP {http_status})")
    if not 200 <= http_status < 300:
        raise CVAPIException(f"the upstream answered {method} with HTTP {http_status}", http_status)
    reply = wire.read_object(body)
    if reply is None:
        raise CVAPIException(f"expected a JSON object, found something else (HTTP {http_status})")
    if wire.tells_of_another(reply, call.code):
        raise CVAPIException(f"the upstream answered {method} with another cv_code's reply")
    if wire.says_error(reply):
        raise CVAPIException(f"the upstream answered {method} with status error")
    return reply


def _base(text: str) -> str:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise SettingsInvalid("expected CV_API_BASE_URL to be an http or https URL without a query")
    if url.userinfo:
        raise SettingsInvalid("expected CV_API_BASE_URL without credentials: give them as headers")
    return text


def _seconds(found: Mapping[str, str | None], name: str) -> float | None:
    text = found.get(name)
    if not text:
        return None
    try:
        return seconds.read_duration(text)
    except ValueError:
        expected = f"expected {name} to be {seconds.EXPECTED}, found something else"
    raise SettingsInvalid(f"{expected}: mend it, as in {name}=10, or leave it out")


def _above_zero(given: float | None) -> float | None:
    if given is not None and not given > 0:
        raise SettingsInvalid(
            f"expected a timeout of more than 0 seconds, found {given:g}: leave it out"
        )
    return given


def _trust() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)
