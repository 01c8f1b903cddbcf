"""Writes of reactions: what is announced, and which handler has heard of it."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from listener.core.names import Millis, SubmissionId
from listener.ports.reaction import ANNOUNCED


def announce(db: apsw.Connection, reactions: Sequence[tuple[SubmissionId, int]]) -> None:
    """With the commit that they are of."""
    for submission_id, version in reactions:
        db.execute(
            "INSERT OR IGNORE INTO reactions VALUES (?, ?, ?, 0, 0)",
            (submission_id, version, ANNOUNCED),
        )


def give_out(
    db: apsw.Connection,
    announced: Sequence[tuple[SubmissionId, int]],
    handlers: Sequence[str],
    told: bool,
) -> None:
    """As the port says."""
    for this in announced:
        for handler in handlers:
            db.execute(
                "INSERT OR IGNORE INTO reactions SELECT submission_id, version, ?, 0, 0"
                " FROM reactions WHERE submission_id = ? AND version = ? AND handler = ?",
                (handler, *this, ANNOUNCED),
            )
        if told:
            db.execute(
                "DELETE FROM reactions WHERE submission_id = ? AND version = ? AND handler = ?",
                (*this, ANNOUNCED),
            )


def finish_reaction(
    db: apsw.Connection, submission_id: SubmissionId, version: int, handler: str
) -> None:
    """As the port says."""
    db.execute(
        "DELETE FROM reactions WHERE submission_id = ? AND version <= ? AND handler = ?",
        (submission_id, version, handler),
    )


def postpone_reaction(
    db: apsw.Connection, submission_id: SubmissionId, version: int, handler: str, due_ms: Millis
) -> None:
    """As the port says."""
    db.execute(
        "UPDATE reactions SET tries = tries + 1, due_ms = ?"
        " WHERE submission_id = ? AND version = ? AND handler = ?",
        (due_ms, submission_id, version, handler),
    )


def hasten_reactions(db: apsw.Connection, handler: str, now_ms: Millis) -> None:
    """As the port says."""
    db.execute(
        "UPDATE reactions SET due_ms = ? WHERE handler = ? AND due_ms > ?",
        (now_ms, handler, now_ms),
    )
