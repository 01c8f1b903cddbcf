"""What a purge leaves, table by table: a table that is added has to say how its rows go."""

from __future__ import annotations

from pathlib import Path

import apsw

from listener.adapters.journal_sqlite import SqliteJournal
from listener.core.evidence import Gap, Heard
from listener.core.names import CvCode, Disposition, Outcome
from listener.core.submission import Lane
from listener.ports.inbound import InboundRow
from listener.ports.journal import IdempotencyKey, InboxRow, LaneCommit
from tests.contract.journals import CODE, OTHER, a_fact, an_id, at, closed, queued

STAYS = {
    "numbers": "counts that never fall",
    "closed_counts": "counts by outcome, of what is stored",
    "ear": "one row: the session",
    "notes": "what an operator said; nothing of a CV",
    "claims": "rights to work on a lane, which end by themselves",
    "inbound": "events for functions of the user's, which expire on their own",
    "lanes": "codes whose submissions are remembered: one of them here is open",
    "replies": "of open submissions alone",
}


async def everything(journal: SqliteJournal) -> None:
    """A row in every table: one code is closed and no longer remembered, another is open."""
    done, waiting = closed(1, at(9), outcome=Outcome.CANCELLED), queued(2)
    key = IdempotencyKey("key", "print", an_id(1), at(1))
    await journal.append_events([InboxRow(Heard(1, at(1)), CODE, "{}", Disposition.FOREIGN)])
    commit = LaneCommit(
        *(CODE, 0, Lane((done,)), None, (done,)),
        facts=(a_fact(1, at(1)),),
        idempotency=key,
        refs=("cv_1",),
        reactions=((an_id(1), 1),),
    )
    version = await journal.commit(commit)
    assert version is not None
    of_the_lane = LaneCommit(CODE, version, None, None, facts=(a_fact(None, at(2)),))
    await journal.commit(of_the_lane)
    await journal.files_gone([an_id(1)])
    await journal.commit(LaneCommit(OTHER, 0, Lane((waiting,)), at(9), (waiting,)))
    await journal.claim_lane(CvCode("claimed"), "one", at(0), at(99))
    await journal.open_gap(Gap(at(1)))
    await journal.close_gap(at(2), "started")
    await journal.settle_gaps(await journal.ripe_gaps(9), at(3))
    await journal.set_note("a", "1")
    await journal.append_inbound([InboundRow("viewed", "[]", at(1), False, ("a:b",))], [])


def counts(path: Path) -> dict[str, int]:
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        found = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        names = [str(name) for (name,) in found if not str(name).startswith("sqlite_")]
        asked = {name: f"SELECT count(*) FROM {name}" for name in names}  # noqa: S608 - the schema's own names
        return {name: int(db.execute(text).get) for name, text in asked.items()}
    finally:
        db.close()


async def test_of_what_is_over_no_table_keeps_a_row(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = await SqliteJournal.open(path)
    await everything(journal)
    filled = counts(path)
    assert {name for name, count in filled.items() if not count} <= {"replies"}
    assert await journal.purge(at(1_000)) == 1
    left = counts(path)
    await journal.close()
    gone = {name for name in filled if name not in STAYS}
    assert gone == {
        *("submissions", "facts", "fact_subjects", "inbox", "gaps"),
        *("idempotency", "reactions", "refs"),
    }
    assert {name: left[name] for name in gone} == {
        name: int(name == "submissions") for name in gone
    }, "the open one alone is left"
    assert filled.keys() - gone == STAYS.keys()
