"""One daemon per journal: an advisory lock on a file beside it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from listener.core.errors import JournalLocked


class FileLock:
    """Held from creation to :meth:`release`; the kernel frees it if the process dies.

    The file stays: deleting it would let two daemons lock two files of one name.
    """

    def __init__(self, path: Path, guarded: Path) -> None:
        """Raises JournalLocked, with the holder's process id if it is known, and OSError."""
        self._fd: int | None = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip()
            self.release()
            who = f"process {holder}" if holder.isdigit() else "another process"
            raise JournalLocked(
                f"expected to be the only daemon on the journal {guarded}, found {who} using it; "
                "stop that one, or give this one another state folder (CV_STATE_DIR)"
            ) from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Idempotent."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)
