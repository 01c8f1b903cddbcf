"""Folders whose names last: a name is on the disk once the folder that holds it is synced."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def make_folder(folder: Path) -> None:
    """Make it, 0700, and what is missing above it; every new name is synced. Raises OSError.

    A folder that exists keeps its mode.
    """
    missing = []
    here = folder
    while not here.exists():
        missing.append(here)
        here = here.parent
    for path in reversed(missing):
        path.mkdir(mode=0o700 if path == folder else 0o777, exist_ok=True)
        # A parent that we may write and not read: how long the name lasts is its owner's affair.
        with contextlib.suppress(PermissionError):
            sync_folder(path.parent)
    if not folder.is_dir():
        raise NotADirectoryError(20, "not a folder", str(folder))


def sync_folder(folder: Path) -> None:
    """Make new and deleted names in ``folder`` durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def files_in(folder: Path) -> list[os.DirEntry[str]]:
    """Its plain files; none where there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if entry.is_file(follow_symlinks=False)]
    except FileNotFoundError:
        return []
