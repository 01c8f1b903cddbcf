"""A server that says what a test writes, frame by frame: recovery as the official server does it,
and whatever no server should do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

from aiohttp import WSMsgType, web

HANDSHAKE = {
    "sid": "engine",
    "upgrades": [],
    "pingInterval": 25_000,
    "pingTimeout": 20_000,
    "maxPayload": 1_000_000,
}


class Peer:
    """One client's websocket, seen from the server."""

    def __init__(self, request: web.BaseRequest, socket: web.WebSocketResponse) -> None:
        self.request = request
        self._socket = socket

    async def send(self, *frames: str | bytes) -> None:
        for frame in frames:
            if isinstance(frame, bytes):
                await self._socket.send_bytes(frame)
            else:
                await self._socket.send_str(frame)

    async def receive(self) -> str | None:
        """The next text frame; None once the client is gone."""
        message = await self._socket.receive()
        return message.data if message.type is WSMsgType.TEXT else None

    async def open(self, **changes: object) -> dict[str, Any]:
        """The handshake. Returns the auth of the client's CONNECT."""
        await self.send("0" + json.dumps({**HANDSHAKE, **changes}))
        connect = await self.receive() or "40{}"
        auth: dict[str, Any] = json.loads(connect[connect.index("{") :])
        return auth

    async def admit(self, pid: str | None = None) -> None:
        """CONNECT, with a session that can be recovered if it has a ``pid``."""
        data = {"sid": "session"} if pid is None else {"sid": "session", "pid": pid}
        await self.send("40" + json.dumps(data))

    async def event(self, code: str, offset: str | None = None) -> None:
        await self.send(event_frame(code, offset))

    async def gone(self) -> None:
        """Wait until the client is gone."""
        while await self.receive() is not None:
            pass

    async def close(self, code: int = 1000) -> None:
        await self._socket.close(code=code)


def event_frame(code: str, offset: str | None = None) -> str:
    """A plain event, as the official server writes it."""
    args: list[object] = ["cv_updated", {"cv_code": code}]
    if offset is not None:
        args.append(offset)
    return "42" + json.dumps(args, separators=(",", ":"))


Scene = Callable[[Peer], Awaitable[None]]


class ScriptedServer:
    """Plays one scene to each connection, the last one to all that follow. When a scene returns,
    its connection is closed."""

    def __init__(self, *scenes: Scene) -> None:
        self._scenes = list(scenes)
        self._transports: set[asyncio.Transport] = set()
        self.connections = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()

    async def cut(self) -> None:
        """Every connection is cut, with no word."""
        for transport in self._transports:
            transport.abort()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if "Upgrade" not in request.headers:
            # Of what ended here nothing is left.
            return web.json_response({"code": 1, "message": "Session ID unknown"}, status=400)
        scene = self._scenes[min(self.connections, len(self._scenes) - 1)]
        self.connections += 1
        if request.transport is not None:
            self._transports.add(request.transport)
        socket = web.WebSocketResponse(timeout=0.1)
        await socket.prepare(request)
        try:
            await scene(Peer(request, socket))
        except (ConnectionError, asyncio.CancelledError):
            # The client went first, or the test is over.
            return socket
        await socket.close()
        return socket
