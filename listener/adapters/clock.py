"""The system's clock."""

from __future__ import annotations

import time

from listener.core.names import Millis


class SystemClock:
    """Wall time at the start of the run, plus what the monotonic clock has measured since: a step
    of the wall clock within a run moves no deadline."""

    def __init__(self) -> None:
        self._wall_ms = time.time_ns() // 1_000_000
        self._start_ns = time.monotonic_ns()

    def now_ms(self) -> Millis:
        """As the port says."""
        return Millis(self._wall_ms + (time.monotonic_ns() - self._start_ns) // 1_000_000)
