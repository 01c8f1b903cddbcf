"""The folders below the watched one, and how a file comes from one to the next: by renaming, each
step noted before it is taken, so that whoever comes after a crash can finish it. All of it blocks:
it is for a thread."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from listener.adapters.folders import sync_folder
from listener.adapters.private import write_whole
from listener.core.names import CvCode

from .files import Found, Mark, NotAFile, mark_of, open_plain
from .names import SIDECAR, fits, free_name, result_of

CLAIM = ".claim"
NOTE = ".note"
NEW = ".new"
LOCK = ".lock"


class FolderHeld(OSError):
    """Another process takes what lies in this folder."""


@dataclass(slots=True)
class Claim:
    """A file that is ours alone: it was renamed, with its code, into a folder of its own.

    ``name``: what it was called; it may be a code. ``since_ms``: since when by the wall's clock.
    ``id``: of the submission that it became, ``journal`` the one that knows it. ``taken``: what it
    is called in ``accepted``. ``to``: (shelf, name) it is on its way to, with its ``result``.
    ``code``: its own, once that is read, and what the upstream is told it is ``called``.
    """

    place: Path = field(repr=False)
    name: str = field(repr=False)
    mark: Mark
    since_ms: int
    id: str | None = None
    journal: str = ""
    taken: str | None = field(default=None, repr=False)
    to: tuple[str, str] | None = field(default=None, repr=False)
    result: Mapping[str, Any] | None = field(default=None, repr=False)
    code: CvCode | None = field(default=None, repr=False)
    called: str = field(default="", repr=False)

    @property
    def key(self) -> str:
        """The idempotency key: however often it is submitted, it is one submission."""
        return f"watch-{self.place.name.strip('.').removesuffix(CLAIM)}"

    @property
    def file(self) -> Path:
        """Where it lies while it is no submission yet; its code beside it."""
        return self.place / self.name

    @property
    def order(self) -> tuple[int, str]:
        """The oldest first."""
        return self.mark[1], self.name


class Shelves:
    """The folder and those below it: ``accepted`` while a submission is open, then ``done``,
    ``unresolved``, or ``refused`` where it never became one. ``journal``: which one ours is."""

    def __init__(self, folder: Path, journal: str = "") -> None:
        self.folder = folder
        self.accepted = folder / "accepted"
        self.done = folder / "done"
        self.unresolved = folder / "unresolved"
        self.refused = folder / "refused"
        self.open: dict[str, Claim] = {}
        """What is in ``accepted``, by the submission's id."""
        self.replaced = 0
        """How many had to make way for a newer one of their name, and lie in ``refused``."""
        self._journal = journal
        self._names: set[str] = set()
        """What those are called."""
        self._lock: int | None = None
        self._naming = threading.Lock()
        """Several threads put away, and none may take the name that another has found free."""

    def prepare(self) -> list[Claim]:
        """Make those below, where they are not; be the only process here until ``release``; and
        finish what a crash cut short. Those that are claimed and no submissions yet, as far as is
        known, oldest first. Raises OSError, FolderHeld."""
        if not self.folder.is_dir():
            raise FileNotFoundError(f"expected the folder to watch, {self.folder}, found none")
        self._make()
        self._hold()
        claims = []
        with self._naming:
            self.open.clear()
            self._names.clear()
            for place in sorted(self.accepted.glob(f".*{CLAIM}")):
                claim = self._taken_up(place)
                if claim is not None:
                    claims.append(claim)
        return sorted(claims, key=lambda claim: claim.order)

    def release(self) -> None:
        """Another process may have it."""
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    def _make(self) -> None:
        for shelf in (self.accepted, self.done, self.unresolved, self.refused):
            shelf.mkdir(mode=0o700, exist_ok=True)

    def _hold(self) -> None:
        if self._lock is not None:
            return
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        lock = os.open(self.accepted / LOCK, flags, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise FolderHeld(f"expected {self.folder} for ourselves, found it watched") from None
        except OSError:
            os.close(lock)  # A file system without locks: whose it is, is its owner's to see to.
            return
        self._lock = lock

    def _taken_up(self, place: Path) -> Claim | None:
        """What an earlier life left in there, as far as it came; None where nothing is to be
        submitted of it."""
        claim = _noted(place)
        if claim is None:
            # It was never submitted: that comes after the note.
            self._put_back(place, _name_in(place))
        elif claim.to is not None:
            self._arrive(claim)
        elif os.path.lexists(claim.file):
            claim.mark = mark_of(claim.file.lstat())
            return claim
        else:
            self._put_back(place, claim.name)  # Somebody took it away.
        return None

    def claim(self, found: Found) -> Claim | None:
        """Take it, with its code, out of the folder: whatever comes under that name next is another
        file, and is left there. None, and all is where it was, if it is no longer what was found.
        Raises OSError, the same then."""
        self._try(found)
        self._make()
        place = self.accepted / f".{secrets.token_hex(16)}{CLAIM}"
        place.mkdir(mode=0o700)
        claim = Claim(place, found.name, found.mark, time.time_ns() // 1_000_000)
        try:
            # The code first: a newer one belongs to a newer file.
            code_mark = _taken(self.folder, place, found.name + SIDECAR)
            mark = _taken(self.folder, place, found.name)
            if (mark, code_mark) == (found.mark, found.code_mark):
                # Renamed for good, before anything is sent.
                _note(claim)
                sync_folder(place)
                sync_folder(self.accepted)
                return claim
        except BaseException:
            self.put_back(claim)
            raise
        self.put_back(claim)
        return None

    def _try(self, found: Found) -> None:
        """What cannot be read stays where it is. Raises OSError."""
        open_plain(self.folder / found.name).close()
        if found.code_mark is not None:
            with contextlib.suppress(NotAFile):
                open_plain(self.folder / (found.name + SIDECAR)).close()

    def put_back(self, claim: Claim) -> None:
        """It is no submission, and is to be looked at anew. Where something newer lies under its
        name, it is refused."""
        with self._naming:
            self._put_back(claim.place, claim.name)

    def _put_back(self, place: Path, name: str | None) -> None:
        belong = (place / NOTE).exists()
        (place / NOTE).unlink(missing_ok=True)
        if name is not None:
            back = _moved(place / name, self.folder / name)
            if not back:
                told = "expected its place in the folder free, found a newer file there"
                free = free_name(self.refused, name)
                _write(place, self.refused / result_of(free), _text(_refusal("replaced", told)))
                _moved(place / name, self.refused / free)
                self.replaced += 1
            # Newer in its place than the file, and so looked at with care. Where they were not
            # found to belong together, it may be the newer file's.
            code = name + SIDECAR
            if not ((back or not belong) and _moved(place / code, self.folder / code)):
                _moved(place / code, self.refused / free_name(self.refused, code))
        _remove(place)

    def accept(self, claim: Claim, submission_id: str, result: Mapping[str, Any]) -> None:
        """It is a submission now. Beside what is open under that name already, not over it. Cut
        short anywhere, the same again or ``prepare`` finishes it."""
        with self._naming:
            if claim.to is None:
                claim.id, claim.journal = submission_id, self._journal
                claim.taken = free_name(self.accepted, claim.name, self._names)
                self._send(claim, self.accepted, claim.taken, result)
            self._arrive(claim)

    def finish(self, claim: Claim, shelf: Path, result: Mapping[str, Any]) -> None:
        """It is closed. Beside what lay there under that name already, not over it."""
        with self._naming:
            if claim.to is None or claim.to[0] == self.accepted.name:
                self._send(claim, shelf, free_name(shelf, claim.taken or claim.name), result)
            self._arrive(claim)

    def refuse(self, claim: Claim, reason: str, detail: str) -> None:
        """It never becomes one."""
        self.finish(claim, self.refused, _refusal(reason, detail))

    def _send(self, claim: Claim, shelf: Path, name: str, result: Mapping[str, Any]) -> None:
        """Note where it goes. It has that name: all this is done by one at a time."""
        before = claim.to, claim.result
        claim.to, claim.result = (shelf.name, name), dict(result)
        try:
            _note(claim)
        except BaseException:
            claim.to, claim.result = before
            raise

    def _arrive(self, claim: Claim) -> None:
        """Do what is noted, as far as it is not done."""
        assert claim.to is not None  # noqa: S101 - noted before, by all who come here
        shelf, name = self.folder / claim.to[0], claim.to[1]
        shelf.mkdir(mode=0o700, exist_ok=True)
        if not (shelf / result_of(name)).exists():
            _write(claim.place, shelf / result_of(name), _text(claim.result or {}))
        closed = shelf != self.accepted
        sources = [claim.file]
        if closed and claim.taken is not None:
            sources.append(self.accepted / claim.taken)
        if not closed and claim.id is not None:
            self.open[claim.id] = claim
            self._names.add(name)
        for source in sources:
            for ending in ("", SIDECAR):
                there = source.with_name(source.name + ending)
                if not _moved(there, shelf / (name + ending)) and closed:
                    # Somebody else's lies there.
                    _moved(there, shelf / free_name(shelf, name + ending))
        if closed:
            if claim.taken is not None:
                (self.accepted / result_of(claim.taken)).unlink(missing_ok=True)
            _remove(claim.place)
            self.open.pop(claim.id or "", None)
            self._names.discard(claim.taken or "")


def _taken(folder: Path, place: Path, name: str) -> Mark | None:
    """What was renamed into its place; None where there was nothing."""
    if not fits(name):
        return None
    try:
        (folder / name).rename(place / name)
    except FileNotFoundError:
        return None
    return mark_of((place / name).lstat())


def _moved(source: Path, target: Path) -> bool:
    """Whether it is not at its source any more: never over what lies at its target. Nothing to do
    where it moved before."""
    if not fits(source.name):
        return True  # There is none.
    try:
        # A link cannot come to lie over anything; but not everything can be linked.
        os.link(source, target, follow_symlinks=False)
    except FileNotFoundError:
        return not os.path.lexists(source)
    except FileExistsError:
        with contextlib.suppress(OSError):
            if source.samefile(target):  # A crash between the two steps.
                source.unlink()
                return True
        return False
    except OSError:
        if os.path.lexists(target):
            return False
        source.rename(target)
        return True
    source.unlink()
    return True


def _remove(place: Path) -> None:
    """A claim's place, once all that lay in it has moved. Raises OSError, and all is as it was,
    where something has not."""
    if any(path.name not in (NOTE, NEW) for path in place.iterdir()):
        raise OSError(errno.ENOTEMPTY, "expected a claim's folder to be empty, found a file in it")
    for name in (NEW, NOTE):
        (place / name).unlink(missing_ok=True)
    place.rmdir()


def _name_in(place: Path) -> str | None:
    """Of the file that lies in a claim's place, or of that whose sidecar alone does."""
    names = sorted(path.name for path in place.iterdir() if not path.name.startswith("."))
    files = [name for name in names if not name.endswith(SIDECAR)]
    return next(iter(files), None) or next((n.removesuffix(SIDECAR) for n in names), None)


def _note(claim: Claim) -> None:
    told = {
        "name": claim.name,
        "mark": claim.mark,
        "since_ms": claim.since_ms,
        "id": claim.id,
        "journal": claim.journal,
        "taken": claim.taken,
        "to": claim.to,
        "result": claim.result,
    }
    _write(claim.place, claim.place / NOTE, json.dumps(told))


def _noted(place: Path) -> Claim | None:
    """What is noted of it; None where it never was."""
    try:
        told = json.loads((place / NOTE).read_text("utf-8"))
        (size, mtime_ns), to = told.pop("mark"), told.pop("to")
        return Claim(place, mark=(size, mtime_ns), to=to and (to[0], to[1]), **told)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _write(place: Path, target: Path, text: str) -> None:
    """Whole or not at all, and for its owner alone. It is made in a claim's own place: nobody else
    writes there, and there is little to look through."""
    partial = place / NEW
    partial.unlink(missing_ok=True)
    write_whole(partial, target, text)


def _refusal(reason: str, detail: str) -> dict[str, Any]:
    return {"refused": reason, "detail": detail}


def _text(result: Mapping[str, Any]) -> str:
    return json.dumps(result, indent=1) + "\n"
