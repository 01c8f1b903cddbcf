"""A VFS that asks a hook before each write and sync: to fail there, to wait there, or to count."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import apsw

_NUMBERS = count()
_BASE = apsw.vfs_names()[0]
"""The platform's own."""


class HookedDisk(apsw.VFS):
    """``hook(operation, file name)`` runs in the journal's thread; what it raises is the disk's
    answer. Operations: ``open``, ``read``, ``write``, ``sync``."""

    def __init__(self, *, default: bool = False) -> None:
        """``default``: SQLite's, for whoever names no other."""
        self.name = f"hooked-{next(_NUMBERS)}"
        self.hook: Callable[[str, str], None] = lambda _operation, _name: None
        super().__init__(self.name, _BASE, makedefault=default)

    def excepthook(self, *_: object) -> bool:
        """Where SQLite ignores an error, so do we."""
        return True

    def xOpen(  # noqa: N802 - SQLite's name
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> apsw.VFSFile:
        self.hook("open", _text(name))
        return _HookedFile(self, name, flags)


class _HookedFile(apsw.VFSFile):
    def __init__(
        self, disk: HookedDisk, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        self._disk = disk
        self._name = _text(name)
        super().__init__(_BASE, name, flags)

    def excepthook(self, *_: object) -> bool:
        """Where SQLite ignores an error, so do we."""
        return True

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802 - SQLite's name
        self._disk.hook("read", self._name)
        return super().xRead(amount, offset)

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802 - SQLite's name
        self._disk.hook("write", self._name)
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        self._disk.hook("sync", self._name)
        super().xSync(flags)


def _text(name: str | apsw.URIFilename | None) -> str:
    return name.filename() if isinstance(name, apsw.URIFilename) else name or ""
