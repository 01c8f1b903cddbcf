"""What each gap held up, and what became of it: told once nothing that it touched is open."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from listener.core.names import Outcome
from listener.core.view import rfc3339
from listener.ports.clock import Clock
from listener.ports.gaps import GapRow
from listener.ports.journal import Journal
from listener.ports.log import Log

from .reactor import at_once

BATCH = 64
PACE_S = 1.0
LOOK_S = 5.0
"""What makes an account ripe without a close: the end of a gap, an attempt that was not sent."""
MOST_TOLD = 10_000

_FROM_BEST = tuple(Outcome)


class GapBook:
    """Settles the account of every gap that has ended, those of earlier runs too: one line for each
    that touched anything.

    The line comes before the settlement, and ``written`` between them: a crash may repeat a line,
    which says so, and takes none. An outcome that is corrected after the settlement changes neither
    line nor account; the correction has a line of its own. Looks once a second at most.
    """

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        log: Log,
        written: Callable[[], Awaitable[None]] = at_once,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._log = log
        self._written = written
        self._news = asyncio.Event()
        self._perhaps_told: Sequence[GapRow] = ()

    def wake(self) -> None:
        """A submission has closed."""
        self._news.set()

    async def recover(self) -> None:
        """Before anything is decided in this run: what an earlier one may have told already, as it
        told it."""
        self._perhaps_told = await self._journal.ripe_gaps(MOST_TOLD)

    async def run(self) -> None:
        """Tell and settle until cancelled."""
        await self._settle(self._perhaps_told, repeated=True)
        while True:
            self._news.clear()
            while rows := await self._journal.ripe_gaps(BATCH):
                await self._settle(rows)
            await asyncio.sleep(PACE_S)
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._news.wait()
            except TimeoutError:
                pass

    async def _settle(self, rows: Sequence[GapRow], *, repeated: bool = False) -> None:
        touching = [row for row in rows if row.account.touched]
        for row in touching:
            self._tell(row, repeated)
        if touching:
            await self._written()
        if rows:
            await self._journal.settle_gaps(rows, self._clock.now_ms())

    def _tell(self, row: GapRow, repeated: bool) -> None:
        shown = public_gap(row, self._clock.now_ms())
        self._log.emit(
            "gap.settled",
            gap_reason=row.gap.reason,
            since=shown["start_at"],
            until=shown["end_at"],
            duration_ms=shown["duration_ms"],
            touched=shown["touched"],
            became=shown["became"],
            worst=max(row.account.became, key=_FROM_BEST.index).value,
            repeated=True if repeated else None,
        )


def public_gap(row: GapRow, now_ms: int) -> dict[str, Any]:
    """The JSON object that API and CLI show. ``open``: how many of the touched are not closed."""
    gap, account = row.gap, row.account
    end_ms = now_ms if gap.end_ms is None else gap.end_ms
    counts = [(word, account.became.get(word)) for word in _FROM_BEST]
    return {
        "start_at": rfc3339(gap.start_ms),
        "end_at": rfc3339(gap.end_ms),
        "duration_ms": max(0, end_ms - gap.start_ms),
        "reason": gap.reason,
        "touched": account.touched,
        "open": account.open,
        "became": {word.value: count for word, count in counts if count},
        "settled_at": rfc3339(row.settled_ms),
    }
