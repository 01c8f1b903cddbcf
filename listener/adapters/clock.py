"""The system's clock."""

from __future__ import annotations

import time
from collections.abc import Callable

from listener.core.names import Millis


class SystemClock:
    """Wall time at the start of the run, plus what the monotonic clock has measured since: a step
    of the wall clock within a run moves no deadline. Both clocks count nanoseconds."""

    def __init__(
        self,
        wall_ns: Callable[[], int] = time.time_ns,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._wall_ms = wall_ns() // 1_000_000
        self._monotonic_ns = monotonic_ns
        self._start_ns = monotonic_ns()

    def now_ms(self) -> Millis:
        """As the port says."""
        return Millis(self._wall_ms + (self._monotonic_ns() - self._start_ns) // 1_000_000)
