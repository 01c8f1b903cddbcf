"""The upstream's reply for whoever waits for it, and those who join an update that is open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from listener.core.evidence import PostResult
from listener.core.names import CvCode, Outcome, PostKind, State, SubmissionId
from listener.ports.front import Awaited, Taken
from listener.ports.journal import Journal, Query
from listener.ports.upstream import RawReply
from listener.service.front import ServiceFront
from tests.simulation.life import Life

from .test_rooms import CODE, crash, lived, service_of, start, until
from .test_sending import answering

FILE = b"%PDF-1.7 simulated"


def front(life: Life) -> ServiceFront:
    service = service_of(life)
    return ServiceFront(service, service._world)


def journal(life: Life) -> Journal:
    return service_of(life)._world.journal


async def submit(
    life: Life, code: CvCode = CODE, file: bytes = FILE, *, join: bool = True
) -> tuple[SubmissionId, bool]:
    """Its id, and whether it was there already."""

    async def chunks() -> AsyncIterator[bytes]:
        yield file

    taken = await front(life).submit(code, chunks(), "cv.pdf", join=join)
    assert isinstance(taken, Taken)
    return SubmissionId(taken.submission["id"]), taken.repeated


async def awaited(
    life: Life, name: SubmissionId, seconds: float = 60, *, until_closed: bool = False
) -> Awaited:
    found = await front(life).wait_reply(name, seconds, until_closed=until_closed)
    assert found is not None
    return found


def told(found: Awaited) -> tuple[int | None, str]:
    """The reply's status, and the state it came in."""
    state = found.submission["state"]
    return (None if found.reply is None else found.reply.status), state


@pytest.mark.parametrize(
    ("script", "status", "state"),
    [("ok", 200, "awaiting"), ("not_found", 404, "closed"), ("status_error", 200, "closed")],
)
def test_a_final_reply_is_told_as_soon_as_it_is_on_disk(
    script: str, status: int, state: str
) -> None:
    async def story(life: Life) -> None:
        name, _ = await submit(life)
        found = await awaited(life, name)
        assert told(found) == (status, state)
        kept = await journal(life).reply(name)
        assert (kept is None) == (state == "closed")
        assert kept is None or kept.reply == found.reply

    lived(story, posts={script: 1.0}, events={"silent": 1.0})


@pytest.mark.parametrize(
    "script", ["error_before", "throttled_5s", "unavailable_3s", "reset_after"]
)
def test_what_will_be_acted_upon_is_not_told(script: str) -> None:
    async def story(life: Life) -> None:
        name, _ = await submit(life)
        began = life.loop.time()
        found = await awaited(life, name, 2.5)
        assert life.loop.time() - began >= 2.5
        assert found.submission["state"] in ("in_doubt", "queued")
        assert (found.reply, found.replied) == (None, False)

    lived(story, posts={script: 1.0}, events={"silent": 1.0})


def test_at_the_close_the_last_reply_is_told_whatever_it_is() -> None:
    async def story(life: Life) -> None:
        name, _ = await submit(life)
        found = await awaited(life, name, 7200)
        assert told(found) == (500, "closed")
        assert found.submission["outcome"] != "confirmed" and not found.timed_out

    lived(story, posts={"error_before": 1.0}, events={"silent": 1.0})


def test_a_reply_of_an_earlier_attempt_is_none_of_the_last() -> None:
    async def story(life: Life) -> None:
        async def answer(code: CvCode) -> PostResult | None:
            if len(began) > 1:
                return PostResult(PostKind.POSSIBLY_SENT, "read_timeout")
            return None

        began = answering(life, answer)
        name, _ = await submit(life)
        found = await awaited(life, name, 7200)
        assert len(began) > 1
        assert told(found) == (None, "closed")
        assert found.timed_out

    lived(story, posts={"error_before": 1.0}, events={"silent": 1.0})


@pytest.mark.parametrize("waits", [False, True])
def test_what_was_withdrawn_has_no_reply(waits: bool) -> None:
    async def story(life: Life) -> None:
        name, _ = await submit(life)
        held = await awaited(life, name, 5)
        assert (held.submission["attempts"], held.replied) == (1, False)
        waiting = asyncio.create_task(awaited(life, name, 600))
        await asyncio.sleep(0.01 if waits else 0)
        await front(life).cancel(name)
        assert told(await waiting) == (None, "closed")

    lived(story, posts={"throttled_long": 1.0})


def test_the_reply_stays_with_whoever_waits_for_the_close() -> None:
    async def story(life: Life) -> None:
        name, _ = await submit(life)
        found = await awaited(life, name, until_closed=True)
        assert told(found) == (200, "closed")
        assert found.submission["outcome"] == "confirmed"
        assert await journal(life).reply(name) is None

    lived(story)


def test_whoever_waits_for_the_close_gets_what_there_is_when_time_is_up() -> None:
    async def story(life: Life) -> None:
        name, _ = await submit(life)
        found = await awaited(life, name, 3, until_closed=True)
        assert told(found) == (200, "awaiting")

    lived(story, events={"silent": 1.0})


def test_two_at_once_are_one_update_and_get_one_reply() -> None:
    async def story(life: Life) -> None:
        both = await asyncio.gather(submit(life), submit(life))
        assert {name for name, _ in both} == {both[0][0]}
        assert sorted(repeated for _, repeated in both) == [False, True]
        replies = await asyncio.gather(*(awaited(life, name) for name, _ in both))
        assert replies[0].reply is not None and replies[0].reply == replies[1].reply
        assert len(life.upstream.ledger.posts) == 1
        assert len(await journal(life).submissions(Query())) == 1
        lines = [line.fields for line in life.log.lines if line.event == "submission.joined"]
        assert [line["submission_id"] for line in lines] == [both[0][0]]

    lived(story, events={"silent": 1.0})


def test_the_file_of_whoever_joins_goes_again() -> None:
    async def story(life: Life) -> None:
        name, _ = await submit(life)
        before = life.spool.used_bytes()
        assert await submit(life) == (name, True)
        assert life.spool.used_bytes() == before > 0

    lived(story, events={"silent": 1.0})


def test_whoever_joins_after_the_reply_gets_it_after_a_crash_too() -> None:
    async def story(life: Life) -> None:
        name, _ = await submit(life)
        first = (await awaited(life, name)).reply
        assert isinstance(first, RawReply)
        assert await submit(life) == (name, True)
        assert (await awaited(life, name, 0)).reply == first
        await crash(life)
        await start(life)
        assert await submit(life) == (name, True)
        assert (await awaited(life, name, 0)).reply == first
        await until(life, name, State.CLOSED)
        assert len(life.upstream.ledger.posts) == 1

    lived(story, events={"slow_event": 1.0})


def test_other_bytes_and_other_codes_and_whoever_does_not_ask_to_join_do_not() -> None:
    async def story(life: Life) -> None:
        first, _ = await submit(life)
        others = [
            await submit(life, file=b"%PDF-1.7 another"),
            await submit(life, CvCode("Sim#other")),
            await submit(life, join=False),
        ]
        assert len({first, *(name for name, _ in others)}) == 4
        assert not any(repeated for _, repeated in others)

    lived(story, events={"silent": 1.0})


def test_once_it_is_closed_the_same_again_is_a_new_update() -> None:
    async def story(life: Life) -> None:
        name, _ = await submit(life)
        assert (await until(life, name, State.CLOSED)).outcome is Outcome.CONFIRMED
        await front(life).word_delivered(name)
        again, repeated = await submit(life)
        assert (again != name, repeated) == (True, False)

    lived(story)


def test_a_reply_that_nobody_had_is_owed_until_somebody_had_it() -> None:
    async def story(life: Life) -> None:
        name, _ = await submit(life)
        await until(life, name, State.CLOSED)
        assert await submit(life) == (name, True)
        # One who waited has it; another who did not get it is told so too late.
        await front(life).word_delivered(name)
        await front(life).word_undelivered(name)
        again, _ = await submit(life)
        await until(life, again, State.CLOSED)
        await front(life).word_undelivered(again)
        await asyncio.sleep(3_500)
        assert await submit(life) == (again, True)
        await asyncio.sleep(200)
        assert (await submit(life))[0] not in (name, again)

    lived(story)


def test_nobody_can_wait_for_what_is_not_known() -> None:
    async def story(life: Life) -> None:
        assert await front(life).wait_reply(SubmissionId("none"), 5) is None

    lived(story)


def test_a_reply_that_somebody_waits_for_is_not_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("listener.service.replies.RECENT_BYTES", 1)

    async def story(life: Life) -> None:
        names = [(await submit(life, CvCode(f"Sim#{n}")))[0] for n in range(5)]
        waiting: list[Any] = [awaited(life, name) for name in names]
        found = await asyncio.gather(*waiting)
        assert all(told(one) == (404, "closed") for one in found)

    lived(story, posts={"not_found": 1.0}, events={"silent": 1.0})


def test_replies_in_memory_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("listener.service.replies.RECENT_BYTES", 400)

    async def story(life: Life) -> None:
        names = [(await submit(life, CvCode(f"Sim#{n}")))[0] for n in range(5)]
        waiting: list[Any] = [awaited(life, name) for name in names]
        found = await asyncio.gather(*waiting)
        assert all(told(one) == (200, "awaiting") for one in found)
        kept = service_of(life).replies._recent
        assert 1 <= len(kept) < 5
        assert sum(len(one.reply.body) for one in kept.values()) <= 400

    lived(story, events={"silent": 1.0})
