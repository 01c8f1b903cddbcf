"""What each migration makes of rows that an earlier version wrote."""

from __future__ import annotations

import asyncio
from pathlib import Path

import apsw
import pytest

from listener.adapters.journal_sqlite import SqliteJournal
from listener.adapters.journal_sqlite.codec import encode_submission
from listener.adapters.journal_sqlite.migrations import backups, migrations
from listener.adapters.journal_sqlite.store import Pragmas, open_store
from listener.core.evidence import Gap, PostResult
from listener.core.names import Attribution, Outcome, PostKind, State
from listener.core.submission import Attempt, Submission
from listener.ports.gaps import GapAccount
from listener.ports.inbound import InboundRow, Placed
from listener.ports.journal import Query
from tests.contract.journals import CODE, an_id, at, closed, queued


def attempt(number: int, began: int, kind: PostKind | None, *, crashed: bool = False) -> Attempt:
    result = None if kind is None else PostResult(kind, "made")
    return Attempt(number, at(began), result=result, crashed=crashed)


def written_by_the_first_version(path: Path, *submissions: Submission) -> None:
    """A journal of version 1, with these rows and four gaps; the last of them is open."""
    store = open_store(path, Pragmas(), {1: migrations()[1]})
    for s in submissions:
        store.writing.execute(
            "INSERT INTO submissions (id, code, remembered, state, outcome, created_ms, closed_ms,"
            " file_gone, top_seq, doc) VALUES (?, ?, 0, ?, ?, ?, ?, 1, 0, ?)",
            (s.id, CODE, s.state, s.outcome, s.created_ms, s.closed_ms, encode_submission(s)),
        )
    for start, end in ((100, 200), (300, 400), (500, 600), (700, None)):
        store.writing.execute(
            "INSERT INTO gaps (start_ms, end_ms, reason) VALUES (?, ?, 'polling')",
            (at(start), None if end is None else at(end)),
        )
    store.writing.close()
    store.reading.close()
    store.lock.release()


async def test_rows_of_the_first_version_are_found_by_every_filter(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    rows = (
        closed(1, at(9), outcome=Outcome.CONFIRMED, attribution=Attribution.EXCLUSIVE),
        closed(2, at(9), outcome=Outcome.CONFIRMED, attribution=Attribution.CONTENDED, late=True),
        queued(3, retry_of=an_id(2)),
    )
    await asyncio.to_thread(written_by_the_first_version, path, *rows)
    journal = await SqliteJournal.open(path)
    try:
        for query, numbers in (
            (Query(attribution=Attribution.EXCLUSIVE), [1]),
            (Query(attribution=Attribution.CONTENDED), [2]),
            (Query(late=True), [2]),
            (Query(late=False), [3, 1]),
            (Query(retry_of=an_id(2)), [3]),
            (Query(created_from_ms=at(2), created_to_ms=at(3)), [2]),
        ):
            found = await journal.submissions(query)
            assert [s.submission.id for s in found] == [an_id(n) for n in numbers], query
        await journal.add_refs([("cv_1", CODE)])
        assert len(await journal.submissions(Query(ref="cv_1"))) == 3
    finally:
        await journal.close()


async def test_gaps_of_the_first_version_get_their_accounts(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    crashed = attempt(1, 50, PostKind.POSSIBLY_SENT, crashed=True)
    not_sent = attempt(1, 50, PostKind.NOT_SENT)
    second = attempt(2, 250, PostKind.ACCEPTED)
    refused = attempt(1, 50, PostKind.REFUSED)
    rows = (
        closed(1, at(260), attempts=(crashed, second), outcome=Outcome.PRESUMED),
        closed(2, at(350), attempts=(not_sent, second), outcome=Outcome.CONFIRMED),
        closed(3, at(110), attempts=(refused,), outcome=Outcome.REJECTED),
        closed(4, at(110), outcome=Outcome.CANCELLED),
        queued(5, state=State.AWAITING, attempts=(attempt(1, 450, PostKind.ACCEPTED),)),
        queued(6, state=State.SENDING, attempts=(attempt(1, 650, None),)),
        queued(7, attempts=(attempt(1, 50, PostKind.THROTTLED),)),
    )
    await asyncio.to_thread(written_by_the_first_version, path, *rows)
    journal = await SqliteJournal.open(path)
    try:
        found = await journal.gaps(None, 9)
        assert [(row.gap, row.account) for row in reversed(found)] == [
            (Gap(at(100), at(200), "polling"), GapAccount({Outcome.PRESUMED: 1})),
            (Gap(at(300), at(400), "polling"), GapAccount({Outcome.CONFIRMED: 1})),
            (Gap(at(500), at(600), "polling"), GapAccount({}, 1)),
            (Gap(at(700), None, "polling"), GapAccount({}, 2)),
        ]
        stands = [row.settled_ms is not None for row in reversed(found)]
        assert stands == [True, True, False, False], "what is over needs no line any more"
        assert await journal.ripe_gaps(9) == []
    finally:
        await journal.close()
    (copy,) = backups(path)
    before = apsw.Connection(str(copy), flags=apsw.SQLITE_OPEN_READONLY)
    assert before.pragma("user_version") == 1
    before.close()


async def test_a_journal_of_before_keeps_inbound_events_from_now_on(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    await asyncio.to_thread(written_by_the_first_version, path, queued(1))
    journal = await SqliteJournal.open(path)
    try:
        row = InboundRow("viewed", "[]", at(1), False, ("package.module:function",))
        assert await journal.append_inbound([row], []) == [Placed(1)]
        assert (await journal.first_look()).inbound == {"package.module:function": 1}
    finally:
        await journal.close()


# ------------------------------------------------------------------------------------ every version

REWRITTEN = {("gaps", "became"), ("gaps", "settled_ms"), ("submissions", "first_sent_ms")}
"""What a migration fills in, in rows that are there."""


def filled(db: apsw.Connection) -> None:
    """Two rows more in every table that may have them, by the declared types alone."""
    for table in tables_of(db):
        if table in ("ear", "numbers", "closed_counts") or table.startswith("sqlite_"):
            continue  # these have their rows already, or get them from others'
        columns = columns_of(db, table)
        for row in (1, 2):
            values = [_value(name, kind, row) for name, kind in columns]
            marks = ", ".join("?" * len(values))
            db.execute(f"INSERT INTO {table} VALUES ({marks})", values)  # noqa: S608 - the schema's own names


def tables_of(db: apsw.Connection) -> list[str]:
    found = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    return [str(name) for (name,) in found]


def columns_of(db: apsw.Connection, table: str) -> list[tuple[str, str]]:
    """Names and types."""
    found = db.execute("SELECT name, type FROM pragma_table_info(?)", (table,)).fetchall()
    return [(str(name), str(kind)) for name, kind in found]


def _value(name: str, kind: str, row: int) -> object:
    known: dict[str, object] = {
        "doc": "{}",
        "body": "[]",
        "state": "closed",
        "outcome": "confirmed",
        "disposition": "foreign",
        "became": "{}",
        "attribution": None,
        "retry_of": None,
        "late": 0,
    }
    if name in known and kind != "BLOB":
        return known[name]
    return {"INTEGER": row, "BLOB": b"%d" % row}.get(kind, f"{name}-{row}")


def rows_of(db: apsw.Connection, version: int) -> dict[tuple[str, str], list[object]]:
    """Every column of every table, sorted, but what a migration may fill in."""
    found: dict[tuple[str, str], list[object]] = {}
    for table in tables_of(db):
        for column, _ in columns_of(db, table):
            if (table, column) not in REWRITTEN and not table.startswith("sqlite_"):
                asked = f"SELECT {column} FROM {table}"  # noqa: S608 - the schema's own names
                values = [value for (value,) in db.execute(asked)]
                found[table, column] = sorted(values, key=repr)
    if version < 7:
        # Each handler gets a row of its own: what was announced is announced anew.
        for column in ("tries", "due_ms"):
            found.pop(("reactions", column), None)
    return found


@pytest.mark.parametrize("version", sorted(migrations())[:-1])
async def test_of_a_journal_of_any_version_before_every_row_is_kept(
    tmp_path: Path, version: int
) -> None:
    path = tmp_path / "journal.db"
    steps = {number: sql for number, sql in migrations().items() if number <= version}
    store = open_store(path, Pragmas(), steps)
    filled(store.writing)
    before = rows_of(store.writing, version)
    store.reading.close()
    store.writing.close()
    store.lock.release()
    journal = await SqliteJournal.open(path)
    await journal.close()
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        after = rows_of(db, version)
        for (table, column), values in before.items():
            if table == "numbers":
                assert set(values) <= set(after[table, column])
            else:
                assert after[table, column] == values, f"{table}.{column}"
    finally:
        db.close()
    (copy,) = backups(path)
    kept = apsw.Connection(str(copy), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        assert rows_of(kept, version) == before, "and so it is in the copy, to go back to"
    finally:
        kept.close()
