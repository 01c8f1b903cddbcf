"""The system calls of whoever writes files by himself, on the disk that forgets."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from .books import Books, Inode

Forgotten = Callable[[str], bool]
"""Whether a sync of this path is one that a planted bug leaves out."""


@dataclass
class _Open:
    inode: Inode
    path: str
    offset: int = 0


class Calls:
    """Stands in for those functions of ``os`` that change a disk, for paths under the books' root;
    all others are passed on. What is synced is synced in the books alone."""

    def __init__(self, books: Books, forgotten: Forgotten) -> None:
        self._books = books
        self._forgotten = forgotten
        self._open: dict[int, _Open] = {}
        self._real: dict[str, Callable[..., Any]] = {
            name: getattr(os, name)
            for name in ("open", "close", "write", "fsync", "mkdir", "rename", "replace", "unlink")
        }

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """While this lasts, ``os`` is ours."""
        with contextlib.ExitStack() as stack:
            for name in self._real:
                stack.enter_context(patch.object(os, name, getattr(self, name)))
            yield

    def open(self, path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        """A new name, where there was none."""
        text = os.fspath(path)
        if not isinstance(text, str) or not self._books.holds(text):
            return int(self._real["open"](path, flags, mode, **more))
        inode = Inode(is_folder=True) if text == self._books.root else self._books.find(text)
        fd = int(self._real["open"](path, flags, mode, **more))
        try:
            self._open[fd] = _Open(inode or self._books.create(text), text)
        except BaseException:
            self._real["close"](fd)
            raise
        return fd

    def close(self, fd: int) -> None:
        """Forgets what it was."""
        self._open.pop(fd, None)
        self._real["close"](fd)

    def write(self, fd: int, data: Any) -> int:
        """At the end of what was written through this handle."""
        ours = self._open.get(fd)
        if ours is not None:
            self._books.write(ours.inode, ours.offset, bytes(data))
            ours.offset += len(data)
        return int(self._real["write"](fd, data))

    def fsync(self, fd: int) -> None:
        """In the books alone."""
        ours = self._open.get(fd)
        if ours is None:
            self._real["fsync"](fd)
        elif self._forgotten(ours.path):
            self._books.step()
        elif ours.inode.is_folder:
            self._books.sync_folder(ours.path)
        else:
            self._books.sync(ours.inode)

    def mkdir(self, path: Any, mode: int = 0o777, **more: Any) -> None:
        """A new name, of a folder."""
        text = os.fspath(path)
        self._real["mkdir"](path, mode, **more)
        if self._books.holds(text):
            self._books.create(text, is_folder=True)

    def rename(self, old: Any, new: Any, **more: Any) -> None:
        """Within the disk."""
        if self._books.holds(os.fspath(old)):
            self._books.rename(os.fspath(old), os.fspath(new))
        self._real["rename"](old, new, **more)

    replace = rename

    def unlink(self, path: Any, **more: Any) -> None:
        """A name less."""
        if self._books.holds(os.fspath(path)):
            self._books.check()
        self._real["unlink"](path, **more)
        if self._books.holds(os.fspath(path)):
            self._books.unlink(os.fspath(path))
