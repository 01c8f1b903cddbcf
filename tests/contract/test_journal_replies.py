"""The upstream's replies, kept as they came while their submission is open, and no longer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from listener.core.names import Outcome, State
from listener.core.submission import Lane
from listener.ports.journal import Journal, LaneCommit, StoredReply
from listener.ports.upstream import RawReply

from .journals import CODE, OTHER, Store, accepting, an_id, at, closed, queued

RAW = RawReply(201, "Créé", (("Set-Cookie", "a"), ("set-cookie", "é")), b'{"a":\r\n1}\x00\xff')
REPLY = StoredReply(an_id(1), 1, RAW)
AWAITING = queued(1, state=State.AWAITING)


async def answered(journal: Journal, reply: StoredReply = REPLY) -> int:
    """The first submission of CODE, accepted and then answered; the lane's version."""
    version = await journal.commit(accepting(CODE, 1))
    assert version is not None
    commit = LaneCommit(CODE, version, Lane((AWAITING,)), None, (AWAITING,), reply=reply)
    newer = await journal.commit(commit)
    assert newer is not None
    return newer


async def test_a_reply_comes_back_as_it_was_given(store: Store) -> None:
    await answered(store.journal)
    assert await store.journal.reply(an_id(1)) == REPLY
    await store.restart()
    assert await store.journal.reply(an_id(1)) == REPLY
    assert await store.journal.reply(an_id(2)) is None


async def test_a_later_reply_takes_the_place_of_an_earlier_one(journal: Journal) -> None:
    version = await answered(journal)
    later = StoredReply(an_id(1), 2, replace(RAW, status=503, headers=(), body=b""))
    commit = LaneCommit(CODE, version, Lane((AWAITING,)), None, (AWAITING,), reply=later)
    await journal.commit(commit)
    assert await journal.reply(an_id(1)) == later


async def test_other_commits_leave_it(journal: Journal) -> None:
    version = await answered(journal)
    doubted = queued(1, state=State.IN_DOUBT)
    await journal.commit(LaneCommit(CODE, version, Lane((doubted,)), None, (doubted,)))
    await journal.commit(accepting(OTHER, 2))
    assert await journal.reply(an_id(1)) == REPLY


async def test_it_goes_with_the_commit_that_closes_its_submission(store: Store) -> None:
    version = await answered(store.journal)
    done = closed(1, at(5), outcome=Outcome.CONFIRMED)
    await store.journal.commit(LaneCommit(CODE, version, Lane((done,)), None, (done,)))
    assert await store.journal.reply(an_id(1)) is None
    await store.restart()
    assert await store.journal.reply(an_id(1)) is None


async def test_a_reply_that_closes_its_submission_is_not_kept(journal: Journal) -> None:
    version = await journal.commit(accepting(CODE, 1, 2))
    assert version is not None
    refused = closed(1, at(5), outcome=Outcome.REJECTED)
    lane = Lane((refused, queued(2)))
    await journal.commit(LaneCommit(CODE, version, lane, None, (refused,), reply=REPLY))
    assert await journal.reply(an_id(1)) is None


async def test_a_stale_commit_stores_no_reply(journal: Journal) -> None:
    version = await answered(journal)
    other = StoredReply(an_id(1), 2, RAW)
    stale = LaneCommit(CODE, version - 1, Lane((AWAITING,)), None, (AWAITING,), reply=other)
    assert await journal.commit(stale) is None
    assert await journal.reply(an_id(1)) == REPLY


async def test_it_is_forgotten_with_its_code(journal: Journal) -> None:
    await answered(journal)
    await journal.forget(OTHER)
    assert await journal.reply(an_id(1)) == REPLY
    await journal.forget(CODE)
    assert await journal.reply(an_id(1)) is None


async def test_a_reply_that_no_store_can_hold_changes_nothing(journal: Journal) -> None:
    bad = StoredReply(an_id(1), 1, replace(RAW, headers=(("X", "\ud800"),)))
    with pytest.raises(ValueError, match=r"surrogate|UTF-8|utf-8"):
        await answered(journal, bad)
    assert await journal.reply(an_id(1)) is None
    assert (await journal.load_lane(CODE)).lane == Lane((queued(1),))
