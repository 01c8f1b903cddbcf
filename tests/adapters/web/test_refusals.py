"""Every refusal: what it says, and that nothing is stored after it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from listener.adapters.web import upload
from listener.adapters.web.problems import KINDS
from tests.fakes.journal_memory import MemoryJournal
from tests.tree import ROOT

from .rig import (
    ALL,
    CODE,
    MAX_FILE,
    PDF,
    READ,
    SUBMIT,
    Daemon,
    daemon,
    docx,
    form,
    pdf_of,
    request,
    until,
)


def refusal(answer: bytes) -> tuple[int, str]:
    """Status and reason of a raw answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head, answer
    told = json.loads(body)
    status = int(head.split()[1])
    assert told["status"] == status
    assert told["type"] == f"urn:cv-listener:problem:{told['reason']}"
    assert set(told) <= {"type", "title", "status", "detail", "reason", "cause"}
    return status, told["reason"]


# ------------------------------------------------------------------------------------------- codes


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (b"", "empty"),
        (b".", "dots"),
        (b"..", "dots"),
        (b"SECRET\0", "control_character"),
        (b"SECRET\nX", "control_character"),
        (b"SECRET\xff", "not_text"),
        (b"SECRET\xed\xa0\x80", "not_text"),
        (b"SECRET" * 50, "too_long"),
        (b"SECRET" * 5000, "too_long"),
    ],
)
async def test_a_code_that_cannot_be_sent(house: Daemon, code: bytes, cause: str) -> None:
    for parts in (
        (("cv_code", None, code), ("cv", "cv.pdf", PDF)),
        (("cv", "cv.pdf", PDF), ("cv_code", None, code)),
    ):
        answer = await house.raw(request(form(*parts)))
        assert refusal(answer) == (400, "invalid_code")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["cause"] == cause
        assert b"SECRET" not in answer
    await house.assert_nothing_stored()


# ------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("code_first", [True, False])
@pytest.mark.parametrize(
    ("file", "status", "reason"),
    [
        (b"", 400, "empty_file"),
        (b"plain text", 415, "wrong_kind"),
        (b"PK\x03\x04 a zip of something", 415, "wrong_kind"),
        (pdf_of(MAX_FILE + 1), 413, "too_large"),
        (pdf_of(MAX_FILE + 100_000), 413, "too_large"),
    ],
)
async def test_a_file_that_is_no_cv(
    house: Daemon, file: bytes, status: int, reason: str, code_first: bool
) -> None:
    parts = [("cv_code", None, CODE.encode()), ("cv", "cv.pdf", file)]
    answer = await house.raw(request(form(*(parts if code_first else parts[::-1]))))
    assert refusal(answer) == (status, reason)
    await house.assert_nothing_stored()


@pytest.mark.parametrize("code_first", [True, False])
async def test_a_chunked_body_without_end_is_bounded(house: Daemon, code_first: bool) -> None:
    code, cv = ("cv_code", None, CODE.encode()), ("cv", "cv.pdf", pdf_of(MAX_FILE + 200_000))
    body = form(*((code, cv) if code_first else (cv, code)))

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    answer = await house.http.post(
        "/v1/submissions",
        content=pieces(),
        headers={"Content-Type": "multipart/form-data; boundary=b0undary"},
    )
    assert (answer.status_code, answer.json()["reason"]) == (413, "too_large")
    await house.assert_nothing_stored()


async def test_a_spool_without_room(tmp_path: Path) -> None:
    async with daemon(tmp_path, quota=1000) as house:
        answer = await house.post(file=pdf_of(1001))
        assert (answer.status_code, answer.json()["reason"]) == (507, "spool_full")
        await house.assert_nothing_stored()


# ------------------------------------------------------------------------------------------- forms


GOOD = form(("cv_code", None, CODE.encode()), ("cv", "cv.pdf", PDF))


def with_head(head: str) -> bytes:
    """A good form but for the header lines of its first part."""
    first = b"--b0undary\r\n" + head.encode("utf-8", "surrogateescape") + b"\r\n\r\nSECRET\r\n"
    return first + form(("cv", "cv.pdf", PDF))


NAMED = 'Content-Disposition: form-data; name="cv_code"'


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "malformed_form"),
        (b"SECRET" * 1000, "malformed_form"),
        (b"--b0undary--\r\n", "missing_field"),
        (form(("cv_code", None, b"SECRET")), "missing_field"),
        (form(("cv", "cv.pdf", PDF)), "missing_field"),
        (form(("cv_code", None, b"SECRET"), ("cv_code", None, b"SECRET")), "unexpected_field"),
        (form(("SECRET", None, b"x"), ("cv", "cv.pdf", PDF)), "unexpected_field"),
        (form(("cv_code", None, b"S"), ("cv", "a", PDF), ("cv", "b", PDF)), "unexpected_field"),
        (form(("cv", "a", PDF), ("cv_code", None, b"S"), ("x", None, b"")), "unexpected_field"),
        (GOOD[:-40], "malformed_form"),
        (GOOD[:-4], "malformed_form"),
        (GOOD[:-3] + b"SECRET\r\n", "malformed_form"),
        (GOOD.replace(b"--b0undary\r\n", b"--b0undaryX\r\n"), "malformed_form"),
        (GOOD.replace(b"--b0undary\r\n", b"--b0undary" + b" " * 900 + b"\r\n"), "malformed_form"),
        (with_head("SECRET"), "malformed_form"),
        (with_head("SECRET: x"), "unexpected_field"),
        (with_head(" folded: SECRET"), "unexpected_field"),
        (with_head(NAMED + "\r\n" + NAMED), "malformed_form"),
        (with_head("Content-Disposition: attachment; name=cv_code"), "unexpected_field"),
        (with_head("Content-Disposition: form-data"), "unexpected_field"),
        (with_head('Content-Disposition: form-data; name="SECRET'), "malformed_form"),
        (with_head(NAMED + '; name="SECRET"'), "malformed_form"),
        (with_head(NAMED + "\r\nX: \0SECRET"), "malformed_form"),
        (with_head(NAMED + "\r\nX: a\nSECRET: b"), "malformed_form"),
        (with_head(NAMED + "\r\nX: " + "SECRET" * 2000), "malformed_form"),
        (with_head(NAMED + "\r\nX: y" * 2000), "malformed_form"),
        (with_head(NAMED + "\r\nContent-Transfer-Encoding: base64"), "malformed_form"),
    ],
    ids=range(27),
)
async def test_a_form_that_is_none(house: Daemon, body: bytes, reason: str) -> None:
    answer = await house.raw(request(body))
    assert refusal(answer) == (400, reason)
    assert b"SECRET" not in answer
    await house.assert_nothing_stored()


@pytest.mark.parametrize(
    ("content_type", "status", "reason"),
    [
        ("multipart/form-data", 400, "malformed_form"),
        ("multipart/form-data; boundary=", 400, "malformed_form"),
        ('multipart/form-data; boundary=""', 400, "malformed_form"),
        (f"multipart/form-data; boundary={'x' * 71}", 400, "malformed_form"),
        ("multipart/form-data; boundary=a; boundary=b", 400, "malformed_form"),
        ('multipart/form-data; boundary="a\u00e9"', 400, "malformed_form"),
        ("multipart/mixed; boundary=b0undary", 415, "not_a_form"),
        ("application/x-www-form-urlencoded", 415, "not_a_form"),
        ("application/json", 415, "not_a_form"),
        ("", 415, "not_a_form"),
    ],
)
async def test_a_body_of_another_kind(
    house: Daemon, content_type: str, status: int, reason: str
) -> None:
    answer = await house.http.post(
        "/v1/submissions", content=GOOD, headers={b"Content-Type": content_type.encode()}
    )
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    await house.assert_nothing_stored()


async def test_a_compressed_body_is_not_unpacked(house: Daemon) -> None:
    answer = await house.raw(request(GOOD, more="Connection: close\r\nContent-Encoding: gzip\r\n"))
    assert refusal(answer) == (415, "not_a_form")


@pytest.mark.parametrize("cut", [10, 60, 150, 200, len(GOOD) - 1])
@pytest.mark.parametrize("code_first", [True, False])
async def test_a_client_that_leaves_midway_leaves_nothing(
    house: Daemon, cut: int, code_first: bool
) -> None:
    body = GOOD
    if not code_first:
        body = form(("cv", "cv.pdf", PDF), ("cv_code", None, CODE.encode()))
    _, writer = await asyncio.open_connection("127.0.0.1", house.web.port)
    writer.write(request(body[:cut], length=len(body)))
    await writer.drain()
    writer.transport.abort()
    await until(lambda: not house.web.connected)
    await house.assert_nothing_stored()


async def test_a_body_that_never_ends_is_given_up(tmp_path: Path) -> None:
    async with daemon(tmp_path, body_timeout_s=0.2) as house:
        for body in (GOOD, form(("cv", "cv.pdf", PDF), ("cv_code", None, CODE.encode()))):
            answer = await house.raw(request(body[:-30], length=len(body)))
            assert refusal(answer) == (408, "too_slow")
        await house.assert_nothing_stored()


CODE_HEAD = form(("cv_code", None, b"")).partition(b"\r\n--b0undary--")[0]
CV_HEAD = form(("cv", "cv.pdf", b"")).partition(b"\r\n--b0undary--")[0]


@pytest.mark.parametrize(
    ("begun", "length", "reason"),
    [
        (b"", 1 << 40, "too_large"),
        (b"x" * 2000, 300_000, "malformed_form"),
        (CODE_HEAD + b"x" * 5000, 300_000, "invalid_code"),
        (CV_HEAD + pdf_of(MAX_FILE + 100), 300_000, "too_large"),
        (b"--b0undary\r\nX: " + b"x" * 9000, 300_000, "malformed_form"),
        (b"--b0undary" + b" " * 9000, 300_000, "malformed_form"),
    ],
    ids=range(6),
)
async def test_what_is_wrong_already_is_refused_before_the_rest_comes(
    house: Daemon, begun: bytes, length: int, reason: str
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", house.web.port)
    writer.write(request(begun, length=length))
    head = await reader.readuntil(b"\r\n\r\n")
    size = int(head.lower().partition(b"content-length: ")[2].split()[0])
    assert refusal(head + await reader.readexactly(size))[1] == reason
    writer.close()
    await writer.wait_closed()
    await house.assert_nothing_stored()


# ------------------------------------------------------------------------------------------ tokens


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (None, 401),
        ("", 401),
        ("Bearer", 401),
        ("Bearer ", 401),
        ("Bearer wrong", 401),
        (f"Bearer {ALL}x", 401),
        (f"Bearer {ALL[:-1]}", 401),
        (f"Basic {ALL}", 401),
        (ALL, 401),
        (f"Bearer {ALL} {ALL}", 401),
        ("Bearer \u00e9\u00e9", 401),
        (f"Bearer {READ}", 403),
    ],
)
async def test_a_token_that_does_not_reach(
    house: Daemon, authorization: str | None, status: int
) -> None:
    more = "" if authorization is None else f"Authorization: {authorization}\r\n"
    sent = request(GOOD).replace(f"Authorization: Bearer {ALL}\r\n".encode(), more.encode())
    answer = await house.raw(sent)
    assert refusal(answer) == (status, "unauthorised" if status == 401 else "forbidden")
    assert (b"WWW-Authenticate: Bearer" in answer) == (status == 401)
    assert ALL.encode() not in answer
    await house.assert_nothing_stored()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/submissions"),
        ("GET", "/v1/submissions/0199a1b2-0000-7000-8000-000000000001"),
        ("POST", "/v1/submissions/0199a1b2-0000-7000-8000-000000000001/cancel"),
        ("GET", "/v1/gaps"),
        ("GET", "/v1/status"),
        ("HEAD", "/v1/status"),
    ],
)
async def test_every_door_wants_a_token(house: Daemon, method: str, path: str) -> None:
    answer = await house.http.request(method, path, headers={"Authorization": "Bearer wrong"})
    assert answer.status_code == 401
    reaches = await house.http.request(method, path, headers={"Authorization": f"Bearer {READ}"})
    assert reaches.status_code == (403 if method == "POST" else 404 if "0001" in path else 200)
    submit = await house.http.request(method, path, headers={"Authorization": f"Bearer {SUBMIT}"})
    assert submit.status_code == (404 if "0001" in path else 200)


async def test_a_refusal_comes_before_the_body_where_the_client_asks(house: Daemon) -> None:
    expects = "Connection: close\r\nExpect: 100-continue\r\n"
    answer = await house.raw(request(b"", length=len(GOOD), token="wrong", more=expects))
    assert refusal(answer) == (401, "unauthorised")
    answer = await house.raw(
        request(GOOD, more=expects + "Prefer: wait=60\r\n"),
    )
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"), answer


# ------------------------------------------------------------------------------------------- hosts


@pytest.mark.parametrize(
    ("host", "welcome"),
    [
        ("127.0.0.1:8600", True),
        ("localhost", True),
        ("LOCALHOST.:1", True),
        ("[::1]:8600", True),
        ("10.1.2.3", True),
        ("cv-listener.internal:8600", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("user@localhost", False),
        ("localhost:x", False),
        ("", False),
    ],
)
async def test_only_its_own_names_are_answered(tmp_path: Path, host: str, welcome: bool) -> None:
    async with daemon(tmp_path, names=("cv-listener.internal",)) as house:
        sent = request(GOOD, more="Connection: close\r\nPrefer: wait=60\r\n")
        answer = await house.raw(sent.replace(b"Host: 127.0.0.1", f"Host: {host}".encode()))
        if welcome:
            assert answer.startswith(b"HTTP/1.1 200 OK")
        else:
            assert refusal(answer) == (421, "wrong_host")
            await house.assert_nothing_stored()


# ------------------------------------------------------------------------------------------- paths


def test_the_paper_tells_every_refusal_with_its_status() -> None:
    told: dict[str, int] = {}
    for line in (ROOT / "docs" / "http-api.md").read_text(encoding="utf-8").splitlines():
        if found := re.match(r"\| (\d{3}) \| ((?:`\w+`(?:, )?)+) \|", line):
            told |= dict.fromkeys(re.findall(r"\w+", found[2]), int(found[1]))
    assert told == {reason: kind.status.value for reason, kind in KINDS.items()}


async def test_a_path_or_method_that_is_none(house: Daemon) -> None:
    answer = await house.http.get("/v1/SECRET")
    assert (answer.status_code, answer.json()["reason"]) == (404, "not_found")
    assert "SECRET" not in answer.text
    answer = await house.http.delete("/v1/submissions")
    assert (answer.status_code, answer.json()["reason"]) == (405, "wrong_method")
    assert answer.headers["Allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "\u00e9"])
async def test_an_idempotency_key_that_is_none(house: Daemon, key: str) -> None:
    answer = await house.http.post(
        "/v1/submissions",
        data={"cv_code": CODE},
        files={"cv": ("cv.pdf", PDF)},
        headers={b"Idempotency-Key": key.encode()},
    )
    assert (answer.status_code, answer.json()["reason"]) == (400, "invalid_header")
    await house.assert_nothing_stored()


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"SECRET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        b"POST /v1/submissions HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/submissions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nabc",
    ],
    ids=range(6),
)
async def test_what_is_no_http_is_turned_away_and_logged_nowhere(
    house: Daemon, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await house.raw(sent)
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400")), answer
    assert not caplog.records
    assert (await house.http.get("/livez")).status_code == 200


# ------------------------------------------------------------------------------------- the daemon's


async def test_a_draining_daemon_takes_nothing_and_still_answers(house: Daemon) -> None:
    location = (await house.post(headers={"Prefer": "wait=60"})).headers["Location"]
    house.service.stop()
    answer = await house.post(file=docx())
    assert (answer.status_code, answer.json()["reason"]) == (503, "draining")
    assert answer.headers["Retry-After"] == "2"
    assert (await house.http.post(f"{location}/cancel")).json()["reason"] == "draining"
    assert (await house.http.get(location)).status_code == 200
    ready = await house.http.get("/readyz")
    assert (ready.status_code, ready.json()["reasons"]) == (503, ["intake: draining"])


async def test_a_daemon_that_still_recovers_takes_nothing_and_says_so(tmp_path: Path) -> None:
    async with daemon(tmp_path, recovered=False) as house:
        answer = await house.post()
        assert (answer.status_code, answer.json()["reason"]) == (503, "starting")
        assert answer.headers["Retry-After"] == "2"
        ready = await house.http.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["reasons"][0].startswith("recovery: ")
        assert (await house.http.get("/livez")).status_code == 200
        await house.assert_nothing_stored()


async def test_a_failed_journal_is_said_and_takes_nothing(tmp_path: Path) -> None:
    journal = MemoryJournal()
    async with daemon(tmp_path, journal=journal) as house:
        journal.break_down("a broken disk")
        answer = await house.post()
        assert (answer.status_code, answer.json()["reason"]) == (503, "journal_failed")
        ready = await house.http.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["reasons"][0].startswith("journal: ")
        assert "broken disk" not in ready.text


async def test_our_own_fault_is_told_without_its_text(house: Daemon) -> None:
    # A file in the spool's way that no submission of ours put there.
    (house.spool / "0199a1b2-0000-7000-8000-000000000001").write_bytes(b"x")
    answer = await house.post()
    assert (answer.status_code, answer.json()["reason"]) == (500, "internal")
    assert house.log.of("intake.request_failed") == [{"error_type": "FileExistsError"}]
    assert "0199a1b2" not in answer.text


async def test_stalled_files_hold_up_nobody_for_long(
    house: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every place is taken by a client that stops inside its file, its code still to come."""
    monkeypatch.setattr(upload, "HOLD_WAIT_S", 0.05)
    backwards = form(("cv", "cv.pdf", PDF), ("cv_code", None, CODE.encode()))
    inside = backwards.index(PDF) + len(PDF) // 2
    half = request(backwards[:inside], length=len(backwards))
    stalled = []
    for _ in range(upload.HELD_AT_ONCE):
        _, writer = await asyncio.open_connection("127.0.0.1", house.web.port)
        writer.write(half)
        await writer.drain()
        stalled.append(writer)
    async with asyncio.timeout(30):
        # Until the last of them has its place, there is one for this.
        while b" 503 " not in (answer := await house.raw(request(backwards)))[:20]:
            pass
    assert refusal(answer) == (503, "busy")
    assert (await house.post()).status_code == 202, "its code comes first"
    for writer in stalled:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def test_a_code_from_a_file_with_its_newline(house: Daemon) -> None:
    for ending in (b"\n", b"\r\n"):
        assert (await house.post(CODE.encode() + ending)).status_code == 202
    refs = {
        row["cv_ref"] for row in (await house.http.get("/v1/submissions")).json()["submissions"]
    }
    assert len(refs) == 1
