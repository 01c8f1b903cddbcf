"""The same sent again, by a client that never had the last word, or with a key."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx

from listener.adapters.web import GatewayPolicy
from listener.core.evidence import PostResult
from listener.core.names import Outcome, PostKind
from listener.ports.journal import Query
from listener.ports.upstream import RawReply

from .gateway_client import leave_an_update, ours, update
from .rig import CODE, PDF, Daemon, daemon, pdf_of

OTHER = pdf_of(500)
SOON = GatewayPolicy(open=True, wait_s=0.3)
KEY = {"Idempotency-Key": "k-1"}
NOT_FOUND = RawReply(404, "Not Found", (("Content-Type", "application/json"),), b'{"a": 404}')


async def closed(house: Daemon, count: int = 1) -> None:
    """Wait until so many are."""
    async with asyncio.timeout(30):
        while sum((await house.journal.tally()).closed_by_outcome.values()) < count:  # noqa: ASYNC110 - the journal's: there is no event to wait for
            await asyncio.sleep(0.01)


async def ids(house: Daemon) -> list[str]:
    return [stored.submission.id for stored in await house.journal.submissions(Query())]


async def left_with_a_504(house: Daemon) -> str:
    """An update that closes only after its client was told that it is not closed; its id."""
    house.upstream.open.clear()
    answer = await update(house)
    assert ours(answer)[0] == 504 and "is not sent twice" in ours(answer)[1]
    house.upstream.open.set()
    await closed(house)
    return answer.headers["CV-Submission-Id"]


def told(answer: httpx.Response) -> tuple[int, bytes, str]:
    return answer.status_code, answer.content, answer.headers["CV-Submission-Id"]


async def test_who_was_told_to_ask_again_gets_the_reply_once_and_nothing_is_sent_again(
    tmp_path: Path,
) -> None:
    async with daemon(tmp_path, gateway=SOON) as house:
        first = await left_with_a_504(house)
        assert told(await update(house)) == (200, b"{}", first)
        assert len(house.upstream.posted) == 1
        # That was it: now it is wanted anew.
        again = await update(house)
        assert again.status_code == 200 and again.headers["CV-Submission-Id"] != first
        assert len(house.upstream.posted) == 2
        # And whoever had an answer at once asks for a new one, too, once that is closed.
        await closed(house, 2)
        await update(house)
        assert len(house.upstream.posted) == 3


async def test_a_client_that_left_before_its_reply_gets_it_when_it_comes_back(
    house: Daemon,
) -> None:
    await leave_an_update(house)
    house.upstream.open.set()
    await closed(house)
    assert told(await update(house)) == (200, b"{}", (await ids(house))[0])
    assert len(house.upstream.posted) == 1


async def test_after_a_restart_it_is_answered_from_the_journal(tmp_path: Path) -> None:
    async with daemon(tmp_path, gateway=SOON) as house:
        first = await left_with_a_504(house)
    async with daemon(tmp_path, gateway=SOON) as house:
        answer = await update(house)
        assert (answer.status_code, answer.headers["CV-Submission-Id"]) == (200, first)
        assert answer.headers["CV-Outcome"] == "confirmed"
        data = answer.json()["data"]
        assert (data["cv_code"], data["cv_id"], data["status"]) == (CODE, 456, "draft")
        assert data["cv_updated"] is True and house.upstream.posted == []
        # Also over another restart that was all.
    async with daemon(tmp_path, gateway=SOON) as house:
        await update(house)
        assert len(house.upstream.posted) == 1


async def test_what_an_earlier_run_left_without_a_word_is_owed_too(tmp_path: Path) -> None:
    async with daemon(tmp_path) as house:
        house.upstream.open.clear()
        first = (await house.post()).json()["id"]
        await house.upstream.arrived.wait()
        # Cut short in its attempt, as by a kill.
    async with daemon(tmp_path) as house:
        house.ear.hear(CODE)
        await closed(house)
        answer = await update(house)
        assert (answer.status_code, answer.headers["CV-Submission-Id"]) == (200, first)
        assert answer.headers["CV-Outcome"] == "confirmed" and house.upstream.posted == []


async def test_a_refusal_is_told_again_too(tmp_path: Path) -> None:
    async with daemon(tmp_path, gateway=SOON) as house:
        house.upstream.ends = [(PostResult(PostKind.REFUSED, "not_found", 404), NOT_FOUND)]
        first = await left_with_a_504(house)
        answer = await update(house)
        assert told(answer) == (404, NOT_FOUND.body, first)
        assert answer.headers["CV-Outcome"] == "rejected" and len(house.upstream.posted) == 1


async def test_not_where_another_came_after_it(tmp_path: Path) -> None:
    async with daemon(tmp_path, gateway=SOON) as house:
        first = await left_with_a_504(house)
        assert (await update(house, OTHER)).status_code == 200
        await closed(house, 2)
        again = await update(house)
        assert again.status_code == 200 and again.headers["CV-Submission-Id"] != first
        assert [file for _, file, _ in house.upstream.posted] == [PDF, OTHER, PDF]


async def test_what_was_never_sent_is_sent_when_it_is_asked_for_again(tmp_path: Path) -> None:
    async with daemon(tmp_path, gateway=SOON) as house:
        gone = PostResult(PostKind.NOT_SENT, "file_lost", resendable=False)
        house.upstream.ends = [(gone, None)]
        await left_with_a_504(house)
        tally = await house.journal.tally()
        assert set(tally.closed_by_outcome) == {Outcome.UNDELIVERED}
        assert (await update(house)).status_code == 200
        assert len(house.upstream.posted) == 2


async def test_a_key_gives_the_same_update_while_it_is_kept(tmp_path: Path) -> None:
    async with daemon(tmp_path) as house:
        answers = [await update(house, head=KEY)]
        await closed(house)
        answers += [await update(house, head=KEY) for _ in range(2)]
        assert len({told(answer) for answer in answers}) == 1
        assert ours(await update(house, OTHER, head=KEY))[0] == 422
        assert ours(await update(house, head={"Idempotency-Key": "k 1"}))[0] == 400
        assert len(house.upstream.posted) == 1
        # Another key says that it is another update, also while the first is open.
        assert (await update(house, head={"Idempotency-Key": "k-2"})).status_code == 200
        assert len(house.upstream.posted) == 2
    async with daemon(tmp_path) as house:
        answer = await update(house, head=KEY)
        assert answer.headers["CV-Submission-Id"] == answers[0].headers["CV-Submission-Id"]
        assert answer.status_code == 200 and house.upstream.posted == []
