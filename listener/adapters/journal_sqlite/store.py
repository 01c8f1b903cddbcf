"""Opening the file: folder, lock, modes, pragmas, check, migrations."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import apsw

from listener.adapters.folders import make_folder, sync_folder
from listener.core.errors import JournalDamaged, JournalFault

from .faults import journal_fault
from .lock import FileLock
from .migrations import migrate, migrations

UNSETTLED = "journal.db.restoring"
"""A backup's journal until it is safe to go on with: no daemon begins with it, nor another beside
it."""
BUSY_MS = 10_000
CHECKS = (("quick_check", 5.0), ("integrity_check", 1.0))
"""At open, each with its seconds: the pages first, then whether the indexes say what the tables do.
What was not reached by then is not checked."""


@dataclass(frozen=True, slots=True)
class Pragmas:
    """How the file is written. The defaults are the promise; anything else is for tests."""

    vfs: str | None = None
    synchronous: str = "FULL"
    checkpoint_pages: int = 4_000


@dataclass(frozen=True, slots=True)
class Store:
    """An open journal: two connections to one file, and the lock on it."""

    path: Path
    pragmas: Pragmas
    writing: apsw.Connection
    reading: apsw.Connection
    lock: FileLock


def open_store(path: Path, pragmas: Pragmas, steps: Mapping[int, str] | None = None) -> Store:
    """Blocking. Raises JournalFault, JournalLocked or JournalTooNew, with nothing left open.

    The file and those beside it are 0600. A folder that is missing is made, 0700; one that exists
    keeps its mode, for others may share it.
    """
    try:
        make_folder(path.parent)
        _expect_writable(path.parent)
        lock = FileLock(path.with_name(f"{path.name}.lock"), path)
    except OSError as error:
        raise _file_fault(path, error) from error
    writing: apsw.Connection | None = None
    try:
        _expect_settled(path)
        _make_private(path)
        writing = _connect(path, pragmas)
        _check(writing, path)
        migrate(writing, path, steps or migrations())
        reading = _connect(path, pragmas)
        for db in (writing, reading):
            db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
    except BaseException as error:
        if writing is not None:
            with contextlib.suppress(apsw.Error):  # the first error is the one to tell
                writing.close()
        lock.release()
        if isinstance(error, apsw.Error):
            raise journal_fault(error, path, "opening") from error
        if isinstance(error, OSError):
            raise _file_fault(path, error) from error
        raise
    return Store(path, pragmas, writing, reading, lock)


def _file_fault(path: Path, error: OSError) -> JournalFault:
    return JournalFault(
        f"opening the journal {path}: expected a folder and a file that this user may write, found "
        f"{error.strerror or error}; check the path, its owner and its mode"
    )


def _expect_writable(folder: Path) -> None:
    """SQLite itself would only say that it cannot open a file. Raises OSError."""
    if os.access(folder, os.W_OK | os.X_OK):
        return
    read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
    error = errno.EROFS if read_only else errno.EACCES
    raise OSError(error, os.strerror(error), str(folder))


def _expect_settled(path: Path) -> None:
    """A restore that was cut short is no new beginning. Raises JournalFault."""
    if not path.exists() and path.name != UNSETTLED and path.with_name(UNSETTLED).exists():
        raise JournalFault(
            f"opening the journal {path}: expected one, or an empty folder, found a restore that "
            "was cut short; empty the folder, then: cv-listener restore FILE"
        )


def _make_private(path: Path) -> None:
    """SQLite gives its side files the mode of the database, so the database gets it first."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(fd, 0o600)
    finally:
        os.close(fd)
    sync_folder(path.parent)


def _connect(path: Path, pragmas: Pragmas) -> apsw.Connection:
    db = apsw.Connection(str(path), vfs=pragmas.vfs)
    try:
        # Until it is accepted as ours, not a byte of it is moved.
        db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        db.set_busy_timeout(BUSY_MS)
        db.pragma("trusted_schema", False)
        mode = db.pragma("journal_mode", "wal")
        if mode != "wal":
            raise JournalFault(
                f"opening the journal {path}: expected a file system that can hold SQLite's WAL, "
                f"found journal mode {mode!r}; use a local disk"
            )
        db.pragma("synchronous", pragmas.synchronous)
        db.pragma("secure_delete", True)
        db.pragma("cache_size", -16_000)
        db.pragma("journal_size_limit", 64 << 20)
    except BaseException:
        db.close()
        raise
    return db


def _check(db: apsw.Connection, path: Path) -> None:
    """Bounded in time. Raises JournalDamaged."""
    for name, seconds in CHECKS:
        found, _ = check(db, name, seconds)
        if found != "ok":
            cure = "restore the journal from a backup"
            if "index" in found:
                cure = f"run REINDEX on it (sqlite3 {path.name} REINDEX), or {cure}"
            raise JournalDamaged(
                f"opening the journal {path}: expected a sound database, found damage ({found}); "
                f"stop, keep a copy, check the disk, and {cure}"
            )


def check(db: apsw.Connection, name: str, seconds: float) -> tuple[str, bool]:
    """What it found, "ok" where time ran out, too; and whether all was reached in time."""
    deadline = time.monotonic() + seconds
    db.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
    try:
        return str(db.pragma(name, 1)), True
    except apsw.InterruptError:
        return "ok", False
    finally:
        db.set_progress_handler(None)
