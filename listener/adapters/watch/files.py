"""What lies in the watched folder, and where it goes. All of it blocks: it is for a thread."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import stat
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

    def prepare(self) -> None:
        """Make those below, where they are not. Raises OSError."""
        if not self.folder.is_dir():
            raise FileNotFoundError(f"expected the folder to watch, {self.folder}, found none")
        for shelf in (self.accepted, self.done, self.unresolved, self.refused):
            shelf.mkdir(mode=0o700, exist_ok=True)

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
        path = self._note(found.name)
        note = _read(path)
        if note.get("mark") != list(found.mark) or "id" in note:
            key = f"watch-{secrets.token_hex(16)}"
            note = {"name": found.name, "mark": list(found.mark), "key": key}
            write_private(path, json.dumps(note))
        return str(note["key"])

    def accept(self, name: str, result: Mapping[str, object]) -> None:
        """It is a submission now."""
        write_private(self.accepted / _beside(name), _text(result))
        _move(self.folder / name, self.accepted / name)
        _move(self.folder / (name + SIDECAR), self.accepted / (name + SIDECAR))
        write_private(self._note(name), json.dumps({"name": name, "id": result["id"]}))

    def finish(self, name: str, shelf: Path, result: Mapping[str, object]) -> None:
        """It is closed. Beside what lay there under that name already, not over it."""
        self._put_away(self.accepted, name, shelf, result)
        (self.accepted / _beside(name)).unlink(missing_ok=True)
        self._note(name).unlink(missing_ok=True)

    def refuse(self, name: str, result: Mapping[str, object]) -> None:
        """It never becomes one."""
        self._put_away(self.folder, name, self.refused, result)
        self._note(name).unlink(missing_ok=True)

    def _put_away(self, here: Path, name: str, shelf: Path, result: Mapping[str, object]) -> None:
        free = _free_name(shelf, name)
        write_private(shelf / _beside(free), _text(result))
        _move(here / name, shelf / free)
        _move(here / (name + SIDECAR), shelf / (free + SIDECAR))

    def _note(self, name: str) -> Path:
        """What we remember of a file: by a digest, for a name may be as long as names can be."""
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
        return self.accepted / f".{digest[:32]}{NOTE}"


def _read(note: Path) -> dict[str, Any]:
    try:
        told = json.loads(note.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _beside(name: str) -> str:
    """What the result of a file is called: short enough to be written under another name first."""
    room = NAME_BYTES - len(RESULT) - len(".1234567890.")
    short = name.encode("utf-8", "surrogateescape")[:room].decode("utf-8", "ignore")
    return short + RESULT


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
    stem, dot, ending = name.rpartition(".")
    free, number = name, 1
    while (shelf / free).exists() or (shelf / _beside(free)).exists():
        number += 1
        tail = f" ({number}){dot}{ending}" if dot else f" ({number})"
        kept = (stem if dot else name).encode("utf-8", "surrogateescape")
        free = kept[: NAME_BYTES - len(tail)].decode("utf-8", "ignore") + tail
    return free


def _text(result: Mapping[str, object]) -> str:
    return json.dumps(result, indent=1) + "\n"
