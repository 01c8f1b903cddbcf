"""Submitting, waiting, reading back, cancelling."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from listener.core.names import LanePolicy

from .rig import CODE, PDF, Daemon, daemon, docx, form, pdf_of, request, until


async def closed(house: Daemon, location: str) -> dict[str, object]:
    """Wait for the end of one."""
    answer = await house.http.get(location, headers={"Prefer": "wait=60"})
    assert answer.status_code == 200
    shown = answer.json()
    assert shown["state"] == "closed"
    return dict(shown)


async def test_an_accepted_submission_is_told_where_it_is(house: Daemon) -> None:
    house.upstream.open.clear()
    answer = await house.post()
    assert answer.status_code == 202
    shown = answer.json()
    assert answer.headers["Location"] == f"/v1/submissions/{shown['id']}"
    assert answer.headers["Cache-Control"] == "no-store"
    assert shown["outcome"] is None
    assert shown["cv_ref"].startswith("cv_")
    house.upstream.open.set()
    assert (await closed(house, answer.headers["Location"]))["outcome"] == "confirmed"
    assert house.upstream.posted == [(CODE, PDF, "cv.pdf")]


async def test_one_that_closes_in_time_is_answered_with_its_outcome(house: Daemon) -> None:
    answer = await house.post(headers={"Prefer": "respond-async, wait=60"})
    assert answer.status_code == 200
    assert answer.headers["Preference-Applied"] == "wait=60"
    assert answer.json()["outcome"] == "confirmed"


async def test_one_that_does_not_is_answered_as_it_stands(house: Daemon) -> None:
    house.upstream.emits = False
    answer = await house.post(headers={"Prefer": "wait=1"})
    assert answer.status_code == 202
    assert answer.json()["state"] != "closed"


async def test_no_preference_longer_than_five_minutes_is_applied(house: Daemon) -> None:
    answer = await house.post(headers={"Prefer": 'wait="999999"'})
    assert answer.headers["Preference-Applied"] == "wait=300"


@pytest.mark.parametrize("preference", ["wait", "wait=", "wait=-1", "wait=1.5", "waits=3", "", "x"])
async def test_a_preference_that_is_none_is_ignored(house: Daemon, preference: str) -> None:
    house.upstream.open.clear()
    answer = await house.post(headers={"Prefer": preference})
    assert answer.status_code == 202
    assert "Preference-Applied" not in answer.headers


@pytest.mark.parametrize("size", [17, 8_191, 65_536, 256 * 1024])
async def test_the_file_arrives_byte_for_byte_in_either_order(house: Daemon, size: int) -> None:
    file = pdf_of(size)
    for parts in (
        (("cv_code", None, b"code-first"), ("cv", "a.pdf", file)),
        (("cv", "b.pdf", file), ("cv_code", None, b"code-last")),
    ):
        answer = await house.raw(
            request(form(*parts), more="Connection: close\r\nPrefer: wait=60\r\n")
        )
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n"), answer
    assert house.upstream.posted == [
        ("code-first", file, "a.pdf"),
        ("code-last", file, "b.pdf"),
    ]


async def test_a_docx_and_a_name_of_any_language_are_taken(house: Daemon) -> None:
    answer = await house.post(file=docx(), name="résumé 履歴書.docx", headers={"Prefer": "wait=60"})
    assert answer.status_code == 200
    assert house.upstream.posted == [(CODE, docx(), "résumé 履歴書.docx")]


async def test_a_chunked_body_is_taken(house: Daemon) -> None:
    whole = form(("cv_code", None, CODE.encode()), ("cv", "cv.pdf", PDF))

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(whole), 7):
            yield whole[start : start + 7]

    answer = await house.http.post(
        "/v1/submissions",
        content=pieces(),
        headers={
            "Content-Type": "multipart/form-data; boundary=b0undary",
            "Prefer": "wait=60",
        },
    )
    assert answer.status_code == 200


async def test_a_key_used_again_for_the_same_stores_nothing_new(house: Daemon) -> None:
    headers = {"Idempotency-Key": "one", "Prefer": "wait=60"}
    first = await house.post(headers=headers)
    second = await house.post(headers=headers)
    assert (first.status_code, second.status_code) == (200, 200)
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.json() == first.json()
    assert len(house.upstream.posted) == 1


async def test_a_key_used_at_once_by_many_is_used_once(house: Daemon) -> None:
    headers = {"Idempotency-Key": "one", "Prefer": "wait=60"}
    answers = await asyncio.gather(*(house.post(headers=headers) for _ in range(8)))
    through = [answer for answer in answers if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code == 409]
    assert len(through) + len(refused) == 8
    assert {answer.json()["reason"] for answer in refused} <= {"in_flight"}
    assert len({answer.json()["id"] for answer in through}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in through) == 1
    assert len(house.upstream.posted) == 1


async def test_a_key_whose_first_request_is_not_through_is_in_flight(house: Daemon) -> None:
    body = form(("cv_code", None, CODE.encode()), ("cv", "cv.pdf", PDF))
    sent = request(body, more="Connection: close\r\nIdempotency-Key: one\r\n")
    reader, writer = await asyncio.open_connection("127.0.0.1", house.web.port)
    writer.write(sent[:-20])
    await until(lambda: "one" in house.service.intake._keys)
    for file in (PDF, docx()):
        answer = await house.post(file=file, headers={"Idempotency-Key": "one"})
        assert (answer.status_code, answer.json()["reason"]) == (409, "in_flight")
        assert int(answer.headers["Retry-After"]) > 0
    assert (await house.post(headers={"Idempotency-Key": "another"})).status_code == 202
    writer.write(sent[-20:])
    assert b"202 Accepted" in (await reader.read()).partition(b"\r\n")[0]
    writer.close()
    await writer.wait_closed()
    answer = await house.post(headers={"Idempotency-Key": "one"})
    assert (answer.status_code, answer.headers["Idempotent-Replayed"]) == (202, "true")


async def test_a_key_is_free_again_when_its_first_request_came_to_nothing(house: Daemon) -> None:
    headers = {"Idempotency-Key": "one", "Prefer": "wait=60"}
    assert (await house.post(file=b"no CV", headers=headers)).status_code == 415
    body = form(("cv_code", None, CODE.encode()), ("cv", "cv.pdf", PDF))
    _, writer = await asyncio.open_connection("127.0.0.1", house.web.port)
    writer.write(request(body, more="Idempotency-Key: one\r\n")[:-20])
    await until(lambda: "one" in house.service.intake._keys)
    writer.transport.abort()
    await until(lambda: not house.service.intake._keys)
    answer = await house.post(headers=headers)
    assert answer.status_code == 200
    assert "Idempotent-Replayed" not in answer.headers


async def test_a_key_is_free_again_after_a_day(
    house: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {"Idempotency-Key": "one", "Prefer": "wait=60"}
    first = await house.post(headers=headers)
    later = house.service.intake._clock.now_ms() + 24 * 3_600_000 - 60_000
    monkeypatch.setattr(house.service.intake._clock, "now_ms", lambda: later)
    again = await house.post(headers={"Idempotency-Key": "one"})
    assert (again.json()["id"], again.headers["Idempotent-Replayed"]) == (
        first.json()["id"],
        "true",
    )
    monkeypatch.setattr(house.service.intake._clock, "now_ms", lambda: later + 60_000)
    anew = await house.post(file=docx(), headers={"Idempotency-Key": "one"})
    assert anew.status_code == 202
    assert anew.json()["id"] != first.json()["id"]


async def test_a_key_used_for_other_bytes_is_refused(house: Daemon) -> None:
    await house.post(headers={"Idempotency-Key": "one", "Prefer": "wait=60"})
    answer = await house.post(file=docx(), headers={"Idempotency-Key": "one"})
    assert (answer.status_code, answer.json()["reason"]) == (422, "key_reused")
    answer = await house.post(code="OTHER", headers={"Idempotency-Key": "one"})
    assert (answer.status_code, answer.json()["reason"]) == (422, "key_reused")


async def test_a_busy_lane_is_said(tmp_path: Path) -> None:
    async with daemon(tmp_path, lane_policy=LanePolicy.REJECT) as house:
        house.upstream.open.clear()
        assert (await house.post()).status_code == 202
        answer = await house.post(file=docx())
        assert (answer.status_code, answer.json()["reason"]) == (409, "lane_busy")
        assert len(list(house.spool.iterdir())) == 1


async def test_a_listing_goes_back_page_by_page(house: Daemon) -> None:
    ids = []
    for number in range(5):
        answer = await house.post(code=f"code-{number}", headers={"Prefer": "wait=60"})
        ids.append(answer.json()["id"])
    house.upstream.open.clear()
    waiting = (await house.post(code="open")).json()["id"]
    seen: list[str] = []
    query: dict[str, str] = {"limit": "2", "state": "closed", "outcome": "confirmed"}
    while True:
        page = (await house.http.get("/v1/submissions", params=query)).json()
        seen += [shown["id"] for shown in page["submissions"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == list(reversed(ids))
    page = (await house.http.get("/v1/submissions", params={"limit": "1"})).json()
    assert [shown["id"] for shown in page["submissions"]] == [waiting]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=501",
        "limit=x",
        "limit=1&limit=2",
        "state=done",
        "outcome=fine",
        "cursor=1",
        "page=2",
        "cv_code=" + "Cv9E%23nH4",
    ],
)
async def test_a_query_that_is_none_is_refused(house: Daemon, query: str) -> None:
    answer = await house.http.get(f"/v1/submissions?{query}")
    assert (answer.status_code, answer.json()["reason"]) == (400, "invalid_query")
    assert "Cv9E" not in answer.text


async def test_one_that_waits_its_turn_says_so_and_can_be_cancelled(house: Daemon) -> None:
    house.upstream.open.clear()
    await house.post()
    location = (await house.post(file=docx())).headers["Location"]
    for listed in (False, True):
        shown = (await house.http.get("/v1/submissions" if listed else location)).json()
        shown = shown["submissions"][0] if listed else shown
        assert (shown["state"], shown["waiting_for"]) == ("queued", "lane_turn")
    answer = await house.http.post(f"{location}/cancel")
    assert answer.status_code == 200
    assert answer.json()["outcome"] == "cancelled"
    again = await house.http.post(f"{location}/cancel")
    assert (again.status_code, again.json()) == (200, answer.json())


@pytest.mark.parametrize("unknown", ["0199a1b2-0000-7000-8000-00000000ffff", "x", "..%2f..", "%00"])
async def test_an_id_that_is_unknown_is_not_found(house: Daemon, unknown: str) -> None:
    for answer in (
        await house.http.get(f"/v1/submissions/{unknown}"),
        await house.http.post(f"/v1/submissions/{unknown}/cancel"),
    ):
        assert (answer.status_code, answer.json()["reason"]) == (404, "not_found")


async def test_a_client_that_is_gone_does_not_stop_what_was_accepted(house: Daemon) -> None:
    house.upstream.open.clear()
    body = form(("cv_code", None, CODE.encode()), ("cv", "cv.pdf", PDF))
    _, writer = await asyncio.open_connection("127.0.0.1", house.web.port)
    writer.write(request(body, more="Prefer: wait=300\r\n"))
    await house.upstream.arrived.wait()
    writer.close()
    await writer.wait_closed()
    house.upstream.open.set()
    shown = (await house.http.get("/v1/submissions")).json()["submissions"][0]
    assert (await closed(house, f"/v1/submissions/{shown['id']}"))["outcome"] == "confirmed"


async def test_the_status_counts(house: Daemon) -> None:
    await house.post(headers={"Prefer": "wait=60"})
    house.upstream.open.clear()
    shown = (await house.post(code="open")).json()
    status = (await house.http.get("/v1/status")).json()
    assert status["ready"] is True
    assert status["closed"] == {"confirmed": 1}
    assert sum(status["open"].values()) == 1
    assert status["oldest_open_at"] == shown["created_at"]
    assert {check["name"] for check in status["checks"]} == {
        "journal",
        "recovery",
        "intake",
        "spool",
        "subscription",
        "sending",
        "readings",
    }


async def test_no_answer_and_no_line_holds_the_code(house: Daemon) -> None:
    answers: list[httpx.Response] = [await house.post(headers={"Prefer": "wait=60"})]
    location = answers[0].headers["Location"]
    answers += [await house.http.get(path) for path in (location, "/v1/submissions", "/v1/status")]
    for shown in [*(answer.text for answer in answers), repr(house.log.lines)]:
        assert CODE not in shown
        assert "Cv9E" not in shown
