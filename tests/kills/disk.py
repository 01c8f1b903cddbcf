"""A VFS that only tells what SQLite does to its files, so that a process can die amid it.

It reports and changes nothing: what was written before a SIGKILL is what the kernel keeps.
"""

from __future__ import annotations

from typing import Any

import apsw

NAME = "told"


def wrote_database() -> None:
    """A page was written into the database itself: a checkpoint is under way."""


def syncing_log() -> None:
    """The write-ahead log holds a transaction that was not synced yet."""


class ToldDisk(apsw.VFS):
    """Registered under NAME as soon as it is made; keep it."""

    def __init__(self) -> None:
        super().__init__(NAME, "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's name
        return _ToldFile(name, flags)


class _ToldFile(apsw.VFSFile):
    def __init__(self, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._database = bool(flags[0] & apsw.SQLITE_OPEN_MAIN_DB)
        self._log = bool(flags[0] & apsw.SQLITE_OPEN_WAL)
        super().__init__("", name, flags)

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802 - SQLite's name
        super().xWrite(data, offset)
        if self._database:
            wrote_database()

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        if self._log:
            syncing_log()
        super().xSync(flags)
