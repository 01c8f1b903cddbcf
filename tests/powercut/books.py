"""The books of a disk that can lose power: what was synced, apart from what was only written.

What they model: writes that were not synced are lost, kept or torn at sectors, each for itself and
in any order; truncations likewise. A new name, a renamed one and a deletion last only once the
folder was synced; until then each is kept or not, for itself (a rename is never half done). A sync
of a file says nothing of its name.
"""

from __future__ import annotations

import errno
import hashlib
import random
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512


class PowerLost(OSError):
    """What every call gets after the cut."""

    def __init__(self) -> None:
        super().__init__(errno.EIO, "the power is off")


@dataclass(eq=False)
class Inode:
    """One file or folder, whatever its name is."""

    synced: bytearray = field(default_factory=bytearray)
    unsynced: list[tuple[int, bytes | None]] = field(default_factory=list)
    """(offset, data) of writes; (size, None) of truncations."""
    is_folder: bool = False

    def sync(self) -> None:
        """All that was written lasts."""
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


@dataclass(frozen=True)
class _Change:
    """Of the names in ``folders``, not synced yet."""

    folders: frozenset[str]
    gone: str | None
    new: str | None
    inode: Inode

    def apply(self, names: dict[str, Inode]) -> None:
        if self.gone is not None and names.get(self.gone) is self.inode:
            del names[self.gone]
        if self.new is not None:
            names[self.new] = self.inode


class Books:
    """Of all that is under ``root``; what is there now is on the disk.

    ``cut_at``: the number of the change (a write, a truncation, a name, a deletion, a sync) at
    which the power fails, before it has any effect that lasts. None: never.
    """

    def __init__(self, root: Path, seed: int, cut_at: int | None) -> None:
        self.root = str(root)
        self.steps = 0
        self.syncs = 0
        self.survivors: dict[str, bytes | None] | None = None
        """By path from the root, once the power was cut. None: a folder."""
        self._chance = random.Random(seed)
        self._cut_at = cut_at
        self._pending: list[_Change] = []
        self._names: dict[str, Inode] = {}
        for path in sorted(root.rglob("*")):
            content = b"" if path.is_dir() else path.read_bytes()
            self._names[str(path)] = Inode(bytearray(content), is_folder=path.is_dir())
        self._lasting = dict(self._names)

    def holds(self, path: str) -> bool:
        """Whether the path is this disk's."""
        return path == self.root or path.startswith(f"{self.root}/")

    def find(self, path: str) -> Inode | None:
        """What has that name now."""
        return self._names.get(path)

    def create(self, path: str, *, is_folder: bool = False) -> Inode:
        """A new name."""
        self.step()
        inode = self._names[path] = Inode(is_folder=is_folder)
        self._pending.append(_Change(frozenset({_folder(path)}), None, path, inode))
        return inode

    def rename(self, old: str, new: str) -> None:
        """Another name for it."""
        self.step()
        inode = self._names[new] = self._names.pop(old)
        self._pending.append(_Change(frozenset({_folder(old), _folder(new)}), old, new, inode))

    def unlink(self, path: str) -> None:
        """No name for it."""
        self.step()
        inode = self._names.pop(path, None)
        if inode is not None:
            self._pending.append(_Change(frozenset({_folder(path)}), path, None, inode))

    def write(self, inode: Inode, offset: int, data: bytes) -> None:
        """Not synced yet."""
        inode.unsynced.append((offset, data))
        self.step()

    def truncate(self, inode: Inode, size: int) -> None:
        """Not synced yet."""
        inode.unsynced.append((size, None))
        self.step()

    def sync(self, inode: Inode) -> None:
        """Its content lasts."""
        self.step()
        self.syncs += 1
        inode.sync()

    def sync_folder(self, folder: str) -> None:
        """The names in it last, as they are now."""
        self.step()
        self.syncs += 1
        later = []
        for change in self._pending:
            if folder in change.folders:
                change.apply(self._lasting)
            else:
                later.append(change)
        self._pending = later

    def check(self) -> None:
        """Raises PowerLost from the cut on."""
        if self.survivors is not None:
            raise PowerLost

    def step(self) -> None:
        """One more change; raises PowerLost from the cut on."""
        self.check()
        self.steps += 1
        if self.steps == self._cut_at:
            self.cut()
            self.check()

    def cut(self) -> None:
        """The power fails now: decide what the disk holds."""
        if self.survivors is not None:
            return
        names = dict(self._lasting)
        for change in self._pending:
            if self._chance.random() < 0.5:
                change.apply(names)
        found: dict[str, bytes | None] = {}
        for path, inode in sorted(names.items()):
            folder = _folder(path)
            if folder == self.root or folder in names:
                content = None if inode.is_folder else inode.after_cut(self._chance)
                found[path[len(self.root) + 1 :]] = content
        self.survivors = found

    def restore(self, root: Path) -> None:
        """What survived, in a new folder: the machine is started again."""
        assert self.survivors is not None
        root.mkdir()
        for name, content in self.survivors.items():
            path = root / name
            if not path.parent.is_dir():
                continue  # the folder above it is lost
            if content is None:
                path.mkdir(mode=0o700)
            else:
                path.write_bytes(content)

    def digest(self) -> str:
        """Stands for all that survived, and for how it came about."""
        assert self.survivors is not None
        told = sorted((name, content or b"") for name, content in self.survivors.items())
        return hashlib.sha256(repr((self.steps, self.syncs, told)).encode()).hexdigest()


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del content[offset:]
        return
    if len(content) < offset + len(data):
        content.extend(bytes(offset + len(data) - len(content)))
    content[offset : offset + len(data)] = data
