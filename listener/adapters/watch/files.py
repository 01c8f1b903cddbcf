"""What lies in the watched folder, and where it goes. All of it blocks: it is for a thread."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import stat
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from listener.adapters.private import write_private
from listener.core.errors import InvalidCode
from listener.core.wire import MAX_TEXT_BYTES, code_in

SIDECAR = ".code"
RESULT = ".result.json"
NOTE = ".note"
KEY = ".key"
NAME_BYTES = 255
UNFINISHED = (".part", ".partial", ".tmp", ".crdownload", ".filepart", ".swp", "~")
"""What programs call a file that they are still writing."""

TAIL_BYTES = 66_000
"""A ZIP's end is found within so many bytes of its own; a PDF's much sooner."""

NETWORK = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "9p", "ceph", "glusterfs", "lustre"),
        *("fuse.sshfs", "fuse.s3fs", "fuse.rclone", "fuse.glusterfs", "fuse.gcsfuse", "davfs"),
    }
)
"""File systems that another machine can write to without this one's kernel knowing."""


@dataclass(frozen=True, slots=True)
class Found:
    """One file, as it lay there. ``name`` may be a code: it is shown nowhere."""

    name: str = field(repr=False)
    size: int
    mtime_ns: int

    @property
    def mark(self) -> tuple[int, int]:
        """Differs when it was written to."""
        return self.size, self.mtime_ns


class Shelves:
    """The folder and those below it: ``accepted`` while a submission is open, then ``done``,
    ``unresolved``, or ``refused`` where it never became one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.accepted = folder / "accepted"
        self.done = folder / "done"
        self.unresolved = folder / "unresolved"
        self.refused = folder / "refused"
        self._naming = threading.Lock()
        """Several threads put away, and none may take the name that another has found free."""

    def prepare(self) -> None:
        """Make those below, where they are not, and finish what a crash cut short. Raises
        OSError."""
        if not self.folder.is_dir():
            raise FileNotFoundError(f"expected the folder to watch, {self.folder}, found none")
        for shelf in (self.accepted, self.done, self.unresolved, self.refused):
            shelf.mkdir(mode=0o700, exist_ok=True)
        with self._naming:
            for path in sorted(self.accepted.glob(f".*{KEY}")):
                note = _read(path)
                if "id" in note and not os.path.lexists(self.folder / str(note["name"])):
                    self._move_in(note)

    def waiting(self) -> list[Found]:
        """The files that are no submissions yet, oldest first. No links, nothing hidden, nothing
        that its name says to be unfinished."""
        found = []
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name.lower().endswith(UNFINISHED):
                    continue
                if entry.name.endswith(SIDECAR):
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # It went while we looked.
                if stat.S_ISREG(status.st_mode):
                    found.append(Found(entry.name, status.st_size, status.st_mtime_ns))
        return sorted(found, key=lambda one: (one.mtime_ns, one.name))

    def open_ones(self) -> Iterator[tuple[str, str]]:
        """(name, submission's id) of what is in ``accepted``."""
        for path in sorted(self.accepted.glob(f".*{NOTE}")):
            note = _read(path)
            if "id" in note:
                yield str(note["name"]), str(note["id"])

    def code_of(self, found: Found) -> tuple[str, str]:
        """The code, and what the upstream is told that the file is called.

        What its sidecar says, or else its name without the ending, percent-decoded: then nothing is
        left to call it by. Raises InvalidCode.
        """
        try:
            if _fits(found.name + SIDECAR):
                with (self.folder / (found.name + SIDECAR)).open("rb") as sidecar:
                    return code_in(sidecar.read(MAX_TEXT_BYTES + 1)), found.name
        except FileNotFoundError:
            pass
        stem, dot, ending = found.name.rpartition(".")
        whole = stem if dot and ending.lower() in ("pdf", "docx") else found.name
        try:
            return unquote(whole, errors="strict"), ""
        except UnicodeDecodeError:
            raise InvalidCode(
                "not_text",
                "expected the file's name to be a percent-encoded code, found other"
                " bytes: name it so, or put the code beside it in NAME.code",
            ) from None

    def key_of(self, found: Found) -> str:
        """The idempotency key of this file: kept from before it is submitted until it has moved, so
        that a crash between the two submits nothing twice."""
        path = self._key(found.name)
        note = _read(path)
        if note.get("mark") != list(found.mark):
            key = f"watch-{secrets.token_hex(16)}"
            note = {"name": found.name, "mark": list(found.mark), "key": key}
            write_private(path, json.dumps(note))
        return str(note["key"])

    def accept(self, name: str, result: Mapping[str, object]) -> None:
        """It is a submission now. Beside what is open under that name already, not over it. Cut
        short anywhere, the same again or ``prepare`` finishes it."""
        with self._naming:
            note = _read(self._key(name))
            if note.get("id") != result["id"]:
                note |= {"name": name, "id": result["id"], "as": _free_name(self.accepted, name)}
                write_private(self._key(name), json.dumps(note))
            write_private(self.accepted / _beside(str(note["as"])), _text(result))
            self._move_in(note)

    def _move_in(self, note: Mapping[str, object]) -> None:
        name, taken = str(note["name"]), str(note["as"])
        _move(self.folder / name, self.accepted / taken)
        _move(self.folder / (name + SIDECAR), self.accepted / (taken + SIDECAR))
        write_private(self._note(taken), json.dumps({"name": taken, "id": note["id"]}))
        self._key(name).unlink(missing_ok=True)

    def finish(self, name: str, shelf: Path, result: Mapping[str, object]) -> None:
        """It is closed. Beside what lay there under that name already, not over it."""
        self._put_away(self.accepted, name, shelf, result)
        (self.accepted / _beside(name)).unlink(missing_ok=True)
        self._note(name).unlink(missing_ok=True)

    def refuse(self, name: str, result: Mapping[str, object]) -> None:
        """It never becomes one."""
        self._put_away(self.folder, name, self.refused, result)
        self._key(name).unlink(missing_ok=True)

    def _put_away(self, here: Path, name: str, shelf: Path, result: Mapping[str, object]) -> None:
        with self._naming:
            free = _free_name(shelf, name)
            write_private(shelf / _beside(free), _text(result))
            _move(here / name, shelf / free)
            _move(here / (name + SIDECAR), shelf / (free + SIDECAR))

    def _note(self, name: str) -> Path:
        """Whose submission a file in ``accepted`` is."""
        return self.accepted / f".{_digest(name)}{NOTE}"

    def _key(self, name: str) -> Path:
        """What we remember of a file that is still in the folder."""
        return self.accepted / f".{_digest(name)}{KEY}"


def _digest(name: str) -> str:
    """Of a name, which may be as long as names can be."""
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _read(note: Path) -> dict[str, Any]:
    try:
        told = json.loads(note.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


ROOM = NAME_BYTES - len(RESULT) - len(".1234567890.")
"""Bytes of a name that its result has room for, being written under another name first."""


LONGEST_ENDING = 8


def _beside(name: str) -> str:
    """What the result of a file is called."""
    return name.encode("utf-8", "surrogateescape")[:ROOM].decode("utf-8", "ignore") + RESULT


def whole(path: Path) -> bool:
    """Whether its end is there: what every PDF and every ZIP has near its last byte. A file that is
    still being copied has none; one that is something else has none either."""
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - TAIL_BYTES))
        tail = stream.read()
    return b"%%EOF" in tail or b"PK\x05\x06" in tail


def on_network(folder: Path) -> bool:
    """Whether another machine may write to it without our being told by the kernel."""
    best, kind = "", ""
    try:
        mounts = Path("/proc/self/mountinfo").read_text("utf-8", "replace")
        here = str(folder.resolve())
    except OSError:
        return False
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        point = left.split()[4] if len(left.split()) > 4 else ""
        inside = here == point or here.startswith(point.rstrip("/") + "/")
        if inside and right and len(point) >= len(best):
            best, kind = point, right.split()[0]
    return kind in NETWORK


def _move(source: Path, target: Path) -> None:
    """Nothing to do where it moved before, or cannot be there."""
    if _fits(source.name) and _fits(target.name):
        with contextlib.suppress(FileNotFoundError):
            source.rename(target)


def _fits(name: str) -> bool:
    return len(name.encode("utf-8", "surrogateescape")) <= NAME_BYTES


def _free_name(shelf: Path, name: str) -> str:
    """Numbered where it is taken; then so short that its result has room for the number, too."""
    stem, dot, ending = name.rpartition(".")
    if not stem or len(ending) > LONGEST_ENDING or not ending.isascii():
        stem, dot, ending = name, "", ""
    free, number = name, 1
    while (shelf / free).exists() or (shelf / _beside(free)).exists():
        number += 1
        tail = f" ({number}){dot}{ending}"
        kept = stem.encode("utf-8", "surrogateescape")[: ROOM - len(tail)]
        free = kept.decode("utf-8", "ignore") + tail
    return free


def _text(result: Mapping[str, object]) -> str:
    return json.dumps(result, indent=1) + "\n"
