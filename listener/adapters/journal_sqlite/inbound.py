"""Events other than ``cv_updated``: kept until each of their functions took them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

import apsw

from listener.core.names import CvCode, Millis
from listener.ports.event_source import Resume
from listener.ports.inbound import BACKLOG_MOST, InboundRow, Placed, Untaken
from listener.ports.journal import InboxRow

from . import hearing
from .commits import number


def append_inbound(
    db: apsw.Connection,
    events: Sequence[InboundRow],
    rows: Sequence[InboxRow],
    resume: Resume | None,
) -> list[Placed]:
    """As the port says."""
    hearing.append_events(db, rows, resume)
    sequence = number(db, "inbound")
    waiting = Counter({handler: _count(db, handler) for row in events for handler in row.handlers})
    placed: list[Placed] = []
    for row in events:
        sequence += 1
        full = tuple(handler for handler in row.handlers if waiting[handler] >= BACKLOG_MOST)
        for handler in row.handlers:
            if handler not in full:
                waiting[handler] += 1
                db.execute(
                    "INSERT INTO inbound (handler, sequence, event, heard_ms, replayed, tries,"
                    " due_ms, payload) VALUES (?, ?, ?, ?, ?, 0, 0, ?)",
                    (handler, sequence, row.event, row.heard_ms, int(row.replayed), row.payload),
                )
        placed.append(Placed(sequence, full))
    db.execute("UPDATE numbers SET value = ? WHERE name = 'inbound'", (sequence,))
    return placed


def _count(db: apsw.Connection, handler: str) -> int:
    return int(db.execute("SELECT count(*) FROM inbound WHERE handler = ?", (handler,)).get)


def first_inbound(db: apsw.Connection, handler: str) -> Untaken | None:
    """As the port says."""
    row = db.execute(
        "SELECT sequence, event, payload, heard_ms, replayed, tries, due_ms FROM inbound"
        " WHERE handler = ? ORDER BY sequence LIMIT 1",
        (handler,),
    ).fetchone()
    if row is None:
        return None
    sequence, event, payload, heard, replayed, tries, due = row
    return Untaken(sequence, event, payload, Millis(heard), bool(replayed), tries, Millis(due))


def finish_inbound(db: apsw.Connection, handler: str, sequence: int) -> None:
    """As the port says. ``secure_delete`` is on: what is deleted is overwritten."""
    db.execute("DELETE FROM inbound WHERE handler = ? AND sequence = ?", (handler, sequence))


def postpone_inbound(db: apsw.Connection, handler: str, sequence: int, due_ms: Millis) -> None:
    """As the port says."""
    db.execute(
        "UPDATE inbound SET tries = tries + 1, due_ms = ? WHERE handler = ? AND sequence = ?",
        (due_ms, handler, sequence),
    )


def hasten_inbound(db: apsw.Connection, handler: str, now_ms: Millis) -> None:
    """As the port says."""
    db.execute(
        "UPDATE inbound SET due_ms = ? WHERE handler = ? AND due_ms > ?", (now_ms, handler, now_ms)
    )


def expire_inbound(db: apsw.Connection, heard_before_ms: Millis) -> dict[tuple[str, str], int]:
    """As the port says."""
    gone = db.execute(
        "DELETE FROM inbound WHERE heard_ms < ? RETURNING handler, event", (heard_before_ms,)
    )
    return dict(Counter((handler, event) for handler, event in gone))


def inbound_waiting(db: apsw.Connection) -> dict[str, int]:
    """As the port says."""
    rows = db.execute("SELECT handler, count(*) FROM inbound GROUP BY handler")
    return {handler: count for handler, count in rows}  # noqa: C416 - a cursor's rows are no pairs


def forget_inbound(db: apsw.Connection, code: CvCode) -> None:
    """What holds the code, in either of JSON's spellings."""
    for spelling in {json.dumps(code, ensure_ascii=only)[1:-1] for only in (False, True)}:
        db.execute("DELETE FROM inbound WHERE instr(payload, ?) > 0", (spelling,))
