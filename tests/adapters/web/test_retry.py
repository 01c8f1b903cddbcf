"""Retries: what is shown, what speaks against one, and what is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from listener.core.evidence import PostResult
from listener.core.names import PostKind, SubmissionId
from listener.ports.journal import Query

from .rig import CODE, PDF, READ, SUBMIT, Daemon, daemon, docx, form, pdf_of, request, until

NOBODY = "0199a1b2-0000-7000-8000-00000000ffff"


async def unconfirmed(house: Daemon, code: str = CODE, file: bytes = PDF) -> str:
    """One that was possibly sent and given up: its file is kept."""
    house.upstream.emits = False
    location = (await house.post(code, file)).headers["Location"]
    await until(lambda: bool(house.upstream.posted))
    async with asyncio.timeout(30):
        shown = {"state": ""}
        while shown["state"] != "awaiting":
            shown = (await house.http.get(location, headers={"Prefer": "wait=1"})).json()
    shown = (await house.http.post(f"{location}/cancel")).json()
    assert shown["outcome"] == "unconfirmed"
    house.upstream.posted.clear()
    house.upstream.emits = True
    return str(location)


async def retry(house: Daemon, location: str, query: str = "", **given: Any) -> httpx.Response:
    return await house.http.post(f"{location}/retry{query}", **given)


def said(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["reason"]


async def test_the_kept_file_is_sent_again_as_a_submission_of_its_own(house: Daemon) -> None:
    location = await unconfirmed(house, file=pdf_of(200_000))
    answer = await retry(house, location)
    assert answer.status_code == 202, answer.text
    told = answer.json()
    new, old = told["submission"], told["retry_of"]
    assert answer.headers["Location"] == f"/v1/submissions/{new['id']}"
    assert (new["retry_of"], new["state"]) == (old["id"], "queued")
    assert location.endswith(old["id"])
    assert (told["file"], told["objection"]) == ("kept", None)
    assert told["redispatches"] == ["enhancement", "analysis"]
    assert told["deletes_stored_file"] is True
    assert told["drift"]["record"] == "unmoved"
    assert told["drift"]["newer"] == []
    assert 0 <= told["drift"]["closed_ms_ago"] < 60_000
    assert {path.name for path in house.spool.iterdir()} == {old["id"], new["id"]}
    (line,) = house.log.of("submission.retried")
    assert (line["retry_of"], line["movement"], line["overruled"]) == (old["id"], "unmoved", None)
    shown = (await house.http.get(f"/v1/submissions?retry_of={old['id']}")).json()["submissions"]
    assert [one["id"] for one in shown] == [new["id"]]


async def test_a_body_that_is_empty_is_none_though_it_comes_in_chunks(house: Daemon) -> None:
    location = await unconfirmed(house)

    async def chunks(*sent: bytes) -> AsyncIterator[bytes]:
        for one in sent:
            yield one

    answer = await retry(house, location, content=chunks(b"x"))
    assert said(answer) == (415, "not_a_form")
    assert (await retry(house, location, content=chunks())).status_code == 202


async def test_another_file_may_come_with_it(house: Daemon) -> None:
    location = await unconfirmed(house)
    answer = await retry(house, location, files={"cv": ("other.docx", docx())})
    assert (answer.status_code, answer.json()["file"]) == (202, "sent")
    new = answer.json()["submission"]["id"]
    assert (house.spool / new).read_bytes() == docx()


async def test_a_dry_run_only_looks(house: Daemon) -> None:
    location = await unconfirmed(house)
    answer = await retry(house, location, "?dry_run=true")
    assert answer.status_code == 200
    told = answer.json()
    assert (told["submission"], told["objection"], told["file"]) == (None, None, "kept")
    assert len(await house.journal.submissions(Query())) == 1
    body = form(("cv", "cv.pdf", PDF))
    sent = request(body).replace(b"/v1/submissions", f"{location}/retry?dry_run=true".encode())
    assert b'"file":"sent"' in await house.raw(sent)
    assert len(list(house.spool.iterdir())) == 1
    assert house.log.of("submission.retried") == []


async def test_a_record_that_moved_since_speaks_against_it(house: Daemon) -> None:
    location = await unconfirmed(house)
    house.upstream.posted.append((CODE, b"", ""))
    dry = (await retry(house, location, "?dry_run=true")).json()
    assert dry["objection"] == "evidence_improved"
    answer = await retry(house, location)
    assert said(answer) == (409, "evidence_improved")
    told = answer.json()["retry"]
    assert (told["drift"]["record"], told["drift"]["evidence"]) == ("moved", ["record_moved"])
    assert "force=true" in answer.json()["detail"]
    forced = await retry(house, location, "?force=true")
    assert forced.status_code == 202
    assert forced.json()["drift"]["evidence"] == ["record_moved"]
    (line,) = house.log.of("submission.retried")
    assert line["overruled"] == "evidence_improved"


async def test_an_event_that_came_late_speaks_against_it(house: Daemon) -> None:
    location = await unconfirmed(house)
    name = SubmissionId(location.rpartition("/")[2])
    with house.service.bulletin.watch(name) as news:
        house.ear.hear(CODE)
        await news.wait()
    assert (await house.http.get(location)).json()["outcome"] == "confirmed"
    answer = await retry(house, location)
    assert said(answer) == (409, "evidence_improved")
    assert answer.json()["retry"]["drift"]["evidence"] == ["confirmed"]


async def test_a_newer_update_speaks_against_it_a_retry_of_the_same_too(house: Daemon) -> None:
    location = await unconfirmed(house)
    first = (await retry(house, location)).json()["submission"]
    answer = await retry(house, location)
    assert said(answer) == (409, "newer_update")
    (newer,) = answer.json()["retry"]["drift"]["newer"]
    assert newer == {
        "id": first["id"],
        "state": "queued",
        "outcome": None,
        "retry_of": first["retry_of"],
        "created_at": first["created_at"],
    }
    assert (await retry(house, location, "?force=true")).status_code == 202


async def test_of_many_at_once_one_is_taken(house: Daemon) -> None:
    location = await unconfirmed(house)
    answers = await asyncio.gather(*(retry(house, location) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 7
    assert {answer.json().get("reason") for answer in answers} == {None, "newer_update"}
    assert len(list(house.spool.iterdir())) == 2


async def test_one_that_is_open_is_not_sent_again(house: Daemon) -> None:
    house.upstream.open.clear()
    location = (await house.post()).headers["Location"]
    for query in ("", "?force=true"):
        assert said(await retry(house, location, query)) == (409, "still_open")
    dry = (await retry(house, location, "?dry_run=true")).json()
    assert (dry["objection"], dry["drift"]["closed_ms_ago"]) == ("still_open", None)


async def test_a_file_that_is_gone_must_be_sent_along(house: Daemon) -> None:
    house.upstream.open.clear()
    await house.post()
    location = (await house.post(file=docx())).headers["Location"]
    await house.http.post(f"{location}/cancel")
    house.upstream.open.set()
    name = location.rpartition("/")[2]
    await until(lambda: not (house.spool / name).exists())
    for query in ("", "?force=true"):
        assert said(await retry(house, location, query)) == (409, "file_gone")
    assert (await retry(house, location, "?dry_run=true")).json()["file"] == "gone"
    answer = await retry(house, location, files={"cv": ("cv.pdf", PDF)})
    assert answer.status_code == 202


async def test_a_kept_file_that_was_changed_is_not_sent(house: Daemon) -> None:
    location = await unconfirmed(house)
    (house.spool / location.rpartition("/")[2]).write_bytes(pdf_of(100))
    assert said(await retry(house, location)) == (409, "file_gone")
    assert len(list(house.spool.iterdir())) == 1
    assert len(await house.journal.submissions(Query())) == 1


async def test_a_copy_needs_room_in_the_spool(tmp_path: Path) -> None:
    async with daemon(tmp_path, quota=3_000) as house:
        location = await unconfirmed(house, file=pdf_of(2_000))
        assert said(await retry(house, location)) == (507, "spool_full")
        assert len(list(house.spool.iterdir())) == 1


async def test_the_same_key_is_the_same_retry(house: Daemon) -> None:
    location = await unconfirmed(house)
    headers = {"Idempotency-Key": "one"}
    first = await retry(house, location, headers=headers)
    again = await retry(house, location, headers=headers)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (202, "true")
    assert again.json()["submission"]["id"] == first.json()["submission"]["id"]
    other = await retry(house, location, headers=headers, files={"cv": ("cv.pdf", docx())})
    assert said(other) == (422, "key_reused")
    plain = await house.post(headers=headers)
    assert said(plain) == (422, "key_reused"), "a retry is another thing than its first"


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (form(("cv_code", None, b"x"), ("cv", "a", PDF)), 400, "unexpected_field"),
        (form(("cv", "a", PDF), ("cv", "a", PDF)), 400, "unexpected_field"),
        (form(), 400, "missing_field"),
        (form(("cv", "a", b"plain")), 415, "wrong_kind"),
        (form(("cv", "a", b"")), 400, "empty_file"),
        (form(("cv", "a", PDF))[:-20], 400, "malformed_form"),
        (form(("cv", "a", pdf_of(256 * 1024 + 1))), 413, "too_large"),
    ],
    ids=range(7),
)
async def test_a_form_of_another_kind_is_refused_and_nothing_stored(
    house: Daemon, body: bytes, status: int, reason: str
) -> None:
    location = await unconfirmed(house)
    answer = await retry(
        house,
        location,
        content=body,
        headers={"Content-Type": "multipart/form-data; boundary=b0undary"},
    )
    assert said(answer) == (status, reason)
    assert len(list(house.spool.iterdir())) == 1
    json = await retry(house, location, json={"cv": "x"})
    assert said(json) == (415, "not_a_form")


async def test_who_may_and_what_is_understood(house: Daemon) -> None:
    location = await unconfirmed(house)
    for token, status in ((READ, 403), ("wrong", 401)):
        headers = {"Authorization": f"Bearer {token}"}
        assert (await retry(house, location, headers=headers)).status_code == status
    for query in ("?force=1", "?forced=true", "?force=true&force=true", "?cv_code=x"):
        assert said(await retry(house, location, query)) == (400, "invalid_query")
    for unknown in (NOBODY, "x"):
        assert said(await retry(house, f"/v1/submissions/{unknown}")) == (404, "not_found")
    headers = {"Authorization": f"Bearer {SUBMIT}"}
    assert (await retry(house, location, headers=headers)).status_code == 202


async def test_it_can_be_waited_for(house: Daemon) -> None:
    """Refused by the upstream: no rest of the lane stands before the retry."""
    house.upstream.ends = [(PostResult(PostKind.REFUSED, "not_found", 404), None)]
    answer = await house.post(headers={"Prefer": "wait=60"})
    assert answer.json()["outcome"] == "rejected"
    answer = await retry(
        house,
        answer.headers["Location"],
        files={"cv": ("cv.pdf", PDF)},
        headers={"Prefer": "wait=60"},
    )
    assert (answer.status_code, answer.headers["Preference-Applied"]) == (200, "wait=60")
    assert answer.json()["submission"]["outcome"] == "confirmed"


async def test_a_daemon_that_drains_retries_nothing(house: Daemon) -> None:
    location = await unconfirmed(house)
    await house.http.post("/v1/drain")
    assert said(await retry(house, location)) == (503, "draining")


async def test_no_answer_and_no_line_holds_the_code(house: Daemon) -> None:
    location = await unconfirmed(house)
    answers = [await retry(house, location, query) for query in ("?dry_run=true", "", "")]
    for text in [*(answer.text for answer in answers), repr(house.log.lines)]:
        assert "Cv9E" not in text
