"""What a page costs: no filter reads every row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from listener.adapters.journal_sqlite import listings
from listener.adapters.journal_sqlite.store import Pragmas, open_store
from listener.core.names import Attribution, Millis, Outcome, State
from listener.ports.journal import Query
from tests.contract.journals import CODE, an_id


@pytest.fixture
def reading(tmp_path: Path) -> Iterator[apsw.Connection]:
    store = open_store(tmp_path / "journal.db", Pragmas())
    yield store.reading
    store.writing.close()
    store.reading.close()
    store.lock.release()


@pytest.mark.parametrize(
    "query",
    [
        Query(before=an_id(9)),
        Query(outcome=Outcome.UNCONFIRMED),
        Query(code=CODE),
        Query(ref="cv_1"),
        Query(ref="cv_1", state=State.CLOSED, before=an_id(9)),
        Query(late=True),
        Query(open=True, state=State.QUEUED),
        Query(attribution=Attribution.CONTENDED),
        Query(attribution=Attribution.CONTENDED, late=True, outcome=Outcome.CONFIRMED),
        Query(retry_of=an_id(1)),
        Query(created_from_ms=Millis(5)),
        Query(created_to_ms=Millis(5)),
        Query(created_to_ms=Millis(5), outcome=Outcome.CONFIRMED, before=an_id(9)),
    ],
    ids=str,
)
def test_a_filter_uses_an_index(reading: apsw.Connection, query: Query) -> None:
    asked: list[tuple[str, object]] = []

    def note(cursor: apsw.Cursor, statement: str, bindings: object) -> bool:
        asked.append((statement, bindings))
        return True

    reading.exec_trace = note
    listings.submissions(reading, query)
    reading.exec_trace = None
    ((statement, bindings),) = asked
    rows = reading.execute(f"EXPLAIN QUERY PLAN {statement}", bindings)  # type: ignore[arg-type]  # as they were given
    plan = [row[3] for row in rows]
    # An index of few rows may be walked as a whole.
    few = ("submissions_late", "submissions_contended", "submissions_retries", "submissions_open")
    walks = [step for step in plan if step.startswith("SCAN submissions")]
    assert not [step for step in walks if not step.endswith(few)], plan
