"""The gateway: whose word a client gets, and when."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from listener.adapters.web import RECORDS_AT_ONCE, GatewayPolicy
from listener.core.evidence import PostResult
from listener.core.names import LanePolicy, PostKind, State, SubmissionId
from listener.ports.journal import Query
from listener.ports.upstream import NoReply, RawReply

from .gateway_client import PATH, WHOLE, leave_an_update, ours, raw_update, record, update
from .rig import CODE, PDF, Daemon, daemon, form, pdf_of, until

OTHER = pdf_of(500)
ODD = RawReply(
    299,
    "Rather Odd",
    (
        ("Set-Cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("X-Latin", "é"),
        ("Cache-Control", "public, max-age=7"),
        ("CV-Submission-Id", "theirs"),
        ("cv-outcome", "theirs"),
        ("Content-Encoding", "br"),
    ),
    b"\x00\xff\r\n\r\n{}",
)
BUSY = GatewayPolicy(open=True, wait_s=0.05)
REFUSED = PostResult(PostKind.REFUSED, "not_found", 404)
THROTTLED = PostResult(PostKind.THROTTLED, "throttled", 429, retry_after_ms=60_000)
DOUBTED = PostResult(PostKind.POSSIBLY_SENT, "http_500", 500)
NOT_FOUND = RawReply(404, "Not Found", (("Content-Type", "application/json"),), b'{"a": 404}')


async def only(house: Daemon) -> SubmissionId:
    """The id of the one submission there is."""
    (stored,) = await house.journal.submissions(Query())
    return stored.submission.id


async def lines(house: Daemon, event: str, count: int) -> None:
    """Wait for so many of them."""
    await until(lambda: len(house.log.of(event)) == count)


def names(response: httpx.Response) -> set[str]:
    return {name.lower() for name in response.headers}


# ------------------------------------------------------------------------------ the upstream's own


@pytest.mark.parametrize("asked", ["record", "update"])
async def test_a_reply_is_passed_on_as_it_is(house: Daemon, asked: str) -> None:
    house.upstream.reply = house.upstream.fetches = ODD
    if asked == "record":
        answer = await house.raw(
            f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
        )
    else:
        answer = await house.raw(raw_update(WHOLE))
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    assert status == b"HTTP/1.1 299 Rather Odd"
    assert body == ODD.body
    added = [] if asked == "record" else [f"CV-Submission-Id: {await only(house)}".encode()]
    expected = [f"{name}: {value}".encode() for name, value in ODD.headers]
    expected = [line for line in expected if b"theirs" not in line]
    frame = [f"Content-Length: {len(ODD.body)}".encode(), b"Connection: close"]
    assert sorted(lines) == sorted([*expected, *added, *frame])


async def test_what_the_upstream_says_of_date_server_and_type_is_said(house: Daemon) -> None:
    theirs = (("date", "then"), ("SERVER", "theirs"), ("content-type", "x/y"))
    house.upstream.fetches = RawReply(200, "OK", theirs, b"{}")
    answer = await record(house)
    head = {name.lower(): value for name, value in answer.headers.raw}
    assert (head[b"date"], head[b"server"], head[b"content-type"]) == (b"then", b"theirs", b"x/y")


@pytest.mark.parametrize("status", [204, 304])
async def test_a_reply_without_a_body_has_none(house: Daemon, status: int) -> None:
    house.upstream.fetches = RawReply(status, "", (("ETag", '"1"'),), b"")
    answer = await record(house)
    assert (answer.status_code, answer.content) == (status, b"")
    assert answer.headers["etag"] == '"1"'


async def test_an_update_is_journaled_before_it_is_sent_and_sent_as_it_is(house: Daemon) -> None:
    house.upstream.open.clear()
    asking = asyncio.create_task(update(house))
    await house.upstream.arrived.wait()
    (stored,) = await house.journal.submissions(Query())
    assert (stored.code, stored.submission.state) == (CODE, State.SENDING)
    house.upstream.open.set()
    answer = await asking
    assert answer.status_code == 200
    assert answer.headers["CV-Submission-Id"] == stored.submission.id
    assert house.upstream.posted == [(CODE, PDF, "cv.pdf")]
    assert "cv-outcome" not in names(answer) and "cv-dispatch" not in names(answer)


async def test_a_final_refusal_is_passed_on(house: Daemon) -> None:
    house.upstream.ends = [(REFUSED, NOT_FOUND)]
    answer = await update(house)
    assert (answer.status_code, answer.content) == (404, NOT_FOUND.body)
    assert answer.headers["CV-Outcome"] == "rejected"
    assert answer.headers["CV-Submission-Id"] == await only(house)


async def test_a_refusal_that_comes_as_a_200_is_told_to_be_one(house: Daemon) -> None:
    said_error = PostResult(PostKind.REFUSED, "status_error", 200)
    house.upstream.ends = [(said_error, RawReply(200, "OK", (), b'{"status": "error"}'))]
    answer = await update(house)
    assert (answer.status_code, answer.content) == (200, b'{"status": "error"}')
    assert answer.headers["CV-Outcome"] == "rejected"


async def test_the_absolute_form_of_a_target_is_one_too(house: Daemon) -> None:
    sent = f"GET http://127.0.0.1{PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    assert (await house.raw(sent.encode())).startswith(b"HTTP/1.1 200 ")
    assert house.upstream.fetched == [CODE]


@pytest.mark.parametrize("end", [THROTTLED, DOUBTED])
async def test_what_will_be_acted_upon_is_passed_to_nobody(tmp_path: Path, end: PostResult) -> None:
    async with daemon(tmp_path, gateway=GatewayPolicy(open=True, wait_s=0.4)) as house:
        house.upstream.ends = [(end, NOT_FOUND)]
        answer = await update(house)
        status, message = ours(answer)
        assert status == 504
        assert answer.headers["CV-Submission-Id"] == await only(house)
        assert await only(house) in message
        assert len(house.upstream.posted) == 1


async def test_a_record_that_cannot_be_had(house: Daemon) -> None:
    house.upstream.fetches = NoReply("read_timeout", timed_out=True)
    assert ours(await record(house))[0] == 504
    house.upstream.fetches = NoReply("connect_refused", timed_out=False)
    status, message = ours(await record(house))
    assert (status, "connect_refused" in message) == (502, True)
    assert await house.journal.submissions(Query()) == []


async def test_records_are_asked_for_so_many_at_once(
    house: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("listener.adapters.web.gateway.TURN_S", 0.05)
    house.upstream.open.clear()
    asking = [asyncio.create_task(record(house)) for _ in range(RECORDS_AT_ONCE)]
    await until(lambda: len(house.upstream.fetched) == RECORDS_AT_ONCE)
    answer = await record(house)
    assert (ours(answer)[0], answer.headers["Retry-After"]) == (503, "2")
    house.upstream.open.set()
    assert {(await one).status_code for one in asking} == {200}
    assert (await record(house)).status_code == 200


async def unread(house: Daemon) -> asyncio.StreamWriter:
    """A client that asks for a record and reads nothing of it."""
    _, writer = await asyncio.open_connection("127.0.0.1", house.web.port, limit=1024)
    fetched = len(house.upstream.fetched)
    writer.write(f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    await until(lambda: len(house.upstream.fetched) > fetched)
    return writer


async def test_what_nobody_reads_is_not_held_for_ever(
    house: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("listener.adapters.web.passed_on.UNREAD_S", 0.3)
    house.upstream.fetches = RawReply(200, "OK", (), bytes(8 << 20))
    writers = [await unread(house), await unread(house)]
    await until(lambda: house.web.connected == 0)
    answer = await record(house)
    assert (answer.status_code, len(answer.content)) == (200, 8 << 20)
    for writer in writers:
        writer.close()


async def test_there_is_a_bound_to_what_is_held_for_those_who_do_not_read(
    house: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("listener.adapters.web.gateway.HELD_BYTES", 10 << 20)
    house.upstream.fetches = RawReply(200, "OK", (), bytes(8 << 20))
    writer = await unread(house)
    assert ours(await record(house))[0] == 503
    house.upstream.fetches = RawReply(200, "OK", (), b"{}")
    assert (await record(house)).status_code == 200
    writer.transport.abort()


# ------------------------------------------------------------------------ who goes, who joins


async def test_a_client_that_goes_away_after_its_upload_stops_nothing(house: Daemon) -> None:
    await leave_an_update(house)
    house.upstream.open.set()
    shown = await house.http.get(
        f"/v1/submissions/{await only(house)}", headers={"Prefer": "wait=30"}
    )
    assert shown.json()["outcome"] == "confirmed"
    assert len(house.upstream.posted) == 1


async def test_a_client_that_goes_away_in_its_upload_leaves_nothing(house: Daemon) -> None:
    request = raw_update(form(("cv", "cv.pdf", pdf_of(200_000))))
    _, writer = await asyncio.open_connection("127.0.0.1", house.web.port)
    writer.write(request[:100_000])
    await writer.drain()
    spool = house.service._world.spool
    await until(lambda: spool.used_bytes() > 0)
    writer.transport.abort()
    await until(lambda: spool.used_bytes() == 0)
    await house.assert_nothing_stored()
    assert house.upstream.posted == []


async def test_the_same_again_joins_and_gets_the_same_before_and_after_the_reply(
    tmp_path: Path,
) -> None:
    async with daemon(tmp_path) as house:
        house.upstream.emits = False
        house.upstream.open.clear()
        early = [asyncio.create_task(update(house)) for _ in range(2)]
        await house.upstream.arrived.wait()
        house.upstream.open.set()
        answers = [await one for one in early]
        house.upstream.reply = NOT_FOUND
        answers.append(await update(house))
    async with daemon(tmp_path) as house:
        answers.append(await update(house))
        assert {answer.headers["CV-Submission-Id"] for answer in answers} == {await only(house)}
        assert house.upstream.posted == []
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, b"{}")}
    assert len({tuple(sorted(answer.headers.items())) for answer in answers}) == 1


async def test_other_bytes_wait_in_the_lane(house: Daemon) -> None:
    house.upstream.open.clear()
    asking = [asyncio.create_task(update(house)), asyncio.create_task(update(house, OTHER))]
    await house.upstream.arrived.wait()
    house.upstream.open.set()
    assert {(await one).status_code for one in asking} == {200}
    assert sorted(file for _, file, _ in house.upstream.posted) == sorted([PDF, OTHER])


async def test_other_bytes_are_refused_where_the_policy_says_so(tmp_path: Path) -> None:
    async with daemon(tmp_path, lane_policy=LanePolicy.REJECT) as house:
        house.upstream.open.clear()
        first = asyncio.create_task(update(house))
        await house.upstream.arrived.wait()
        assert ours(await update(house, OTHER))[0] == 409
        again = asyncio.create_task(update(house))
        await lines(house, "submission.joined", 1)
        house.upstream.open.set()
        assert {(await first).status_code, (await again).status_code} == {200}
        assert len(house.upstream.posted) == 1


async def test_whose_update_was_replaced_or_withdrawn_is_told(tmp_path: Path) -> None:
    async with daemon(tmp_path, lane_policy=LanePolicy.COALESCE) as house:
        house.upstream.open.clear()
        first = asyncio.create_task(update(house))
        await house.upstream.arrived.wait()
        asking = []
        for size in (501, 502):
            asking.append(asyncio.create_task(update(house, pdf_of(size))))
            await lines(house, "submission.accepted", 1 + len(asking))
        replaced = await asking[0]
        assert (ours(replaced)[0], replaced.headers["CV-Outcome"]) == (409, "superseded")
        (waiting,) = await house.journal.submissions(Query(state=State.QUEUED))
        await house.http.post(f"/v1/submissions/{waiting.submission.id}/cancel")
        withdrawn = await asking[1]
        assert (ours(withdrawn)[0], withdrawn.headers["CV-Outcome"]) == (409, "cancelled")
        house.upstream.open.set()
        assert (await first).status_code == 200


async def test_a_close_without_a_reply_is_told_at_once(house: Daemon) -> None:
    lost = PostResult(PostKind.POSSIBLY_SENT, "connection_reset")
    slow = PostResult(PostKind.POSSIBLY_SENT, "read_timeout")
    unread = PostResult(PostKind.POSSIBLY_SENT, "unreadable_reply", 200, resendable=False)
    gone = PostResult(PostKind.NOT_SENT, "file_lost", resendable=False)
    house.upstream.ends = [(lost, None), (slow, None), (unread, NOT_FOUND), (gone, None)]
    found: list[tuple[int, str, bytes]] = []
    for end in list(house.upstream.ends):
        asking = asyncio.create_task(update(house, path=f"/cv-enhance/{end[0].detail}"))
        if end[0] is not gone:
            await house.upstream.arrived.wait()
            house.upstream.arrived.clear()
            await lines(house, "attempt.ended", 1 + len(found))
            house.ear.hear(end[0].detail)
        answer = await asking
        found.append((answer.status_code, answer.headers["CV-Outcome"], answer.content))
    assert [one[:2] for one in found] == [
        (200, "confirmed"),
        (200, "confirmed"),
        (404, "confirmed"),
        (502, "undelivered"),
    ]
    assert found[2][2] == NOT_FOUND.body


async def test_when_the_daemon_stops_whoever_waits_hears_of_it(house: Daemon) -> None:
    house.upstream.open.clear()
    asking = asyncio.create_task(update(house))
    await house.upstream.arrived.wait()
    stopping = asyncio.create_task(house.web.stop())
    answer = await asking
    assert (ours(answer)[0], answer.headers["CV-Submission-Id"]) == (504, await only(house))
    await stopping


# ------------------------------------------------------------------------------------ preferences


async def test_respond_async_is_answered_before_anything_is_sent(house: Daemon) -> None:
    house.upstream.open.clear()
    answer = await update(house, prefer="respond-async")
    name = await only(house)
    assert ours(answer)[0] == 202
    assert answer.headers["Location"] == f"/v1/submissions/{name}"
    assert answer.headers["CV-Submission-Id"] == name
    assert answer.headers["Preference-Applied"] == "respond-async"
    house.upstream.open.set()


async def test_wait_gives_the_reply_once_it_is_closed_with_what_was_dispatched(
    house: Daemon,
) -> None:
    answer = await update(house, prefer="wait=60")
    assert (answer.status_code, answer.content) == (200, b"{}")
    assert answer.headers["CV-Outcome"] == "confirmed"
    assert answer.headers["Preference-Applied"] == "wait=60"
    shown = await house.http.get(f"/v1/submissions/{await only(house)}")
    assert json.loads(answer.headers["CV-Dispatch"]) == shown.json()["dispatch"]


async def test_wait_gives_what_there_is_when_its_time_is_up(house: Daemon) -> None:
    house.upstream.emits = False
    answer = await update(house, prefer="wait=1")
    assert (answer.status_code, answer.content) == (200, b"{}")
    assert "cv-outcome" not in names(answer)
    dispatch = json.loads(answer.headers["CV-Dispatch"])
    assert dispatch["analysis"] == {"verdict": "unknown", "evidence": []}


@pytest.mark.parametrize(
    ("prefer", "status"), [("wait=0", 504), ("respond-async, wait=0", 202), ("wait=x", 504)]
)
async def test_what_a_wait_that_was_too_short_gives(
    tmp_path: Path, prefer: str, status: int
) -> None:
    async with daemon(tmp_path, gateway=BUSY) as house:
        house.upstream.open.clear()
        answer = await update(house, prefer=prefer)
        assert ours(answer)[0] == status
        assert answer.headers["CV-Submission-Id"] == await only(house)
        assert ("preference-applied" in names(answer)) == (prefer != "wait=x")
        house.upstream.open.set()
