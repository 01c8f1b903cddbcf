"""What is heard: inbox, sequence, recovery cursor, gaps."""

from __future__ import annotations

from dataclasses import replace

import pytest

from listener.core.evidence import Gap, Heard
from listener.core.names import Disposition
from listener.core.submission import Lane
from listener.ports.event_source import Resume
from listener.ports.journal import InboxRow, Journal, LaneCommit

from .journals import CODE, OTHER, Store, accepting, at, queued


def heard(seq: int) -> InboxRow:
    return InboxRow(Heard(seq, at(seq), replayed=seq % 2 == 0), CODE, f'{{"n":{seq}}}')


async def test_heard_events_wait_in_order_until_disposed(store: Store) -> None:
    malformed = InboxRow(Heard(3, at(3)), None, "null", Disposition.MALFORMED)
    await store.journal.append_events([heard(2), heard(1), malformed])
    await store.journal.append_events([heard(4)])
    await store.restart()
    assert await store.journal.undisposed() == [heard(1), heard(2), heard(4)]
    commit = replace(accepting(CODE, 1), dispositions=((2, Disposition.FOREIGN),))
    await store.journal.commit(commit)
    assert await store.journal.undisposed() == [heard(1), heard(4)]


async def test_a_seq_that_is_stored_stays_as_it_is(journal: Journal) -> None:
    await journal.append_events([heard(1)])
    other = InboxRow(Heard(1, at(50)), OTHER, "{}", Disposition.FOREIGN)
    await journal.append_events([other, heard(2)])
    assert await journal.undisposed() == [heard(1), heard(2)]


async def test_the_cursor_goes_with_the_events(store: Store) -> None:
    assert await store.journal.resume_cursor() == Resume()
    await store.journal.append_events([heard(1)], Resume("pid", "offset-1"))
    await store.journal.append_events([heard(2)])
    await store.restart()
    assert await store.journal.resume_cursor() == Resume("pid", "offset-1")
    await store.journal.append_events([], Resume("pid", "offset-2"))
    assert await store.journal.resume_cursor() == Resume("pid", "offset-2")
    await store.journal.store_resume(Resume())
    assert await store.journal.resume_cursor() == Resume()


async def test_the_highest_seq_of_the_inbox(store: Store) -> None:
    assert await store.journal.highest_seq() == 0
    await store.journal.append_events([heard(3), heard(8), heard(5)])
    await store.restart()
    assert await store.journal.highest_seq() == 8


@pytest.mark.parametrize("field", ["heard", "held", "candidates"])
async def test_the_highest_seq_may_be_a_submissions(journal: Journal, field: str) -> None:
    """An inbox row can be purged before the submission that holds its event."""
    await journal.append_events([heard(3)])
    event = Heard(17, at(1))
    submission = queued(1, **{field: event if field == "heard" else (Heard(2, at(1)), event)})
    await journal.commit(LaneCommit(CODE, 0, Lane((submission,)), None, (submission,)))
    assert await journal.highest_seq() == 17
    await journal.append_events([heard(18)])
    assert await journal.highest_seq() == 18


async def test_the_sign_of_life_is_the_last_one(store: Store) -> None:
    assert await store.journal.last_alive_ms() is None
    await store.journal.mark_alive(at(10))
    await store.journal.mark_alive(at(20))
    await store.restart()
    assert await store.journal.last_alive_ms() == at(20)


async def test_one_gap_is_open_at_most(store: Store) -> None:
    assert await store.journal.close_gap(at(1), "started") is None
    await store.journal.open_gap(Gap(at(10), None, "started"))
    await store.journal.open_gap(Gap(at(20), None, "polling"))
    await store.restart()
    assert await store.journal.gaps_since(at(0)) == [Gap(at(10), None, "started")]
    gap = Gap(at(10), at(30), "not_recovered")
    assert await store.journal.close_gap(at(30), "not_recovered") == gap
    assert await store.journal.close_gap(at(40), "overflow") is None
    assert await store.journal.gaps_since(at(0)) == [gap]


async def test_a_gap_proven_continuous_is_dropped(journal: Journal) -> None:
    await journal.open_gap(Gap(at(10)))
    await journal.close_gap(at(20), "started")
    await journal.open_gap(Gap(at(30)))
    await journal.drop_gap()
    await journal.drop_gap()
    assert await journal.gaps_since(at(0)) == [Gap(at(10), at(20), "started")]
    await journal.open_gap(Gap(at(40)))
    assert [gap.start_ms for gap in await journal.gaps_since(at(0))] == [at(10), at(40)]


async def test_gaps_that_end_later_come_by_start(journal: Journal) -> None:
    for start, end in ((50, 60), (10, 20), (30, 40)):
        await journal.open_gap(Gap(at(start)))
        await journal.close_gap(at(end), "started")
    await journal.open_gap(Gap(at(70)))
    assert [gap.start_ms for gap in await journal.gaps_since(at(20))] == [at(30), at(50), at(70)]
    assert [gap.start_ms for gap in await journal.gaps_since(at(99))] == [at(70)]
