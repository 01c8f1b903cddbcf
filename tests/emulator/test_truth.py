"""What the ledger says is what happened: seen from raw sockets, from readings, and from an ear."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from email.utils import parsedate_to_datetime

import pytest

from listener.emulator import FOREIGN, Emulator, Options

from .conftest import Client, Ear
from .test_contract import PDF


async def test_a_post_is_taken_down_with_what_it_brought(
    upstream: Emulator, client: Client
) -> None:
    await client.post("code", PDF, "Lebenslauf.pdf")
    (post,) = await upstream.posted("code")
    assert post.whole_body
    assert (post.sha256, post.size) == (hashlib.sha256(PDF).hexdigest(), len(PDF))
    assert (post.file_name, post.status, post.ended) == ("Lebenslauf.pdf", 200, "answered")
    assert post.cv_path in upstream.stored()
    assert upstream.stored()[post.cv_path or ""] == len(PDF)


def part(name: str, content: bytes) -> bytes:
    disposition = f'Content-Disposition: form-data; name="{name}"; filename="a.pdf"'
    return f"--b\r\n{disposition}\r\n\r\n".encode() + content + b"\r\n"


def request(body: bytes, missing: int = 0) -> bytes:
    """A POST for ``code`` that promises ``missing`` bytes more than it has."""
    head = (
        "POST /cv-enhance/code/edits HTTP/1.1\r\nHost: x\r\nX-Request-Id: 7\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n"
        f"Content-Length: {len(body) + missing}\r\n\r\n"
    )
    return head.encode() + body


@pytest.mark.parametrize(
    "sent", [part("cv", PDF)[:5000], part("cv", PDF) + b"--b\r\nContent-Dis"], ids=["file", "end"]
)
async def test_a_client_that_leaves_in_the_middle_of_its_body_changed_nothing(
    upstream: Emulator, sent: bytes
) -> None:
    upstream.create("code")
    before = upstream.record("code")
    _, writer = await asyncio.open_connection("127.0.0.1", upstream.port)
    writer.write(request(sent, missing=100))
    await writer.drain()
    await upstream.ledger.until(lambda told: told.posts("code"))
    writer.close()
    await writer.wait_closed()
    (post,) = await upstream.posted("code")
    assert (post.request_id, post.ended) == ("7", "client_left")
    assert (post.whole_body, post.sha256, post.applied) == (False, None, False)
    assert upstream.record("code") == before


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        *(("reset_mid_body", "reset"), ("reset_before", "reset"), ("reset_after", "reset")),
        *(("close_before", "closed"), ("close_after", "closed")),
    ],
)
async def test_a_reset_is_an_rst_on_the_wire_and_a_close_a_fin(
    upstream: Emulator, name: str, ending: str
) -> None:
    upstream.plan("code", name)
    reader, writer = await asyncio.open_connection("127.0.0.1", upstream.port)
    writer.write(request(part("cv", PDF) + b"--b--\r\n"))
    async with asyncio.timeout(10):
        if ending == "reset":
            with pytest.raises(ConnectionResetError):
                await reader.read()
        else:
            assert await reader.read() == b""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    (post,) = await upstream.posted("code")
    assert (post.ended, post.status) == (ending, None)
    assert post.whole_body == (name != "reset_mid_body")


async def test_a_client_that_leaves_after_its_body_was_read_has_changed_the_record(
    upstream: Emulator, client: Client
) -> None:
    upstream.plan("code", "late_reply", reply_delay_ms=1000)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await client.post("code", PDF)
    (post,) = await upstream.posted("code")
    assert (post.ended, post.whole_body, post.applied) == ("client_left", True, True)
    await upstream.ledger.until(lambda told: told.emitted_for_post(post.number))


async def test_a_late_application_comes_after_the_break_and_is_dated_so(
    upstream: Emulator, client: Client
) -> None:
    upstream.plan("code", "error_late", apply_delay_ms=60)
    before = (await client.get("code")).body["data"]
    assert (await client.post("code", PDF)).status == 500
    (post,) = await upstream.posted("code")
    meanwhile = (await client.get("code")).body["data"]
    # On a machine so slow that it is applied by now, this proves nothing; the times below do.
    assert post.applied or meanwhile == before
    await upstream.ledger.until(lambda told: told.post(post.number).applied)
    assert post.applied_ms is not None and post.ended_ms is not None
    assert post.applied_ms >= post.ended_ms
    assert (await client.get("code")).body["data"]["cv_path"] == post.cv_path
    readings = upstream.ledger.readings("code")
    assert [readings[0].cv_path, readings[-1].cv_path] == [before["cv_path"], post.cv_path]


async def test_not_dispatched_is_accepted_and_the_record_stays(
    upstream: Emulator, client: Client
) -> None:
    upstream.plan("code", "not_dispatched")
    before = (await client.get("code")).body["data"]
    assert (await client.post("code", PDF)).body["data"]["cv_updated"] is True
    assert (await client.get("code")).body["data"] == before
    assert not upstream.ledger.jobs("code")


async def test_half_dispatched_moves_the_record_runs_one_job_and_is_silent(
    upstream: Emulator, client: Client
) -> None:
    upstream.plan("code", "half_dispatched")
    await client.post("code", PDF)
    assert [job.kind for job in upstream.ledger.jobs("code")] == ["enhancement"]
    done = await upstream.ledger.until(lambda told: [j for j in told.jobs("code") if j.ended_ms])
    assert [job.result for job in done] == ["done"]
    record = upstream.record("code")
    assert record is not None
    assert (record["cv_enhance_status"], record["status"]) == ("enhanced", "processing")
    assert not upstream.ledger.events("code")


async def test_a_job_that_fails_says_so_in_the_record(upstream: Emulator, client: Client) -> None:
    upstream.plan("code", "job_failed", job_ms=20)
    await client.post("code", PDF)
    await upstream.ledger.until(
        lambda told: all(job.ended_ms for job in told.jobs("code")) and told.jobs("code")
    )
    assert [job.result for job in upstream.ledger.jobs("code")] == ["failed", "done"]
    record = upstream.record("code")
    assert record is not None
    assert (record["cv_enhance_status"], record["status"]) == ("failed", "completed")
    assert "enhancement_result" not in record


async def test_what_the_jobs_found_goes_with_the_next_update(
    upstream: Emulator, client: Client
) -> None:
    upstream.plan("code", "late_event", event_delay_ms=0, job_ms=0)
    await client.post("code", PDF)
    await upstream.ledger.until(
        lambda told: all(job.ended_ms for job in told.jobs("code")) and told.jobs("code")
    )
    found = {"enhancement_result", "position_match"}
    assert found <= set(upstream.record("code") or {})
    upstream.plan("code", "late_event", event_delay_ms=0, job_ms=3_000_000)
    await client.post("code", PDF)
    assert not found & set(upstream.record("code") or {})


async def test_a_job_of_an_older_update_does_not_write_to_the_newer_record(
    upstream: Emulator, client: Client
) -> None:
    upstream.plan("code", "job_failed", failing="both", job_ms=1_000)
    await client.post("code", PDF)
    (post,) = upstream.ledger.posts("code")
    await upstream.foreign_update("code")
    await upstream.ledger.until(lambda told: all(job.ended_ms for job in told.jobs("code")))
    results = [job.result for job in upstream.ledger.dispatched_for_post(post.number)]
    assert results == ["superseded", "superseded"]
    record = upstream.record("code")
    assert record is not None
    assert (record["status"], record["cv_enhance_status"]) == ("completed", "enhanced")


@pytest.mark.parametrize(
    ("name", "ours_last"), [("foreign_before", True), ("foreign_after", False)]
)
async def test_whose_event_and_whose_record_it_was_is_told(
    upstream: Emulator, client: Client, ear: Ear, name: str, ours_last: bool
) -> None:
    upstream.plan("code", name)
    await client.post("code", PDF)
    await upstream.ledger.until(lambda told: len(told.events("code")) == 2)
    (post,) = upstream.ledger.posts("code")
    (foreign,) = upstream.ledger.foreign("code")
    owners = [event.for_post for event in upstream.ledger.events("code")]
    assert sorted(owners, key=str) == sorted([post.number, FOREIGN], key=str)
    now = upstream.record("code")
    assert now is not None
    assert now["cv_path"] == (post.cv_path if ours_last else foreign.cv_path)
    async with asyncio.timeout(5):
        assert [(await ear.heard.get())["cv_code"] for _ in range(2)] == ["code"] * 2


async def test_event_first_is_heard_before_the_reply(
    upstream: Emulator, client: Client, ear: Ear
) -> None:
    upstream.plan("code", "event_first", event_delay_ms=100)
    posting = asyncio.create_task(client.post("code", PDF))
    async with asyncio.timeout(5):
        await upstream.ledger.until(lambda told: told.events("code"))
        assert upstream.ledger.posts("code")[0].ended == "open"
        assert (await ear.heard.get())["cv_code"] == "code"
        assert (await posting).status == 200


async def test_chaff_is_heard_before_the_event_and_hostile_ones_in_its_place(
    upstream: Emulator, client: Client, ear: Ear
) -> None:
    upstream.plan("code", "hostile_chaff", chaff=3, payload="minimal")
    upstream.plan("code", "hostile_event")
    await client.post("code", PDF)
    await upstream.ledger.until(lambda told: len(told.events("code")) == 4)
    await client.post("code", PDF)
    await upstream.ledger.until(lambda told: len(told.events("code")) == 5)
    async with asyncio.timeout(5):
        heard = [await ear.heard.get() for _ in range(5)]
    assert heard.index({"cv_code": "code"}) == 3
    assert len({repr(body) for body in heard}) == 5
    first, second = upstream.ledger.posts("code")
    shapes = [event.payload for event in upstream.ledger.emitted_for_post(first.number)]
    assert shapes == ["hostile"] * 3 + ["minimal"]
    assert [e.payload for e in upstream.ledger.emitted_for_post(second.number)] == ["hostile"]


async def test_retry_after_is_seconds_or_a_date(upstream: Emulator, client: Client) -> None:
    upstream.plan("code", "throttled", retry_after_s=7)
    upstream.plan("code", "unavailable", retry_after_s=7, retry_after_form="date")
    assert (await client.post("code", PDF)).headers["retry-after"] == "7"
    reply = await client.post("code", PDF)
    ahead = parsedate_to_datetime(reply.headers["retry-after"]) - parsedate_to_datetime(
        reply.headers["date"]
    )
    assert 5 <= ahead.total_seconds() <= 8


async def test_a_header_plans_one_request_and_a_bad_one_is_told(
    upstream: Emulator, client: Client
) -> None:
    url = f"{upstream.base_url}/code"
    for text, status in (("fault=get_error", 500), ("fault=none_such", 400)):
        async with client._session.get(url, headers={"X-Emulate": text}) as answer:
            assert answer.status == status
            assert (await answer.json())["status"] == "error"
    async with Emulator(Options(control=False)) as closed:
        other = Client(closed, client._session)
        url = f"{closed.base_url}/code"
        async with client._session.get(url, headers={"X-Emulate": "fault=get_error"}) as answer:
            assert answer.status == 200
        assert (await other.control("/_reset")).status == 404
        async with client._session.get(f"{closed.socket_url}/_ledger") as answer:
            assert answer.status == 404


async def test_flags_strike_by_count(client: Client) -> None:
    from listener.emulator import read_odds

    odds = dict(map(read_odds, ["error_before=x2"]))
    async with Emulator(Options(faults=odds, extract=False)) as faulty:
        other = Client(faulty, client._session)
        assert [(await other.post("code", PDF)).status for _ in range(3)] == [500, 500, 200]
        assert [post.fault for post in faulty.ledger.posts("code")] == [
            *["error_before"] * 2,
            "none",
        ]


async def test_a_stop_ends_what_hangs_and_leaves_nothing(client: Client) -> None:
    before = asyncio.all_tasks()
    upstream = Emulator(Options(event_delay_ms=60_000, job_ms=60_000))
    await upstream.start()
    other = Client(upstream, client._session)
    upstream.plan("hangs", "hang_after")
    hanging = asyncio.create_task(other.post("hangs", PDF))
    await upstream.ledger.until(lambda told: [p for p in told.posts("hangs") if p.ended == "hung"])
    await other.post("code", PDF)
    async with asyncio.timeout(10):
        await upstream.stop()
        await asyncio.wait([hanging])
    assert hanging.exception() is not None
    assert [job.result for job in upstream.ledger.jobs()] == ["lost"] * 4
    assert not upstream.ledger.events()
    assert asyncio.all_tasks() - before - {hanging} == set()
