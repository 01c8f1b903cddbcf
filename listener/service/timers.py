"""Time: lanes are woken when their ``due_ms`` comes. The times stand on disk, not in memory."""

from __future__ import annotations

import asyncio

from listener.core.inputs import TimePassed
from listener.core.names import CvCode, Millis
from listener.ports.clock import Clock
from listener.ports.journal import Journal

from .engine import Engine
from .fan_out import for_each

BATCH = 256
AT_ONCE = 32
LONGEST_SLEEP_MS = 60_000


class Timers:
    """Sleeps until the earliest ``due_ms`` on disk, or until an earlier one is noted."""

    def __init__(self, journal: Journal, engine: Engine, clock: Clock) -> None:
        self._journal = journal
        self._engine = engine
        self._clock = clock
        self._next_ms: Millis | None = None
        self._earlier = asyncio.Event()

    def note(self, due_ms: Millis) -> None:
        """A commit set this time: wake up in time for it."""
        if self._next_ms is None or due_ms < self._next_ms:
            self._next_ms = due_ms
            self._earlier.set()

    async def run(self) -> None:
        """Wake lanes until cancelled."""
        while True:
            self._earlier.clear()
            # Whatever is noted while the journal is asked must wake us: what we planned is past.
            self._next_ms = None
            now = self._clock.now_ms()
            codes = await self._journal.due_lanes(now, BATCH)
            if codes:
                await self._wake(codes)
                continue
            due = await self._journal.next_due_ms()
            longest = Millis(self._clock.now_ms() + LONGEST_SLEEP_MS)
            if self._earlier.is_set():
                continue
            self._next_ms = longest if due is None else min(due, longest)
            await self._sleep(self._next_ms - self._clock.now_ms())

    async def _sleep(self, milliseconds: int) -> None:
        try:
            async with asyncio.timeout(max(0.001, milliseconds / 1000)):
                await self._earlier.wait()
        except TimeoutError:
            pass

    async def _wake(self, codes: list[CvCode]) -> None:
        async def one(code: CvCode) -> None:
            await self._engine.give(
                code,
                lambda m: TimePassed(
                    at_ms=m.at_ms, hearing=m.hearing, events_pending=m.events_pending
                ),
            )

        await for_each(codes, AT_ONCE, one)
