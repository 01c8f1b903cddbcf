"""How late the event loop is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

EVERY_S = 1.0


class LoopLag:
    """Sleeps a second, and sees by how much it was more. ``took`` is told of each time."""

    def __init__(self, took: Callable[[float], None], every_s: float = EVERY_S) -> None:
        self._took = took
        self._every_s = every_s
        self._worst_s = 0.0

    async def run(self) -> None:
        """Look until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._every_s
            await asyncio.sleep(self._every_s)
            late_s = max(0.0, loop.time() - due)
            self._worst_s = max(self._worst_s, late_s)
            self._took(late_s)

    def worst_ms(self) -> int:
        """The longest since this was last asked."""
        worst_s, self._worst_s = self._worst_s, 0.0
        return round(worst_s * 1000)
