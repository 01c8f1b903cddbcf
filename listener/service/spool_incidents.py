"""When the spool refuses: one line as it begins, one as it ends, however many were refused."""

from __future__ import annotations

from listener.core.errors import SpoolFault, SpoolFull
from listener.core.names import Millis
from listener.ports.clock import Clock
from listener.ports.log import Log

QUIET_MS = 30_000
"""So long nothing was refused before it is over: with little room left, small files still fit."""


class SpoolIncidents:
    """Told of every file that was taken, and of every one that was refused for the spool's sake."""

    def __init__(self, clock: Clock, log: Log) -> None:
        self._clock = clock
        self._log = log
        self._full: bool | None = None
        """None where it takes files."""
        self._began_ms = Millis(0)
        self._last_ms = Millis(0)
        self._refused = 0

    @property
    def open(self) -> bool:
        """Whether the last that was heard of the spool is that it refuses."""
        return self._full is not None

    def refused(self, error: SpoolFull | SpoolFault) -> None:
        """A file was not taken."""
        full = isinstance(error, SpoolFull)
        self._last_ms = self._clock.now_ms()
        self._refused += 1
        if self._full is full:
            return
        if self._full is None:
            self._began_ms = self._last_ms
        self._full = full
        told = {"error_type": type(error).__name__, "error": str(error)}
        if full:
            self._log.emit("spool.filled", **told)
        else:
            self._log.emit("spool.failed", **told)

    def taken(self) -> None:
        """A file was taken."""
        now = self._clock.now_ms()
        if self._full is None or now - self._last_ms < QUIET_MS:
            return
        self._log.emit("spool.restored", duration_ms=now - self._began_ms, refused=self._refused)
        self._full, self._refused = None, 0
