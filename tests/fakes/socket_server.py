"""A Socket.IO server on virtual time, as far as an event source can tell: sessions and what is
remembered for their recovery (as the official server's in-memory adapter does it), connections
that carry text frames in order, and the ways in which both fail.

Nothing here polls: a connection costs one timer for each frame on its way, and an idle one none.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import orjson

SWEEP_S = 60.0
"""How often the server drops packets that are past its window; until then they are replayed."""

Frame = str | Callable[[], None]
"""What travels to the client: text, or something that happens when it gets there."""


class Client(Protocol):
    """The other end of a wire. ``memory``: the same over all connections of one process."""

    @property
    def memory(self) -> object:
        """What tells processes apart."""
        ...

    def receive(self, frame: Frame) -> bool:
        """A frame arrived. False: it is not being read now; ``Wire.resume`` when it is."""
        ...

    def lost(self) -> None:
        """The connection is gone: no frame comes any more."""
        ...

    def silence_s(self) -> float:
        """When, in the loop's time, the client gives up on a server that says nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Emission:
    """One event, as the ledger has it. ``code``: whose it is in truth, readable or not."""

    number: int
    at_s: float
    code: str = field(repr=False)
    args: tuple[object, ...] = field(repr=False)
    offset: str | None
    listeners: int
    """Connections it was handed to; those that are dead without knowing are not among them."""


class Wire:
    """One connection, from the server's side. Frames arrive in order, each ``delay()`` after it was
    sent at the earliest; one that is lost loses those on their way."""

    def __init__(self, server: SocketServer, client: Client) -> None:
        self._loop = asyncio.get_running_loop()
        self._server = server
        self._client = client
        self._frames: deque[tuple[float, Frame]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._held = False
        self._last_due = 0.0
        self.late_s = 0.0
        """By how much the frame at hand was read after it had arrived."""
        self.opened_s = self._loop.time()
        self.quiet_s: float | None = None
        """From when on nothing gets through, with nobody told."""
        self.ended_s: float | None = None
        self._ended_pings: int | None = None
        self.engine_id = ""
        self.pid: str | None = None
        self.subscribed = False
        self.memory = client.memory
        self.out_of_rooms = False
        self.closing = False
        self.deafened = False

    @property
    def audible(self) -> bool:
        """Whether an event emitted now would be handed to it."""
        alive = self.quiet_s is None and self.ended_s is None
        return alive and self.subscribed and not (self.closing or self.deafened)

    @property
    def deaf(self) -> bool:
        """Whether it looks sound and would not be handed an event that is emitted now, by no fault
        of the client's."""
        alive = self.quiet_s is None and self.ended_s is None and not self.closing
        return alive and self.subscribed and self.deafened and not self.out_of_rooms

    def send(self, frame: Frame) -> None:
        """On its way, if the connection stands."""
        if self.quiet_s is not None or self.ended_s is not None:
            return
        due = max(self._last_due, self._loop.time() + self._server.delay())
        self._last_due = due
        self._frames.append((due, frame))
        self._schedule()

    def resume(self) -> None:
        """The client reads again."""
        self._held = False
        self._schedule()

    def last_ping_s(self) -> float | None:
        """When the server's last ping was read. Reckoned, for a timer for each would cost most of a
        long simulation."""
        if self._ended_pings is not None:
            return self._ping(self._ended_pings)
        until_s = self._loop.time()
        if self._frames:
            # Behind a frame that is not read yet no ping is read.
            until_s = min(until_s, self._frames[0][0])
        return self._ping(math.floor((until_s - self.opened_s) / self._server.ping_s))

    def _ping(self, number: int) -> float | None:
        return self.opened_s + number * self._server.ping_s if number > 0 else None

    def _end_pings(self) -> None:
        ping_s = self.last_ping_s()
        past_s = 0.0 if ping_s is None else ping_s - self.opened_s
        self._ended_pings = round(past_s / self._server.ping_s)

    # ------------------------------------------------------------------------------- its ends

    def cut(self) -> None:
        """It breaks: both sides know, and what was on its way is lost."""
        if self.ended_s is None:
            self._end()
            self._client.lost()

    def shut(self) -> None:
        """The server closes it, after what it has sent."""
        self.send(self.cut)
        self.closing = True

    def go_quiet(self, server_notices_s: float | None = None) -> None:
        """Half open: nothing gets through any more and nobody is told. The client finds out by the
        pings that do not come; the server, after its own patience (or ``server_notices_s`` from
        now), and until then it would not recover the session."""
        if self.quiet_s is not None or self.ended_s is not None:
            return
        self.quiet_s = now = self._loop.time()
        self._drop_frames()
        ping = self.last_ping_s() or self.opened_s
        notices = ping + self._server.patience_s
        if server_notices_s is not None:
            notices = now + server_notices_s
        self._server.part(self, notices)
        self._loop.call_at(max(now, self._client.silence_s()), self.cut)

    def leave(self) -> None:
        """The client closes it, or its process died."""
        if self.ended_s is None:
            self._end()

    def _end(self) -> None:
        self.ended_s = self._loop.time()
        self._drop_frames()
        if self.quiet_s is None:
            self._server.part(self, self.ended_s)
        self._server.wires.remove(self)

    def _drop_frames(self) -> None:
        self._end_pings()
        self._frames.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # ------------------------------------------------------------------------------- delivery

    def _schedule(self) -> None:
        if self._timer is None and self._frames and not self._held:
            self._timer = self._loop.call_at(self._frames[0][0], self._deliver)

    def _deliver(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._frames and self._frames[0][0] <= now:
            self.late_s = now - self._frames[0][0]
            if not self._client.receive(self._frames[0][1]):
                self._held = True
                return
            if self._frames:
                self._frames.popleft()
        self._schedule()


HANDSHAKES = frozenset(
    {"ok", "refused", "reset", "http_503", "http_401", "silent", "garbage", "unauthorized"}
    | {"old", "no_answer", "cut_in_replay", "choke_in_replay"}
)
"""How a server can treat one who connects. ``cut_in_replay`` and ``choke_in_replay`` (a frame over
the client's limit) strike those alone who offer a session; ``no_answer``: it never says CONNECT."""


class SocketServer:
    """``recovery``: sessions can be recovered, for ``window_s``. ``delay``: seconds that the next
    frame takes. ``admit``: the treatment of the next who connects, one of HANDSHAKES.

    ``up`` False: nobody reaches it, though it goes on. ``alone``: one session a client; whoever is
    let in ends the one before by name. ``acks``: each event wants an answer, and is
    then no part of the recovery. ``join``: the event by which a client subscribes, None where
    connecting is enough.
    """

    def __init__(
        self,
        *,
        recovery: bool,
        delay: Callable[[], float] = lambda: 0.0,
        admit: Callable[[], str] = lambda: "ok",
        window_s: float = 120.0,
        ping_s: float = 25.0,
        patience_s: float = 45.0,
        event: str = "cv_updated",
        join: str | None = None,
    ) -> None:
        self.recovery = recovery
        self.delay = delay
        self.admit = admit
        self.window_s = window_s
        self.ping_s = ping_s
        self.patience_s = patience_s
        self.event = event
        self.join = join
        self.up = True
        self.acks = False
        self.alone = False
        self.wires: list[Wire] = []
        self.emissions: list[Emission] = []
        """The ledger: every event there ever was."""
        self.unheard: list[tuple[int, Wire]] = []
        """Emissions, by number, that a connection was deaf to."""
        self.acknowledged: list[int] = []
        """Numbers of the emissions that a client acknowledged."""
        self.connections = 0
        self._known: set[str] = set()
        self._sessions: dict[str, tuple[float, bool]] = {}
        self._packets: deque[Emission] = deque()
        self._started_s = asyncio.get_running_loop().time()
        self._numbers = 0

    # ------------------------------------------------------------------------------- events

    @property
    def next_number(self) -> int:
        """Of the next emission."""
        return len(self.emissions) + 1

    def emit(self, code: str, *args: object) -> Emission:
        """One event to all who are subscribed; remembered for those who come back. Without
        ``args``: ``cv_code``, and the emission's number as ``application_id``."""
        number = self.next_number
        args = args or ({"cv_code": code, "application_id": number},)
        offset = f"offset-{number}" if self.recovery and not self.acks else None
        audience = [wire for wire in self.wires if wire.audible]
        now = asyncio.get_running_loop().time()
        emission = Emission(number, now, code, args, offset, len(audience))
        self.emissions.append(emission)
        self.unheard += [(number, wire) for wire in self.wires if wire.deaf]
        if offset is not None:
            self._packets.append(emission)
        frame = self.frame(emission)
        for wire in audience:
            wire.send(frame)
        return emission

    def frame(self, emission: Emission) -> str:
        """As it goes over the wire."""
        args = [self.event, *emission.args]
        if emission.offset is not None:
            args.append(emission.offset)
        ack = str(emission.number) if self.acks else ""
        return f"42{ack}{orjson.dumps(args).decode()}"

    # ------------------------------------------------------------------------------- sessions

    def accept(self, client: Client, treatment: str = "ok") -> Wire:
        """A connection is made, and the handshake on its way."""
        self.connections += 1
        wire = Wire(self, client)
        self.wires.append(wire)
        patience = {
            "pingInterval": self.ping_s * 1000,
            "pingTimeout": (self.patience_s - self.ping_s) * 1000,
        }
        wire.engine_id = f"engine-{self.connections}"
        self._known.add(wire.engine_id)
        handshake = json.dumps({"sid": wire.engine_id, **patience})
        wire.send("0" + (handshake[:9] if treatment == "garbage" else handshake))
        return wire

    def answer(self, wire: Wire, pid: str | None, offset: str | None, treatment: str) -> None:
        """To the client's CONNECT, with what it offers."""
        match treatment:
            case "unauthorized":
                wire.send('44{"message":"not authorized"}')
            case "old":
                wire.send("40")
            case "no_answer":
                pass
            case "cut_in_replay" if offset is not None:
                for emission in (self._missed(pid, offset) or [])[:1]:
                    wire.send(self.frame(emission))
                wire.shut()
            case _:
                self._welcome(wire, pid, offset)

    def _welcome(self, wire: Wire, pid: str | None, offset: str | None) -> None:
        """First the replay, where that can be had, then CONNECT."""
        missed = self._missed(pid, offset)
        for emission in missed or ():
            wire.send(self.frame(emission))
        session = {"sid": f"session-{self.connections}"}
        if self.recovery:
            if missed is None:
                self._numbers += 1
                pid = f"pid-{self._numbers}"
            assert pid is not None
            wire.pid = session["pid"] = pid
        wire.send("40" + json.dumps(session))
        if self.alone:
            self.kick(but=wire)
        wire.subscribed = self.join is None or (missed is not None and self._sessions[pid or ""][1])

    def subscribe(self, wire: Wire) -> None:
        """What the event ``join`` asks for."""
        wire.subscribed = True

    def part(self, wire: Wire, at_s: float) -> None:
        """A connection ended, as the server sees it at ``at_s``."""
        loop = asyncio.get_running_loop()
        if at_s > loop.time():
            loop.call_at(at_s, self._notice, wire)
        else:
            self._notice(wire)

    def knows(self, engine_id: str) -> bool:
        """Whether it holds this connection for alive."""
        return engine_id in self._known

    def _notice(self, wire: Wire) -> None:
        """Its session can be recovered. If it was already, while this one was held for alive, the
        other one is out of every room from now on: to the server both are the same. (Not where
        another process is at the other end, which knows nothing of the older one: against that
        there is no help, and it is not played.)"""
        if wire.engine_id not in self._known:
            return
        self._known.discard(wire.engine_id)
        if wire.pid is None:
            return
        now = asyncio.get_running_loop().time()
        self._sessions[wire.pid] = now, wire.subscribed and not wire.out_of_rooms
        for other in self.wires:
            if other is not wire and (other.pid, other.memory) == (wire.pid, wire.memory):
                other.deafened = other.out_of_rooms = True

    def _missed(self, pid: str | None, offset: str | None) -> Sequence[Emission] | None:
        """What came after ``offset``; None where the server cannot know: it has no such session
        (none before it first noticed its end), or dropped that packet (though it is the last)."""
        now = asyncio.get_running_loop().time()
        if pid is None or offset is None or pid not in self._sessions:
            return None
        parted_s, subscribed = self._sessions[pid]
        if parted_s + self.window_s < now:
            return None
        sweeps = math.floor((now - self._started_s) / SWEEP_S)
        oldest_s = self._started_s + sweeps * SWEEP_S - self.window_s
        while self._packets and self._packets[0].at_s < oldest_s:
            self._packets.popleft()
        for place, emission in enumerate(self._packets):
            if emission.offset == offset:
                return list(self._packets)[place + 1 :] if subscribed else []
        return None

    # ------------------------------------------------------------------------------- faults

    def cut(self) -> None:
        """Every connection breaks."""
        for wire in list(self.wires):
            wire.cut()

    def kick(self, but: Wire | None = None) -> None:
        """Every client is disconnected by name: such a session is not kept."""
        for wire in self.wires:
            if wire is but:
                continue
            wire.send("41")
            wire.pid = None
            wire.subscribed = False

    def go_quiet(self, server_notices_s: float | None = None) -> None:
        """Every connection is half open from now on."""
        for wire in list(self.wires):
            wire.go_quiet(server_notices_s)

    def deafen(self) -> None:
        """Those who are connected stay so, and hear no event any more."""
        for wire in self.wires:
            wire.deafened = True

    def restart(self) -> None:
        """It closes its connections and forgets everything."""
        for wire in list(self.wires):
            wire.shut()
            wire.pid = None
        self._known.clear()
        self._sessions.clear()
        self._packets.clear()
        self._started_s = asyncio.get_running_loop().time()
