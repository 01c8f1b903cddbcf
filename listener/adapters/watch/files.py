"""What lies in the watched folder, as it is found there. All of it blocks: it is for a thread."""

from __future__ import annotations

import codecs
import errno
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

from listener.core.errors import InvalidCode
from listener.core.names import CvCode
from listener.core.wire import MAX_TEXT_BYTES, check_code, code_in

from .names import SIDECAR, fits, is_a_cv

TAIL_BYTES = 66_000
"""A ZIP's end is found within so many bytes of its own; a PDF's much sooner."""

NETWORK = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "9p", "ceph", "glusterfs", "lustre"),
        *("fuse.sshfs", "fuse.s3fs", "fuse.rclone", "fuse.glusterfs", "fuse.gcsfuse", "davfs"),
    }
)
"""File systems that another machine can write to without this one's kernel knowing."""

Mark = tuple[int, int]
"""Bytes, and nanoseconds of the last write: another one is another file, or was written to. Moving
it changes neither; what else tells files apart, some network's file system changes."""


def mark_of(status: os.stat_result) -> Mark:
    """Of what ``os.stat`` says. What is no plain file has no content to be marked."""
    if not stat.S_ISREG(status.st_mode):
        return -1, 0
    return status.st_size, status.st_mtime_ns


@dataclass(frozen=True, slots=True)
class Found:
    """One file, as it lay there. ``name`` may be a code: it is shown nowhere. ``code_mark``: of
    what lies beside it as its sidecar, None where there is none. ``code_came_last``: that is not
    older in its place than the file: it may be another one's, that is still to come."""

    name: str = field(repr=False)
    mark: Mark
    code_mark: Mark | None = None
    code_came_last: bool = False

    @property
    def mtime_ns(self) -> int:
        """When it was last written to."""
        return self.mark[1]


class NotAFile(OSError):
    """Expected a plain file, found a link, a folder, a pipe, or the like."""


def waiting(folder: Path) -> list[Found]:
    """The files that are no submissions yet, oldest first. No links, nothing hidden, nothing that
    its name says to be unfinished. Raises OSError."""
    with os.scandir(folder) as entries:
        there = {entry.name: entry for entry in entries}
    found = []
    for name, entry in there.items():
        if not is_a_cv(name):
            continue
        beside = there.get(name + SIDECAR)
        try:
            status = entry.stat(follow_symlinks=False)
            code = None if beside is None else beside.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue  # It went while we looked.
        if stat.S_ISREG(status.st_mode):
            found.append(
                Found(
                    name,
                    mark_of(status),
                    None if code is None else mark_of(code),
                    code is not None and code.st_ctime_ns >= status.st_ctime_ns,
                )
            )
    return sorted(found, key=lambda one: (one.mtime_ns, one.name))


def open_plain(path: Path) -> BinaryIO:
    """To read it; never waits, as for a pipe's other end, and follows no link. Raises NotAFile,
    OSError."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise NotAFile(errno.EINVAL, "expected a plain file, found something else")
    # What it is may have changed since: the open one is asked again.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    stream = os.fdopen(os.open(path, flags), "rb")
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise NotAFile(errno.EINVAL, "expected a plain file, found something else")
    return stream


def code_for(file: Path) -> tuple[CvCode, str]:
    """The code, and what the upstream is told that the file is called.

    What its sidecar says, or else its name without the ending, percent-decoded: then nothing is
    left to call it by. Raises InvalidCode, OSError.
    """
    if fits(file.name + SIDECAR):
        try:
            with open_plain(file.with_name(file.name + SIDECAR)) as sidecar:
                told = sidecar.read(MAX_TEXT_BYTES + len(codecs.BOM_UTF8) + 1)
        except FileNotFoundError:
            pass
        except NotAFile:
            raise InvalidCode(
                "not_a_file",
                "expected the code in a plain file beside the CV, NAME.code, found a link, a folder"
                " or the like: write the code itself there",
            ) from None
        else:
            # Some editors begin every text with it; no code that is written here does.
            return code_in(told.removeprefix(codecs.BOM_UTF8)), file.name
    stem, dot, ending = file.name.rpartition(".")
    whole_name = stem if dot and ending.lower() in ("pdf", "docx") else file.name
    try:
        return check_code(unquote(whole_name, errors="strict")), ""
    except UnicodeDecodeError:
        raise InvalidCode(
            "not_text",
            "expected the file's name to be a percent-encoded code, found other"
            " bytes: name it so, or put the code beside it in NAME.code",
        ) from None


def whole(path: Path) -> bool:
    """Whether its end is there: what every PDF and every ZIP has near its last byte. A file that is
    still being copied has none; one that is something else has none either. Raises OSError."""
    with open_plain(path) as stream:
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
