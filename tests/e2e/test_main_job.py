"""The main job with the real process, against the official Socket.IO server."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

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
