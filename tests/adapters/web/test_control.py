"""Pause, resume, drain; and who may."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from .rig import READ, SUBMIT, Daemon, daemon, docx, until


async def test_paused_it_accepts_and_sends_nothing_until_it_is_resumed(house: Daemon) -> None:
    answer = await house.http.post("/v1/pause")
    assert answer.status_code == 200
    told = answer.json()
    assert (told["draining"], told["in_flight"]) == (False, 0)
    again = (await house.http.post("/v1/pause")).json()
    assert again["paused_since"] == told["paused_since"]
    taken = await house.post(headers={"Prefer": "wait=1"})
    assert (taken.status_code, taken.json()["waiting_for"]) == (202, "resume")
    status = (await house.http.get("/v1/status")).json()
    assert (status["paused_since"], status["ready"]) == (told["paused_since"], True)
    (sending,) = [check for check in status["checks"] if not check["ok"]]
    since = told["paused_since"][11:19]
    assert sending["detail"] == f"paused since {since} UTC; cv-listener resume"
    assert house.upstream.posted == []
    for _ in range(2):
        answer = await house.http.post("/v1/resume")
        assert (answer.status_code, answer.json()["paused_since"]) == (200, None)
    shown = await house.http.get(taken.headers["Location"], headers={"Prefer": "wait=60"})
    assert shown.json()["outcome"] == "confirmed"


async def test_an_attempt_under_way_is_counted_and_ends(house: Daemon) -> None:
    house.upstream.open.clear()
    location = (await house.post()).headers["Location"]
    await house.upstream.arrived.wait()
    assert (await house.http.post("/v1/pause")).json()["in_flight"] == 1
    await house.post(code="other")
    house.upstream.open.set()
    shown = await house.http.get(location, headers={"Prefer": "wait=60"})
    assert shown.json()["outcome"] == "confirmed"
    assert (await house.http.get("/v1/status")).json()["in_flight"] == 0
    assert len(house.upstream.posted) == 1


async def test_a_pause_outlives_the_daemon(tmp_path: Path) -> None:
    async with daemon(tmp_path) as house:
        since = (await house.http.post("/v1/pause")).json()["paused_since"]
    async with daemon(tmp_path) as house:
        assert (await house.http.get("/v1/status")).json()["paused_since"] == since
        (line,) = house.log.of("sending.paused")
        assert (line["since"], line["restarted"]) == (since, True)


async def test_a_client_that_left_has_paused_all_the_same(
    house: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go_on, written = asyncio.Event(), asyncio.Event(), asyncio.Event()
    real = house.journal.set_note

    async def slow(name: str, value: str | None) -> None:
        asked.set()
        await go_on.wait()
        await real(name, value)
        written.set()

    monkeypatch.setattr(house.journal, "set_note", slow)
    asking = asyncio.ensure_future(house.http.post("/v1/pause"))
    await asked.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await until(lambda: not house.web.connected)
    go_on.set()
    await written.wait()
    assert await house.journal.note("paused_ms") is not None
    assert house.service.pause.since_ms is not None


async def test_drained_it_finishes_what_is_under_way_and_takes_nothing_new(house: Daemon) -> None:
    house.upstream.open.clear()
    location = (await house.post()).headers["Location"]
    await house.upstream.arrived.wait()
    for _ in range(2):
        answer = await house.http.post("/v1/drain")
        assert answer.status_code == 202
        told = answer.json()
        assert (told["draining"], told["in_flight"], told["gate"]) == (True, 1, "draining")
    refused = await house.post(file=docx())
    assert (refused.status_code, refused.json()["reason"]) == (503, "draining")
    assert int(refused.headers["Retry-After"]) > 0
    assert (await house.http.get("/v1/status")).json()["draining"] is True
    assert (await house.http.get("/readyz")).status_code == 503
    await house.service.stopping()
    house.upstream.open.set()
    await until(lambda: house.service.dispatcher.in_flight == 0)
    assert (await house.http.get(location)).json()["accepted_at"] is not None


@pytest.mark.parametrize("command", ["pause", "resume", "drain"])
async def test_only_an_administrator_commands(house: Daemon, command: str) -> None:
    for token, status in ((READ, 403), (SUBMIT, 403), ("wrong", 401)):
        answer = await house.http.post(
            f"/v1/{command}", headers={"Authorization": f"Bearer {token}"}
        )
        assert answer.status_code == status
    assert (await house.http.get(f"/v1/{command}")).status_code == 405
    assert not house.service.draining
    assert house.service.pause.since_ms is None
