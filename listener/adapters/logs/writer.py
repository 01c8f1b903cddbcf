"""Writing lines without ever making the loop wait."""

from __future__ import annotations

import os
import threading
from collections import deque
from typing import TextIO

from listener.core.catalogue import Level

LOUD = frozenset({Level.WARNING, Level.ERROR, Level.CRITICAL})


class Writer:
    """A bounded queue and one thread that writes to a stream's file descriptor.

    When nobody reads the stream the queue fills: quiet lines (DEBUG, INFO) are dropped first, and
    half of the places are kept for the loud ones. What is dropped is counted. ``put`` never blocks
    and never raises; a broken pipe turns into drops.
    """

    def __init__(self, stream: TextIO, capacity: int = 10_000) -> None:
        self._stream = stream
        self._capacity = capacity
        self._lines: deque[str] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._busy = False
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def put(self, line: str, level: Level) -> bool:
        """Queue one line (without its newline); False if it had to be dropped."""
        limit = self._capacity if level in LOUD else self._capacity // 2
        with self._wake:
            if self._closing or len(self._lines) >= limit:
                self.dropped += 1
                return False
            self._lines.append(line)
            self._wake.notify_all()
            return True

    def flush(self, timeout_s: float = 2.0) -> bool:
        """Wait until all that was put is written; False if that took too long."""
        with self._wake:
            return self._wake.wait_for(lambda: not self._lines and not self._busy, timeout_s)

    def close(self, timeout_s: float = 2.0) -> None:
        """Write what is queued, within the bound, and stop. Idempotent."""
        self.flush(timeout_s)
        with self._wake:
            self._closing = True
            self._wake.notify_all()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._lines or self._closing)
                if not self._lines:
                    return
                batch = "".join(line + "\n" for line in self._lines)
                count = len(self._lines)
                self._lines.clear()
                self._busy = True
            written = self._write(batch)
            with self._wake:
                self._busy = False
                if not written:
                    self.dropped += count
                self._wake.notify_all()

    def _write(self, text: str) -> bool:
        try:
            descriptor = self._stream.fileno()
        except (OSError, ValueError, AttributeError):
            return self._write_stream(text)
        rest = memoryview(text.encode("utf-8", "backslashreplace"))
        try:
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        except OSError:
            return False
        return True

    def _write_stream(self, text: str) -> bool:
        """A stream without a descriptor, as tests use."""
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            return False
        return True
