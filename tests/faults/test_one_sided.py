"""A line that ends for us alone: the server does not know it yet, and must not recover a session
that it believes to be alive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from listener.core.names import GapReason
from tests.adapters.socket_source.ear import Ear, eventually, now_ms
from tests.interop.node_server import NodeServer
from tests.tools import ToolMissing

from .account import HEARD, REPLAYED, Account
from .modes import Swallow
from .proxy import FaultProxy

PINGS = {"ping_interval_ms": 300, "ping_timeout_ms": 1500}


class Scene:
    """Two proxies in a row: what the first one ends, the second may keep from the server."""

    def __init__(self, server: NodeServer, near: FaultProxy, far: FaultProxy) -> None:
        self._server = server
        self._near = near
        self._far = far
        self._emitted = 0
        self.account = Account(now_ms())

    async def read(self, ear: Ear) -> None:
        while True:
            self.account.take(await ear.next())

    async def emit(self) -> str:
        self._emitted += 1
        await self._server.emit({"cv_code": f"event-{self._emitted}"})
        return f"event-{self._emitted}"

    async def heard(self) -> None:
        """An event is emitted, and heard."""
        async with asyncio.timeout(30):
            await self.account.until_heard(await self.emit())

    async def cut(self, *, for_us_alone: bool = False) -> None:
        """With an event in the midst of it. Returns when we listen again."""
        if for_us_alone:
            self._far.up.mode = self._far.down.mode = Swallow()
        assert self._near.cut() == 1
        if for_us_alone:
            await self._far.up.bitten.wait()
            self._far.heal()
        async with asyncio.timeout(30):
            await self.account.until_deaf()
        await self.emit()
        await self.listening()

    async def listening(self) -> None:
        async with asyncio.timeout(30):
            while self.account.listening is None:
                await self.account.until_news()

    async def known(self, connections: int) -> None:
        """So many connections are alive in the server's eyes."""

        async def holds() -> bool:
            return bool((await self._server.status())["engine"] == connections)

        await eventually(holds)

    async def fates(self) -> list[str]:
        """Of each event, in order; none is missed silently."""
        emitted = [(code or "", at_ms) for code, at_ms in await self._server.emissions()]
        assert self.account.wrong(emitted, self.account.began_ms) == []
        fates = self.account.fates(emitted, self.account.began_ms)
        return [fates[code] for code, _ in emitted]


@asynccontextmanager
async def scene(transports: list[str]) -> AsyncIterator[Scene]:
    try:
        async with (
            NodeServer(recovery_ms=60_000, transports=transports, **PINGS) as server,
            FaultProxy("127.0.0.1", server.port) as far,
            FaultProxy("127.0.0.1", far.port) as near,
            Ear(f"http://127.0.0.1:{near.port}", backoff_first_s=0.1, backoff_cap_s=0.1) as ear,
        ):
            opened = Scene(server, near, far)
            reading = asyncio.create_task(opened.read(ear))
            try:
                await opened.listening()
                yield opened
            finally:
                reading.cancel()
                with suppress(asyncio.CancelledError):
                    await reading
    except ToolMissing as missing:
        pytest.skip(str(missing))


both_kinds = pytest.mark.parametrize("transports", [["websocket", "polling"], ["websocket"]])


@both_kinds
async def test_a_session_that_may_still_live_is_not_recovered(transports: list[str]) -> None:
    """Recovered once, it could be recovered again while it lives: and then the end of the older
    connection would make the younger one deaf, unseen."""
    async with scene(transports) as street:
        await street.heard()
        await street.cut()
        await street.heard()
        await street.cut(for_us_alone=True)
        await street.heard()
        await street.known(1)
        await street.heard()
        await street.cut()
        await street.heard()
        gap = GapReason.NOT_RECOVERED
        assert await street.fates() == [HEARD, REPLAYED, HEARD, gap, HEARD, HEARD, REPLAYED, HEARD]


@both_kinds
async def test_a_session_whose_end_is_known_is_recovered_again_and_again(
    transports: list[str],
) -> None:
    async with scene(transports) as street:
        await street.heard()
        for _ in range(4):
            await street.cut()
            await street.heard()
        assert await street.fates() == [HEARD, *[REPLAYED, HEARD] * 4]


async def test_a_session_that_was_never_recovered_is_the_servers_to_know() -> None:
    async with scene(["websocket"]) as street:
        await street.heard()
        await street.cut(for_us_alone=True)
        await street.heard()
        await street.known(1)
        await street.cut()
        await street.heard()
        gap = GapReason.NOT_RECOVERED
        assert await street.fates() == [HEARD, gap, HEARD, REPLAYED, HEARD]
