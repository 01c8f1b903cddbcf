"""After a gap: the lanes whose event it may have swallowed are told that it is over."""

from __future__ import annotations

import asyncio

from listener.core.inputs import GapEnded
from listener.core.names import CvCode

from .engine import Engine
from .fan_out import for_each

AT_ONCE = 32


class Aftermath:
    """Rule 10, beside the ear: what is heard meanwhile does not wait until all lanes were told.
    What a process that died still owed is told by the next, as soon as it listens."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ended = asyncio.Event()

    def gap_ended(self) -> None:
        """Tell all whom it concerns, soon. While a round is under way, another follows."""
        self._ended.set()

    async def run(self) -> None:
        """Make rounds until cancelled."""
        while True:
            await self._ended.wait()
            self._ended.clear()
            await for_each(self._engine.watched(), AT_ONCE, self._tell)

    async def _tell(self, code: CvCode) -> None:
        await self._engine.give(
            code,
            lambda m: GapEnded(at_ms=m.at_ms, hearing=m.hearing, events_pending=m.events_pending),
        )
