"""Readings of the record that lanes ask for, within a budget."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from listener.core.inputs import RecordRead
from listener.core.names import CvCode
from listener.ports.upstream import Upstream

from .engine import Engine


class Enquirer:
    """Serves each asked lane with one GET at a time, ``workers`` lanes at once, and begins no more
    than one GET in ``pace_ms``: an outage of ten thousand open updates must not become a storm."""

    def __init__(
        self,
        engine: Engine,
        upstream: Upstream,
        new_request_id: Callable[[], str],
        *,
        workers: int = 8,
        pace_ms: int = 10,
    ) -> None:
        self._engine = engine
        self._upstream = upstream
        self._new_request_id = new_request_id
        self._workers = workers
        self._pace_s = pace_ms / 1000
        self._asked: asyncio.Queue[CvCode] = asyncio.Queue()
        self._waiting: set[CvCode] = set()

    def ask(self, code: CvCode) -> None:
        """Read this record soon. Asking again before it began changes nothing."""
        if code not in self._waiting:
            self._waiting.add(code)
            self._asked.put_nowait(code)

    @property
    def backlog(self) -> int:
        """Lanes that wait for a reading."""
        return len(self._waiting)

    async def run(self) -> None:
        """Serve until cancelled."""
        pace = asyncio.Lock()
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._work(pace))

    async def _work(self, pace: asyncio.Lock) -> None:
        while True:
            code = await self._asked.get()
            async with pace:
                await asyncio.sleep(self._pace_s)
            self._waiting.discard(code)
            await self._read(code)

    async def _read(self, code: CvCode) -> None:
        reading = await self._upstream.read_record(code, request_id=self._new_request_id())
        await self._engine.give(
            code,
            lambda m: RecordRead(
                at_ms=m.at_ms,
                hearing=m.hearing,
                events_pending=m.events_pending,
                reading=reading,
            ),
        )
