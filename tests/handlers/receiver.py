"""Who outcome handlers POST to: a real HTTP server on loopback, well or badly behaved."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import orjson
from aiohttp import web

HUGE_BYTES = 1 << 30
BLOCK = bytes(1 << 16)


@dataclass(frozen=True, slots=True)
class Received:
    """One POST. ``headers`` by names in small letters."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


class Receiver:
    """``async with Receiver() as receiver``: ``receiver.answer`` says how each POST is answered, by
    one of these words, or by a status as a number with headers behind it; ``received`` are all that
    came.

    ``ok``, ``hang`` (no answer at all), ``hang_after_head``, ``reset``, ``redirect`` (to
    ``/elsewhere``, which takes anything), ``huge`` (an endless body behind a 200),
    ``huge_refusal``, ``garbage``.
    """

    def __init__(
        self, answer: Callable[[int], str] = lambda _: "ok", tls: ssl.SSLContext | None = None
    ) -> None:
        self.answer = answer
        self.received: list[Received] = []
        self.news = asyncio.Condition()
        self.sent_bytes = 0
        self._tls = tls
        self._runner: web.AppRunner | None = None
        self._port = 0
        self._stopped = asyncio.Event()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}/hook?key=1"

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_post("/{rest:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls)
        await site.start()
        assert site._server is not None
        self._port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]  # it listens on a socket
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        assert self._runner is not None
        await self._runner.cleanup()

    async def until(self, count: int, seconds: float = 30.0) -> None:
        """Wait until so many POSTs came."""
        async with asyncio.timeout(seconds), self.news:
            await self.news.wait_for(lambda: len(self.received) >= count)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        received = Received(request.path_qs, headers, await request.read())
        async with self.news:
            self.received.append(received)
            self.news.notify_all()
        if request.path == "/elsewhere":
            return web.Response()
        return await self._answered(request, self.answer(len(self.received)))

    async def _answered(self, request: web.Request, word: str) -> web.StreamResponse:
        match word.split():
            case ["ok"]:
                return web.Response(text="ok", headers={"Set-Cookie": "a=b"})
            case ["hang"]:
                await self._stopped.wait()
            case ["redirect"]:
                return web.Response(status=307, headers={"Location": "/elsewhere"})
            case ["hang_after_head"]:
                response = web.StreamResponse(headers={"Content-Length": "10"})
                await response.prepare(request)
                await self._stopped.wait()
                return response
            case ["huge"]:
                return await self._flood(request, 200)
            case ["huge_refusal"]:
                return await self._flood(request, 500)
            case ["garbage"] if request.transport is not None:
                request.transport.write(b"\x00\x01 no HTTP at all\r\n\r\n")
            case [status, *rest] if status.isdigit():
                more = dict(pair.split("=", 1) for pair in rest)
                return web.Response(status=int(status), headers=more)
            case _:
                pass
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    async def _flood(self, request: web.Request, status: int) -> web.StreamResponse:
        response = web.StreamResponse(status=status)
        await response.prepare(request)
        while self.sent_bytes < HUGE_BYTES:
            await response.write(BLOCK)
            self.sent_bytes += len(BLOCK)
        return response
