"""Numbered migrations: ``schema/NNNN_*.sql`` takes a journal from version NNNN - 1 to NNNN.

The version is SQLite's ``user_version``; each migration is one transaction. A journal that holds
anything is copied before the first one touches it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import apsw

from listener.adapters.folders import sync_folder
from listener.core.errors import JournalFault, JournalTooNew

APPLICATION_ID = 0x63764C31
"""Marks the file as ours (``PRAGMA application_id``): "cvL1"."""


def migrations() -> dict[int, str]:
    """The SQL of every migration of this version, by number, in order."""
    found = {
        int(entry.name.split("_")[0]): entry.read_text(encoding="utf-8")
        for entry in resources.files(__package__).joinpath("schema").iterdir()
        if entry.name.endswith(".sql")
    }
    return dict(sorted(found.items()))


def migrate(db: apsw.Connection, path: Path, steps: Mapping[int, str]) -> Path | None:
    """Bring the journal up to the newest of ``steps``; the backup copy if one was made.

    Raises JournalTooNew, and JournalFault for a database of something else; both leave it as it
    was, as does any failing step.
    """
    newest = max(steps)
    version = int(db.pragma("user_version"))
    empty = version == 0 and not db.execute("SELECT 1 FROM sqlite_schema LIMIT 1").get
    if not empty and int(db.pragma("application_id")) != APPLICATION_ID:
        raise JournalFault(
            f"expected a journal of cv-listener at {path}, found a database of something else; "
            "point CV_STATE_DIR elsewhere"
        )
    if version > newest:
        raise JournalTooNew(
            f"expected a journal of version {newest} or older at {path}, found version {version}; "
            "run the newer cv-listener that wrote it, or restore the backup it made (beside it)"
        )
    if version == newest:
        return None
    backup = None if empty else _back_up(db, path, version)
    for number, sql in steps.items():
        if number > version:
            _apply(db, number, sql)
    return backup


def backups(path: Path) -> list[Path]:
    """The copies made before migrations. They hold what the journal held then."""
    return sorted(path.parent.glob(f"{path.name}.v*.backup"))


def _apply(db: apsw.Connection, number: int, sql: str) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        db.execute(sql)
        db.pragma("application_id", APPLICATION_ID)
        db.pragma("user_version", number)
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _back_up(db: apsw.Connection, path: Path, version: int) -> Path:
    """A whole copy, fsynced, under its final name only when complete."""
    final = path.with_name(f"{path.name}.v{version}.backup")
    partial = path.with_name(f"{final.name}.partial")
    partial.unlink(missing_ok=True)
    fd = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        db.execute("VACUUM INTO ?", (str(partial),))
        os.fsync(fd)
    finally:
        os.close(fd)
    partial.rename(final)
    sync_folder(final.parent)
    return final
