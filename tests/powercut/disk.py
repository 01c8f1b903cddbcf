"""SQLite on the disk that forgets: a VFS that keeps its books.

SQLite's unix VFS syncs the folder at the first sync of a journal or write-ahead log through a
handle that might have made it (``UNIXFILE_DIRSYNC`` in os_unix.c), and at a deletion that asks for
it; so does this one.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import apsw

from .books import Books, Inode, PowerLost

_LOGS = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_SUPER_JOURNAL
_NUMBERS = count()
_BASE = apsw.vfs_names()[0]
"""The platform's own."""


class CutDisk(apsw.VFS):
    """Real files for what SQLite reads back; books of what would survive. Nothing is really
    synced: it is fast. SQLite's own chance is seeded too (it takes it from the default VFS, once),
    so that a life is the same each time."""

    def __init__(self, books: Books, seed: int) -> None:
        self.name = f"cut-{next(_NUMBERS)}"
        self.books = books
        self._chance = random.Random(f"vfs-{seed}")
        super().__init__(self.name, _BASE, makedefault=True)
        apsw.randomness(0)  # begin anew, with what the default VFS gives

    def excepthook(self, *_: object) -> bool:
        """Where SQLite ignores an error, so do we."""
        return True

    def xRandomness(self, numbytes: int) -> bytes:  # noqa: N802 - SQLite's name
        return self._chance.randbytes(numbytes)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's name
        with _io_error():
            self.books.check()
            return _CutFile(self.books, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 - SQLite's name
        with _io_error():
            self.books.unlink(filename)
            super().xDelete(filename, False)
            if syncdir:
                self.books.sync_folder(str(Path(filename).parent))


class _CutFile(apsw.VFSFile):
    def __init__(self, books: Books, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name or ""
        self._books = books
        self._folder = str(Path(path).parent)
        self._inode = books.find(path) or _new(books, path)
        self._syncs_folder = bool(flags[0] & apsw.SQLITE_OPEN_CREATE and flags[0] & _LOGS)
        super().__init__(_BASE, name, flags)

    def excepthook(self, *_: object) -> bool:
        """Where SQLite ignores an error, so do we."""
        return True

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802 - SQLite's name
        with _io_error():
            self._books.write(self._inode, offset, bytes(data))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - SQLite's name
        with _io_error():
            self._books.truncate(self._inode, newsize)
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        with _io_error():
            self._books.sync(self._inode)
            if self._syncs_folder:
                self._syncs_folder = False
                self._books.sync_folder(self._folder)


def _new(books: Books, path: str) -> Inode:
    """A temporary file, which has no name here, is nobody's to lose."""
    return books.create(path) if books.holds(path) else Inode()


@contextlib.contextmanager
def _io_error() -> Iterator[None]:
    """The power's end, in SQLite's words."""
    try:
        yield
    except PowerLost as error:
        raise apsw.IOError(str(error)) from error
