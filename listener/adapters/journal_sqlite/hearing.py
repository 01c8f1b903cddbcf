"""Writes of the ear: inbox, cursor, sign of life, gaps."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from listener.core.evidence import Gap
from listener.core.names import Millis
from listener.ports.event_source import Resume
from listener.ports.journal import InboxRow


def append_events(db: apsw.Connection, rows: Sequence[InboxRow], resume: Resume | None) -> None:
    """As the port says."""
    db.executemany(
        "INSERT OR IGNORE INTO inbox VALUES (?, ?, ?, ?, ?, ?)",
        [
            (
                row.heard.seq,
                row.heard.heard_ms,
                int(row.heard.replayed),
                row.code,
                row.payload,
                row.disposition,
            )
            for row in rows
        ],
    )
    if resume is not None:
        store_resume(db, resume)


def store_resume(db: apsw.Connection, resume: Resume) -> None:
    """As the port says."""
    db.execute("UPDATE ear SET pid = ?, last_offset = ?", (resume.pid, resume.offset))


def mark_alive(db: apsw.Connection, at_ms: Millis) -> None:
    """As the port says."""
    db.execute("UPDATE ear SET alive_ms = ?", (at_ms,))


def open_gap(db: apsw.Connection, gap: Gap) -> None:
    """As the port says; a gap that has its end already is stored as it is."""
    if db.execute("SELECT 1 FROM gaps WHERE end_ms IS NULL").fetchone() is None:
        db.execute(
            "INSERT INTO gaps (start_ms, end_ms, reason) VALUES (?, ?, ?)",
            (gap.start_ms, gap.end_ms, gap.reason),
        )


def close_gap(db: apsw.Connection, end_ms: Millis, reason: str) -> Gap | None:
    """As the port says."""
    row = db.execute("SELECT id, start_ms FROM gaps WHERE end_ms IS NULL").fetchone()
    if row is None:
        return None
    db.execute("UPDATE gaps SET end_ms = ?, reason = ? WHERE id = ?", (end_ms, reason, row[0]))
    return Gap(Millis(row[1]), end_ms, reason)


def drop_gap(db: apsw.Connection) -> None:
    """As the port says."""
    db.execute("DELETE FROM gaps WHERE end_ms IS NULL")
