"""The real daemon while the official server goes away, throws everybody out, or stands apart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from listener.core.names import GapReason
from tests.interop.node_server import NodeServer
from tests.tools import ToolMissing

from .process import ROOT, DaemonProcess
from .witnesses import RECOVERED, UNRECOVERED, gather, violations

SAMPLE = sorted((ROOT / "demo").iterdir())[0]
RECOVERY = {"recovery_ms": 60_000}
AMID, AFTER = "Cv9E#nH4$xTz8!pY2aW^mK6rL", "Cv9E#nH4$xTz8!pY2aW^mK6rM"
CLOSE_S = 60.0


class House:
    """The server, the daemon, and what was submitted. No code is a word that a log may hold."""

    def __init__(self, server: NodeServer, daemon: DaemonProcess) -> None:
        self.server = server
        self.daemon = daemon
        self.accepted: dict[str, str] = {}

    async def submit(self, code: str) -> str:
        name = await self.daemon.submit(code, SAMPLE)
        assert name is not None
        self.accepted[name] = code
        return name

    async def end(self, name: str) -> tuple[str, str | None]:
        """Its outcome and reason, once closed."""
        shown = (await self.daemon.closed([name], CLOSE_S))[name]
        return shown["outcome"], shown["reason"]

    async def heard(self, code: str) -> None:
        """An update goes through, and its event is heard."""
        assert await self.end(await self.submit(code)) == ("confirmed", None)

    async def applied(self, code: str) -> None:
        """Wait until the server has applied an update."""
        async with asyncio.timeout(CLOSE_S):
            while True:
                if (await self.server.ledger()).get(code, {}).get("applied"):
                    return
                await asyncio.sleep(0.01)  # another process's ledger


@asynccontextmanager
async def house(
    folder: Path, options: dict[str, Any], **settings: str | int
) -> AsyncIterator[House]:
    try:
        async with NodeServer(**options) as server:
            url = f"{server.url}/cv-enhance"
            quick: dict[str, Any] = {
                "confirm_timeout": 1,
                "settle_period": 1,
                "socket_backoff_cap": 0.2,
                **settings,
            }
            async with DaemonProcess(folder, url, server.url, **quick) as daemon:
                yield House(server, daemon)
    except ToolMissing as missing:
        pytest.skip(str(missing))


async def test_a_server_that_restarts_has_forgotten_us_and_that_is_said(tmp_path: Path) -> None:
    """The event of an update is lost with the server that applied it: nothing that comes after is
    taken for it."""
    async with house(tmp_path, {"emit_delay_ms": 500, **RECOVERY}) as home:
        await home.heard("#before")
        name = await home.submit(AMID)
        await home.applied(AMID)
        await home.server.restart(down_ms=800)
        assert await home.end(name) == ("presumed", "record_moved_while_deaf")
        await home.heard(AFTER)
        evidence = await gather(home.daemon, home.server, home.accepted)
    assert violations(evidence, UNRECOVERED) == []
    assert evidence.missed() == {AMID}
    assert [gap.reason for gap in evidence.gaps] == [GapReason.STARTED, GapReason.NOT_RECOVERED]


async def test_another_server_in_its_place_knows_neither_us_nor_the_update(tmp_path: Path) -> None:
    """The record says that nothing was applied, and we were deaf: what was it? Unknown."""
    options = {"emit_delay_ms": 60_000, **RECOVERY}
    async with house(tmp_path, options) as home:
        await home.server.emit({"cv_code": "anything"})
        name = await home.submit(AMID)
        await home.applied(AMID)
        await home.server.replace(emit_delay_ms=0)
        assert await home.end(name) == ("unconfirmed", "deaf_record_unmoved")
        await home.heard(AFTER)
        evidence = await gather(home.daemon, home.server, home.accepted)
    assert [row.code for row in evidence.inbox] == ["anything", AFTER]
    assert [gap.reason for gap in evidence.gaps] == [GapReason.STARTED, GapReason.NOT_RECOVERED]
    assert evidence.ledger == {AFTER: {"posts": 1, "applied": 1, "emitted": 1}}


async def test_who_is_thrown_out_again_and_again_comes_back(tmp_path: Path) -> None:
    """By a DISCONNECT and with the connection, each in a row, and in the moment of connecting."""
    async with house(tmp_path, RECOVERY) as home:
        await home.heard("#first")
        for number in range(4):
            await home.server.control("set", kick_on_connect=number % 3)
            await home.server.kick(close=number % 2 == 0)
            # Sent in the moment between two kicks, it may have gone unheard.
            outcome, _ = await home.end(await home.submit(f"#amid-{number}"))
            assert outcome in {"confirmed", "presumed"}
        await home.heard("#last")
        connections = (await home.server.status())["connections"]
        evidence = await gather(home.daemon, home.server, home.accepted)
    assert violations(evidence, UNRECOVERED) == []
    assert connections > 1 + 4
    # Who is thrown out before anything was heard has nothing to recover from.
    reasons = {gap.reason for gap in evidence.gaps[1:]}
    assert GapReason.NOT_RECOVERED in reasons <= {GapReason.NOT_RECOVERED, GapReason.NO_OFFSET}


async def test_a_namespace_of_its_own_is_recovered_too(tmp_path: Path) -> None:
    options = {"namespace": "/cvs", "emit_delay_ms": 200, **RECOVERY}
    async with house(tmp_path, options, socket_namespace="/cvs") as home:
        await home.heard("#first")
        name = await home.submit(AMID)
        await home.applied(AMID)
        await home.server.drop()
        assert await home.end(name) == ("confirmed", None)
        evidence = await gather(home.daemon, home.server, home.accepted)
    assert violations(evidence, RECOVERED) == []
