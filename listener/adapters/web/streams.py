"""A stream of Server-Sent Events: opened, written within bounds, waited on until a sign is due."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from aiohttp import web

PING_S = 15.0
"""Between two signs of life, where nothing is told: proxies close what is silent."""
RETRY_MS = 2_000
STUCK_S = 30.0
"""For a client that does not read what it is sent."""

Found = TypeVar("Found")


class Stream:
    """``stopping`` set: it is to end."""

    def __init__(self, response: web.StreamResponse, stopping: asyncio.Event) -> None:
        self.response = response
        self._stopping = stopping
        self._written = 0.0

    @classmethod
    async def open(cls, request: web.Request, stopping: asyncio.Event) -> Stream:
        """The answer begins."""
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
            }
        )
        await response.prepare(request)
        stream = cls(response, stopping)
        await stream.write(f"retry: {RETRY_MS}\n\n")
        return stream

    @property
    def ends(self) -> bool:
        """Whether it is to end."""
        return self._stopping.is_set()

    async def write(self, text: str) -> None:
        """Raises ConnectionResetError where nobody reads it."""
        try:
            async with asyncio.timeout(STUCK_S):
                await self.response.write(text.encode())
        except TimeoutError:
            raise ConnectionResetError from None
        self._written = asyncio.get_running_loop().time()

    async def live(self) -> float:
        """A sign of life where the last one is so long ago; the seconds until the next is due."""
        left = self._written + PING_S - asyncio.get_running_loop().time()
        if left > 0:
            return left
        await self.write(":\n\n")
        return PING_S

    async def wait(self, news: Callable[[float], Coroutine[Any, Any, Found]]) -> Found | None:
        """What ``news`` returns, within the seconds that it is given; None where the stream ends
        first. Signs of life are given when they are due."""
        loop = asyncio.get_running_loop()
        waiting = loop.create_task(news(await self.live()))
        stopping = loop.create_task(self._stopping.wait())
        try:
            await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            found = waiting.result() if waiting.done() else None
        finally:
            for task in (waiting, stopping):
                task.cancel()
            await asyncio.gather(waiting, stopping, return_exceptions=True)
        return found
