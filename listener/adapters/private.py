"""Small secrets on disk: a token, a key. Each 0600, whole or not at all, and the one before it."""

from __future__ import annotations

import glob
import os
import time
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Whole or not at all, and never readable by others, not for a moment. One process at a time:
    what another one that died in here left behind is removed."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    for left in path.parent.glob(f".{glob.escape(path.name)}.*"):
        left.unlink(missing_ok=True)
    write_whole(partial, path, text)


def write_whole(partial: Path, path: Path, text: str) -> None:
    """The same by way of ``partial``, which must not be there."""
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def rotate(path: Path, text: str) -> None:
    """``text`` from now on; what ``path`` held becomes the one before, kept beside it."""
    before = path.read_text("utf-8").strip()
    write_private(_before(path), f"{before}\n{time.time():.0f}\n")
    write_private(path, text + "\n")


def kept_before(path: Path, period_s: float) -> tuple[str, float] | None:
    """What ``path`` held before its last rotation, and until when that is known, by the wall's
    clock. None where that time is over, or there is nothing."""
    try:
        text, moment = _before(path).read_text("utf-8").split()
        until = float(moment) + period_s
    except (OSError, ValueError):
        return None
    return (text, until) if time.time() < until else None


def _before(path: Path) -> Path:
    return path.with_name(f"{path.name}.previous")
