"""A disk that can lose power: a VFS that keeps what was synced apart from what was only written.

What it models: writes that were not synced are lost, kept or torn at sectors, each for itself and
in any order; truncations likewise; the name of a new file, and the deletion of an old one, last
only once their folder was synced. SQLite's unix VFS syncs the folder at the first sync of a journal
or write-ahead log through a handle that might have made it (``UNIXFILE_DIRSYNC`` in os_unix.c), and
at a deletion that asks for it; so does this one.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import apsw

SECTOR = 512
_LOGS = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_SUPER_JOURNAL
_NUMBERS = count()


class PowerLost(apsw.IOError):
    """What every call gets after the cut."""


@dataclass
class _Inode:
    synced: bytearray = field(default_factory=bytearray)
    unsynced: list[tuple[int, bytes | None]] = field(default_factory=list)
    """(offset, data) of writes; (size, None) of truncations."""
    named: bool = False
    """Whether its name would survive."""

    def sync(self) -> None:
        for offset, data in self.unsynced:
            _apply(self.synced, offset, data)
        self.unsynced.clear()

    def after_cut(self, chance: random.Random) -> bytes:
        """What the disk may hold of it."""
        content = bytearray(self.synced)
        for offset, data in self.unsynced:
            if data is None:
                if chance.random() < 0.5:
                    _apply(content, offset, None)
                continue
            fate = chance.choice(("lost", "kept", "torn"))
            for start in range(0, len(data), SECTOR):
                if fate == "kept" or (fate == "torn" and chance.random() < 0.5):
                    _apply(content, offset + start, data[start : start + SECTOR])
        return bytes(content)


class CutDisk(apsw.VFS):
    """Real files in ``folder`` for what SQLite reads back; its own books of what would survive.

    ``cut_at``: the number of the write, truncation, sync or deletion at which the power fails,
    before it has any effect that lasts. None: never. Nothing is really synced: it is fast.
    """

    def __init__(self, folder: Path, seed: int, cut_at: int | None) -> None:
        self.name = f"cut-{next(_NUMBERS)}"
        self.folder = folder
        self.steps = 0
        self.syncs = 0
        self.survivors: dict[str, bytes] | None = None
        self._chance = random.Random(seed)
        self._cut_at = cut_at
        self._inodes: dict[str, _Inode] = {}
        self._deleted: dict[str, bytes] = {}
        """Names whose deletion may be undone, with what they held on disk."""
        super().__init__(self.name, "")

    def excepthook(self, *_: object) -> bool:
        """Where SQLite ignores an error, so do we."""
        return True

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's name
        self.check()
        return _CutFile(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 - SQLite's name
        self.step()
        inode = self._inodes.pop(filename, None)
        if inode is not None and inode.named:
            self._deleted[filename] = inode.after_cut(self._chance)
        if syncdir:
            self.sync_folder()
        super().xDelete(filename, False)

    def inode(self, path: str) -> _Inode:
        """The books of one file, opened when SQLite first opens it."""
        if path not in self._inodes:
            known = Path(path)
            existing = known.read_bytes() if known.exists() else None
            self._inodes[path] = _Inode(bytearray(existing or b""), named=existing is not None)
        return self._inodes[path]

    def sync_folder(self) -> None:
        for inode in self._inodes.values():
            inode.named = True
        self._deleted.clear()

    def check(self) -> None:
        if self.survivors is not None:
            raise PowerLost("the power is off")

    def step(self) -> None:
        """One more operation that changes the disk; raises PowerLost from the cut on."""
        self.check()
        self.steps += 1
        if self.steps == self._cut_at:
            self.cut()
            self.check()

    def cut(self) -> None:
        """The power fails now: decide what the disk holds."""
        if self.survivors is not None:
            return
        survivors = {p: c for p, c in self._deleted.items() if self._chance.random() < 0.5}
        for path, inode in self._inodes.items():
            if inode.named or self._chance.random() < 0.5:
                survivors[path] = inode.after_cut(self._chance)
        self.survivors = {
            Path(path).name: content
            for path, content in survivors.items()
            if not path.endswith("-shm")
        }

    def restore(self, folder: Path) -> None:
        """What survived, in a new folder: the machine is started again."""
        assert self.survivors is not None
        folder.mkdir()
        for name, content in self.survivors.items():
            (folder / name).write_bytes(content)


class _CutFile(apsw.VFSFile):
    def __init__(
        self, disk: CutDisk, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name or ""
        self._disk = disk
        self._inode = disk.inode(path)
        self._syncs_folder = bool(flags[0] & apsw.SQLITE_OPEN_CREATE and flags[0] & _LOGS)
        super().__init__("", name, flags)

    def excepthook(self, *_: object) -> bool:
        """Where SQLite ignores an error, so do we."""
        return True

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802 - SQLite's name
        self._inode.unsynced.append((offset, bytes(data)))
        self._disk.step()
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - SQLite's name
        self._inode.unsynced.append((newsize, None))
        self._disk.step()
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        self._disk.step()
        self._disk.syncs += 1
        self._inode.sync()
        if self._syncs_folder:
            self._syncs_folder = False
            self._disk.sync_folder()


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del content[offset:]
        return
    if len(content) < offset + len(data):
        content.extend(bytes(offset + len(data) - len(content)))
    content[offset : offset + len(data)] = data
