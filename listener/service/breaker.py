"""The circuit breaker towards the upstream: after failures in a row, a pause, then one probe."""

from __future__ import annotations

import asyncio
from typing import Literal

from listener.core.evidence import Reading
from listener.core.names import BreakerState

Change = Literal["opened", "closed"]

ANSWERS = frozenset(
    {"not_found", "status_error", "unreadable_reply", "other_record", "unreadable_age"}
)
"""What a reading that says nothing may still be: an answer."""


def served(reading: Reading) -> bool:
    """Any answer but a server's error, or its asking for quiet, is a sign of life."""
    return reading.known or reading.detail in ANSWERS or reading.detail.startswith("http_4")


class Breaker:
    """Closed: all may pass. Open: none, for ``open_ms``. Then half-open: one probe at a time. Each
    probe that fails doubles the pause, up to ``most_ms`` (None: it does not grow)."""

    def __init__(
        self, failures: int = 5, open_ms: int = 30_000, most_ms: int | None = None
    ) -> None:
        self._limit = failures
        self._open_ms = open_ms
        self._most_ms = open_ms if most_ms is None else most_ms
        self._pause_ms = open_ms
        self._failures = 0
        self._open_until_ms: int | None = None
        self._probe: object | None = None
        self._probed = asyncio.Event()
        self._opened_ms = 0
        self.lasted_ms = 0
        """Of the last time that it was open: from the failure that opened it to what closed it."""
        self.failed = 0
        """Failures in a row until then, those that opened it included."""
        self.why = ""
        """The last failure, in a stable word."""

    def allows(self, now_ms: int) -> bool:
        """Whether one more attempt may begin now."""
        if self._open_until_ms is None:
            return True
        return now_ms >= self._open_until_ms and self._probe is None

    def lets(self, attempt: object, now_ms: int) -> bool:
        """Whether an attempt that was allowed may still go on: open, as its probe alone."""
        if self._open_until_ms is None:
            return True
        return now_ms >= self._open_until_ms and attempt is self._probe

    def state(self, now_ms: int) -> BreakerState:
        """How it stands."""
        if self._open_until_ms is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if now_ms < self._open_until_ms else BreakerState.HALF_OPEN

    def opens_in_ms(self, now_ms: int) -> int:
        """How long until a probe may go; 0 when it may, or when none is needed."""
        return 0 if self._open_until_ms is None else max(0, self._open_until_ms - now_ms)

    def began(self) -> object:
        """An attempt begins; half-open, it is the probe. What is returned names it afterwards."""
        attempt = object()
        if self._open_until_ms is not None:
            self._probe = attempt
            self._probed.clear()
        return attempt

    def record(self, served: bool, now_ms: int, why: str = "") -> Change | None:
        """An attempt ended; says whether the breaker opened or closed by it. ``why``: it failed."""
        if served:
            failed, self._failures = self._failures, 0
            was_open, self._open_until_ms = self._open_until_ms, None
            if was_open is None:
                return None
            self.lasted_ms, self.failed = max(0, now_ms - self._opened_ms), failed
            return "closed"
        self._failures += 1
        self.why = why
        if self._failures < self._limit:
            return None
        was_open = self._open_until_ms
        if was_open is None:
            self._pause_ms, self._opened_ms = self._open_ms, now_ms
        elif now_ms >= was_open:
            self._pause_ms = min(2 * self._pause_ms, self._most_ms)
        self._open_until_ms = now_ms + self._pause_ms
        return "opened" if was_open is None else None

    def gone(self, attempt: object) -> None:
        """An attempt is over, or was not made after all: if it was the probe, the next may go."""
        if attempt is self._probe:
            self._probe = None
            self._probed.set()

    async def wait_probe(self) -> None:
        """Wait until the probe under way has ended."""
        await self._probed.wait()
