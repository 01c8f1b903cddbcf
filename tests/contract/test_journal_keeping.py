"""What is listed, counted, kept and in the end deleted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from dataclasses import replace

from listener.core.evidence import Gap, Heard
from listener.core.names import Attribution, CvCode, Disposition, Outcome, State
from listener.core.submission import Lane, Submission
from listener.ports.journal import (
    FirstLook,
    IdempotencyKey,
    InboxRow,
    Journal,
    LaneCommit,
    LaneRow,
    Query,
    Tally,
)
from listener.ports.reaction import ANNOUNCED

from .journals import CODE, OTHER, Store, a_fact, accepting, an_id, at, closed, queued


async def listed(journal: Journal, query: Query) -> list[int]:
    return [int(s.submission.id[-12:], 16) for s in await journal.submissions(query)]


async def test_submissions_are_listed_newest_first_in_pages(store: Store) -> None:
    await store.journal.commit(accepting(CODE, 1, 3, 5))
    await store.journal.commit(accepting(OTHER, 2, 4))
    await store.restart()
    journal = store.journal
    assert await listed(journal, Query()) == [5, 4, 3, 2, 1]
    assert await listed(journal, Query(limit=2)) == [5, 4]
    assert await listed(journal, Query(limit=2, before=an_id(4))) == [3, 2]
    assert await listed(journal, Query(limit=2, before=an_id(2))) == [1]
    assert await listed(journal, Query(code=CODE, before=an_id(5))) == [3, 1]
    assert [s.code for s in await journal.submissions(Query(limit=2))] == [CODE, OTHER]


async def test_listing_by_state_and_outcome(journal: Journal) -> None:
    submissions = (
        queued(1, state=State.SENDING),
        closed(2, at(5), outcome=Outcome.CONFIRMED),
        queued(3),
        closed(4, at(6), outcome=Outcome.CANCELLED),
        closed(5, at(7), outcome=Outcome.CONFIRMED),
    )
    await journal.commit(LaneCommit(CODE, 0, Lane(submissions), None, submissions))
    assert await listed(journal, Query(state=State.CLOSED)) == [5, 4, 2]
    assert await listed(journal, Query(outcome=Outcome.CONFIRMED)) == [5, 2]
    assert await listed(journal, Query(state=State.QUEUED, code=CODE)) == [3]
    assert await listed(journal, Query(state=State.QUEUED, outcome=Outcome.CONFIRMED)) == []
    assert await listed(journal, Query(code=OTHER)) == []


async def test_what_was_sent_again_and_is_settled_calls_for_nobody(store: Store) -> None:
    def of(n: int, outcome: Outcome, retry_of: int | None = None) -> Submission:
        again = None if retry_of is None else an_id(retry_of)
        return closed(n, at(5), outcome=outcome, retry_of=again)

    submissions = (
        of(1, Outcome.UNCONFIRMED),
        of(2, Outcome.NOT_DISPATCHED, 1),
        of(3, Outcome.CONFIRMED, 2),
        of(4, Outcome.REJECTED),
        of(5, Outcome.UNDELIVERED, 4),
        queued(6, retry_of=an_id(5)),
        of(7, Outcome.CANCELLED),
        of(8, Outcome.UNCONFIRMED),
        of(9, Outcome.PRESUMED, 8),
    )
    journal = store.journal
    await journal.commit(LaneCommit(CODE, 0, Lane(submissions), None, submissions))
    assert await listed(journal, Query(needs_person=True)) == [5, 4]
    assert await listed(journal, Query(needs_person=False)) == [9, 8, 7, 6, 3, 2, 1]
    assert await listed(journal, Query(needs_person=True, outcome=Outcome.REJECTED)) == [4]


async def test_listing_by_how_they_ended_and_whose_they_are(store: Store) -> None:
    submissions = (
        closed(1, at(5), attribution=Attribution.EXCLUSIVE),
        closed(2, at(6), attribution=Attribution.CONTENDED, late=True),
        queued(3, retry_of=an_id(1)),
        closed(4, at(6), retry_of=an_id(2)),
    )
    await store.journal.commit(LaneCommit(CODE, 0, Lane(submissions), None, submissions))
    await store.restart()
    journal = store.journal
    assert await listed(journal, Query(attribution=Attribution.EXCLUSIVE)) == [1]
    assert await listed(journal, Query(attribution=Attribution.CONTENDED)) == [2]
    assert await listed(journal, Query(late=True)) == [2]
    assert await listed(journal, Query(late=False)) == [4, 3, 1]
    assert await listed(journal, Query(open=True)) == [3]
    assert await listed(journal, Query(open=False, limit=2)) == [4, 2]
    assert await listed(journal, Query(retry_of=an_id(1))) == [3]
    assert await listed(journal, Query(retry_of=an_id(1), open=False)) == []
    corrected = replace(submissions[0], attribution=Attribution.CONTENDED, late=True)
    version = (await journal.load_lane(CODE)).version
    await journal.commit(LaneCommit(CODE, version, Lane(submissions), None, (corrected,)))
    assert await listed(journal, Query(late=True, attribution=Attribution.CONTENDED)) == [2, 1]


async def test_listing_by_when_they_were_created(journal: Journal) -> None:
    """At or after the one moment, before the other: two ranges that meet share nothing."""
    await journal.commit(accepting(CODE, 1, 2, 3, 4))
    assert await listed(journal, Query(created_from_ms=at(3))) == [4, 3]
    assert await listed(journal, Query(created_to_ms=at(3))) == [2, 1]
    assert await listed(journal, Query(created_from_ms=at(2), created_to_ms=at(4))) == [3, 2]
    assert await listed(journal, Query(created_from_ms=at(2), before=an_id(4), limit=1)) == [3]
    assert await listed(journal, Query(created_from_ms=at(5))) == []


async def test_listing_by_a_ref_as_long_as_something_is_stored_of_its_code(store: Store) -> None:
    await store.journal.commit(replace(accepting(CODE, 1, 3), refs=("cv_1",)))
    await store.journal.commit(accepting(OTHER, 2))
    await store.restart()
    journal = store.journal
    assert await listed(journal, Query(ref="cv_1")) == [3, 1]
    assert await listed(journal, Query(ref="cv_2")) == []
    assert await journal.codes(None, 9) == [OTHER, CODE]
    assert await journal.codes(None, 1) == [OTHER]
    assert await journal.codes(OTHER, 9) == [CODE]
    nobody = CvCode("of nobody")
    await journal.add_refs([("cv_1", CODE), ("cv_9", CODE), ("cv_2", OTHER), ("cv_3", nobody)])
    await journal.commit(accepting(nobody, 7))
    for ref, numbers in (("cv_1", [3, 1]), ("cv_9", [3, 1]), ("cv_2", [2]), ("cv_3", [])):
        assert await listed(journal, Query(ref=ref)) == numbers, ref
    # Two codes may share a ref: it is short.
    await journal.add_refs([("cv_9", OTHER)])
    assert await listed(journal, Query(ref="cv_9")) == [3, 2, 1]
    await journal.forget(CODE)
    await journal.commit(accepting(CODE, 8))
    assert await listed(journal, Query(ref="cv_1")) == []
    assert await listed(journal, Query(ref="cv_9")) == [2]


async def test_a_ref_goes_with_the_last_submission_of_its_code(journal: Journal) -> None:
    rows = (closed(1, at(1)), closed(2, at(5)))
    await journal.commit(LaneCommit(CODE, 0, None, None, rows, refs=("cv_1",)))
    await journal.files_gone([an_id(1), an_id(2)])
    assert await journal.purge(at(3)) == 1
    assert await listed(journal, Query(ref="cv_1")) == [2]
    assert await journal.purge(at(9)) == 1
    await journal.commit(accepting(CODE, 3))
    assert await listed(journal, Query(ref="cv_1")) == []


async def test_the_tally_follows_every_change(store: Store) -> None:
    journal = store.journal
    assert await journal.tally() == Tally()
    submissions = (queued(1), queued(2), queued(3, state=State.SENDING))
    await journal.commit(LaneCommit(CODE, 0, Lane(submissions), None, submissions))
    open_now = {State.QUEUED: 2, State.SENDING: 1}
    assert await journal.tally() == Tally(open_now, {}, at(1))
    done = (
        closed(1, at(9), outcome=Outcome.UNCONFIRMED),
        closed(2, at(9), outcome=Outcome.CANCELLED),
    )
    await journal.commit(LaneCommit(CODE, 1, Lane((*done, submissions[2])), None, done))
    corrected = replace(done[0], outcome=Outcome.CONFIRMED, version=5)
    await journal.commit(LaneCommit(CODE, 2, Lane((corrected, submissions[2])), None, (corrected,)))
    await store.restart()
    by_outcome = {Outcome.CONFIRMED: 1, Outcome.CANCELLED: 1}
    assert await store.journal.tally() == Tally({State.SENDING: 1}, by_outcome, at(3))
    await store.journal.forget(CODE)
    assert await store.journal.tally() == Tally()


async def test_facts_come_in_the_order_they_were_decided(store: Store) -> None:
    first = replace(
        accepting(CODE, 1, 2),
        facts=(a_fact(1, at(1)), a_fact(2, at(2)), a_fact(None, at(3)), a_fact(1, at(4))),
    )
    version = await store.journal.commit(first)
    assert version is not None
    again = replace(accepting(CODE, 1, 2, version=version), facts=(a_fact(1, at(3)),))
    await store.journal.commit(again)
    await store.restart()
    facts = await store.journal.facts_of(an_id(1))
    assert [(at_ms, event) for at_ms, event, _ in facts] == [
        (at(1), "attempt.declined"),
        (at(4), "attempt.declined"),
        (at(3), "attempt.declined"),
    ]
    assert json.loads(facts[0][2]) == {
        "at_ms": at(1),
        "submission_id": an_id(1),
        "movement": "moved",
    }
    assert len(await store.journal.facts_of(an_id(2))) == 1
    assert await store.journal.facts_of(an_id(3)) == []


async def test_files_are_due_when_their_time_has_come(store: Store) -> None:
    journal = store.journal
    submissions = (queued(1), closed(2, at(20)), closed(3, at(10)), closed(4, at(30)))
    await journal.commit(LaneCommit(CODE, 0, Lane(submissions), None, submissions))
    assert await journal.files_due(at(9), 9) == []
    assert await journal.files_due(at(20), 9) == [an_id(3), an_id(2)]
    assert await journal.files_due(at(20), 1) == [an_id(3)]
    assert await journal.files_kept() == [an_id(1), an_id(2), an_id(3), an_id(4)]
    await journal.files_gone([an_id(3), an_id(99)])
    await journal.files_gone([an_id(3)])
    await store.restart()
    journal = store.journal
    assert await journal.files_due(at(20), 9) == [an_id(2)]
    assert await journal.files_kept() == [an_id(1), an_id(2), an_id(4)]
    later = replace(submissions[2], version=9, keep_file_until_ms=at(15))
    await journal.commit(LaneCommit(CODE, 1, Lane((later,)), None, (later,)))
    assert await journal.files_due(at(99), 9) == [an_id(2), an_id(4)], "gone stays gone"


async def test_a_closed_submission_without_a_time_has_its_file_due(journal: Journal) -> None:
    """Or it would stay in the spool for ever."""
    submission = closed(1, at(10), keep_file_until_ms=None)
    await journal.commit(LaneCommit(CODE, 0, Lane((submission,)), None, (submission,)))
    assert await journal.files_due(at(10), 9) == [an_id(1)]


async def test_purging_spares_what_is_open_remembered_recent_or_has_a_file(store: Store) -> None:
    journal = store.journal
    everything = (
        queued(1),
        closed(2, at(10)),
        closed(3, at(10)),
        closed(4, at(90)),
        closed(5, at(10)),
        closed(6, at(20)),
    )
    facts = tuple(a_fact(n, at(n)) for n in range(1, 7))
    reactions = tuple((an_id(n), 1) for n in range(1, 7))
    await journal.commit(
        LaneCommit(CODE, 0, Lane(everything), None, everything, facts=facts, reactions=reactions)
    )
    await journal.files_gone([an_id(n) for n in (2, 3, 4, 6)])
    await journal.commit(LaneCommit(CODE, 1, Lane((everything[0], everything[1])), None))
    await store.restart()
    journal = store.journal
    assert await journal.purge(at(50)) == 2
    assert await listed(journal, Query()) == [5, 4, 2, 1]
    for n in range(1, 7):
        assert len(await journal.facts_of(an_id(n))) == (0 if n in (3, 6) else 1)
    left = [r.submission_id for r in await journal.due_reactions(ANNOUNCED, at(0), 9)]
    assert left == [an_id(n) for n in (1, 2, 4, 5)]
    assert await journal.purge(at(50)) == 0


async def test_a_submission_that_is_remembered_again_is_spared(journal: Journal) -> None:
    """Whether it was written with that commit or not."""
    both = (closed(1, at(10)), closed(2, at(10)))
    await journal.commit(LaneCommit(CODE, 0, Lane(both), None, both))
    await journal.files_gone([an_id(1), an_id(2)])
    await journal.commit(LaneCommit(CODE, 1, Lane(), None, both[:1]))
    await journal.commit(LaneCommit(CODE, 2, Lane(both), None, both[:1]))
    assert await journal.purge(at(50)) == 0
    assert (await journal.load_lane(CODE)).lane == Lane(both)
    await journal.commit(LaneCommit(CODE, 3, None, None, both[:1]))
    assert await journal.purge(at(50)) == 2


async def test_purging_deletes_old_events_and_gaps_and_no_key_of_use(journal: Journal) -> None:
    rows = [InboxRow(Heard(seq, at(seq * 10)), CODE, "{}") for seq in (1, 2, 6)]
    await journal.append_events(rows)
    old, recent = (IdempotencyKey(f"key-{n}", "print", an_id(n), at(n)) for n in (1, 60))
    done = ((1, Disposition.FOREIGN), (6, Disposition.FOREIGN))
    await journal.commit(replace(accepting(CODE, 1), idempotency=old, dispositions=done))
    await journal.commit(replace(accepting(OTHER, 60), idempotency=recent))
    for start, end in ((1, 5), (40, 60)):
        await journal.open_gap(Gap(at(start)))
        await journal.close_gap(at(end), "started")
    await journal.settle_gaps(await journal.ripe_gaps(9), at(65))
    await journal.open_gap(Gap(at(70)))
    assert await journal.purge(at(50)) == 0
    assert await journal.undisposed() == [rows[1]]
    assert await journal.highest_seq() == 6
    assert [gap.start_ms for gap in await journal.gaps_since(at(0))] == [at(40), at(70)]
    assert await journal.idempotency("key-1", at(99)) == old, "its submission is open"
    assert await journal.idempotency("key-60", at(99)) == recent


async def test_no_number_of_an_event_is_given_twice_whatever_is_deleted(store: Store) -> None:
    """Neither after a purge nor after forgetting, and over a restart."""
    journal = store.journal
    await journal.append_events([InboxRow(Heard(7, at(7)), CODE, "{}", Disposition.FOREIGN)])
    assert await journal.purge(at(50)) == 0
    assert await journal.undisposed() == []
    await store.restart()
    assert await store.journal.highest_seq() == 7
    await store.journal.append_events([InboxRow(Heard(9, at(9)), OTHER, "{}")])
    await store.journal.forget(OTHER)
    await store.restart()
    assert await store.journal.highest_seq() == 9


async def test_what_a_purge_would_delete_is_counted(journal: Journal) -> None:
    rows = (queued(1), closed(2, at(10)), closed(3, at(60)), closed(4, at(10)), closed(5, at(10)))
    await journal.commit(LaneCommit(CODE, 0, Lane(rows), None, rows))
    await journal.files_gone([an_id(n) for n in (2, 3, 5)])
    await journal.commit(LaneCommit(CODE, 1, Lane((rows[0], rows[4])), None))
    assert await journal.purgeable(at(50)) == 1
    assert await journal.purgeable(at(99)) == 2
    assert await journal.purge(at(50)) == 1
    assert await journal.purgeable(at(50)) == 0


async def test_purging_many(journal: Journal) -> None:
    """More than one slice."""
    many = tuple(closed(n, at(n)) for n in range(1_200))
    await journal.commit(LaneCommit(CODE, 0, Lane(many[:2]), None, many))
    await journal.files_gone([s.id for s in many])
    assert await journal.purge(at(1_100)) == 1_098
    assert len(await journal.submissions(Query(limit=2_000))) == 102


async def test_forgetting_leaves_nothing_of_the_code(store: Store) -> None:
    journal = store.journal
    for code, n in ((CODE, 1), (OTHER, 2)):
        await journal.append_events([InboxRow(Heard(n, at(n)), code, "{}")])
        key = IdempotencyKey(f"key-{n}", "print", an_id(n), at(n))
        await journal.commit(
            replace(
                accepting(code, n, n + 10),
                due_ms=at(n),
                facts=(a_fact(n, at(n)), a_fact(None, at(n))),
                idempotency=key,
                reactions=((an_id(n), 1),),
            )
        )
        assert await journal.claim_lane(code, "one", at(0), at(99)) is not None
    assert await journal.forget(CODE) == 2
    await store.restart()
    journal = store.journal
    assert await journal.load_lane(CODE) == LaneRow(CODE, Lane(), 0)
    assert await journal.lanes() == [OTHER]
    assert await listed(journal, Query()) == [12, 2]
    assert await journal.facts_of(an_id(1)) == []
    assert [row.code for row in await journal.undisposed()] == [OTHER]
    assert await journal.idempotency("key-1", at(99)) is None
    assert await journal.due_lanes(at(9), 9) == [OTHER]
    assert [r.submission_id for r in await journal.due_reactions(ANNOUNCED, at(0), 9)] == [an_id(2)]
    assert await journal.claim_lane(CODE, "two", at(1), at(99)) is not None
    assert await journal.claim_lane(OTHER, "two", at(1), at(99)) is None
    assert len(await journal.facts_of(an_id(2))) == 1
    assert await journal.forget(CODE) == 0


async def test_a_note_stands_until_it_is_taken_away(store: Store) -> None:
    assert await store.journal.note("a") is None
    await store.journal.set_note("a", "1")
    await store.journal.set_note("b", "")
    await store.journal.set_note("a", "2")
    await store.restart()
    assert (await store.journal.note("a"), await store.journal.note("b")) == ("2", "")
    await store.journal.purge(at(99))
    await store.journal.set_note("b", None)
    await store.journal.set_note("b", None)
    await store.restart()
    assert (await store.journal.note("a"), await store.journal.note("b")) == ("2", None)
    await store.journal.commit(accepting(CODE, 1))
    assert await store.journal.first_look() == FirstLook([CODE], {"a": "2"})


async def test_a_proof_comes_behind_what_was_given_before_and_changes_nothing(store: Store) -> None:
    journal, order = store.journal, list[str]()

    async def then(name: str, doing: Awaitable[object]) -> None:
        await doing
        order.append(name)

    await asyncio.gather(
        then("commit", journal.commit(accepting(CODE, 1))), then("proof", journal.prove())
    )
    assert order == ["commit", "proof"]
    before = await journal.first_look(), await journal.tally(), await journal.load_lane(CODE)
    await journal.prove()
    assert before == (
        await journal.first_look(),
        await journal.tally(),
        await journal.load_lane(CODE),
    )
