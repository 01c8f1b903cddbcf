"""Whole files that no row of the journal speaks of: set aside, not deleted (decision 9)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from listener.core.names import Millis, SubmissionId

from .folders import files_in, make_folder, sync_folder

FOLDER = "orphaned"


class Orphans:
    """A folder in the spool, made when it is first needed. All methods block, save by ``run``.

    ``freed`` is told how many bytes went. How long a file is here stands in its modification time.
    """

    def __init__(self, spool: Path, freed: Callable[[int], None]) -> None:
        self._spool = spool
        self._folder = spool / FOLDER
        self._freed = freed

    def ids(self) -> list[SubmissionId]:
        """Names of the files that are here."""
        return [SubmissionId(entry.name) for entry in files_in(self._folder)]

    def used_bytes(self) -> int:
        """What they take."""
        return sum(entry.stat().st_size for entry in files_in(self._folder))

    def set_aside(self, path: Path) -> None:
        """Move a file of the spool here; :meth:`settle` makes it last."""
        make_folder(self._folder)
        os.utime(path)
        path.replace(self._folder / path.name)

    def bring_back(self, keep: frozenset[SubmissionId]) -> list[SubmissionId]:
        """Move back what the journal speaks of after all."""
        back = [name for name in self.ids() if name in keep and not (self._spool / name).exists()]
        for name in back:
            (self._folder / name).rename(self._spool / name)
        return back

    def settle(self) -> None:
        """Make what was moved last."""
        if self._folder.is_dir():
            sync_folder(self._folder)

    def remove(self, submission_id: SubmissionId) -> None:
        """Delete one. Idempotent."""
        self._unlink(self._folder / submission_id)

    def expire(self, before_ms: Millis) -> int:
        """Delete those that were set aside before; how many."""
        old = [e for e in files_in(self._folder) if e.stat().st_mtime * 1_000 < before_ms]
        for entry in old:
            self._unlink(Path(entry.path))
        return len(old)

    def _unlink(self, path: Path) -> None:
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            return
        self._freed(size)
