"""The Node server as a process: started, told what to do, stopped."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from .install import ensure

START_S = 60
STOP_S = 20


class NodeServer:
    """``async with NodeServer(recovery_ms=…) as server``. Options are those of ``server.js``.

    Raises ToolMissing where there is no Node, or no socket.io for it.
    """

    def __init__(self, **options: object) -> None:
        self._options = options
        self._process: asyncio.subprocess.Process | None = None
        self._session: aiohttp.ClientSession | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Of the socket, and of the API below ``/cv-enhance``."""
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self._start()
        self._session = aiohttp.ClientSession()
        return self

    async def _start(self) -> None:
        node = await asyncio.to_thread(ensure)
        server = Path(__file__).with_name("server.js")
        self._process = await asyncio.create_subprocess_exec(
            node.node,
            server,
            json.dumps(self._options),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            await self.wait_up()
        except BaseException:
            await self._stop()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()
        await self._stop()

    async def wait_up(self) -> None:
        """Wait until it listens: at the start, or again after a ``restart``."""
        assert self._process is not None and self._process.stdout is not None
        async with asyncio.timeout(START_S):
            line = await self._process.stdout.readline()
        self.port = json.loads(line)["port"]

    async def control(self, name: str, **arguments: object) -> None:
        """One of the server's ``CONTROLS``."""
        assert self._session is not None
        url = f"{self.url}/_control/{name}"
        async with self._session.post(url, json=arguments) as response:
            assert response.status == 200, await response.text()

    async def emit(self, *bodies: object, how: str = "broadcast", event: str | None = None) -> None:
        """One event for each body."""
        named = {} if event is None else {"event": event}
        await self.control("emit", bodies=bodies, how=how, **named)

    async def emit_to(self, audience: str, *bodies: object) -> None:
        """One event for each body, to those alone who connected with ``?audience=…``."""
        await self.control("emit", bodies=bodies, to=audience)

    async def burst(self, count: int, prefix: str = "code") -> None:
        """Events with the codes prefix-0, prefix-1, …, as fast as they go."""
        await self.control("burst", count=count, prefix=prefix)

    async def flood(self, count: int, per_s: float, prefix: str = "code") -> None:
        """As ``burst``, but so many a second; returns after the last."""
        await self.control("flood", count=count, per_s=per_s, prefix=prefix)

    async def kick(self, *, close: bool = False) -> None:
        """Every client is disconnected by name: "io server disconnect". ``close``: its connection
        is ended, too."""
        await self.control("kick", close=close)

    async def deafen(self) -> None:
        """Those who are connected stay so, and hear nothing more."""
        await self.control("deafen")

    async def drop(self) -> None:
        """Every connection is cut, with no word."""
        await self.control("drop")

    async def restart(self, down_ms: int = 0, *, politely: bool = False) -> None:
        """The server goes away (``io.close()``) and comes back on its port after ``down_ms``, its
        sessions forgotten; records and ledger stay. ``politely``: it cuts no connection that it
        could close in order."""
        await self.control("restart", down_ms=down_ms, politely=politely)
        await self.wait_up()

    async def replace(self, **changes: object) -> None:
        """Another process in its place, on the same port, which knows nothing of what was."""
        await self._stop()
        self._options |= {"port": self.port, **changes}
        await self._start()

    async def status(self) -> dict[str, Any]:
        """Connections, acknowledgements, the auth last seen."""
        told: dict[str, Any] = await self._get("/_status")
        return told

    async def ledger(self) -> dict[str, dict[str, int]]:
        """Per code: posts, applied, emitted."""
        told: dict[str, dict[str, int]] = await self._get("/_ledger")
        return told

    async def emissions(self) -> list[tuple[str | None, int]]:
        """The code of every event ever emitted, and when, in milliseconds; in order."""
        return [(code, at_ms) for code, at_ms in await self._get("/_emissions")]

    async def _get(self, path: str) -> Any:
        assert self._session is not None
        async with self._session.get(self.url + path) as response:
            return await response.json()

    async def _stop(self) -> None:
        process = self._process
        if process is None:
            return
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(STOP_S):
                await process.stdout.read()
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
