"""Time, as the service sees it."""

from __future__ import annotations

from typing import Protocol

from listener.core.names import Millis


class Clock(Protocol):
    """One clock for all decisions. Within a run it never steps: wall time at the start, plus what
    the monotonic clock measured since."""

    def now_ms(self) -> Millis:
        """Milliseconds since the epoch, UTC; never less than at an earlier call."""
        ...
