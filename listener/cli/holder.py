"""Who holds the journal of a state folder: looked at, never disturbed."""

from __future__ import annotations

import os
from pathlib import Path


def holder(state_dir: Path) -> int | None:
    """The daemon's process id, without asking for its lock: asked for, it could be missed by a
    daemon that starts in this moment. None where none runs."""
    lock = state_dir / "journal.db.lock"
    try:
        inode, pid = lock.stat().st_ino, int(lock.read_text("ascii").strip())
    except (FileNotFoundError, ValueError):
        return None
    try:
        held = Path("/proc/locks").read_text("ascii").splitlines()
    except OSError:
        return pid if _alive(pid) else None
    # Of each line the second word is the kind, the third from the end device and inode.
    fields = [line.split() for line in held]
    return pid if any(f[1] == "FLOCK" and f[-3].endswith(f":{inode}") for f in fields) else None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True
