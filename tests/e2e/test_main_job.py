"""The main job with the real process: against the official Socket.IO server, and through kills."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

import pytest

from listener.emulator import Emulator, Options
from tests.interop.node_server import NodeServer
from tests.tools import ToolMissing

from .process import ROOT, DaemonProcess, no_code_in

SAMPLES = sorted((ROOT / "demo").iterdir())
DOCUMENTED = "Cv9E#nH4$xTz8!pY2aW^mK6rL"


def codes(count: int) -> list[str]:
    return [f"{DOCUMENTED}/{number:04d}?%" for number in range(count)]


async def submit_all(daemon: DaemonProcess, wanted: list[str], at_once: int = 16) -> dict[str, str]:
    """Submit one file for each code; the accepted ones, id → code."""
    limit = asyncio.Semaphore(at_once)
    accepted: dict[str, str] = {}

    async def one(number: int, code: str) -> None:
        async with limit:
            name = await daemon.submit(code, SAMPLES[number % len(SAMPLES)])
        if name is not None:
            accepted[name] = code

    async with asyncio.TaskGroup() as group:
        for number, code in enumerate(wanted):
            group.create_task(one(number, code))
    return accepted


@pytest.mark.timeout(240)
async def test_five_hundred_updates_against_the_official_server(tmp_path: Path) -> None:
    wanted = codes(500)
    try:
        server = NodeServer()
        async with (
            server,
            DaemonProcess(
                tmp_path, f"{server.url}/cv-enhance", server.url, confirm_timeout=60
            ) as daemon,
        ):
            accepted = await submit_all(daemon, wanted)
            ends = await daemon.closed(accepted, 120)
            ledger = await server.ledger()
            tally = await daemon.get("/v1/submissions?state=awaiting")
            assert await daemon.stop() == 0
    except ToolMissing as missing:
        pytest.skip(f"needs: {missing}")
    assert len(accepted) == 500
    assert Counter((e["outcome"], e["attribution"]) for e in ends.values()) == {
        ("confirmed", "exclusive"): 500
    }
    assert {(told["posts"], told["emitted"]) for told in ledger.values()} == {(1, 1)}
    assert len(ledger) == 500
    assert tally["submissions"] == []
    assert daemon.spooled() == []
    canonical = Counter(
        line["submission_id"] for line in daemon.lines() if line["event"] == "submission.closed"
    )
    assert canonical == Counter(list(accepted))
    no_code_in(daemon, wanted)


async def lives(tmp_path: Path, seed: int, kills: int, updates: int) -> None:
    """Kill the daemon at random moments while updates go through it, and look at all witnesses."""
    rng = random.Random(seed)
    wanted = codes(updates)
    accepted: dict[str, str] = {}
    async with Emulator(
        Options(event_delay_ms=150, reply_delay_ms=60, job_ms=300, extract=False)
    ) as upstream:
        daemon = DaemonProcess(
            tmp_path,
            upstream.base_url,
            upstream.socket_url,
            confirm_timeout=3,
            settle_period=2,
            enquiries="1",
        )
        async with daemon:
            left = wanted
            for _ in range(kills):
                some, left = left[: updates // (kills + 1)], left[updates // (kills + 1) :]
                going = asyncio.ensure_future(submit_all(daemon, some, 8))
                await asyncio.sleep(rng.uniform(0.05, 0.8))
                await daemon.kill()
                accepted |= await going
                await daemon.start()
            accepted |= await submit_all(daemon, left, 8)
            ends = await daemon.closed(accepted, 90)
            assert await daemon.stop() == 0
        for name, code in accepted.items():
            posts = upstream.ledger.posts(code)
            applied = [post for post in posts if post.applied]
            assert len(applied) <= 1, "sent again although it was applied"
            answered = [post.number for post in posts if post.status == 200]
            assert answered == [post.number for post in posts][-1:] or not answered
            if ends[name]["outcome"] in ("confirmed", "presumed"):
                assert applied, "confirmed or presumed, and never applied"
            if ends[name]["outcome"] == "confirmed":
                assert any(upstream.ledger.emitted_for_post(post.number) for post in applied)
    told = Counter(
        line["submission_id"]
        for line in daemon.lines()
        if line["event"] == "submission.closed" and not line.get("repeated")
    )
    assert max(told.values(), default=0) <= 1
    everyone = {line.get("submission_id") for line in daemon.lines()}
    assert set(accepted) <= everyone
    no_code_in(daemon, wanted)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", [1, 2])
async def test_killed_in_mid_flow_everything_still_closes(tmp_path: Path, seed: int) -> None:
    await lives(tmp_path, seed, kills=3, updates=60)


@pytest.mark.prove
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(100, 105))
async def test_fifty_kills(tmp_path: Path, seed: int) -> None:
    await lives(tmp_path, seed, kills=10, updates=110)
