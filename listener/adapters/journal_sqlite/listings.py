"""Pages of submissions, by any of their filters; and the refs that codes are found by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import apsw

from listener.core.names import CvCode, Outcome
from listener.core.outcomes import CALLING, SETTLING
from listener.ports.journal import Query, StoredSubmission

from .codec import decode_submission

_CREATED = "id IN (SELECT id FROM submissions WHERE created_ms >= ? AND created_ms < ?)"
_EVER = 1 << 62


def _words(outcomes: frozenset[Outcome]) -> str:
    return ", ".join(f"'{outcome}'" for outcome in sorted(outcomes))


_CALLS = f"outcome IN ({_words(CALLING)})"
_SENT_AGAIN = f"""EXISTS (
  WITH RECURSIVE again (id, outcome) AS (
    SELECT id, outcome FROM submissions r WHERE r.retry_of = submissions.id
    UNION SELECT r.id, r.outcome FROM submissions r JOIN again ON r.retry_of = again.id)
  SELECT 1 FROM again WHERE outcome IN ({_words(SETTLING)}))"""  # noqa: S608 - our own words


def submissions(db: apsw.Connection, query: Query) -> list[StoredSubmission]:
    """As the port says."""
    given = list(_filters(query))
    where = "WHERE " + " AND ".join(text for text, _ in given) if given else ""
    rows = db.execute(
        f"SELECT code, doc FROM submissions {where} ORDER BY id DESC LIMIT ?",  # noqa: S608 - texts from below
        (*(value for _, values in given for value in values), query.limit),
    )
    return [StoredSubmission(CvCode(code), decode_submission(doc)) for code, doc in rows]


def _filters(query: Query) -> Iterator[tuple[str, tuple[object, ...]]]:
    equal = (
        ("state", query.state),
        ("outcome", query.outcome),
        ("code", query.code),
        ("retry_of", query.retry_of),
        ("attribution", query.attribution),
        ("late", None if query.late is None else int(query.late)),
    )
    for column, value in equal:
        if value is not None:
            yield f"{column} = ?", (value,)
    if query.open is not None:
        yield f"state {'<>' if query.open else '='} 'closed'", ()
    if query.needs_person is True:
        yield f"{_CALLS} AND NOT {_SENT_AGAIN}", ()
    if query.needs_person is False:
        yield f"(outcome IS NULL OR NOT {_CALLS} OR {_SENT_AGAIN})", ()
    if query.ref is not None:
        yield "code IN (SELECT code FROM refs WHERE ref = ?)", (query.ref,)
    if query.created_from_ms is not None or query.created_to_ms is not None:
        to_ms = query.created_to_ms
        yield _CREATED, (query.created_from_ms or 0, _EVER if to_ms is None else to_ms)
    if query.before is not None:
        yield "id < ?", (query.before,)


def codes(db: apsw.Connection, after: CvCode | None, limit: int) -> list[CvCode]:
    """As the port says."""
    rows = db.execute(
        "SELECT DISTINCT code FROM submissions WHERE code > ? ORDER BY code LIMIT ?",
        (after or "", limit),
    )
    return [CvCode(code) for (code,) in rows]


def add_refs(db: apsw.Connection, refs: Sequence[tuple[str, CvCode]]) -> None:
    """As the port says."""
    db.executemany(
        "INSERT OR IGNORE INTO refs SELECT ?, ?2 WHERE EXISTS"
        " (SELECT 1 FROM submissions WHERE code = ?2)",
        refs,
    )


def drop_refs(db: apsw.Connection, codes_gone: set[str]) -> None:
    """Of those among these codes that no submission has any more."""
    for code in codes_gone:
        db.execute(
            "DELETE FROM refs WHERE code = ?1 AND NOT EXISTS"
            " (SELECT 1 FROM submissions WHERE code = ?1)",
            (code,),
        )
