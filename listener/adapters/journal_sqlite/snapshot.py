"""A copy of the journal as it stands at one moment, and what makes an older copy safe to go on with
(decision 15)."""

from __future__ import annotations

import os
from pathlib import Path

import apsw

from listener.adapters.folders import sync_folder
from listener.core.errors import JournalFault
from listener.core.names import Millis, SubmissionId
from listener.ports.journal import PAUSED_NOTE, RESTORED_NOTE

from .faults import journal_fault
from .migrations import APPLICATION_ID, backups
from .notes import set_note
from .reads import files_kept
from .store import BUSY_MS, Pragmas, open_store


def open_snapshot(journal: Path, copy: Path) -> tuple[int, list[SubmissionId]]:
    """Copy ``journal`` to ``copy``, 0600 and fsynced, while others write: how many submissions are
    open in it, and whose files it counts on. Raises JournalFault."""
    try:
        fd = os.open(copy, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _vacuum(journal, copy)
            os.fsync(fd)
        finally:
            os.close(fd)
        db = apsw.Connection(str(copy), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            still_open = db.execute("SELECT count(*) FROM submissions WHERE state <> 'closed'").get
            return int(still_open), files_kept(db)
        finally:
            db.close()
    except apsw.Error as error:
        raise journal_fault(error, journal, "copying") from error


def _vacuum(journal: Path, copy: Path) -> None:
    """A reader's transaction: in WAL mode it holds up no writer. What was forgotten is in no page
    of the copy."""
    db = apsw.Connection(str(journal), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        # Moving the log into the database is the daemon's business alone.
        db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        db.set_busy_timeout(BUSY_MS)
        db.pragma("trusted_schema", False)
        if int(db.pragma("application_id")) != APPLICATION_ID:
            raise JournalFault(
                f"expected a journal of cv-listener at {journal}, found a database of something "
                "else: see CV_STATE_DIR"
            )
        db.execute("VACUUM INTO ?", (str(copy),))
    finally:
        db.close()


def settle_copy(path: Path, taken_ms: Millis, now_ms: Millis) -> None:
    """Make an older copy of the journal, at ``path``, one that nothing is sent from by itself:
    what waited then may have been sent since. Leaves one file. Raises JournalFault."""
    store = open_store(path, Pragmas())
    try:
        db = store.writing
        with db:
            set_note(db, PAUSED_NOTE, str(now_ms))
            set_note(db, RESTORED_NOTE, str(taken_ms))
            # The session may be another's by now, and its offset is old: what was missed since is
            # a gap, and enquired of.
            db.execute("UPDATE ear SET pid = NULL, last_offset = NULL")
            # Above all that was ever given: who follows the events misses none of the new ones, nor
            # does a function that goes by an event's sequence take a new one for one it had.
            db.execute(
                "UPDATE numbers SET value = max(value, ?) WHERE name IN ('facts', 'inbound')",
                (now_ms,),
            )
        store.reading.close()
        db.pragma("journal_mode", "delete")  # no log beside it, that would have to go along
        db.close()
    finally:
        store.lock.release()
    for left in (*backups(path), *path.parent.glob(f"{path.name}.lock")):
        left.unlink()
    sync_folder(path.parent)
