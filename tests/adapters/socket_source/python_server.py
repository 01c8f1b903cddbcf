"""python-socketio's own server, with the controls of the Node one. It knows no recovery."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self

import socketio  # type: ignore[import-untyped]  # python-socketio ships no types
from aiohttp import web

SILENT = logging.Logger("tests.python_server", level=logging.CRITICAL + 1)
SILENT.addHandler(logging.NullHandler())
ROOM = "audience"


class PythonServer:
    """``async with PythonServer(join=…) as server``: options as far as ``server.js`` has them."""

    def __init__(
        self,
        *,
        namespace: str = "/",
        path: str = "/socket.io",
        event: str = "cv_updated",
        transports: tuple[str, ...] = ("websocket", "polling"),
        ping_interval_ms: int = 25_000,
        ping_timeout_ms: int = 20_000,
        token: str | None = None,
        header: str | None = None,
        join: str | None = None,
        join_answer: object = None,
        kick_on_connect: int = 0,
    ) -> None:
        self._namespace = namespace
        self._path = path
        self._event = event
        self._transports = list(transports)
        self._ping = {
            "ping_interval": ping_interval_ms / 1000,
            "ping_timeout": ping_timeout_ms / 1000,
        }
        self._token = token
        self._header = header
        self._join = join
        self._join_answer = join_answer
        self._kicks = kick_on_connect
        self._tasks: set[asyncio.Task[Any]] = set()
        self._requests: dict[int, web.BaseRequest] = {}
        self._status: dict[str, Any] = {"connections": 0, "joins": 0, "acks": [], "auth": None}
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stop()

    # ------------------------------------------------------------------------------- controls

    async def emit(self, *bodies: object, how: str = "broadcast", event: str | None = None) -> None:
        named = {"event": event or self._event, "namespace": self._namespace}
        for body in bodies:
            if how == "ack":
                for sid in self._sids():
                    await self._io.emit(data=body, to=sid, callback=self._acked(body), **named)
            else:
                data = {"broadcast": body, "bare": None, "binary": (body, b"\1\2\3")}[how]
                await self._io.emit(data=data, room=ROOM, **named)

    async def burst(self, count: int, prefix: str = "code") -> None:
        for number in range(count):
            await self.emit({"cv_code": f"{prefix}-{number}", "cv_id": number})

    async def kick(self) -> None:
        for sid in self._sids():
            await self._io.disconnect(sid, namespace=self._namespace)

    async def drop(self) -> None:
        for request in list(self._requests.values()):
            if request.transport is not None:
                request.transport.abort()

    async def restart(self) -> None:
        await self._stop()
        await self._start()

    async def status(self) -> dict[str, Any]:
        return {**self._status, "clients": len(self._sids())}

    # ------------------------------------------------------------------------------- within

    async def _start(self) -> None:
        self._io = socketio.AsyncServer(
            async_mode="aiohttp",
            async_handlers=False,
            namespaces=[self._namespace],
            logger=SILENT,
            engineio_logger=SILENT,
            transports=self._transports,
            **self._ping,
        )
        # A public method that the library asks to start each task of its own.
        self._io.eio.start_background_task = self._background
        self._io.on("connect", self._welcome, namespace=self._namespace)
        if self._join is not None:
            self._io.on(self._join, self._joined, namespace=self._namespace)
        self._runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _stop(self) -> None:
        await self.drop()
        await self._runner.cleanup()
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if not request.path.startswith(self._path):
            return web.Response(status=404)
        if self._header is not None and request.headers.get("Authorization") != self._header:
            return web.Response(status=401)
        self._requests[id(request)] = request
        try:
            response: web.StreamResponse = await self._io.handle_request(request)
        finally:
            del self._requests[id(request)]
        return response

    def _background(
        self, target: Callable[..., Coroutine[Any, Any, Any]], *args: Any, **kwargs: Any
    ) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(target(*args, **kwargs))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _welcome(self, sid: str, environ: dict[str, Any], auth: Any) -> None:
        self._status["auth"] = auth
        if self._token is not None and (auth or {}).get("token") != self._token:
            raise socketio.exceptions.ConnectionRefusedError("not authorized")
        self._status["connections"] += 1
        if self._kicks > 0:
            self._kicks -= 1
            asyncio.get_running_loop().call_soon(
                self._background, lambda: self._io.disconnect(sid, namespace=self._namespace)
            )
        elif self._join is None:
            await self._io.enter_room(sid, ROOM, namespace=self._namespace)

    async def _joined(self, sid: str, *_args: object) -> object:
        self._status["joins"] += 1
        await self._io.enter_room(sid, ROOM, namespace=self._namespace)
        return {"ok": True} if self._join_answer is None else self._join_answer

    def _acked(self, body: Any) -> Callable[..., None]:
        return lambda *_: self._status["acks"].append(body["cv_code"])

    def _sids(self) -> list[str]:
        participants = self._io.manager.get_participants(self._namespace, None)
        return [sid for sid, _ in participants]


async def _serve() -> None:
    """For a benchmark: prints its port, sends a burst for each line "COUNT PREFIX" of stdin."""
    async with PythonServer() as server:
        sys.stdout.write(f"{server.port}\n")
        sys.stdout.flush()
        while line := await asyncio.to_thread(sys.stdin.readline):
            count, prefix = line.split()
            await server.burst(int(count), prefix)


if __name__ == "__main__":
    asyncio.run(_serve())
