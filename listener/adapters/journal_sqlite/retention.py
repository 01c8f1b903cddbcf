"""What leaves the journal: files that are gone, what is past retention, what is to be forgotten.

Purging goes in slices, one transaction each, so that it never keeps the writer long.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import apsw

from listener.adapters.folders import sync_folder
from listener.core.names import CvCode, Millis, SubmissionId

from .commits import note_removed_version
from .inbound import forget_inbound
from .listings import drop_refs
from .migrations import backups
from .reads import HIGHEST_SEQ, highest_seq
from .store import BUSY_MS

SLICE = 500


def files_gone(db: apsw.Connection, ids: Sequence[SubmissionId]) -> None:
    """As the port says."""
    db.executemany("UPDATE submissions SET file_gone = 1 WHERE id = ?", [(i,) for i in ids])


_PURGEABLE = "FROM submissions WHERE remembered = 0 AND file_gone = 1 AND closed_ms < ?"


def purgeable(db: apsw.Connection, before: Millis) -> int:
    """As the port says."""
    return int(db.execute(f"SELECT count(*) {_PURGEABLE}", (before,)).get)


def purge_submissions(db: apsw.Connection, before: Millis) -> int:
    """One slice; how many. One whose file is still kept stays until that is gone."""
    note_highest_seq(db)
    rows = db.execute(
        f"SELECT id {_PURGEABLE} ORDER BY closed_ms LIMIT ?",
        (before, SLICE),
    )
    ids = [i for (i,) in rows]
    _delete_submissions(db, ids)
    return len(ids)


def purge_rest(db: apsw.Connection, before: Millis) -> int:
    """One slice of all else that is older; how many rows. A key goes with its submission: while
    that is there, whoever asks with it again is not to send it twice."""
    doomed = (
        ("inbox", "seq", "heard_ms < ? AND disposition IS NOT NULL"),
        ("gaps", "id", "end_ms < ? AND settled_ms IS NOT NULL"),
        ("facts", "id", "code IS NOT NULL AND subjects = 0 AND at_ms < ?"),
    )
    note_highest_seq(db)
    count = 0
    for table, key, condition in doomed:
        db.execute(
            f"DELETE FROM {table} WHERE {key} IN"  # noqa: S608 - names from the table above
            f" (SELECT {key} FROM {table} WHERE {condition} LIMIT {SLICE})",
            (before,),
        )
        count += db.changes()
    return count


def forget(db: apsw.Connection, code: CvCode) -> int:
    """As the port says. ``secure_delete`` is on: what is deleted is overwritten."""
    note_highest_seq(db)
    ids = [i for (i,) in db.execute("SELECT id FROM submissions WHERE code = ?", (code,))]
    _delete_submissions(db, ids)
    version = db.execute("DELETE FROM lanes WHERE code = ? RETURNING version", (code,)).fetchone()
    if version is not None:
        note_removed_version(db, version[0])
    for table in ("claims", "facts", "inbox"):
        db.execute(f"DELETE FROM {table} WHERE code = ?", (code,))  # noqa: S608 - names from above
    forget_inbound(db, code)
    return len(ids)


def note_highest_seq(db: apsw.Connection) -> None:
    """Before rows go: an event that comes later must not get the number of one that came before."""
    db.execute(
        "INSERT INTO numbers VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = max(value, ?2)",
        (HIGHEST_SEQ, highest_seq(db)),
    )


def empty_wal(db: apsw.Connection) -> bool:
    """Move all into the database and cut the write-ahead log, which still holds old pages. False
    where it cannot be cut now, for somebody reads by it: nobody who writes waits for that."""
    db.set_busy_timeout(0)
    try:
        db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except apsw.BusyError:
        return False
    finally:
        db.set_busy_timeout(BUSY_MS)
    return True


def remove_backups(path: Path, older_than_ms: Millis | None) -> int:
    """Delete the copies made before migrations (all, or those older); they hold codes too."""
    doomed = [
        copy
        for copy in backups(path)
        if older_than_ms is None or copy.stat().st_mtime * 1_000 < older_than_ms
    ]
    for copy in doomed:
        copy.unlink(missing_ok=True)
    if doomed:
        sync_folder(path.parent)
    return len(doomed)


def _delete_submissions(db: apsw.Connection, ids: Sequence[str]) -> None:
    """With all that hangs on them. A row of facts goes with the last submission it tells of, and a
    code's refs with its last submission."""
    codes_gone: set[str] = set()
    for submission_id in ids:
        rows = db.execute(
            "DELETE FROM fact_subjects WHERE submission_id = ? RETURNING facts_id",
            (submission_id,),
        ).fetchall()
        for (row,) in rows:
            db.execute("UPDATE facts SET subjects = subjects - 1 WHERE id = ?", (row,))
            db.execute("DELETE FROM facts WHERE id = ? AND subjects = 0", (row,))
        for table in ("reactions", "idempotency", "replies"):
            db.execute(
                f"DELETE FROM {table} WHERE submission_id = ?",  # noqa: S608 - names from above
                (submission_id,),
            )
        gone = db.execute("DELETE FROM submissions WHERE id = ? RETURNING code", (submission_id,))
        codes_gone.update(code for (code,) in gone)
    drop_refs(db, codes_gone)
