"""Writing lines without ever making the loop wait."""

from __future__ import annotations

import contextlib
import os
import select
import stat
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TextIO

from listener.core.event_spec import Level

LOUD = frozenset({Level.WARNING, Level.ERROR, Level.CRITICAL})
BATCH_BYTES = 64 * 1024
PIPE_BYTES = 4_096
"""What a pipe that is ready takes at once (POSIX's PIPE_BUF); so no write of ours ever hangs."""
LOOK_UP_S = 0.2
"""How often a writer that waits for a reader looks whether it is to end."""
PAUSE_S = 0.02
"""After a stream said that it is ready, and took nothing."""


class Writer:
    """A bounded queue and one thread that writes to a stream's file descriptor.

    Where nobody reads, the queue fills. Then quiet lines (DEBUG, INFO) go first, the newest of them
    before older ones, so that there is one hole; a loud one is dropped only where all that waits is
    loud. What is dropped is counted, and told by ``tell_gap`` as soon as there is a reader again.
    ``put`` never blocks and never raises; a broken pipe turns into drops.
    """

    def __init__(
        self, stream: TextIO, capacity: int = 10_000, capacity_bytes: int = 8 << 20
    ) -> None:
        self._stream = stream
        self._capacity = capacity
        self._capacity_bytes = capacity_bytes
        self._quiet: deque[tuple[int, bytes]] = deque()
        self._loud: deque[tuple[int, bytes]] = deque()
        self._bytes = 0
        self._order = 0
        self._untold = 0
        self._torn = False
        self._busy = False
        self._closing = False
        self._give_up = False
        self._wake = threading.Condition()
        self.dropped = 0
        """Lines dropped since the start."""
        self.done = 0
        """The number of the last line before which all are written or dropped."""
        self.tell_gap: Callable[[int], str] | None = None
        """Makes the line that tells of so many dropped ones. Called by the writer's thread."""
        self.on_progress: Callable[[], None] | None = None
        """Called by the writer's thread whenever ``done`` has grown. It must not raise."""
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def put(self, line: str, level: Level) -> bool:
        """Queue one line (without its newline); False if it had to be dropped."""
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        with self._wake:
            if self._closing or not self._make_room(len(data), level in LOUD):
                self._count_drops(1)
                return False
            self._order += 1
            self._bytes += len(data)
            (self._loud if level in LOUD else self._quiet).append((self._order, data))
            self._wake.notify_all()
            return True

    @property
    def last(self) -> int:
        """The number of the last line that was put."""
        return self._order

    def flush(self, timeout_s: float = 2.0) -> bool:
        """Wait until all that was put is written or dropped; False if that took too long."""
        with self._wake:
            return self._wake.wait_for(
                lambda: not (self._quiet or self._loud or self._busy), timeout_s
            )

    def close(self, timeout_s: float = 2.0) -> None:
        """Write what is queued, within the bound; then drop the rest, and stop. Idempotent."""
        self.flush(timeout_s)
        with self._wake:
            self._closing = self._give_up = True
            self._wake.notify_all()
        self._thread.join(max(timeout_s, 5 * LOOK_UP_S))

    # Under the lock.

    def _make_room(self, size: int, loud: bool) -> bool:
        while self._full(size):
            if not loud or not self._quiet:
                return False
            self._bytes -= len(self._quiet.pop()[1])
            self._count_drops(1)
        return True

    def _full(self, size: int) -> bool:
        return (
            len(self._quiet) + len(self._loud) >= self._capacity
            or self._bytes + size > self._capacity_bytes
        )

    def _count_drops(self, count: int) -> None:
        self.dropped += count
        self._untold += count

    def _next_batch(self) -> bytes:
        """The oldest lines, in order, taken out."""
        batch: list[bytes] = []
        size = 0
        while (self._quiet or self._loud) and size < BATCH_BYTES:
            quiet_first = self._quiet and (not self._loud or self._quiet[0] < self._loud[0])
            _, data = (self._quiet if quiet_first else self._loud).popleft()
            batch.append(data)
            size += len(data)
        self._bytes -= size
        return b"".join(batch)

    # The thread.

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._quiet or self._loud or self._closing)
                batch = self._next_batch()
                if not batch:
                    return
                self._busy = True
            written = self._write(batch)
            with self._wake:
                self._count_drops(batch[written:].count(b"\n"))
                untold = self._untold if written == len(batch) else 0
            if untold:
                self._write_gap(untold)
            with self._wake:
                self._busy = False
                waiting = [queue[0][0] for queue in (self._quiet, self._loud) if queue]
                self.done = min(waiting) - 1 if waiting else self._order
                self._wake.notify_all()
            if self.on_progress is not None:
                self.on_progress()

    def _write_gap(self, count: int) -> None:
        if self.tell_gap is None:
            return
        try:
            line = self.tell_gap(count).encode("utf-8", "backslashreplace") + b"\n"
        except Exception:  # noqa: BLE001 - without this line the others are written all the same
            return
        if self._write(line) == len(line):
            with self._wake:
                self._untold -= count

    def _write(self, data: bytes) -> int:
        """Returns how many bytes were written, up to the first fault."""
        try:
            descriptor = self._stream.fileno()
        except (OSError, ValueError, AttributeError):
            return self._write_stream(data)
        if self._torn:
            # A part of a line was written before the fault: the next begins on its own.
            data = b"\n" + data
        written = 0
        try:
            regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
            while written < len(data):
                if regular:
                    written += os.write(descriptor, data[written:])
                elif not self._ready(descriptor):
                    break
                else:
                    written += self._write_piece(descriptor, data[written : written + PIPE_BYTES])
        except (OSError, ValueError):
            pass
        return self._note_torn(data, written)

    def _write_piece(self, descriptor: int, piece: bytes) -> int:
        try:
            return os.write(descriptor, piece)
        except BlockingIOError:
            # Another process that shares it was faster; or it has room, and not for so much.
            time.sleep(PAUSE_S)
            return 0

    def _note_torn(self, data: bytes, written: int) -> int:
        """How much of what was to be written was, without the newline that ended a torn line."""
        extra = 1 if self._torn else 0
        if written:
            self._torn = not data[:written].endswith(b"\n")
        return max(0, written - extra)

    def _ready(self, descriptor: int) -> bool:
        """Wait until there is room for a piece; False once we are to give up and there is none."""
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        while not poll.poll(0 if self._give_up else LOOK_UP_S * 1_000):
            if self._give_up:
                return False
        return True

    def _write_stream(self, data: bytes) -> int:
        """A stream without a descriptor, as tests use."""
        try:
            self._stream.write(data.decode())
            self._stream.flush()
        except (OSError, ValueError):
            return 0
        return len(data)
