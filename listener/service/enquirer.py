"""Readings of the record that lanes ask for, within a budget."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from listener.core.evidence import Reading
from listener.core.inputs import RecordRead
from listener.core.names import CvCode, Millis
from listener.core.standing import awaits_reading
from listener.ports.clock import Clock
from listener.ports.log import Log
from listener.ports.upstream import Upstream

from .breaker import Breaker, served
from .engine import Engine

OTHERS_EVERY = 4
"""Of so many turns one is for lanes in which nothing waits to be sent, however many others ask."""


class Enquirer:
    """Serves each asked lane with one GET at a time, ``workers`` lanes at once, and begins no more
    than one GET in ``pace_ms``: an outage of ten thousand open updates must not become a storm.

    Lanes in which something waits to be sent go first. One that no longer waits for a reading when
    its turn comes costs none. While the upstream does not serve, all wait for the ``breaker``.
    """

    def __init__(
        self,
        engine: Engine,
        upstream: Upstream,
        new_request_id: Callable[[], str],
        clock: Clock,
        log: Log,
        breaker: Breaker,
        *,
        workers: int = 8,
        pace_ms: int = 10,
    ) -> None:
        self._engine = engine
        self._upstream = upstream
        self._new_request_id = new_request_id
        self._clock = clock
        self._log = log
        self.breaker = breaker
        self._workers = workers
        self._pace_s = pace_ms / 1000
        self._waiting: dict[CvCode, bool] = {}
        """Lanes that asked, and whether something waits to be sent in them."""
        self._first: deque[CvCode] = deque()
        self._others: deque[CvCode] = deque()
        self._turns = 0
        self._asked = asyncio.Event()
        self._ended = asyncio.Event()
        self.on_answer: Callable[[bool], None] = _nothing
        """Told of each reading, whether it was served."""

    def ask(self, code: CvCode, *, first: bool = False) -> None:
        """Read this record soon; ``first``: before those of lanes in which nothing waits to be
        sent. Asking again before it began changes nothing else."""
        known = self._waiting.get(code)
        if known is None or (first and not known):
            self._waiting[code] = first
            (self._first if first else self._others).append(code)
            self._asked.set()

    @property
    def backlog(self) -> int:
        """Lanes that wait for a reading."""
        return len(self._waiting)

    def paused_until_ms(self) -> Millis | None:
        """Until when no reading begins, for readings failed; None where they do."""
        now = self._clock.now_ms()
        if self.breaker.allows(now):
            return None
        return Millis(now + self.breaker.opens_in_ms(now))

    async def run(self) -> None:
        """Serve until cancelled."""
        gate = asyncio.Lock()
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._work(gate))

    async def _work(self, gate: asyncio.Lock) -> None:
        while True:
            async with gate:
                code = await self._next()
                attempt = self.breaker.began()
            try:
                reading = await self._upstream.read_record(code, request_id=self._new_request_id())
            finally:
                self.breaker.gone(attempt)
                self._ended.set()
            self._record(reading)
            await self._give(code, reading)

    async def _next(self) -> CvCode:
        """Wait until a GET may begin; which."""
        while True:
            await self._until_served()
            code = self._take()
            if code is None:
                self._asked.clear()
                await self._asked.wait()
            elif awaits_reading(await self._engine.lane(code)):
                await asyncio.sleep(self._pace_s)
                del self._waiting[code]
                return code
            else:
                # Closed meanwhile, by its event mostly.
                del self._waiting[code]

    def _take(self) -> CvCode | None:
        self._turns += 1
        queues = [(self._first, True), (self._others, False)]
        if self._turns % OTHERS_EVERY == 0:
            queues.reverse()
        for queue, first in queues:
            while queue:
                code = queue.popleft()
                # One that asked again, with more haste, stands in both.
                if self._waiting.get(code) is first:
                    return code
        return None

    async def _until_served(self) -> None:
        while not self.breaker.allows(now := self._clock.now_ms()):
            # A probe under way, or an attempt from before, may end the pause.
            self._ended.clear()
            pause_ms = self.breaker.opens_in_ms(now)
            try:
                async with asyncio.timeout(pause_ms / 1000 if pause_ms else None):
                    await self._ended.wait()
            except TimeoutError:
                pass

    def _record(self, reading: Reading) -> None:
        """Whether the upstream serves."""
        self.on_answer(served(reading))
        change = self.breaker.record(served(reading), self._clock.now_ms(), reading.detail)
        waiting = self.backlog
        if change == "opened":
            self._log.emit(
                "upstream.readings_paused", reason=reading.detail, enquiries_waiting=waiting
            )
        elif change == "closed":
            self._log.emit(
                "upstream.readings_resumed",
                enquiries_waiting=waiting,
                duration_ms=self.breaker.lasted_ms,
                failures=self.breaker.failed,
            )

    async def _give(self, code: CvCode, reading: Reading) -> None:
        await self._engine.give(
            code,
            lambda m: RecordRead(
                at_ms=m.at_ms,
                hearing=m.hearing,
                events_pending=m.events_pending,
                reading=reading,
            ),
        )


def _nothing(_: bool) -> None:
    """Nobody asked to be told."""
