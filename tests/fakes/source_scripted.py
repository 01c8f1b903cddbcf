"""The real event source over a server that is scripted, on virtual time.

``ScriptedSource`` is ``SocketSource`` itself: its queue, numbering, recovery, backoff, reading of
events, naming of failures, and the phases of a connection are the real ones. What is scripted is
what python-socketio and aiohttp do under it: a ``SocketServer`` and its wires.

    server = SocketServer(recovery=True, delay=lambda: rng.uniform(0.001, 0.2))
    source = ScriptedSource(
        server, now_ms=clock.now_ms, first_seq=highest + 1, resume=resume, random=rng.random
    )
    task = asyncio.create_task(source.run())
    server.emit(code)        # heard, if somebody is connected; kept for those who come back
    server.cut()             # and kick, go_quiet (half open), deafen, restart, up = False
    server.admit = lambda: "unauthorized"     # one of socket_server.HANDSHAKES, per connection
    server.emissions         # the ledger

``first_seq`` is the number of the first event (one more than the journal's highest). All waiting is
done by the running loop; nothing is polled. Where it departs from the real: there is no polling
transport and no other namespace, pings are reckoned and not sent, and the library's own faults
(what it raises for strange packets) are not played.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, cast

import aiohttp
import orjson
import socketio  # type: ignore[import-untyped]  # python-socketio ships no types
from aiohttp.client_reqrep import ConnectionKey

from listener.adapters.socket_source import SocketSource
from listener.adapters.socket_source.connection import Connection, Room
from listener.adapters.socket_source.link import STILL_S, End, FrameClock
from listener.adapters.socket_source.packets import Arrival
from listener.core.names import Millis
from listener.ports.event_source import Resume

from .socket_server import HANDSHAKES, Frame, SocketServer, Wire

URL = "http://scripted.invalid"
_KEY = ConnectionKey(URL, 80, False, True, None, None, None)


class ScriptedSource(SocketSource):
    """``options`` are SocketSource's own: ``queue_limit``, ``fast_path``, ``on_connect`` …"""

    def __init__(
        self,
        server: SocketServer,
        *,
        now_ms: Callable[[], Millis],
        first_seq: int,
        resume: Resume = Resume(),  # noqa: B008  frozen, and the same for everyone
        random: Callable[[], float],
        **options: Any,
    ) -> None:
        monotonic = asyncio.get_running_loop().time
        super().__init__(
            url=URL,
            now_ms=now_ms,
            first_seq=first_seq,
            resume=resume,
            random=random,
            monotonic=monotonic,
            **options,
        )
        self._server = server

    def _clock(self) -> FrameClock:
        return PingedClock(self._now_ms, self._monotonic)

    def _connection(self, room: Room) -> Connection:
        return ScriptedConnection(self._endpoint, room, self._server)


class PingedClock(FrameClock):
    """Knows of the pings of the connection in hand, though none is ever sent."""

    def __init__(self, now_ms: Callable[[], Millis], monotonic: Callable[[], float]) -> None:
        self._wire: Wire | None = None
        self._last_ms: Millis | None = None
        self._last_at = monotonic()
        super().__init__(now_ms, monotonic)

    def turn(self) -> None:
        """Nobody watches the loop here: the wire tells by how much a frame is late."""

    def watch(self, wire: Wire) -> None:
        """Reckon with this connection's pings from now on."""
        self._reckon()
        self._wire = wire

    @property
    def last_ms(self) -> Millis | None:
        """As in the real one."""
        self._reckon()
        return self._last_ms

    @last_ms.setter
    def last_ms(self, value: Millis | None) -> None:
        self._last_ms = value

    @property
    def last_at(self) -> float:
        """As in the real one."""
        self._reckon()
        return self._last_at

    @last_at.setter
    def last_at(self, value: float) -> None:
        self._last_at = value

    def _reckon(self) -> None:
        ping_s = None if self._wire is None else self._wire.last_ping_s()
        if ping_s is not None and ping_s > self._last_at:
            self._last_ms = Millis(self.now_ms() - round((self.monotonic() - ping_s) * 1000))
            self._last_at = ping_s


class ScriptedConnection(Connection):
    """One connection, over a wire instead of a socket."""

    def __init__(self, endpoint: Any, room: Room, server: SocketServer) -> None:
        super().__init__(endpoint, room)
        self._server = server
        self._clock = cast("PingedClock", room.clock)

    def _session(self, headers: Mapping[str, str]) -> aiohttp.ClientSession:
        return cast("aiohttp.ClientSession", _NoSession())

    def _client(self, session: aiohttp.ClientSession) -> Any:
        return ScriptedClient(self, self._server, self._clock)

    async def _let_go(
        self, session: aiohttp.ClientSession, url: str, holders: Sequence[str]
    ) -> bool:
        return self._server.up and not any(map(self._server.knows, holders))

    async def _watch(self, client: Any) -> None:
        """The wire tells of every end, silence too: there is nothing to look at."""
        await self.link.wait_end()


class _NoSession:
    async def close(self) -> None:
        """There is nothing to close."""


class ScriptedClient:
    """What the real connection asks of the library, and the frames' way into it."""

    def __init__(
        self, connection: ScriptedConnection, server: SocketServer, clock: PingedClock
    ) -> None:
        self._connection = connection
        self._link = connection.link
        self._reception = connection._reception
        self._server = server
        self._clock = clock
        self._event = connection._endpoint.event
        self._fast = connection._endpoint.fast_path
        self._wire: Wire | None = None
        self._answered = asyncio.get_running_loop().create_future()
        self._auth: Callable[[], Mapping[str, Any]] = dict
        self._treatment = "ok"
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def memory(self) -> object:
        """What it remembers of the connections before it."""
        return self._connection._recovery

    # ------------------------------------------------------------- as the library's client has it

    def transport(self) -> str:
        """The only one there is here."""
        return "websocket"

    async def connect(self, *, auth: Callable[[], Mapping[str, Any]], **_: Any) -> None:
        """Returns when the server has answered, raises where there is no connection."""
        self._auth = auth
        await asyncio.sleep(self._server.delay())
        self._treatment = self._server.admit() if self._server.up else "refused"
        assert self._treatment in HANDSHAKES, self._treatment
        await self._reach()
        self._wire = self._server.accept(self, self._treatment)
        self._clock.watch(self._wire)
        await self._answered

    async def _reach(self) -> None:
        link = self._link
        match self._treatment:
            case "refused":
                error = ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed")
                link.fault = aiohttp.ClientConnectorError(_KEY, error)
            case "reset":
                link.fault = aiohttp.ClientOSError(errno.ECONNRESET, "Connection reset by peer")
            case "http_503":
                link.status, link.words = 503, "Service Unavailable"
            case "http_401":
                link.status, link.words = 401, "not authorized"
            case "silent":
                await asyncio.get_running_loop().create_future()
            case _:
                return
        raise socketio.exceptions.ConnectionError("no connection")

    async def emit(
        self, event: str, args: object, *, namespace: str, callback: Callable[..., None] | None
    ) -> None:
        """The server acknowledges what it is asked to, by the event ``join`` and any other."""
        wire = self._wire
        if wire is None or wire.ended_s is not None:
            raise socketio.exceptions.BadNamespaceError(f"{namespace} is not connected")
        if event == self._server.join:
            self._server.subscribe(wire)
        if callback is not None:
            wire.send(lambda: callback({"status": "ok"}))

    async def abandon(self, patience_s: float) -> None:
        """Nothing is left of it."""
        if self._wire is not None:
            self._wire.leave()
        for task in self._tasks:
            task.cancel()

    # ------------------------------------------------------------------------ as the wire has it

    def receive(self, frame: Frame) -> bool:
        """One frame, as the tapped socket and then the library take it."""
        if self._fast and self._reception.queue.full and self._link.patience_s is not None:
            self._start(self._read_on())
            return False
        if self._wire is not None and self._wire.late_s > STILL_S:
            self._clock.stood_still()
        self._clock.tick()
        if not isinstance(frame, str):
            frame()
        elif frame.startswith("42"):
            self._hear(frame[2:])
        else:
            self._control(frame)
        return True

    def lost(self) -> None:
        """The read loop ends."""
        self._connection._on_disconnect()
        self._settle()

    def silence_s(self) -> float:
        """When the read loop gives up."""
        return self._clock.last_at + (self._link.patience_s or self._server.patience_s)

    def _hear(self, encoded: str) -> None:
        if encoded.startswith("["):
            self._reception.take(encoded)
            return
        number, _, rest = encoded.partition("[")
        name, *args = orjson.loads(f"[{rest}")
        self._start(self._answer(int(number), Arrival(name, wants_ack=True), args))

    async def _answer(self, number: int, arrival: Arrival, args: list[object]) -> None:
        await self._reception.handle(arrival, *args)
        self._server.acknowledged.append(number)

    async def _read_on(self) -> None:
        await self._reception.queue.space()
        self._clock.restart()
        self._clock.stood_still()
        if self._wire is not None:
            self._wire.resume()

    def _control(self, frame: str) -> None:
        connection, link = self._connection, self._link
        link.observe(frame)
        if frame.startswith("0") and link.end is None:
            self._offer()
        elif frame.startswith("40"):
            connection._on_connect(cast("Any", self))
            self._settle()
        elif frame.startswith("44"):
            connection._on_refused(orjson.loads(frame[2:]))
            self._settle()
        elif frame.startswith("41"):
            connection._on_disconnect(socketio.AsyncClient.reason.SERVER_DISCONNECT)

    def _offer(self) -> None:
        assert self._wire is not None
        auth = self._auth()
        pid, offset = auth.get("pid"), auth.get("offset")
        if self._treatment == "choke_in_replay" and offset is not None:
            end = End("message_too_big", "over the limit of one message", choked=True)
            self._wire.send(lambda: self._link.close(end))
            return
        self._server.answer(self._wire, pid, offset, self._treatment)

    def _settle(self) -> None:
        if not self._answered.done():
            self._answered.set_result(None)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
