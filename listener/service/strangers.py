"""Events of codes that nothing here was ever of: whoever listens beside other clients hears little
else, and has to see that we hear."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from listener.core.names import CvCode, Disposition, Millis
from listener.ports.clock import Clock
from listener.ports.journal import InboxRow
from listener.ports.log import Log

SOME = 10
"""Lines within a minute; beyond them they are counted."""
A_WHILE_MS = 60_000


REMEMBERED = 10_000
"""Codes of which it is known when they were last heard; the oldest go first."""


class LastHeard:
    """When an event of a code that was nobody's here was last heard, for ``kept_ms``: an update of
    ours that is sent soon after is not the only one. In memory alone, and shown nowhere."""

    def __init__(self, kept_ms: int) -> None:
        self._kept_ms = kept_ms
        self._heard: OrderedDict[CvCode, Millis] = OrderedDict()

    def note(self, code: CvCode, at_ms: Millis) -> None:
        """One was heard."""
        self._heard[code] = max(at_ms, self._heard.pop(code, at_ms))
        oldest = next(iter(self._heard.values()))
        while len(self._heard) > REMEMBERED or oldest < at_ms - self._kept_ms:
            self._heard.popitem(last=False)
            oldest = next(iter(self._heard.values()))

    def of(self, code: CvCode) -> Millis | None:
        """When, if that is remembered."""
        return self._heard.get(code)

    def forget(self, code: CvCode) -> None:
        """None was ever heard."""
        self._heard.pop(code, None)


class Strangers:
    """Counts them, and tells of some: there may be many thousands in a second, of which each costs
    no more than a look. ``tells_each``: whether each is to have its line none the less."""

    def __init__(self, clock: Clock, log: Log, tells_each: Callable[[], bool]) -> None:
        self._clock = clock
        self._log = log
        self._tells_each = tells_each
        self._begun_ms: Millis | None = None
        self._told = 0
        self._untold = 0
        self.count = 0
        """Since the start."""

    def take(self, rows: Sequence[InboxRow]) -> None:
        """Some rows are on disk: those of strangers among them are counted, and told."""
        now = self._clock.now_ms()
        if self._begun_ms is None or not 0 <= now - self._begun_ms <= A_WHILE_MS:
            self._begun_ms, self._told = now, 0
        each = self._tells_each()
        for row in rows:
            if row.disposition is not Disposition.FOREIGN:
                continue
            self.count += 1
            if each or self._told < SOME:
                self._tell(row)
            else:
                self._untold += 1

    def _tell(self, row: InboxRow) -> None:
        untold, self._untold = self._untold, 0
        self._told += 1
        self._log.emit(
            "event.unmatched",
            cv_ref=None if row.code is None else self._log.ref(row.code),
            seq=row.heard.seq,
            disposition=row.disposition,
            replayed=row.heard.replayed,
            suppressed=untold or None,
        )
