"""A source that runs, and its signals, for tests that read as scripts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

from listener.adapters.socket_source import SocketSource
from listener.core.names import Millis
from listener.ports.event_source import (
    ConnectFailed,
    Listening,
    Lost,
    ReceivedEvent,
    Signal,
)

PATIENCE_S = 60.0
S = TypeVar("S", Listening, Lost, ConnectFailed, ReceivedEvent)


def now_ms() -> Millis:
    return Millis(round(time.time() * 1000))


class Ear:
    """``async with Ear(url, …) as ear``: options are the source's, with quick delays."""

    def __init__(self, url: str | Callable[[], str], **options: Any) -> None:
        quick = {"backoff_first_s": 0.01, "backoff_cap_s": 0.05, "refused_first_s": 0.01}
        self.source = SocketSource(
            url=url,
            **{"now_ms": now_ms, "first_seq": 1, "refused_cap_s": 0.05, **quick, **options},
        )
        self.signals: list[Signal] = []
        self._read = 0

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self.source.run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._running.done():
            self._running.result()
        self._running.cancel()
        with suppress(asyncio.CancelledError):
            await self._running

    async def until(self, kind: type[S]) -> S:
        """Read on until a signal of this kind, and return it."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                signal = await self.next()
                if isinstance(signal, kind):
                    return signal

    async def next(self) -> Signal:
        """The next signal."""
        while self._read == len(self.signals):
            self.signals += await self.source.next_batch(1000)
        self._read += 1
        return self.signals[self._read - 1]

    async def hear(self, count: int) -> list[ReceivedEvent]:
        """The next so many events; what else comes is read over."""
        return [await self.until(ReceivedEvent) for _ in range(count)]


async def eventually(holds: Callable[[], Awaitable[bool]] | Callable[[], bool]) -> None:
    """Wait until it holds: for what no event tells of."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            told = holds()
            if told if isinstance(told, bool) else await told:
                return
            await asyncio.sleep(0.01)


def codes(events: list[ReceivedEvent]) -> list[str | None]:
    return [event.code for event in events]
