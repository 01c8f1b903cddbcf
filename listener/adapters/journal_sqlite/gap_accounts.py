"""What each gap touched, and what became of it: counted over the submissions, until it is settled.

``submissions_touched`` answers without a look at any row: what is open is found by its beginning,
what is closed by its close, and a gap is asked of soon after its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apsw
import orjson

from listener.core.evidence import Gap
from listener.core.names import Millis, Outcome
from listener.ports.gaps import GapAccount, GapRow

from .codec import decode_word, unreadable

EVER = 1 << 62

_COUNT = """
SELECT outcome, count(*) FROM submissions
  WHERE closed_ms >= :start AND first_sent_ms <= :end GROUP BY outcome
UNION ALL
SELECT NULL, count(*) FROM submissions WHERE closed_ms IS NULL AND first_sent_ms <= :end"""
_RIPE = """
SELECT id, start_ms, end_ms, reason, became, settled_ms FROM gaps
WHERE settled_ms IS NULL AND end_ms IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM submissions WHERE closed_ms IS NULL AND first_sent_ms <= gaps.end_ms
) ORDER BY id LIMIT ?"""
_PAGE = """
SELECT id, start_ms, end_ms, reason, became, settled_ms FROM gaps
WHERE id < ? ORDER BY id DESC LIMIT ?"""


def gap_account(db: apsw.Connection, gap: Gap) -> GapAccount:
    """As the port says."""
    end = EVER if gap.end_ms is None else gap.end_ms
    became, waiting = {}, 0
    for word, count in db.execute(_COUNT, {"start": gap.start_ms, "end": end}):
        if word is None:
            waiting += count
        else:
            became[decode_word(Outcome, word)] = count
    return GapAccount(became, waiting)


def gaps(db: apsw.Connection, before: int | None, limit: int) -> list[GapRow]:
    """As the port says."""
    rows = db.execute(_PAGE, (EVER if before is None else before, limit)).fetchall()
    return [_gap_row(db, row) for row in rows]


def ripe_gaps(db: apsw.Connection, limit: int) -> list[GapRow]:
    """As the port says."""
    return [_gap_row(db, row) for row in db.execute(_RIPE, (limit,)).fetchall()]


def settle_gaps(db: apsw.Connection, rows: Sequence[GapRow], at_ms: Millis) -> None:
    """As the port says."""
    for row in rows:
        became = {outcome.value: count for outcome, count in row.account.became.items()}
        db.execute(
            "UPDATE gaps SET became = ?, settled_ms = ?"
            " WHERE id = ? AND end_ms IS NOT NULL AND settled_ms IS NULL",
            (orjson.dumps(became).decode(), at_ms, row.number),
        )


def _gap_row(db: apsw.Connection, row: tuple[Any, ...]) -> GapRow:
    number, start, end, reason, became, settled = row
    gap = Gap(Millis(start), None if end is None else Millis(end), reason)
    if settled is None:
        return GapRow(number, gap, gap_account(db, gap))
    return GapRow(number, gap, _decoded(became), Millis(settled))


def _decoded(became: str | None) -> GapAccount:
    """Raises JournalFault for what is no account."""
    try:
        counts = orjson.loads(became or "").items()
        return GapAccount({decode_word(Outcome, word): int(count) for word, count in counts})
    except (ValueError, TypeError, AttributeError):
        raise unreadable("gap's account", "its form") from None
