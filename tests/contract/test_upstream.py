"""The upstream port: given that the upstream does this, the result says that. Over the real adapter
and its emulator, and over the scripted upstream on virtual time."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from listener.core.evidence import PostResult, UpstreamReply
from listener.core.names import PostKind
from listener.ports.upstream import NoReply, RawReply
from tests.fakes.upstream_scripts import SCRIPTS, named

from .upstreams import CODE, UNKNOWN, Asker, Entry, Play, player, saying, scripted, served

NOT_SENT, THROTTLED = PostKind.NOT_SENT, PostKind.THROTTLED
REFUSED, POSSIBLY = PostKind.REFUSED, PostKind.POSSIBLY_SENT
ACCEPTED = PostResult(
    PostKind.ACCEPTED,
    "accepted",
    200,
    reply=UpstreamReply(cv_id=456, application_id=None, status="draft"),
)
BIG = 4_000_000
"""Bytes: more than the kernel takes on either side."""

SHORT_S = 0.3
"""A timeout that the real adapter is let run into."""


@pytest.fixture(params=["http", "scripted"])
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Play:
    if request.param == "http":
        return player(served, tmp_path, virtual=False)
    return player(scripted, tmp_path, virtual=True)


# ------------------------------------------------------------------------ what a POST ends as

UNREADABLE = PostResult(POSSIBLY, "unreadable_reply", 200, resendable=False)

POSTS: list[tuple[str, PostResult, bool]] = [
    ("ok", ACCEPTED, True),
    ("created", replace(ACCEPTED, http_status=201), True),
    ("slow_reply", ACCEPTED, True),
    ("event_first", ACCEPTED, True),
    ("not_dispatched", ACCEPTED, False),
    ("reset_before", PostResult(POSSIBLY, "connection_reset"), False),
    ("reset_after", PostResult(POSSIBLY, "connection_reset"), True),
    ("reset_late", PostResult(POSSIBLY, "connection_reset"), True),
    ("applied_late", PostResult(POSSIBLY, "connection_reset"), True),
    ("close_before", PostResult(POSSIBLY, "disconnected"), False),
    ("close_after", PostResult(POSSIBLY, "disconnected"), True),
    ("throttled_bare", PostResult(THROTTLED, "throttled", 429), False),
    ("throttled_5s", PostResult(THROTTLED, "throttled", 429, 5_000), False),
    ("throttled_date", PostResult(THROTTLED, "throttled", 429, 5_000), False),
    ("throttled_long", PostResult(THROTTLED, "throttled", 429, 60_000), False),
    ("not_found", PostResult(REFUSED, "not_found", 404), False),
    ("unprocessable", PostResult(REFUSED, "unprocessable", 422), False),
    ("refused_applied", PostResult(REFUSED, "unprocessable", 422), True),
    ("redirect", PostResult(REFUSED, "redirected", 307), False),
    ("status_error", PostResult(REFUSED, "status_error", 200), False),
    ("status_error_applied", PostResult(REFUSED, "status_error", 200), True),
    ("timed_out", PostResult(POSSIBLY, "upstream_timed_out", 408), False),
    ("timed_out_applied", PostResult(POSSIBLY, "upstream_timed_out", 408), True),
    ("error_before", PostResult(POSSIBLY, "http_500", 500), False),
    ("error_after", PostResult(POSSIBLY, "http_500", 500), True),
    ("error_late", PostResult(POSSIBLY, "http_500", 500), True),
    ("gateway_timeout", PostResult(POSSIBLY, "http_504", 504), False),
    ("gateway_timeout_applied", PostResult(POSSIBLY, "http_504", 504), True),
    ("unavailable_bare", PostResult(POSSIBLY, "http_503", 503), False),
    ("unavailable_3s", PostResult(POSSIBLY, "http_503", 503, 3_000), False),
    ("unavailable_applied", PostResult(POSSIBLY, "http_503", 503, 3_000), True),
    ("unreadable", UNREADABLE, True),
    ("unreadable_unapplied", UNREADABLE, False),
    ("truncated_reply", replace(UNREADABLE, detail="reply_garbled"), True),
]


@pytest.mark.parametrize(("script", "expected", "applied"), POSTS, ids=[row[0] for row in POSTS])
def test_a_post_ends_as_what_the_upstream_did_with_it(
    play: Play, script: str, expected: PostResult, applied: bool
) -> None:
    async def scene(it: Asker) -> None:
        it.rig.plan(script)
        assert near(await it.post(), expected)
        if applied:
            await it.rig.settle(lambda: it.rig.posts()[0].applied)
        assert it.rig.posts() == [Entry("0199-1", CODE, applied)]

    play(scene)


def near(found: PostResult, expected: PostResult) -> bool:
    """Equal, but for the second that a date may lose."""
    wait_ms = found.retry_after_ms
    if wait_ms is not None and expected.retry_after_ms is not None:
        if not expected.retry_after_ms - 1_000 <= wait_ms <= expected.retry_after_ms:
            return False
        found = replace(found, retry_after_ms=expected.retry_after_ms)
    return found == expected


@pytest.mark.parametrize(("script", "applied"), [("hang_before", False), ("hang_after", True)])
def test_an_upstream_that_says_nothing_is_waited_for_so_long_and_no_longer(
    play: Play, script: str, applied: bool
) -> None:
    async def scene(it: Asker) -> None:
        it.rig.plan(script)
        assert await it.post() == PostResult(POSSIBLY, "read_timeout")
        assert it.rig.posts() == [Entry("0199-1", CODE, applied)]

    play(scene, upload_timeout_s=SHORT_S)


def test_a_body_that_was_not_taken_whole_was_not_sent(play: Play) -> None:
    async def scene(it: Asker) -> None:
        it.rig.plan("body_cut")
        result = await it.post()
        # A reset that is seen while reading is no reset of the writing.
        assert result.detail in {"write_failed", "disconnected"}
        assert result == PostResult(NOT_SENT, result.detail)
        assert it.rig.posts() == [Entry("0199-1", CODE, applied=False)]

    play(scene, size=BIG)


def test_an_answer_before_the_end_of_the_body_is_an_answer(play: Play) -> None:
    async def scene(it: Asker) -> None:
        it.rig.plan("early_413")
        assert await it.post() == PostResult(REFUSED, "file_too_large", 413)
        assert it.rig.posts() == [Entry("0199-1", CODE, applied=False)]

    play(scene, size=BIG)


def test_where_nobody_listens_nothing_was_sent(play: Play) -> None:
    async def scene(it: Asker) -> None:
        await it.rig.unreachable()
        assert await it.post() == PostResult(NOT_SENT, "connect_refused")
        reading = await it.read()
        assert (reading.known, reading.detail) == (False, "connect_refused")
        assert it.rig.posts() == []

    play(scene)


def test_where_nobody_answers_nothing_was_sent(tmp_path: Path) -> None:
    """Of the scripted upstream; tests/adapters/upstream_http has the same of the real one, over a
    listening socket whose queue is full."""

    async def scene(it: Asker) -> None:
        it.rig.plan("connect_timeout")
        assert await it.post() == PostResult(NOT_SENT, "connect_timeout")
        assert asyncio.get_running_loop().time() == SHORT_S
        assert it.rig.posts() == []

    player(scripted, tmp_path, virtual=True)(scene, timeout_s=SHORT_S)


def test_an_upstream_that_was_closed_sends_nothing(play: Play) -> None:
    async def scene(it: Asker) -> None:
        await it.rig.upstream.close()
        await it.rig.upstream.close()
        assert await it.post() == PostResult(NOT_SENT, "transport_closed")
        reading = await it.read()
        assert (reading.known, reading.detail) == (False, "transport_closed")

    play(scene)


def test_a_file_that_is_gone_was_not_sent_and_never_will_be(play: Play) -> None:
    async def scene(it: Asker) -> None:
        it.file.unlink()
        assert await it.post() == PostResult(NOT_SENT, "file_lost", resendable=False)
        assert it.rig.posts() == []

    play(scene)


def test_a_code_that_nobody_knows_is_refused(play: Play) -> None:
    async def scene(it: Asker) -> None:
        assert await it.post(UNKNOWN) == PostResult(REFUSED, "not_found", 404)
        reading = await it.read(UNKNOWN)
        assert (reading.known, reading.detail) == (False, "not_found")
        assert it.rig.posts() == [Entry("0199-1", UNKNOWN, applied=False)]

    play(scene)


def test_a_reply_without_fields_is_an_acceptance_all_the_same(tmp_path: Path) -> None:
    bare = replace(ACCEPTED, reply=UpstreamReply())

    async def scene(it: Asker) -> None:
        it.rig.plan("bare_reply")
        assert await it.post() == bare

    async def over_http(it: Asker) -> None:
        async with saying(b'{"status":"success","data":{}}') as upstream:
            assert await upstream.post_update(CODE, it.file, it.facts, request_id="r") == bare

    player(scripted, tmp_path, virtual=True)(scene)
    player(served, tmp_path, virtual=False)(over_http)


# ----------------------------------------------------------------------- the reply, as it came


@pytest.mark.parametrize(
    ("script", "status", "says"),
    [
        ("ok", 200, "success"),
        ("created", 201, "success"),
        ("slow_reply", 200, "success"),
        ("throttled_5s", 429, "error"),
        ("not_found", 404, "error"),
        ("status_error", 200, "error"),
        ("error_before", 500, "error"),
    ],
)
def test_a_reply_that_was_read_whole_is_told_as_it_came(
    play: Play, script: str, status: int, says: str
) -> None:
    async def scene(it: Asker) -> None:
        it.rig.plan(script)
        (raw,) = await it.posted()
        assert (raw.status, json.loads(raw.body)["status"]) == (status, says)
        head = {name.lower(): value for name, value in raw.headers}
        assert head["content-type"].startswith("application/json")
        assert "content-length" not in head
        assert ("retry-after" in head) == (script == "throttled_5s")
        assert "message" in repr(raw.body) and "message" not in repr(raw)

    play(scene)


@pytest.mark.parametrize(
    "script", ["reset_after", "close_after", "truncated_reply", "reset_mid_body"]
)
def test_of_what_was_not_read_whole_nothing_is_told(play: Play, script: str) -> None:
    async def scene(it: Asker) -> None:
        it.rig.plan(script)
        assert await it.posted() == []

    play(scene)


@pytest.mark.parametrize(
    ("script", "status"),
    [("ok", 200), ("get_error", 500), ("get_throttled", 429), ("get_unreadable", 200)],
)
def test_a_record_is_fetched_whatever_the_answer_is(play: Play, script: str, status: int) -> None:
    async def scene(it: Asker) -> None:
        if script != "ok":
            it.rig.plan(script)
        raw = await it.fetch()
        assert isinstance(raw, RawReply)
        assert raw.status == status
        assert it.rig.reads() == ["0199-f"]
        unknown = await it.fetch(UNKNOWN)
        assert isinstance(unknown, RawReply) and unknown.status == 404

    play(scene)


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("get_hang", NoReply("read_timeout", timed_out=True)),
        ("get_truncated", NoReply("reply_garbled", timed_out=False)),
    ],
)
def test_a_record_that_cannot_be_fetched_is_no_reply(
    play: Play, script: str, told: NoReply
) -> None:
    async def scene(it: Asker) -> None:
        it.rig.plan(script)
        assert await it.fetch() == told
        await it.rig.unreachable()
        assert await it.fetch() == NoReply("connect_refused", timed_out=False)

    play(scene, timeout_s=SHORT_S)


# ------------------------------------------------------------------------------- what a GET says


def test_a_reading_holds_a_digest_of_the_path_and_the_two_statuses(play: Play) -> None:
    async def scene(it: Asker) -> None:
        reading = await it.read()
        assert reading.known
        assert reading.path_digest
        assert "cvs" not in reading.path_digest
        assert reading.status and reading.enhance_status
        assert reading.detail == ""

    play(scene)


def test_the_digest_changes_when_the_path_does_and_only_then(play: Play) -> None:
    async def scene(it: Asker) -> None:
        first = (await it.read()).path_digest
        assert (await it.read()).path_digest == first
        it.rig.plan("not_dispatched")
        await it.post()
        assert (await it.read()).path_digest == first
        it.rig.plan("reset_after")
        await it.post()
        moved = await it.read()
        assert moved.path_digest not in {first, None}
        assert (moved.status, moved.enhance_status) == ("processing", "processing")
        await it.rig.foreign_update()
        assert (await it.read()).path_digest not in {first, moved.path_digest, None}

    play(scene)


@pytest.mark.parametrize(
    ("script", "detail"),
    [
        ("get_error", "http_500"),
        ("get_throttled", "throttled"),
        ("get_not_found", "not_found"),
        ("get_unreadable", "unreadable_reply"),
        ("get_status_error", "status_error"),
        ("get_truncated", "reply_garbled"),
    ],
)
def test_a_reading_that_failed_is_unknown_and_says_how(
    play: Play, script: str, detail: str
) -> None:
    async def scene(it: Asker) -> None:
        it.rig.plan(script)
        reading = await it.read()
        assert (reading.known, reading.detail) == (False, detail)
        assert (reading.path_digest, reading.status, reading.enhance_status) == (None, None, None)
        assert (await it.read()).known

    play(scene)


def test_a_reading_whose_connection_is_lost_is_asked_once_more_and_no_further(play: Play) -> None:
    async def scene(it: Asker) -> None:
        it.rig.plan("get_reset")
        assert (await it.read()).known
        assert it.rig.reads() == ["0199-r", "0199-r"]
        it.rig.plan("get_reset")
        it.rig.plan("get_reset")
        reading = await it.read()
        assert (reading.known, reading.detail) == (False, "connection_reset")
        assert len(it.rig.reads()) == 4

    play(scene)


def test_a_reading_that_trickles_in_for_too_long_is_given_up(play: Play) -> None:
    async def scene(it: Asker) -> None:
        it.rig.plan(replace(named("get_endless"), name="get_endless", slow_ms=int(3_000 * SHORT_S)))
        reading = await it.read()
        assert (reading.known, reading.detail) == (False, "total_timeout")

    play(scene, timeout_s=SHORT_S)


def test_a_reading_that_is_not_answered_is_unknown_in_bounded_time(play: Play) -> None:
    async def scene(it: Asker) -> None:
        it.rig.plan("get_hang")
        before = asyncio.get_running_loop().time()
        reading = await it.read()
        took_s = asyncio.get_running_loop().time() - before
        assert (reading.known, reading.detail) == (False, "read_timeout")
        assert took_s >= SHORT_S

    play(scene, timeout_s=SHORT_S)


def test_a_reading_lacks_what_the_record_lacks(play: Play) -> None:
    async def scene(it: Asker) -> None:
        it.rig.plan("get_without_path")
        reading = await it.read()
        assert reading.known
        assert reading.path_digest is None
        assert reading.status and reading.enhance_status
        it.rig.plan("get_without_status")
        reading = await it.read()
        assert reading.known
        assert reading.path_digest
        assert (reading.status, reading.enhance_status) == (None, None)

    play(scene)


def test_a_reading_bears_the_time_at_which_it_began(play: Play) -> None:
    async def scene(it: Asker) -> None:
        for script in ("get_slow", "get_error"):
            plan = replace(named(script), slow_ms=400) if script == "get_slow" else named(script)
            it.rig.plan(plan)
            began = it.rig.now_ms()
            reading = await it.read()
            assert began <= reading.read_ms <= began + 200
            assert it.rig.now_ms() >= reading.read_ms

    play(scene)


# ------------------------------------------------------------------------------------ both


def test_the_requests_name_reaches_the_upstream(play: Play) -> None:
    async def scene(it: Asker) -> None:
        await it.read(request_id="0199-base")
        await it.post(request_id="0199-1")
        await it.post(request_id="0199-2")
        await it.read(request_id="0199-enquiry")
        assert [post.request_id for post in it.rig.posts()] == ["0199-1", "0199-2"]
        assert it.rig.reads() == ["0199-base", "0199-enquiry"]

    play(scene)


def test_what_is_cancelled_once_it_was_handed_over_goes_on_in_the_upstream(play: Play) -> None:
    async def scene(it: Asker) -> None:
        it.rig.plan("late_reply")
        posting = asyncio.create_task(it.post())
        await it.rig.settle(lambda: any(post.applied for post in it.rig.posts()))
        posting.cancel()
        await asyncio.gather(posting, return_exceptions=True)
        assert posting.cancelled()
        assert (await it.post(request_id="0199-2")) == ACCEPTED
        assert [post.applied for post in it.rig.posts()] == [True, True]

    play(scene)


def test_a_reading_can_be_cancelled_and_leaves_nothing(play: Play) -> None:
    async def scene(it: Asker) -> None:
        it.rig.plan("get_hang")
        reading = asyncio.create_task(it.read())
        await it.rig.settle(lambda: bool(it.rig.reads()))
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        assert reading.cancelled()
        assert not [task for task in asyncio.all_tasks() if "upstream_http" in repr(task)]
        assert (await it.read()).known

    play(scene)


def test_no_script_raises_and_each_post_is_one_request_at_most(tmp_path: Path) -> None:
    """Of the scripted upstream: of the real one, the tables above tell it."""

    async def scene(it: Asker) -> None:
        for name, script in SCRIPTS.items():
            it.rig.plan(name)
            if script.on == "get":
                await it.read()
                await it.rig.idle()
                continue
            await it.post(CODE, name)
            await it.rig.idle()
            assert [post.request_id for post in it.rig.posts()].count(name) <= 1

    player(scripted, tmp_path, virtual=True)(scene)


def test_an_update_cancelled_before_it_was_handed_over_is_never_applied(tmp_path: Path) -> None:
    """Of the scripted upstream. Of the real one tests/adapters/upstream_http tells it, byte by
    byte: what the adapter gives up it cuts off."""

    async def scene(it: Asker) -> None:
        posting = asyncio.create_task(it.post())
        await asyncio.sleep(0.0005)
        posting.cancel()
        await asyncio.gather(posting, return_exceptions=True)
        await it.rig.idle()
        assert [post.applied for post in it.rig.posts()] == [False]

    player(scripted, tmp_path, virtual=True)(scene)
