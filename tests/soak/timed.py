"""``python -m tests.soak.timed run``: the daemon itself, whose log is held to the clock.

It writes to the file that ``SOAK_SLOWEST`` names how long, in milliseconds, the loop was held up
by one line at the most, as often as that grows.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from listener.__main__ import main
from listener.adapters.logs import StructuredLog

_EMIT = StructuredLog.emit


class _Slowest:
    """Of one life of the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held_ms = float(path.read_text()) if path.exists() else 0.0

    def emit(self, log: StructuredLog, event: str, /, **fields: object) -> None:
        """What the log does, timed."""
        began = time.perf_counter()
        _EMIT(log, event, **fields)
        held_ms = (time.perf_counter() - began) * 1000
        if held_ms > self._held_ms + 0.5:
            self._held_ms = held_ms
            self._path.write_text(f"{held_ms:.1f}")


if __name__ == "__main__":
    slowest = _Slowest(Path(os.environ["SOAK_SLOWEST"]))
    StructuredLog.emit = lambda self, event, /, **fields: slowest.emit(  # type: ignore[method-assign]  # that is what we are for
        self, event, **fields
    )
    sys.exit(main())
