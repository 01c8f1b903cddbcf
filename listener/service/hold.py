"""The quiet that the upstream asked for, and the way back from it."""

from __future__ import annotations

from listener.core.names import Millis
from listener.core.view import rfc3339
from listener.ports.clock import Clock
from listener.ports.log import Log

FIRST_MS = 1_000
MOST_MS = 60_000


class Hold:
    """While the quiet lasts nothing is sent. After that one attempt is, to see. Each that is
    answered lets one more go beside it, until as many may as ever do, and it is over; or until
    nothing is left to be sent. Whoever is told to be quiet on the way begins it anew: several times
    in a row for at least twice as long each time, up to ``MOST_MS``.

    All of it is one incident: a line as it begins, and one as it ends.
    """

    def __init__(self, clock: Clock, log: Log, places: int) -> None:
        self._clock = clock
        self._log = log
        self._places = places
        self._began_ms: Millis | None = None
        self._asked = 0
        self._in_vain = 0
        self._served = 0
        self.until_ms = Millis(0)
        """Nothing is sent before."""
        self.turn = 0
        """Grows with each asking: what was let through in an earlier one must ask again."""

    @property
    def open(self) -> bool:
        """Whether it is not over yet."""
        return self._began_ms is not None

    def allows(self, in_flight: int) -> bool:
        """Whether one more attempt may begin beside so many."""
        if self._began_ms is None:
            return True
        return self._clock.now_ms() >= self.until_ms and in_flight <= self._served

    def asked(self, until_ms: Millis, waiting: int, restarted: bool) -> None:
        """The upstream asked for quiet until then, this run or an earlier one; so many wait."""
        now = self._clock.now_ms()
        if self._began_ms is not None and now >= self.until_ms:
            self._in_vain += 1
            until_ms = max(until_ms, Millis(now + min(MOST_MS, FIRST_MS * 2**self._in_vain)))
        self.until_ms = max(self.until_ms, until_ms)
        self.turn += 1
        self._served = 0
        if not restarted:
            self._asked += 1
        if self._began_ms is None:
            self._began_ms = now
            self._log.emit(
                "upstream.held",
                until=rfc3339(self.until_ms),
                waiting=waiting,
                restarted=True if restarted else None,
            )

    def served(self, waiting: int) -> None:
        """An attempt was answered, and no quiet asked for; so many wait."""
        if self._began_ms is None or self._clock.now_ms() < self.until_ms:
            return
        self._in_vain = 0
        self._served += 1
        if self._served >= self._places:
            self._end(waiting)

    def nothing_waits(self) -> None:
        """Nothing is left to be sent, or under way."""
        if self._began_ms is not None and self._clock.now_ms() >= self.until_ms:
            self._end(0)

    def _end(self, waiting: int) -> None:
        lasted_ms = self._clock.now_ms() - (self._began_ms or 0)
        self._log.emit(
            "upstream.released", duration_ms=max(0, lasted_ms), asked=self._asked, waiting=waiting
        )
        self._began_ms, self._asked, self._in_vain = None, 0, 0
