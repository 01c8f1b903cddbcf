"""Lanes through the daemon's doors: what HTTP and the command line say of a second update, of the
rest after an unresolved one, of what is withdrawn, corrected, or contradicted."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from listener.compose import Daemon, daemon, open_log
from listener.emulator import Emulator, Options
from listener.settings import load
from tests.cli.terminal import Ended, cli, end, start
from tests.faults.modes import Stall
from tests.faults.proxy import FaultProxy

CODE = "Cv9E#nH4$xTz8!pY2aW^mK6rL"
FILE = b"%PDF-1.7\n" + b"x" * 2_000
BOUND_S = 60.0


@dataclass(slots=True)
class House:
    """A daemon with its doors, an upstream, and the line between them."""

    running: Daemon
    upstream: Emulator
    line: FaultProxy
    http: httpx.AsyncClient
    folder: Path
    said: io.StringIO

    async def post(self, code: str = CODE, **headers: str) -> httpx.Response:
        return await self.http.post(
            "/v1/submissions",
            data={"cv_code": code},
            files={"cv": ("cv.pdf", FILE, "application/pdf")},
            headers=headers,
        )

    async def submitted(self, code: str = CODE) -> str:
        answer = await self.post(code)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    async def show(self, name: str, *, wait: bool = False) -> dict[str, Any]:
        headers = {"Prefer": "wait=60"} if wait else {}
        answer = await self.http.get(f"/v1/submissions/{name}", headers=headers)
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    async def until(self, name: str, **fields: object) -> dict[str, Any]:
        """Until the submission shows these."""
        async with asyncio.timeout(BOUND_S):
            while True:
                shown = await self.show(name)
                if all(shown[field] == value for field, value in fields.items()):
                    return shown
                await asyncio.sleep(0.02)  # not every change of it is one that is waited for

    async def cancel(self, name: str) -> dict[str, Any]:
        answer = await self.http.post(f"/v1/submissions/{name}/cancel")
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    async def command(self, *args: str) -> Ended:
        return await cli(self.folder, *args)

    def hold(self) -> None:
        """What the upstream answers does not arrive, until the line is healed."""
        self.line.down.mode = Stall(after=0)

    async def held(self, posts: int) -> None:
        """Until the upstream has been sent so many updates, whose answers are held."""
        await self.upstream.ledger.until(
            lambda told: sum(post.whole_body for post in told.posts(CODE)) >= posts,
            seconds=BOUND_S,
        )

    async def newest_but(self, name: str) -> str:
        """Of the submissions; somebody else's, once there is one."""
        async with asyncio.timeout(BOUND_S):
            while True:
                found = (await self.http.get("/v1/submissions")).json()["submissions"]
                if found[0]["id"] != name:
                    return str(found[0]["id"])
                await asyncio.sleep(0.02)  # a command is a process: it tells nobody

    async def told(self, event: str) -> None:
        async with asyncio.timeout(BOUND_S):
            while True:
                if self.lines(event):
                    return
                await asyncio.sleep(0.01)  # a thread writes the lines, which tells nobody

    def lines(self, event: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.said.getvalue().splitlines()]
        return [line for line in found if line["event"] == event]


@asynccontextmanager
async def house(folder: Path, **changes: str) -> AsyncIterator[House]:
    (folder / "cv.pdf").write_bytes(FILE)
    said = io.StringIO()
    async with Emulator(Options(extract=False, event_delay_ms=50, job_ms=60_000)) as upstream:
        port = urlsplit(upstream.socket_url).port
        assert port is not None
        async with FaultProxy("127.0.0.1", port) as line:
            settings = load(
                {
                    "CV_API_BASE_URL": f"http://127.0.0.1:{line.port}/cv-enhance",
                    "CV_SOCKET_URL": upstream.socket_url,
                    "CV_STATE_DIR": str(folder),
                    "CV_INTAKE_PORT": "0",
                    "CV_CONFIRM_TIMEOUT": "1",
                    "CV_SETTLE_PERIOD": "1",
                    "CV_BASELINE": "off",
                    "CV_LOG_FORMAT": "json",
                    "CV_LOG_LEVEL": "debug",
                    **changes,
                },
                dotenv=None,
            )
            log = open_log(settings, said, strict=True)
            try:
                async with daemon(settings, log) as running:
                    assert running.web is not None
                    token = (folder / "token").read_text().strip()
                    async with httpx.AsyncClient(
                        base_url=f"http://127.0.0.1:{running.web.port}",
                        headers={"Authorization": f"Bearer {token}"},
                        timeout=2 * BOUND_S,
                    ) as http:
                        opened = House(running, upstream, line, http, folder, said)
                        async with asyncio.timeout(BOUND_S):
                            while not running.service.hearer.listening:
                                await running.service.hearer.wait_change()
                        yield opened
            finally:
                log.close()
    assert CODE not in said.getvalue()


async def test_queue_sends_one_after_the_other_and_says_who_waits(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        home.hold()
        first = await home.submitted()
        await home.held(1)
        names = [first, await home.submitted(), await home.submitted()]
        shown = [await home.show(name) for name in names]
        assert [(one["state"], one["waiting_for"]) for one in shown] == [
            ("sending", "reply"),
            ("queued", "lane_turn"),
            ("queued", "lane_turn"),
        ]
        home.line.heal()
        ends = [await home.show(name, wait=True) for name in names]
        assert [(one["outcome"], one["attribution"]) for one in ends] == [
            ("confirmed", "exclusive"),
            ("confirmed", "contended"),
            ("confirmed", "contended"),
        ], "an event so soon after another's may be that one told twice"
        sent = [post.request_id for post in home.upstream.ledger.posts(CODE)]
        assert sent == [f"{name}-1" for name in names]


async def test_reject_says_so_at_each_door_until_the_first_is_closed(tmp_path: Path) -> None:
    async with house(tmp_path, CV_LANE_POLICY="reject") as home:
        home.hold()
        first = await home.submitted()
        await home.held(1)
        refused = await home.post()
        assert (refused.status_code, refused.json()["reason"]) == (409, "lane_busy")
        assert refused.headers["Content-Type"].startswith("application/problem+json")
        ended = await home.command("submit", CODE, "cv.pdf", "--wait")
        assert ended.status == 75, ended
        assert "Another update of this CV is open" in ended.err
        assert CODE not in ended.err
        home.line.heal()
        assert (await home.show(first, wait=True))["outcome"] == "confirmed"
        ended = await home.command("submit", CODE, "cv.pdf", "--wait")
        assert ended.status == 0, ended


async def test_coalesce_answers_whoever_waits_for_what_was_replaced(tmp_path: Path) -> None:
    async with house(tmp_path, CV_LANE_POLICY="coalesce") as home:
        home.hold()
        first = await home.submitted()
        await home.held(1)
        asked = await start(tmp_path, "submit", CODE, "cv.pdf", "--wait", "--json")
        second = await home.newest_but(first)
        waiting = asyncio.create_task(home.show(second, wait=True))
        third = await home.submitted()
        replaced = await waiting
        assert (replaced["state"], replaced["outcome"]) == ("closed", "superseded")
        assert (replaced["reason"], replaced["attempts"]) == ("newer_update", 0)
        ended = await end(asked)
        assert (ended.status, ended.objects()[0]["outcome"]) == (4, "superseded")
        # What was sent already is nobody's to replace.
        home.line.heal()
        ends = [(await home.show(name, wait=True))["outcome"] for name in (first, third)]
        assert ends == ["confirmed", "confirmed"]
        assert len(home.upstream.ledger.posts(CODE)) == 2


async def test_after_an_unresolved_end_the_lane_rests_and_a_late_event_corrects(
    tmp_path: Path,
) -> None:
    async with house(tmp_path, CV_SETTLE_PERIOD="3") as home:
        home.upstream.plan(CODE, "no_event")
        first = await home.submitted()
        ended = await home.show(first, wait=True)
        assert (ended["outcome"], ended["reason"]) == ("unconfirmed", "listened_no_baseline")
        second = await home.submitted()
        assert (await home.show(second))["waiting_for"] == "lane_rest"
        await home.upstream.emit({"cv_code": CODE})
        corrected = await home.until(first, outcome="confirmed")
        assert (corrected["late"], corrected["version"] > ended["version"]) == (True, True)
        assert (await home.show(second, wait=True))["outcome"] == "confirmed"
        (told,) = home.lines("submission.corrected")
        assert (told["outcome_before"], told["outcome"]) == ("unconfirmed", "confirmed")
        rested, released = home.lines("lane.rested"), home.lines("lane.released")
        assert len(released) == 1
        began = [line for line in home.lines("attempt.began") if line["submission_id"] == second]
        assert began[0]["timestamp"] >= released[0]["timestamp"] >= rested[0]["until"]


async def test_a_withdrawal_in_each_state(tmp_path: Path) -> None:
    env = {"CV_CONFIRM_TIMEOUT": "60", "CV_SETTLE_PERIOD": "60"}
    async with house(tmp_path, **env) as home:
        home.upstream.plan(CODE, "no_event")
        home.hold()
        sending = await home.submitted()
        await home.held(1)
        queued = await home.submitted()
        withdrawn = await home.cancel(queued)
        assert (withdrawn["state"], withdrawn["outcome"]) == ("closed", "cancelled")
        # Under way it takes effect at the attempt's end, and what was sent stays possibly applied.
        assert (await home.cancel(sending))["state"] == "sending"
        home.line.heal()
        ended = await home.show(sending, wait=True)
        assert (ended["outcome"], ended["reason"]) == ("unconfirmed", "cancelled")
        assert await home.cancel(sending) == ended, "it is closed: nothing changes"

        for code, fault, state in (
            ("awaits", "no_event", "awaiting"),
            ("in doubt", "error_after", "in_doubt"),
        ):
            home.upstream.plan(code, fault, events=0)
            name = await home.submitted(code)
            await home.until(name, state=state)
            ended = await home.cancel(name)
            assert (ended["outcome"], ended["reason"]) == ("unconfirmed", "cancelled")
        again = await home.command("cancel", queued)
        assert again.status == 0, again


async def test_what_was_withdrawn_too_late_is_still_corrected_by_its_event(tmp_path: Path) -> None:
    async with house(tmp_path, CV_CONFIRM_TIMEOUT="60") as home:
        home.upstream.plan(CODE, "no_event")
        name = await home.submitted()
        await home.until(name, state="awaiting")
        assert (await home.cancel(name))["outcome"] == "unconfirmed"
        await home.upstream.emit({"cv_code": CODE})
        corrected = await home.until(name, outcome="confirmed")
        assert corrected["late"] is True


async def test_a_refusal_that_is_heard_of_all_the_same_is_a_contradiction(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        home.hold()
        home.upstream.plan(CODE, "not_found")
        name = await home.submitted()
        await home.held(1)
        await home.upstream.emit({"cv_code": CODE})
        await home.told("event.correlated")
        home.line.heal()
        ended = await home.show(name, wait=True)
        assert (ended["outcome"], ended["reason"]) == ("unconfirmed", "refused_but_heard")
        verdicts = {job: told["verdict"] for job, told in ended["dispatch"].items()}
        assert verdicts == {"enhancement": "contradicted", "analysis": "contradicted"}
        (told,) = home.lines("submission.contradicted")
        assert (told["level"], told["detail"]) == ("error", "not_found")
        assert len(home.upstream.ledger.posts(CODE)) == 1, "never sent again"


@pytest.mark.parametrize(
    ("answer", "form", "asked_s", "cap"),
    [
        ("throttled", "seconds", 2, "300"),
        ("throttled", "date", 3, "300"),
        ("unavailable", "seconds", 2, "300"),
        ("unavailable", "date", 3, "300"),
        ("throttled", "seconds", 3_600, "2"),
    ],
)
async def test_the_quiet_that_the_upstream_asks_for_holds_every_lane(
    tmp_path: Path, answer: str, form: str, asked_s: int, cap: str
) -> None:
    async with house(tmp_path, CV_RETRY_AFTER_CAP=cap) as home:
        home.upstream.plan(CODE, answer, retry_after_s=asked_s, retry_after_form=form)
        await home.submitted()
        await home.told("upstream.held")
        others = [await home.submitted(f"other-{number}") for number in range(3)]
        ends = [await home.show(name, wait=True) for name in others]
        assert {one["outcome"] for one in ends} == {"confirmed"}
        (held,) = home.lines("upstream.held")
        # A date has whole seconds, and that of the answer has passed in part.
        least_ms, most_ms = (1_000, 3_000) if form == "date" else (1_500, 2_000)
        said, until = (datetime.fromisoformat(held[name]) for name in ("timestamp", "until"))
        assert least_ms <= (until - said).total_seconds() * 1000 <= most_ms
        asked, *later = home.upstream.ledger.posts()
        assert asked.ended_ms is not None
        assert all(post.received_ms >= asked.ended_ms + least_ms for post in later)
