"""The upstream's socket: a real Socket.IO server, and the ways in which it fails its clients."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import socketio  # type: ignore[import-untyped]  # python-socketio ships no types
from aiohttp import web

from .breaking import reset
from .ledger import Ledger, SocketEntry, now_ms
from .options import Options

ROOM = "joined"

POLITE_S = 0.5
"""How long clients may take to hear that the server closes."""


def _silent_log() -> logging.Logger:
    """The library's loggers print payloads, and with those codes."""
    log = logging.Logger("emulator.socket", level=logging.CRITICAL + 1)
    log.addHandler(logging.NullHandler())
    return log


class Loudspeaker:
    """One Socket.IO server at a time; ``restart`` puts a new one in its place.

    What the library starts in the background is kept track of, so that ``close`` leaves nothing.
    """

    def __init__(self, options: Options, ledger: Ledger) -> None:
        self._options = options
        self._ledger = ledger
        self._tasks: set[asyncio.Task[Any]] = set()
        # By identity: a request is a mapping, and equal to another of the same contents.
        self._requests: dict[int, web.BaseRequest] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._deaf: set[str] = set()
        self._open = asyncio.Event()
        self._open.set()
        self._down_until = 0.0
        self._server = self._new_server()

    # ------------------------------------------------------------------------ as clients see it

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request of a client: a poll, or a websocket for as long as it lives."""
        if asyncio.get_running_loop().time() < self._down_until:
            return web.json_response(
                {"status": "error", "message": "Service Unavailable"}, status=503
            )
        self._requests[id(request)] = request
        self._idle.clear()
        try:
            response: web.StreamResponse = await self._server.handle_request(request)
        finally:
            del self._requests[id(request)]
            if not self._requests:
                self._idle.set()
        return response

    async def unpaused(self) -> None:
        """Waits while events are held back."""
        await self._open.wait()

    def audience(self) -> set[str]:
        """The session ids of those who would hear an event now."""
        room = ROOM if self._options.join_event else None
        return set(self._sids(room)) - self._deaf

    async def emit(self, body: object, event: str = "") -> None:
        """To the audience of this moment. ``event``: another than that of the options."""
        if self.audience():
            await self._server.emit(
                event or self._options.event,
                (body, "0-0") if self._options.extra_argument else (body,),
                room=ROOM if self._options.join_event else None,
                skip_sid=list(self._deaf),
                namespace=self._options.namespace,
            )

    # ------------------------------------------------------------------------ as it fails them

    async def kick(self) -> int:
        """Every client is sent a Socket.IO DISCONNECT ("io server disconnect")."""
        sids = self._sids()
        self._note("kicked", f"{len(sids)} clients")
        for sid in sids:
            await self._server.disconnect(sid, namespace=self._options.namespace)
        return len(sids)

    def drop(self) -> int:
        """Every connection of a client is reset, with no word."""
        requests = list(self._requests.values())
        self._note("dropped", f"{len(requests)} connections")
        for request in requests:
            reset(request)
        return len(requests)

    async def restart(self, down_ms: int = 0) -> None:
        """The server closes (its clients see the transport close), is away for ``down_ms``
        (503), and comes back knowing nobody."""
        self._note("restarted", f"away for {down_ms} ms")
        self._down_until = asyncio.get_running_loop().time() + down_ms / 1000
        old, self._server = self._server, self._new_server()
        await self._close_clients(old)

    def pause(self) -> None:
        """Events are held back, in order, until ``resume``; connections and pings go on."""
        self._note("paused")
        self._open.clear()

    def resume(self) -> None:
        self._note("resumed")
        self._open.set()

    def deafen(self) -> int:
        """The clients of this moment stay connected and hear no event any more; new ones do."""
        self._deaf.update(self._sids())
        self._note("deafened", f"{len(self._deaf)} clients")
        return len(self._deaf)

    async def close(self) -> None:
        """Ends every connection and all that the library started. No client can hold it up."""
        self._open.set()
        await self._close_clients(self._server)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def clients(self) -> int:
        """How many are connected to the namespace."""
        return len(self._sids())

    # ------------------------------------------------------------------------ the server within

    def _new_server(self) -> Any:
        options = self._options
        server = socketio.AsyncServer(
            async_mode="aiohttp",
            async_handlers=False,
            namespaces=[options.namespace],
            logger=_silent_log(),
            engineio_logger=_silent_log(),
            transports=list(options.transports),
            ping_interval=options.ping_interval_s,
            ping_timeout=options.ping_timeout_s,
        )
        # A public method that the library asks to start each task of its own.
        server.eio.start_background_task = self._start
        server.on("connect", self._on_connect, namespace=options.namespace)
        server.on("disconnect", self._on_disconnect, namespace=options.namespace)
        if options.join_event:
            server.on(options.join_event, self._joiner(server), namespace=options.namespace)
        return server

    def _start(
        self, target: Callable[..., Coroutine[Any, Any, Any]], *args: Any, **kwargs: Any
    ) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(target(*args, **kwargs))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _on_connect(self, sid: str, environ: dict[str, Any], auth: object) -> None:
        wanted = self._options.socket_auth
        if wanted is not None and not hmac.compare_digest(_canonical(auth), _canonical(wanted)):
            self._note("refused", "auth")
            raise socketio.exceptions.ConnectionRefusedError("unauthorized")
        self._note("connected", "websocket" if "HTTP_UPGRADE" in environ else "polling")

    async def _on_disconnect(self, sid: str, reason: str) -> None:
        self._deaf.discard(sid)
        self._note("disconnected", reason)

    def _joiner(self, server: Any) -> Callable[..., Awaitable[dict[str, str]]]:
        async def join(sid: str, *_args: object) -> dict[str, str]:
            await server.enter_room(sid, ROOM, namespace=self._options.namespace)
            self._note("joined")
            return {"status": "ok"}

        return join

    def _sids(self, room: str | None = None) -> list[str]:
        participants = self._server.manager.get_participants(self._options.namespace, room)
        return [sid for sid, _ in participants]

    async def _close_clients(self, server: Any) -> None:
        """Politely, then by force: a client that reads nothing would hold up a polite close."""
        requests = dict(self._requests)
        closing = [
            asyncio.create_task(server.eio.disconnect(sid)) for sid in list(server.eio.sockets)
        ]
        if closing:
            # One whose client has just left waits for ever for what nobody will take any more.
            left = asyncio.create_task(self._idle.wait())
            ends: set[asyncio.Future[Any]] = {
                left,
                asyncio.gather(*closing, return_exceptions=True),
            }
            await asyncio.wait(ends, timeout=POLITE_S, return_when=asyncio.FIRST_COMPLETED)
            for task in (left, *closing):
                task.cancel()
            await asyncio.gather(left, *closing, return_exceptions=True)
        for key, request in requests.items():
            if key in self._requests and request.transport is not None:
                request.transport.abort()

    def _note(self, what: str, detail: str = "") -> None:
        self._ledger.add(what, SocketEntry(self._ledger.next_number(), now_ms(), what, detail))


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()
