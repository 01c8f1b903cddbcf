"""The gateway of a real daemon, before the embedded upstream: clients as they are in use, told no
more than another base URL, get what they would have got from the upstream itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from listener import CVNotFoundException, CVService, CVTimeoutException
from listener.emulator import Emulator, Options
from tests.corpus import rows
from tests.tools import ToolMissing

from .clients import CLIENTS, Answer, Client, url_of, with_http_client, with_httpx
from .process import DaemonProcess, no_code_in

CODE = "Cv9E#nH4$xTz8!pY2aW^mK6rL"
QUICK: dict[str, Any] = {"settle_period": 1, "enquiries": "0.3", "confirm_timeout": 3}


@dataclass
class Stage:
    """A daemon before an upstream."""

    upstream: Emulator
    daemon: DaemonProcess
    folder: Path

    @property
    def base(self) -> str:
        """What an existing client is given instead of the upstream's."""
        return f"{self.daemon.url}/cv-enhance"

    def file(self, size: int = 2_000, letter: str = "x") -> Path:
        path = self.folder / f"{letter}-{size}.pdf"
        path.write_bytes(b"%PDF-1.7\n%" + letter.encode() * (size - 17) + b"\n%%EOF\n")
        return path

    def posts(self, code: str = CODE) -> int:
        return len(self.upstream.ledger.posts(code))

    async def outcome(self, answer: Answer) -> object:
        """Of an answer's submission, once it is closed."""
        name = answer.header("CV-Submission-Id")
        assert name is not None
        return (await self.daemon.closed([name], 60))[name]["outcome"]


@asynccontextmanager
async def staged(folder: Path, **settings: Any) -> AsyncIterator[Stage]:
    """No code that the upstream saw stands in the daemon's output."""
    options = Options(extract=False)
    async with (
        Emulator(options) as upstream,
        DaemonProcess(folder, upstream.base_url, upstream.socket_url, **settings) as daemon,
    ):
        stage = Stage(upstream, daemon, folder)
        yield stage
        ledger = upstream.ledger
        codes = {e.code for e in ledger.posts()} | {e.code for e in ledger.readings()}
        # Shorter ones are found by chance.
        no_code_in(daemon, {code for code in codes if len(code) > 8})


async def asked(client: Client, base: str, code: str, file: Path | None) -> Answer:
    try:
        return await client(base, code, file)
    except ToolMissing as missing:
        pytest.skip(f"needs: {missing}")


# --------------------------------------------------------------------------- the clients in use


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_client_that_changes_its_base_url_alone_gets_the_same(
    tmp_path: Path, name: str
) -> None:
    client = CLIENTS[name]
    codes = (CODE, "a/b?c%2F&d", "日本 é+!$@:;", "ABC123XYZ")
    async with staged(tmp_path) as stage:
        # Above a megabyte curl waits to be told to go on.
        for code, size in zip(codes, (2_000, 1_500_000, 20, 2_000), strict=True):
            file = stage.file(size)
            for sent in (None, file):
                ours = await asked(client, stage.base, code, sent)
                theirs = await asked(client, stage.upstream.base_url, code, sent)
                assert ours.own() == theirs.own()
                assert (ours.status, json.loads(ours.body)["data"]["cv_code"]) == (200, code)
                assert (ours.header("CV-Submission-Id") is None) == (sent is None)
            through, direct = stage.upstream.ledger.posts(code)
            assert through.sha256 == direct.sha256 and through.size == size
            assert through.file_name == direct.file_name
        # What the upstream refuses is passed on as well, of a record and of an update.
        for fault, sent in (("get_not_found", None), ("not_found", stage.file(99))):
            answers = []
            for base in (stage.base, stage.upstream.base_url):
                stage.upstream.plan("unknown#code", fault)
                answers.append(await asked(client, base, "unknown#code", sent))
            assert answers[0].own() == answers[1].own()
            assert answers[0].status == 404


async def test_the_upstreams_own_client_works_as_it_does_there(tmp_path: Path) -> None:
    async with staged(tmp_path, gateway_wait=1) as stage:
        service = CVService(base_url=stage.base)
        theirs = CVService(base_url=stage.upstream.base_url)
        found = await asyncio.to_thread(service.get_cv_by_code, CODE)
        assert found == await asyncio.to_thread(theirs.get_cv_by_code, CODE)
        told = await asyncio.to_thread(service.update_cv_edits, CODE, stage.file())
        assert told == await asyncio.to_thread(theirs.update_cv_edits, CODE, stage.file())
        stage.upstream.plan("unknown#code", "not_found")
        with stage.file(50).open("rb") as file, pytest.raises(CVNotFoundException):
            await asyncio.to_thread(service.update_cv_edits, "unknown#code", file)
        stage.upstream.plan("slow#code", "late_reply")
        with stage.file(60).open("rb") as file, pytest.raises(CVTimeoutException) as late:
            await asyncio.to_thread(service.update_cv_edits, "slow#code", file)
        assert late.value.status_code == 504
        await stage.upstream.posted("slow#code")


# ----------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("fault", "posts"),
    [("throttled", 2), ("unavailable", 2), ("reset_before", 2), ("slow_reply", 1)],
)
async def test_what_the_daemon_does_again_reaches_the_client_as_one_reply(
    tmp_path: Path, fault: str, posts: int
) -> None:
    async with staged(tmp_path, **QUICK) as stage:
        stage.upstream.plan(CODE, fault)
        ours = await with_httpx(stage.base, CODE, stage.file())
        theirs = await with_httpx(stage.upstream.base_url, CODE, stage.file())
        assert ours.own() == theirs.own()
        assert ours.status == 200
        assert stage.posts() == posts + 1
        assert [post.applied for post in stage.upstream.ledger.posts(CODE)][-2:] == [True, True]


async def test_an_update_whose_reply_was_lost_is_not_sent_again(tmp_path: Path) -> None:
    async with staged(tmp_path, **QUICK) as stage:
        stage.upstream.plan(CODE, "reset_after")
        ours = await with_httpx(stage.base, CODE, stage.file())
        assert (ours.status, ours.header("CV-Outcome")) == (200, "confirmed")
        told = json.loads(ours.body)
        assert (told["status"], told["data"]["cv_code"]) == ("success", CODE)
        assert stage.posts() == 1


async def test_at_the_close_the_last_reply_is_passed_on(tmp_path: Path) -> None:
    async with staged(tmp_path, **QUICK) as stage:
        stage.upstream.plan(CODE, "error_after")
        ours = await with_httpx(stage.base, CODE, stage.file())
        stage.upstream.plan(CODE, "error_after")
        theirs = await with_httpx(stage.upstream.base_url, CODE, stage.file())
        assert ours.own() == theirs.own()
        assert (ours.status, ours.header("CV-Outcome")) == (500, "confirmed")


async def test_a_client_that_is_told_to_come_back_finds_one_update(tmp_path: Path) -> None:
    async with staged(tmp_path, gateway_wait=0.5, **QUICK) as stage:
        file = stage.file()
        await stage.upstream.stop()
        ours = await with_httpx(stage.base, CODE, file)
        assert ours.status == 504
        assert set(json.loads(ours.body)) == {"status", "message"}
        again = await with_httpx(stage.base, CODE, file)
        assert again.header("CV-Submission-Id") == ours.header("CV-Submission-Id")
        got = await with_httpx(stage.base, CODE, None)
        assert got.status == 502
        await stage.upstream.start()
        assert await stage.outcome(ours) == "confirmed"
        # It was told that the same again is not sent twice: nor is it after the close and a kill.
        await stage.daemon.kill()
        await stage.daemon.start()
        late = await with_httpx(stage.base, CODE, file)
        assert late.header("CV-Submission-Id") == ours.header("CV-Submission-Id")
        assert (late.status, late.header("CV-Outcome")) == (200, "confirmed")
        assert stage.posts() == 1


async def test_a_record_is_passed_on_whatever_happens_to_it(tmp_path: Path) -> None:
    async with staged(tmp_path, api_timeout=1) as stage:
        for fault in ("get_throttled", "get_error", "get_unreadable"):
            for _ in range(2):
                stage.upstream.plan(CODE, fault)
            ours = await with_httpx(stage.base, CODE, None)
            theirs = await with_httpx(stage.upstream.base_url, CODE, None)
            assert ours.own() == theirs.own()
        stage.upstream.plan(CODE, "get_hang")
        assert (await with_httpx(stage.base, CODE, None)).status == 504
        assert (await stage.daemon.get("/v1/submissions"))["submissions"] == []


# ------------------------------------------------------------------------ who goes, who joins


async def test_a_client_that_goes_away(tmp_path: Path) -> None:
    async with staged(tmp_path, **QUICK) as stage:
        file = stage.file(300_000)
        body = b'--x\r\nContent-Disposition: form-data; name="cv"; filename="a"\r\n\r\n'
        body += file.read_bytes() + b"\r\n--x--\r\n"
        head = (
            f"POST {url_of('/cv-enhance', CODE, file)} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()
        _, writer = await asyncio.open_connection("127.0.0.1", stage.daemon.port)
        writer.write(head + body[:150_000])
        await writer.drain()
        writer.transport.abort()
        # A whole one after it, whose client does not wait for the answer.
        stage.upstream.plan(CODE, "late_reply", reply_delay_ms=500)
        _, writer = await asyncio.open_connection("127.0.0.1", stage.daemon.port)
        writer.write(head + body)
        await writer.drain()
        await stage.upstream.ledger.until(lambda ledger: ledger.posts(CODE))
        writer.transport.abort()
        await stage.upstream.posted(CODE)
        (one,) = (await stage.daemon.get("/v1/submissions"))["submissions"]
        ends = await stage.daemon.closed([one["id"]], 30)
        assert ends[one["id"]]["outcome"] == "confirmed"
        assert stage.posts() == 1
        assert stage.daemon.spooled() == []


async def test_two_at_once_and_one_later_and_one_after_a_kill_are_one_update(
    tmp_path: Path,
) -> None:
    async with staged(tmp_path, confirm_timeout=60) as stage:
        stage.upstream.plan(CODE, "no_event", reply_delay_ms=300)
        file = stage.file()
        answers = list(
            await asyncio.gather(
                with_httpx(stage.base, CODE, file), with_http_client(stage.base, CODE, file)
            )
        )
        answers.append(await with_httpx(stage.base, CODE, file))
        await stage.daemon.kill()
        await stage.daemon.start()
        answers.append(await with_httpx(stage.base, CODE, file))
        assert stage.posts() == 1
        assert len({answer.own() for answer in answers}) == 1
        assert len({answer.header("CV-Submission-Id") for answer in answers}) == 1
        assert len({answer.header("Date") for answer in answers}) == 1
        other = await with_httpx(stage.base, "other#code", file)
        assert other.header("CV-Submission-Id") != answers[0].header("CV-Submission-Id")


# ------------------------------------------------------------------------------ preferences, tokens


async def test_what_a_client_may_prefer(tmp_path: Path) -> None:
    async with (
        staged(tmp_path) as stage,
        httpx.AsyncClient(timeout=60) as client,
    ):
        found = []
        for number, prefer in enumerate(("respond-async", "wait=30", "respond-async, wait=30")):
            answer = await client.post(
                url_of(stage.base, f"{CODE}{number}", stage.folder),
                files={"cv": stage.file().read_bytes()},
                headers={"Prefer": prefer},
            )
            assert answer.headers["Preference-Applied"] == prefer
            found.append(answer)
        early, late, both = found
        assert early.status_code == 202
        name = early.headers["CV-Submission-Id"]
        assert early.headers["Location"] == f"/v1/submissions/{name}"
        assert (await stage.daemon.closed([name], 30))[name]["outcome"] == "confirmed"
        for answer in (late, both):
            assert (answer.status_code, answer.headers["CV-Outcome"]) == (200, "confirmed")
            shown = await stage.daemon.get(f"/v1/submissions/{answer.headers['CV-Submission-Id']}")
            assert json.loads(answer.headers["CV-Dispatch"]) == shown["dispatch"]
            assert answer.json()["data"]["cv_updated"] is True


async def test_where_a_token_is_wanted_a_base_url_can_hold_it(tmp_path: Path) -> None:
    async with staged(tmp_path, gateway_open="off") as stage:
        token, file = stage.daemon.token, stage.file()
        for sent in (None, file):
            refused = await with_httpx(stage.base, CODE, sent)
            assert refused.status == 401
            wrong = await with_httpx(f"{stage.daemon.url}/t/wrong-token/cv-enhance", CODE, sent)
            assert wrong.status == 401
        for name, client in CLIENTS.items():
            base = f"{stage.daemon.url}/t/{token}/cv-enhance"
            answer = await asked(client, base, f"{CODE}{name}", file)
            assert answer.status == 200
        assert len(stage.upstream.ledger.posts()) == len(CLIENTS)
        assert token not in stage.daemon.output.read_text()


# ------------------------------------------------------------------------------------------- codes


async def test_every_code_of_the_corpus_goes_out_exactly_or_is_refused(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, httpx.AsyncClient(timeout=60) as client:
        places = asyncio.Semaphore(8)

        async def one(row: rows.CodeRow) -> None:
            raw = row.code.encode("utf-8", "surrogatepass")
            encoded = "".join(f"%{byte:02X}" for byte in raw)
            async with places:
                answer = await client.post(
                    f"{stage.base}/{encoded}/edits", files={"cv": b"%PDF-1.7\n"}
                )
            assert answer.status_code == (400 if row.wire is None else 200)

        async with asyncio.TaskGroup() as group:
            for row in (row for row in rows.CODES if len(row.code) < 5_000):
                group.create_task(one(row))
        arrived = sorted(post.code for post in stage.upstream.ledger.posts())
        assert arrived == sorted({row.code for row in rows.CODES if row.wire is not None})
