"""Whether the journal's names still lead to the files that are open."""

from __future__ import annotations

import os
from pathlib import Path

from listener.core.errors import JournalDamaged


class Presence:
    """What is written to a file that has lost its name is gone with the process that has it open:
    so it must be asked after each commit, before anybody is told. Costs two ``stat`` calls.

    Made right after the opening. A file that is not there then (a VFS of its own, a write-ahead log
    not begun) is known from when it is first seen.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, tuple[int, int] | None] = {
            str(path): None,
            str(path.with_name(f"{path.name}-wal")): None,
        }
        self.check()

    def check(self) -> None:
        """Raises JournalDamaged if a file was removed or replaced since it was first seen."""
        for name, known in self._known.items():
            found = _identity(name)
            if known is None:
                self._known[name] = found
            elif found != known:
                what = "no file of that name" if found is None else "another file of that name"
                raise JournalDamaged(
                    f"using the journal {self._path}: expected the file that was opened, found "
                    f"{what} ({name.rpartition('/')[2]} was removed or replaced while in use); "
                    "restore it from a backup, then start again; what was accepted since that "
                    "backup must be submitted anew"
                )


def _identity(name: str) -> tuple[int, int] | None:
    try:
        found = os.stat(name)  # noqa: PTH116 - a text, on the way of every commit
    except OSError:
        return None
    return found.st_dev, found.st_ino
