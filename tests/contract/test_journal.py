"""Lanes: commits, versions, timers, claims, idempotency, and many callers at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from listener.core.errors import JournalFault
from listener.core.evidence import Heard, PostResult, Reading, UpstreamReply
from listener.core.names import (
    Attribution,
    CvCode,
    Disposition,
    FileKind,
    Outcome,
    PostKind,
    State,
)
from listener.core.submission import Attempt, FileFacts, Lane, Submission
from listener.ports.journal import (
    KEY_KEPT_MS,
    Claim,
    IdempotencyKey,
    InboxRow,
    Journal,
    LaneCommit,
    LaneRow,
)
from listener.ports.reaction import ANNOUNCED

from .journals import CODE, OTHER, Store, a_fact, accepting, an_id, at, closed, queued

READING = Reading(at(5), known=True, path_digest="0f", status="draft", enhance_status="processing")
EVERYTHING = Submission(
    id=an_id(1),
    created_ms=at(1),
    file=FileFacts("cd" * 32, 5, FileKind.DOCX, "José \N{SNOWMAN}.docx"),
    state=State.CLOSED,
    outcome=Outcome.CONFIRMED,
    version=9,
    retry_of=an_id(7),
    attribution=Attribution.CONTENDED,
    late=True,
    reason="late",
    attempts=(
        Attempt(1, at(2), crashed=True),
        Attempt(
            2,
            at(3),
            baseline=READING,
            contended=True,
            ended_ms=at(4),
            result=PostResult(
                PostKind.ACCEPTED,
                "ok",
                201,
                retry_after_ms=7,
                resendable=False,
                reply=UpstreamReply("cv-456", 7, "draft"),
            ),
        ),
        Attempt(3, at(3), baseline=Reading(at(3), known=False, detail="timeout")),
    ),
    cancel_requested=True,
    never_resend=True,
    contradicted=True,
    held=(Heard(3, at(3)), Heard(4, at(4), replayed=True)),
    candidates=(Heard(5, at(5)),),
    heard=Heard(6, at(6)),
    duplicates=2,
    reading=READING,
    finished_jobs=("analysis",),
    failed_jobs=("enhancement", "analysis"),
    reply=UpstreamReply(456, None, None),
    not_before_ms=at(10),
    deliver_by_ms=at(11),
    deadline_ms=at(12),
    settle_ms=at(13),
    give_up_ms=at(14),
    enquire_ms=at(15),
    enquiries=3,
    sent_ms=at(16),
    accepted_ms=at(17),
    heard_ms=at(18),
    closed_ms=at(19),
    deaf_ms=20,
    keep_file_until_ms=at(21),
)


async def test_an_unknown_lane_is_empty_and_of_version_0(journal: Journal) -> None:
    assert await journal.load_lane(CODE) == LaneRow(CODE, Lane(), 0)
    assert await journal.lanes() == []
    assert await journal.next_due_ms() is None


async def test_a_lane_comes_back_as_it_was_given(store: Store) -> None:
    lane = Lane(
        (EVERYTHING, queued(2)),
        rest_until_ms=at(1),
        last_seen=READING,
        ours_since_seen=True,
        foreign_ms=at(4),
    )
    version = await store.journal.commit(LaneCommit(CODE, 0, lane, at(9), lane.submissions))
    assert version is not None and version > 0
    assert await store.journal.load_lane(CODE) == LaneRow(CODE, lane, version)
    await store.restart()
    assert await store.journal.load_lane(CODE) == LaneRow(CODE, lane, version)
    assert await store.journal.lanes() == [CODE]
    assert await store.journal.next_due_ms() == at(9)


async def test_a_commit_rewrites_only_what_changed(journal: Journal) -> None:
    version = await journal.commit(accepting(CODE, 1, 2))
    sending = queued(1, state=State.SENDING)
    lane = Lane((sending, queued(2)))
    assert version is not None
    newer = await journal.commit(LaneCommit(CODE, version, lane, None, (sending,)))
    assert newer == version + 1
    assert (await journal.load_lane(CODE)).lane == lane


@pytest.mark.parametrize("expected", [0, 2, 7])
async def test_a_stale_commit_changes_nothing(journal: Journal, expected: int) -> None:
    version = await journal.commit(accepting(CODE, 1))
    assert version == 1
    await journal.append_events([InboxRow(Heard(1, at(1)), CODE, "{}")])
    changed = queued(1, state=State.SENDING)
    stale = LaneCommit(
        CODE,
        expected,
        Lane((changed, queued(2))),
        at(1),
        (changed, queued(2)),
        facts=(a_fact(1, at(1)),),
        dispositions=((1, Disposition.FOREIGN),),
        idempotency=IdempotencyKey("key", "print", an_id(2), at(1)),
        reactions=((an_id(1), 1),),
    )
    assert await journal.commit(stale) is None
    assert await journal.load_lane(CODE) == LaneRow(CODE, Lane((queued(1),)), 1)
    assert await journal.submission(an_id(2)) is None
    assert await journal.facts_of(an_id(1)) == []
    assert len(await journal.undisposed()) == 1
    assert await journal.idempotency("key", at(99)) is None
    assert await journal.due_reactions(ANNOUNCED, at(99), 9) == []
    assert await journal.next_due_ms() is None


async def test_a_commit_for_a_lane_that_is_not_stored_is_stale(journal: Journal) -> None:
    assert await journal.commit(accepting(CODE, 1, version=1)) is None
    assert await journal.lanes() == []


async def test_all_parts_of_a_commit_are_stored(journal: Journal) -> None:
    await journal.append_events([InboxRow(Heard(s, at(s)), CODE, "{}") for s in (1, 2, 3)])
    key = IdempotencyKey("key", "print", an_id(1), at(1))
    commit = replace(
        accepting(CODE, 1),
        facts=(a_fact(1, at(1)),),
        dispositions=((1, Disposition.HELD), (3, Disposition.FOREIGN)),
        idempotency=key,
        reactions=((an_id(1), 1), (an_id(1), 2)),
    )
    assert await journal.commit(commit) is not None
    assert [row.heard.seq for row in await journal.undisposed()] == [2]
    assert await journal.idempotency("key", at(99)) == key
    assert [r.version for r in await journal.due_reactions(ANNOUNCED, at(0), 9)] == [1, 2]
    assert len(await journal.facts_of(an_id(1))) == 1


async def test_a_removed_lane_leaves_its_submissions_for_listing(store: Store) -> None:
    journal = store.journal
    version = await journal.commit(accepting(CODE, 1))
    done = closed(1, at(5), outcome=Outcome.CANCELLED)
    assert version is not None
    assert await journal.commit(LaneCommit(CODE, version, None, None, (done,))) is not None
    assert await journal.lanes() == []
    assert await journal.load_lane(CODE) == LaneRow(CODE, Lane(), 0)
    stored = await journal.submission(an_id(1))
    assert stored is not None and stored.code == CODE and stored.submission == done


async def test_a_version_is_never_given_twice(store: Store) -> None:
    """Or a decision made on a lane that was removed and came back would not be found stale."""
    first = await store.journal.commit(accepting(CODE, 1))
    assert first is not None
    await store.journal.commit(LaneCommit(CODE, first, None, None))
    await store.restart()
    second = await store.journal.commit(accepting(CODE, 2))
    assert second is not None and second > first
    await store.journal.forget(CODE)
    third = await store.journal.commit(accepting(CODE, 3))
    assert third is not None and third > second


async def test_due_lanes_come_oldest_first_and_limited(journal: Journal) -> None:
    for number, due in enumerate((30, 10, 20, None, 40)):
        code = CvCode(f"lane-{number}")
        due_ms = None if due is None else at(due)
        await journal.commit(replace(accepting(code, number), due_ms=due_ms))
    assert await journal.next_due_ms() == at(10)
    assert await journal.due_lanes(at(9), 10) == []
    assert await journal.due_lanes(at(30), 10) == ["lane-1", "lane-2", "lane-0"]
    assert await journal.due_lanes(at(30), 2) == ["lane-1", "lane-2"]
    row = await journal.load_lane(CvCode("lane-1"))
    await journal.commit(LaneCommit(row.code, row.version, row.lane, None))
    assert await journal.due_lanes(at(30), 1) == ["lane-2"]
    assert await journal.next_due_ms() == at(20)


async def test_of_two_claimants_one_gets_the_lane(journal: Journal) -> None:
    claim = await journal.claim_lane(CODE, "one", at(0), at(10))
    assert claim == Claim(CODE, "one", claim.token if claim else 0, at(10))
    assert await journal.claim_lane(CODE, "two", at(9), at(20)) is None
    taken = await journal.claim_lane(CODE, "two", at(10), at(20))
    assert claim is not None and taken is not None and taken.token > claim.token
    assert await journal.lanes() == [], "a claim alone stores no lane"


async def test_a_claim_is_renewed_with_a_new_token(journal: Journal) -> None:
    first = await journal.claim_lane(CODE, "one", at(0), at(10))
    second = await journal.claim_lane(CODE, "one", at(5), at(15))
    assert first is not None and second is not None and second.token > first.token
    assert await journal.claim_lane(CODE, "two", at(12), at(30)) is None


async def test_a_released_claim_is_free_and_its_token_never_comes_again(store: Store) -> None:
    first = await store.journal.claim_lane(CODE, "one", at(0), at(10))
    assert first is not None
    await store.journal.release_lane(first)
    await store.journal.release_lane(first)
    await store.restart()
    second = await store.journal.claim_lane(CODE, "two", at(1), at(10))
    assert second is not None and second.token > first.token
    await store.journal.release_lane(first)
    assert await store.journal.claim_lane(CODE, "one", at(2), at(10)) is None


async def test_a_commit_with_a_superseded_claim_is_stale(journal: Journal) -> None:
    old = await journal.claim_lane(CODE, "one", at(0), at(10))
    new = await journal.claim_lane(CODE, "two", at(10), at(20))
    assert await journal.commit(replace(accepting(CODE, 1), claim=old)) is None
    assert await journal.lanes() == []
    version = await journal.commit(replace(accepting(CODE, 1), claim=new))
    assert version is not None and new is not None
    await journal.release_lane(new)
    again = LaneCommit(CODE, version, Lane((queued(1),)), None, claim=new)
    assert await journal.commit(again) is None
    assert await journal.commit(replace(again, claim=None)) == version + 1


async def test_a_claim_is_of_one_lane_alone(journal: Journal) -> None:
    claim = await journal.claim_lane(CODE, "one", at(0), at(10))
    assert await journal.claim_lane(OTHER, "two", at(0), at(10)) is not None
    assert await journal.commit(replace(accepting(OTHER, 1), claim=claim)) is None


async def test_a_key_that_is_taken_makes_the_commit_stale(journal: Journal) -> None:
    key = IdempotencyKey("key", "print", an_id(1), at(1))
    assert await journal.commit(replace(accepting(CODE, 1), idempotency=key)) is not None
    again = replace(key, submission_id=an_id(2))
    assert await journal.commit(replace(accepting(OTHER, 2), idempotency=again)) is None
    assert await journal.idempotency("key", at(99)) == key
    assert await journal.submission(an_id(2)) is None
    assert await journal.idempotency("another", at(99)) is None


async def test_a_key_is_free_again_after_a_day(journal: Journal) -> None:
    key = IdempotencyKey("key", "print", an_id(1), at(1))
    assert await journal.commit(replace(accepting(CODE, 1), idempotency=key)) is not None
    last, free = at(KEY_KEPT_MS), at(KEY_KEPT_MS + 1)
    assert await journal.idempotency("key", last) == key
    assert await journal.idempotency("key", free) is None
    early = IdempotencyKey("key", "another", an_id(2), last)
    assert await journal.commit(replace(accepting(OTHER, 2), idempotency=early)) is None
    anew = replace(early, created_ms=free)
    assert await journal.commit(replace(accepting(OTHER, 2), idempotency=anew)) is not None
    assert await journal.idempotency("key", at(KEY_KEPT_MS * 2)) == anew


async def test_many_commits_at_once_are_each_whole(store: Store) -> None:
    """Eight writers a lane: of those with one version exactly one gets through, and no other's."""

    async def race(lane: int) -> int:
        code, wins = CvCode(f"lane-{lane}"), 0
        for round_ in range(5):
            version = (await store.journal.load_lane(code)).version
            numbers = range(1_000 * lane + 10 * round_, 1_000 * lane + 10 * round_ + 8)
            commits = [
                replace(accepting(code, n, version=version), facts=(a_fact(n, at(n)),))
                for n in numbers
            ]
            results = await asyncio.gather(*(store.journal.commit(c) for c in commits))
            won = [n for n, result in zip(numbers, results, strict=True) if result is not None]
            assert len(won) == 1
            assert (await store.journal.load_lane(code)).lane == Lane((queued(won[0]),))
            assert len(await store.journal.facts_of(an_id(won[0]))) == 1
            wins += 1
        return wins

    async with asyncio.timeout(30):
        assert await asyncio.gather(*(race(lane) for lane in range(1, 9))) == [5] * 8
    await store.restart()
    assert len(await store.journal.lanes()) == 8


async def test_a_cancelled_caller_harms_nobody(journal: Journal) -> None:
    """Its write happens whole or not at all, and those beside it happen."""
    async with asyncio.timeout(30):
        tasks = [
            asyncio.create_task(journal.commit(accepting(CvCode(f"lane-{n}"), n)))
            for n in range(20)
        ]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(version is not None for version in results[1::2])
        assert await journal.commit(accepting(CODE, 99)) is not None
    for n in range(20):
        row = await journal.load_lane(CvCode(f"lane-{n}"))
        assert row.lane == (Lane((queued(n),)) if row.version else Lane())
        assert (row.version > 0) == (await journal.submission(an_id(n)) is not None)


async def test_commit_times_are_told_once_there_are_any(journal: Journal) -> None:
    assert journal.commit_p99_ms() is None
    await journal.commit(accepting(CODE, 1))
    p99 = journal.commit_p99_ms()
    assert p99 is not None and p99 >= 0


async def test_a_closed_journal_refuses_and_closes_again(journal: Journal) -> None:
    await journal.close()
    await journal.close()
    with pytest.raises(JournalFault, match="found it closed"):
        await journal.commit(accepting(CODE, 1))
    with pytest.raises(JournalFault, match="found it closed"):
        await journal.load_lane(CODE)
