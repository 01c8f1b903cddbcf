"""What the gateway refuses, in the upstream's shape, with nothing stored; and who may ask."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from listener.adapters.web import GatewayPolicy
from tests.corpus import rows
from tests.fakes.journal_memory import MemoryJournal

from .gateway_client import CV, PATH, WHOLE, ours, raw_update, record, update
from .rig import ALL, CODE, MAX_FILE, PDF, READ, SUBMIT, Daemon, daemon, docx, form, pdf_of

CLOSED = GatewayPolicy(open=False, wait_s=60)


# ------------------------------------------------------------------------------------------ forms


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ((), 422),
        ((("other", None, b"x"),), 422),
        ((("cv", None, PDF),), 422),
        ((("cv", "", PDF),), 422),
        ((("file", "cv.pdf", PDF),), 422),
        ((CV, CV), 422),
        ((("cv", "cv.pdf", b""),), 422),
        ((("cv", "cv.pdf", b"no CV"),), 422),
        ((("cv", "cv.pdf", pdf_of(MAX_FILE + 1)),), 413),
        ((("cv", "cv.pdf", pdf_of(MAX_FILE + 100_000)),), 413),
        ((("other", None, b"x" * (MAX_FILE + 100_000)), CV), 413),
    ],
)
async def test_a_form_without_an_acceptable_file(
    house: Daemon, parts: tuple[tuple[str, str | None, bytes], ...], status: int
) -> None:
    assert ours(await house.raw(raw_update(form(*parts))))[0] == status
    await house.assert_nothing_stored()


async def test_a_body_that_is_no_form_or_no_whole_one(house: Daemon) -> None:
    async with httpx.AsyncClient(base_url=house.http.base_url, timeout=60) as client:
        answer = await client.post(f"{PATH}/edits", json={"cv": "x"})
        assert ours(answer)[0] == 422
    assert ours(await house.raw(raw_update(WHOLE[:-8])))[0] == 400
    assert ours(await house.raw(raw_update(b"--other\r\n\r\n")))[0] == 400
    await house.assert_nothing_stored()


async def test_other_fields_are_ignored_before_and_after_the_file(house: Daemon) -> None:
    body = form(
        ("_token", None, b"x"),
        ("cv", None, b"a text of that name"),
        ("photo", "me.png", b"\x89PNG"),
        ("cv", "résumé 1.docx", docx()),
        ("cv_code", None, b"another"),
        ("photo", "me.png", b"\x89PNG"),
    )
    answer = await house.raw(raw_update(body))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert house.upstream.posted == [(CODE, docx(), "résumé 1.docx")]


async def test_only_of_the_file_does_it_matter_how_it_is_written(house: Daemon) -> None:
    encoded = b"Content-Transfer-Encoding: base64"
    named = b'Content-Disposition: form-data; name="cv"; filename="r\xe9sum\xe9.pdf"'
    others = [b"Content-Type: text/plain", b"Content-Disposition: attachment", encoded]
    heads = [*others, named + b"\r\nX-A: 1\r\nX-A: 2"]
    body = b"".join(b"--b0undary\r\n" + head + b"\r\n\r\n" + PDF + b"\r\n" for head in heads)
    answer = await house.raw(raw_update(body + b"--b0undary--"))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert house.upstream.posted == [(CODE, PDF, "r\u00e9sum\u00e9.pdf")]
    refused = b"--b0undary\r\n" + named + b"\r\n" + encoded + b"\r\n\r\nJVBERi0=\r\n--b0undary--"
    assert ours(await house.raw(raw_update(refused)))[0] == 400


async def test_a_body_that_is_too_slow(tmp_path: Path) -> None:
    async with daemon(tmp_path, body_timeout_s=0.2) as house:
        assert ours(await house.raw(raw_update(WHOLE)[:-30]))[0] == 408
        await house.assert_nothing_stored()


async def test_no_room(tmp_path: Path) -> None:
    async with daemon(tmp_path, quota=1000) as house:
        assert ours(await update(house, pdf_of(1001)))[0] == 507
        await house.assert_nothing_stored()


async def test_a_daemon_that_starts_or_stops_or_has_lost_its_journal(tmp_path: Path) -> None:
    async with daemon(tmp_path / "starts", recovered=False) as house:
        answer = await update(house)
        assert (ours(answer)[0], answer.headers["Retry-After"]) == (503, "2")
    async with daemon(tmp_path / "stops") as house:
        house.service.stop()
        assert ours(await update(house))[0] == 503
    journal = MemoryJournal()
    async with daemon(tmp_path / "lost", journal=journal) as house:
        journal.break_down("a planted fault")
        assert ours(await update(house))[0] == 503
        assert house.service.draining


async def test_a_fault_of_ours(house: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*given: object) -> None:
        raise ValueError("SECRET")

    monkeypatch.setattr(house.upstream, "fetch_record", fails)
    answer = await record(house)
    assert ours(answer)[0] == 500 and "SECRET" not in answer.text
    assert house.log.of("intake.request_failed") == [{"error_type": "TypeError"}]


# ------------------------------------------------------------------------------------------ paths


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/cv-enhance", 404),
        ("GET", "/cv-enhance/", 404),
        ("GET", "/cv-enhance/a/b", 404),
        ("POST", "/cv-enhance/a/edits/", 404),
        ("GET", "/t/x", 404),
        ("GET", f"{PATH}/edits", 405),
        ("POST", PATH, 405),
        ("PUT", f"{PATH}/edits", 405),
        ("DELETE", PATH, 405),
        ("HEAD", PATH, 405),
        ("OPTIONS", PATH, 405),
        ("GET", "/cv-enhance/%", 400),
        ("GET", "/cv-enhance/%FF", 400),
        ("GET", "/cv-enhance/%0D%0AX-Evil:%20yes", 400),
        ("GET", "/cv-enhance/..", 400),
        ("GET", "/cv-enhance/%2e%2E", 400),
        ("POST", "/cv-enhance//edits", 400),
        ("POST", f"/cv-enhance/{'a' * 257}/edits", 400),
    ],
)
async def test_a_path_that_leads_nowhere(
    house: Daemon, method: str, path: str, status: int
) -> None:
    answer = await house.raw(
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        "Content-Length: 0\r\n\r\n".encode()
    )
    if method == "HEAD":
        assert answer.startswith(b"HTTP/1.1 405 ")
    else:
        assert ours(answer)[0] == status
    if status == 405:
        assert (b"\r\nAllow: POST\r\n" in answer) == path.endswith("/edits")
    assert b"Evil" not in answer
    assert house.upstream.fetched == []
    await house.assert_nothing_stored()


async def test_every_code_of_the_corpus_goes_out_exactly_or_is_refused(house: Daemon) -> None:
    refused = 0
    for row in rows.CODES:
        raw = row.code.encode("utf-8", "surrogatepass")
        encoded = "".join(f"%{byte:02X}" for byte in raw)
        house.upstream.fetched.clear()
        house.upstream.posted.clear()
        got = await record(house, f"/cv-enhance/{encoded}")
        posted = await house.raw(raw_update(WHOLE, path=f"/cv-enhance/{encoded}"))
        if row.wire is not None:
            assert (got.status_code, posted[:13]) == (200, b"HTTP/1.1 200 ")
            assert house.upstream.fetched == [row.code]
            assert [code for code, _, _ in house.upstream.posted] == [row.code]
            continue
        refused += 1
        if len(raw) > 5000:
            # More than a line of the head may hold: nobody has read so far as to know what it is.
            assert (got.status_code, posted[:13]) == (400, b"HTTP/1.0 400 ")
        else:
            assert (ours(got)[0], ours(posted)[0]) == (400 if row.code else 404, 400)
        assert (house.upstream.fetched, house.upstream.posted) == ([], [])
    assert refused > 10


@pytest.mark.parametrize(
    ("spelled", "code"),
    [
        ("Cv9E%23nH4$xTz8!pY2aW^mK6rL", CODE),
        ("a+b", "a+b"),
        ("a:b;c=d&e,f@g'(h)*~", "a:b;c=d&e,f@g'(h)*~"),
        ('a"<>[]\\|`{}', 'a"<>[]\\|`{}'),
    ],
)
async def test_a_code_may_stand_in_the_path_as_it_is(
    house: Daemon, spelled: str, code: str
) -> None:
    answer = await house.raw(raw_update(WHOLE, path=f"/cv-enhance/{spelled}"))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert [code for code, _, _ in house.upstream.posted] == [code]


async def test_what_is_no_http_is_told_no_more_than_that(house: Daemon) -> None:
    answer = await house.raw(raw_update(WHOLE, path="/cv-enhance/SECRETé"))
    assert answer.startswith(b"HTTP/1.0 400 ") and b"SECRET" not in answer
    answer = await house.raw(b"SECRET\r\n\r\n")
    assert answer.startswith(b"HTTP/1.0 400 ") and b"SECRET" not in answer


async def test_another_hosts_name_is_refused(house: Daemon) -> None:
    assert ours(await house.raw(raw_update(WHOLE, host="evil.example")))[0] == 421
    assert ours(await record(house, Host="evil.example"))[0] == 421


# ----------------------------------------------------------------------------------------- tokens


@pytest.mark.parametrize(
    ("token", "reads", "updates"),
    [(None, 401, 401), ("wrong", 401, 401), (READ, 200, 403), (SUBMIT, 200, 200), (ALL, 200, 200)],
)
async def test_where_it_is_not_open_a_token_is_wanted(
    tmp_path: Path, token: str | None, reads: int, updates: int
) -> None:
    async with daemon(tmp_path, gateway=CLOSED) as house:
        bearer = {} if token is None else {"Authorization": f"Bearer {token}"}
        prefix = "" if token is None else f"/t/{token}"
        answers = [
            (await record(house, **bearer), reads),
            (await update(house, token=bearer.get("Authorization")), updates),
            (await record(house, prefix + PATH), reads),
            (await update(house, path=prefix + PATH), updates),
        ]
        for answer, status in answers:
            assert answer.status_code == status
            if status != 200:
                assert "token" in ours(answer)[1]
                assert ("www-authenticate" in answer.headers) == (status == 401)
        if updates != 200:
            await house.assert_nothing_stored()


async def test_a_token_of_the_path_is_looked_at_before_any_other(tmp_path: Path) -> None:
    async with daemon(tmp_path, gateway=CLOSED) as house:
        bearer = f"Bearer {ALL}"
        assert (await record(house, f"/t/{ALL}{PATH}", Authorization="Basic x")).status_code == 200
        assert (await record(house, f"/t/wrong{PATH}", Authorization=bearer)).status_code == 401
        assert (await record(house, f"/t/%2574oken{PATH}", Authorization=bearer)).status_code == 401


async def test_where_it_is_open_a_header_is_the_upstreams_and_a_path_is_ours(
    house: Daemon,
) -> None:
    assert (await record(house, Authorization="Bearer of the upstream")).status_code == 200
    assert (await record(house, f"/t/{READ}{PATH}")).status_code == 200
    assert ours(await record(house, f"/t/wrong{PATH}"))[0] == 401
    assert ours(await update(house, path=f"/t/{READ}{PATH}"))[0] == 403


@pytest.mark.parametrize(
    "head", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}]
)
async def test_where_it_is_open_a_page_in_a_browser_is_not_let_in(
    house: Daemon, head: dict[str, str]
) -> None:
    assert ours(await update(house, head=head))[0] == 403
    assert ours(await record(house, **head))[0] == 403
    assert (await record(house, f"/t/{READ}{PATH}", **head)).status_code == 200
    await house.assert_nothing_stored()


async def test_a_refusal_comes_before_the_body_where_the_client_waits_for_it(
    tmp_path: Path,
) -> None:
    expect = "Expect: 100-continue\r\n"
    async with daemon(tmp_path, gateway=CLOSED) as house:
        head, _, _ = raw_update(WHOLE, more=expect).partition(b"\r\n\r\n")
        answer = await house.raw(head + b"\r\n\r\n")
        assert ours(answer)[0] == 401
        bad = raw_update(WHOLE, more=expect, path=f"/t/{ALL}/cv-enhance/%zz")
        assert ours(await house.raw(bad.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"))[0] == 400
        good = raw_update(WHOLE, more=expect + "Connection: close\r\n", path=f"/t/{ALL}{PATH}")
        assert (await house.raw(good)).startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ")
