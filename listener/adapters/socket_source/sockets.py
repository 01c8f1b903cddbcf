"""aiohttp's two ways of receiving, with our ear at them.

Both classes go in by public parameters of ``aiohttp.ClientSession``. Every frame passes through
here before the library sees it: for the frame clock, for what the library does not tell (the
server's recovery id), and, on the fast path, to be taken altogether.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import orjson
from aiohttp import ClientWebSocketResponse, WSCloseCode, WSMessage, WSMsgType
from aiohttp.http_websocket import WebSocketError

from .link import End, Link
from .reception import Reception

BURST = 64
"""Events taken before others get a turn."""

NOOP = WSMessage(WSMsgType.TEXT, "6", "")
"""An Engine.IO packet that means nothing: tells the library that the server lives."""

FRAMES = frozenset({WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CLOSE})
"""What was received. The other kinds tell that nothing more will be: perhaps long after the last
frame, and all that time we were deaf."""

DATA = frozenset({WSMsgType.TEXT, WSMsgType.BINARY})

SEPARATOR = "\x1e"
"""Between the packets of one polling response."""


def tapped_socket(
    link: Link,
    reception: Reception,
    fast: tuple[tuple[str, ...], int] | None,
    opened: Callable[[ClientWebSocketResponse], None],
) -> type[ClientWebSocketResponse]:
    """The class of one connection's websocket. ``fast``: the beginnings of frames to be taken here,
    and where their JSON begins."""
    prefixes, json_at = fast if fast is not None else ((), 0)

    class TappedSocket(ClientWebSocketResponse):
        """``receive()`` is called by the library's read loop, and by nobody else."""

        _handed_on = False

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            opened(self)

        async def receive(self, timeout: float | None = None) -> WSMessage:  # noqa: ASYNC109  as aiohttp's
            if self._handed_on:
                # The library handles a packet in a task: it runs now, so that order is kept.
                self._handed_on = False
                await asyncio.sleep(0)
            entered = link.clock.monotonic()
            taken = 0
            while True:
                if prefixes and reception.queue.full and link.patience_s is not None:
                    if not await _space(link, reception, link.patience_s / 2):
                        return NOOP
                elif taken % BURST == BURST - 1:
                    await asyncio.sleep(0)
                message = await super().receive(timeout)
                if message.type in FRAMES:
                    link.clock.tick()
                if link.overhearing.watched and message.type in DATA:
                    link.overhearing.frame(message.data)
                if (
                    message.type is not WSMsgType.TEXT
                    or not message.data.startswith(prefixes)
                    or link.in_attachments
                    or not reception.take(message.data[json_at:])
                ):
                    self._handed_on = True
                    _note(link, message, self.close_code)
                    return message
                taken += 1
                if link.clock.last_at - entered > (link.patience_s or 0) / 20:
                    # Its own clock runs while we are here, and would find the server dead too soon.
                    return NOOP

    return TappedSocket


async def _space(link: Link, reception: Reception, at_most_s: float) -> bool:
    """Stop reading until the queue has room: what is sent to us waits at the server, and that
    nothing comes in proves nothing. Whether there is room now."""
    try:
        async with asyncio.timeout(at_most_s):
            await reception.queue.space()
    except TimeoutError:
        return False
    finally:
        link.clock.restart()
        link.clock.stood_still()
    return True


def _note(link: Link, message: WSMessage, close_code: int | None) -> None:
    match message.type:
        case WSMsgType.TEXT | WSMsgType.BINARY:
            link.observe(message.data)
        case WSMsgType.ERROR:
            code = message.data.code if isinstance(message.data, WebSocketError) else None
            if code == WSCloseCode.MESSAGE_TOO_BIG:
                link.close(End("message_too_big", "over the limit of one message", choked=True))
            else:
                link.close(End("protocol_error", f"websocket code {code}", choked=True))
        case WSMsgType.CLOSE | WSMsgType.CLOSING | WSMsgType.CLOSED:
            link.close(End("transport_closed", f"websocket code {close_code}"))


class BodyTooBig(ValueError):
    """A polling response over the limit. The library takes a ValueError for bad data, and ends."""


class BodyBroken(ValueError):
    """A polling response that ended before its end. From its ClientPayloadError the library does
    not recover."""


def tapped_response(link: Link, max_bytes: int) -> type[aiohttp.ClientResponse]:
    """The class of one connection's HTTP responses, which are bounded."""

    class TappedResponse(aiohttp.ClientResponse):
        _read_body: bytes | None = None

        async def read(self) -> bytes:
            if self._read_body is not None:
                return self._read_body
            polled = self.method == "GET" and 200 <= self.status < 300
            try:
                self._read_body = await self._whole_body()
            except (aiohttp.ClientPayloadError, TimeoutError) as error:
                if not polled:
                    raise
                how = f"a response broke off ({type(error).__name__})"
                link.close(End("transport_closed", how))
                raise BodyBroken("a response that broke off") from error
            finally:
                if self._read_body is None:
                    self.close()
            if polled:
                link.clock.tick()
                for frame in self._read_body.decode(errors="replace").split(SEPARATOR):
                    link.observe(frame)
                    if link.overhearing.watched:
                        link.overhearing.frame(frame)
            return self._read_body

        async def _whole_body(self) -> bytes:
            body = bytearray()
            async for chunk in self.content.iter_any():
                body += chunk
                if len(body) > max_bytes:
                    link.close(End("message_too_big", "over the limit of a poll", choked=True))
                    raise BodyTooBig("a response over the limit")
            return bytes(body)

        async def json(self, **_: Any) -> Any:
            try:
                return orjson.loads(await self.read())
            except ValueError:
                # The one kind of error that the library expects here.
                raise aiohttp.ClientPayloadError("expected JSON, found something else") from None

    return TappedResponse


def watched_requests(link: Link) -> aiohttp.ClientMiddlewareType:
    """Notes what the library does not tell of a request that fails, and follows no redirect: our
    credentials are for one host.

    Nothing is asked twice. Where a connection ends without an answer, aiohttp would send a GET
    again by itself; but the answer to a poll holds events that no second one brings.

    After the end of one that the namespace has not taken yet, nothing is sent: where the change to
    a websocket breaks off, the library would go on over polling, and its CONNECT would have the
    server recover our session for nobody.
    """

    async def watch(
        request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        if link.end is not None and link.sid is None:
            raise aiohttp.ClientConnectionError("it has ended")
        try:
            response = await send(request)
        except aiohttp.ClientError as error:
            link.fault = error
            if isinstance(error, aiohttp.ClientOSError | aiohttp.ServerDisconnectedError):
                raise aiohttp.ClientConnectionError(type(error).__name__) from error
            raise
        status = response.status
        if status >= 300:
            link.status = status
            link.words = _words(await response.read())
            if status < 400:
                response.close()
                raise aiohttp.ClientConnectionError("a redirect, which is not followed")
        elif request.method == "POST":
            # The library never reads it, and would leave its connection open.
            await response.read()
        return response

    return watch


def _words(body: bytes) -> str:
    """What an Engine.IO server says of an error, if it is that: ``{"code", "message"}`` or text."""
    try:
        said = orjson.loads(body)
    except ValueError:
        return ""
    if isinstance(said, dict):
        said = said.get("message")
    return said if isinstance(said, str) else ""
