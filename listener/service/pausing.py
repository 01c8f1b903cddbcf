"""Whether sending is paused. Kept in the journal: what was stopped by hand stays stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from listener.core.errors import JournalFault
from listener.core.names import Millis
from listener.core.view import rfc3339
from listener.ports.clock import Clock
from listener.ports.journal import PAUSED_NOTE as NOTE
from listener.ports.journal import RESTORED_NOTE, Journal
from listener.ports.log import Log

from .behind import Behind
from .dispatcher import Dispatcher


class Pause:
    """No further attempt begins while paused; those under way end, accepting and listening go on,
    and time does too. Each change is on disk before it is answered."""

    def __init__(
        self,
        journal: Journal,
        dispatcher: Dispatcher,
        clock: Clock,
        log: Log,
        fail: Callable[[JournalFault], None],
    ) -> None:
        self._journal = journal
        self._dispatcher = dispatcher
        self._clock = clock
        self._log = log
        self._behind = Behind(fail)
        self._changing = asyncio.Lock()
        self.since_ms: Millis | None = None

    def for_ms(self) -> int | None:
        """How long it has been paused, None if it is not."""
        return None if self.since_ms is None else max(0, self._clock.now_ms() - self.since_ms)

    def recover(self, notes: Mapping[str, str]) -> None:
        """As an earlier run left it; it is said again, for nothing will be sent."""
        if NOTE in notes and self.since_ms is None:
            self._begin(Millis(int(notes[NOTE])), restarted=True)
        if RESTORED_NOTE in notes:
            self._log.emit("journal.restored", since=rfc3339(Millis(int(notes[RESTORED_NOTE]))))

    async def pause(self) -> None:
        """Begin no further attempt. Idempotent. When it returns, it holds for later runs too."""
        await self._behind.see_through(self._pause())

    async def resume(self) -> None:
        """Let attempts begin again. Idempotent."""
        await self._behind.see_through(self._resume())

    async def _pause(self) -> None:
        async with self._changing:
            if self.since_ms is None:
                now = self._clock.now_ms()
                self._begin(now)
                await self._journal.set_note(NOTE, str(now))

    async def _resume(self) -> None:
        async with self._changing:
            lasted_ms = self.for_ms()
            if lasted_ms is not None:
                await self._journal.set_note(RESTORED_NOTE, None)
                await self._journal.set_note(NOTE, None)
                self.since_ms = None
                self._dispatcher.pause(False)
                waiting = self._dispatcher.backlog
                self._log.emit("sending.resumed", duration_ms=lasted_ms, waiting=waiting)

    def _begin(self, since_ms: Millis, restarted: bool | None = None) -> None:
        self.since_ms = since_ms
        self._dispatcher.pause(True)
        self._log.emit(
            "sending.paused",
            since=rfc3339(since_ms),
            in_flight=self._dispatcher.in_flight,
            restarted=restarted,
        )
