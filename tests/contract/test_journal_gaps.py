"""What each gap touched, and what became of it: counted while it can change, then kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from listener.core.evidence import Gap, PostResult
from listener.core.names import CvCode, Millis, Outcome, PostKind, State
from listener.core.submission import Attempt, Lane, Submission
from listener.ports.gaps import GapAccount, GapRow
from listener.ports.journal import Journal, LaneCommit

from .journals import CODE, Store, an_id, at, closed, queued

GAP = Gap(at(100), at(200), "polling")


def sent(began: int, kind: PostKind | None = PostKind.ACCEPTED, number: int = 1) -> Attempt:
    """An attempt; without a kind it is under way."""
    result = None if kind is None else PostResult(kind, "made")
    return Attempt(number, at(began), ended_ms=at(began + 1), result=result)


def waiting(number: int, *attempts: Attempt) -> Submission:
    return queued(number, state=State.IN_DOUBT, attempts=attempts)


def ended(number: int, began: int, at_ms: int, outcome: Outcome = Outcome.CONFIRMED) -> Submission:
    return closed(number, at(at_ms), attempts=(sent(began),), outcome=outcome)


async def put(journal: Journal, *submissions: Submission) -> None:
    """As the lane's only ones, whatever it held."""
    version = (await journal.load_lane(CODE)).version
    commit = LaneCommit(CODE, version, Lane(submissions), None, submissions)
    assert await journal.commit(commit) is not None


async def have_gap(journal: Journal, gap: Gap = GAP) -> None:
    assert gap.end_ms is not None
    await journal.open_gap(Gap(gap.start_ms, reason="lost"))
    await journal.close_gap(gap.end_ms, gap.reason)


async def settle(journal: Journal, at_ms: Millis) -> list[GapRow]:
    rows = await journal.ripe_gaps(9)
    await journal.settle_gaps(rows, at_ms)
    return rows


@pytest.mark.parametrize(
    ("window", "touched"),
    [
        ((10, 99), False),
        ((10, 100), True),
        ((10, 150), True),
        ((10, 900), True),
        ((150, 160), True),
        ((200, 900), True),
        ((201, 900), False),
        ((10, None), True),
        ((200, None), True),
        ((201, None), False),
    ],
)
async def test_a_gap_touches_what_waits_at_any_moment_of_it(
    journal: Journal, window: tuple[int, int | None], touched: bool
) -> None:
    began, end = window
    one = waiting(1, sent(began)) if end is None else ended(1, began, end)
    await put(journal, one)
    account = await journal.gap_account(GAP)
    assert account.touched == touched
    assert account.open == (touched and end is None)
    assert account.became == ({Outcome.CONFIRMED: 1} if touched and end is not None else {})


async def test_a_gap_of_no_length_touches_too(journal: Journal) -> None:
    await put(journal, ended(1, 10, 99), ended(2, 10, 100), ended(3, 100, 101), ended(4, 101, 102))
    assert (await journal.gap_account(Gap(at(100), at(100)))).touched == 2


async def test_an_open_gap_reaches_to_this_day(store: Store) -> None:
    await put(store.journal, ended(1, 10, 99), ended(2, 10, 100), waiting(3, sent(5_000)))
    await store.journal.open_gap(Gap(at(100), None, "lost"))
    await store.restart()
    (row,) = await store.journal.gaps(None, 9)
    assert row.account == GapAccount({Outcome.CONFIRMED: 1}, 1)
    assert await store.journal.gap_account(row.gap) == row.account
    assert await store.journal.ripe_gaps(9) == []


@pytest.mark.parametrize(
    ("attempts", "touched"),
    [
        ((), False),
        ((sent(10, PostKind.NOT_SENT),), False),
        ((sent(10, PostKind.THROTTLED),), False),
        ((sent(10, PostKind.REFUSED),), False),
        ((sent(10, PostKind.POSSIBLY_SENT),), True),
        ((sent(10, PostKind.ACCEPTED),), True),
        ((sent(10, None),), True),
        ((replace(sent(10, None), crashed=True),), True),
        ((sent(10, PostKind.NOT_SENT), sent(300, number=2)), False),
        ((sent(10, PostKind.POSSIBLY_SENT), sent(300, PostKind.NOT_SENT, 2)), True),
    ],
)
async def test_a_window_begins_with_the_first_attempt_possibly_sent(
    journal: Journal, attempts: tuple[Attempt, ...], touched: bool
) -> None:
    await put(journal, waiting(1, *attempts))
    assert await journal.gap_account(GAP) == GapAccount({}, int(touched))


async def test_an_attempt_under_way_leaves_the_account_where_it_proves_not_sent(
    journal: Journal,
) -> None:
    await have_gap(journal)
    await put(journal, waiting(1, sent(150, None)))
    assert await journal.ripe_gaps(9) == []
    await put(journal, waiting(1, sent(150, PostKind.NOT_SENT)))
    (row,) = await journal.ripe_gaps(9)
    assert row.account.touched == 0


async def test_an_account_is_settled_once_nothing_that_it_touched_is_open(store: Store) -> None:
    journal = store.journal
    await have_gap(journal)
    later = waiting(3, sent(201))
    await put(journal, waiting(1, sent(10)), ended(2, 10, 150, Outcome.PRESUMED), later)
    (row,) = await journal.gaps(None, 9)
    assert (row.account, row.settled_ms) == (GapAccount({Outcome.PRESUMED: 1}, 1), None)
    assert await settle(journal, at(500)) == []
    await put(journal, ended(1, 10, 600), later)
    (ripe,) = await settle(journal, at(700))
    both = GapAccount({Outcome.PRESUMED: 1, Outcome.CONFIRMED: 1})
    assert ripe == GapRow(ripe.number, GAP, both)
    await store.restart()
    assert await store.journal.gaps(None, 9) == [replace(ripe, settled_ms=at(700))]
    assert await settle(store.journal, at(800)) == []


async def test_what_is_settled_stands(store: Store) -> None:
    """Whatever is corrected, purged or forgotten."""
    journal = store.journal
    await have_gap(journal)
    one = ended(1, 10, 150, Outcome.UNCONFIRMED)
    await put(journal, one, ended(2, 10, 150), ended(3, 10, 150))
    (ripe,) = await settle(journal, at(300))
    await put(journal, replace(one, outcome=Outcome.CONFIRMED, late=True, version=9))
    assert (await journal.gap_account(GAP)).became == {Outcome.CONFIRMED: 3}
    await journal.settle_gaps([replace(ripe, account=GapAccount())], at(400))
    await journal.files_gone([an_id(2)])
    assert await journal.purge(at(199)) == 1
    assert await journal.forget(CODE) == 2
    await store.restart()
    (row,) = await store.journal.gaps(None, 9)
    assert row.account == GapAccount({Outcome.UNCONFIRMED: 1, Outcome.CONFIRMED: 2})
    assert row.settled_ms == at(300)


async def test_only_what_has_ended_is_settled(journal: Journal) -> None:
    await journal.open_gap(Gap(at(100)))
    (row,) = await journal.gaps(None, 9)
    await journal.settle_gaps([row], at(200))
    await journal.settle_gaps([replace(row, number=99)], at(200))
    assert await journal.close_gap(at(300), "polling") == Gap(at(100), at(300), "polling")
    assert len(await journal.ripe_gaps(9)) == 1


async def test_a_gap_is_kept_until_it_is_settled(journal: Journal) -> None:
    await have_gap(journal)
    await put(journal, waiting(1, sent(10)))
    assert await journal.purge(at(9_000)) == 0
    (row,) = await journal.gaps(None, 9)
    await put(journal, ended(1, 10, 300))
    await settle(journal, at(400))
    await journal.purge(at(200))
    assert [left.number for left in await journal.gaps(None, 9)] == [row.number]
    await journal.purge(at(201))
    assert await journal.gaps(None, 9) == []


async def test_gaps_are_listed_newest_first_in_pages(journal: Journal) -> None:
    for start in (10, 30, 20):
        await have_gap(journal, Gap(at(start), at(start + 5), "polling"))
    await journal.open_gap(Gap(at(40)))
    rows = await journal.gaps(None, 9)
    assert [row.gap.start_ms for row in rows] == [at(40), at(20), at(30), at(10)]
    first = await journal.gaps(None, 2)
    assert first == rows[:2]
    assert await journal.gaps(first[-1].number, 2) == rows[2:]
    assert await journal.gaps(rows[-1].number, 2) == []


async def test_the_ripe_come_oldest_first(journal: Journal) -> None:
    for start in (30, 10, 20):
        await have_gap(journal, Gap(at(start), at(start + 5), "polling"))
    rows = await journal.ripe_gaps(2)
    assert [row.gap.start_ms for row in rows] == [at(30), at(10)]
    await journal.settle_gaps(rows, at(99))
    assert [row.gap.start_ms for row in await journal.ripe_gaps(2)] == [at(20)]


async def test_one_that_waits_holds_up_only_the_gaps_that_touch_it(journal: Journal) -> None:
    await have_gap(journal, Gap(at(10), at(20), "polling"))
    await have_gap(journal, Gap(at(30), at(40), "polling"))
    await put(journal, waiting(1, sent(21)))
    assert [row.gap.start_ms for row in await journal.ripe_gaps(9)] == [at(10)]
    await put(journal, waiting(1, sent(20)))
    assert await journal.ripe_gaps(9) == []


async def test_each_code_counts(journal: Journal) -> None:
    for number, code in enumerate(("a", "b", "c"), 1):
        one = ended(number, 10, 150)
        commit = LaneCommit(CvCode(code), 0, Lane((one,)), None, (one,))
        assert await journal.commit(commit) is not None
    assert await journal.gap_account(GAP) == GapAccount({Outcome.CONFIRMED: 3})
