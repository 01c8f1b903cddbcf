"""Faults, phases, settings, and what each pair of fault and phase does to which bytes.

A phase has a *body*: what the server says in it and the fault is aimed at. ``BODIES`` tells where
it begins, where its midst is, and where it ends on the wire; ``spoil`` what a fault does there. The
words that stand beside each value are those of ``docs/faults.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import assert_never

from .modes import Garbage, Mode, Pass, Reset, Slow, Stall, Swallow, Truncate

FAR_BACK = 64 * 1024
"""More than a chunk: a place so far before a mark is the beginning of what brought it."""

SLOW_BYTES_PER_S = 300
"""A handshake takes longer than its bound; a ping passes at once, a burst does not."""


class Fault(Enum):
    """The value: what the page says that it is."""

    REFUSE = "nobody answers at the port: connections are refused, those that stand are left alone"
    RESET_BEFORE = "an RST in place of the first byte of the body"
    RESET_DURING = "an RST in the midst of the body"
    RESET_AFTER = "an RST right after the last byte of the body"
    STALL = "nothing moves any more in either direction, half of the body is there; nothing is lost"
    HALF_OPEN = "the line is dead for good and nobody is told: what is sent on it is thrown away"
    TRUNCATE = "an orderly end (a FIN) in the midst of the body, as if all had been said"
    GARBAGE = "22 bytes that mean nothing, right before the body"
    SLOW = f"{SLOW_BYTES_PER_S} bytes a second, both ways"

    @property
    def words(self) -> str:
        return self.name.lower().replace("_", " ").replace("half open", "half-open")


class Phase(Enum):
    """The value: what the page says of it, and of its body."""

    HANDSHAKE = "the first connection after a start; the body is the HTTP response to its request"
    UPGRADE = (
        "on the way back after a clean cut polling is up, and the change to a websocket is hit; "
        "the body is the HTTP response to the request for it"
    )
    IDLE = (
        "only pings go by; the body is the frame of a ping (over polling, the HTTP response that "
        "brings it)"
    )
    MID_EVENT = (
        "ten events come in one burst; the body is the frame of the sixth (over polling, the HTTP "
        "response that brings the first)"
    )
    RECONNECT = "on the way back after a clean cut; the body is as in the handshake"

    @property
    def words(self) -> str:
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True, slots=True)
class Setting:
    """What the ear is told to use, and whether the server remembers sessions."""

    transports: tuple[str, ...]
    recovery: bool

    @property
    def words(self) -> str:
        return f"{', then '.join(self.transports)}; recovery {'on' if self.recovery else 'off'}"

    @property
    def over_websocket(self) -> bool:
        """Whether events come over a websocket, in the end."""
        return "websocket" in self.transports


WEBSOCKET = ("websocket",)
POLLING = ("polling",)
BOTH = ("polling", "websocket")

SETTINGS = (
    Setting(WEBSOCKET, recovery=True),
    Setting(WEBSOCKET, recovery=False),
    Setting(BOTH, recovery=True),
    Setting(BOTH, recovery=False),
    # Over polling nothing can be recovered, whatever the server offers.
    Setting(POLLING, recovery=False),
)


# ---------------------------------------------------------------------------------- the burst


BURST = 10


def hit_of(setting: Setting) -> int:
    """Which of the burst's events is the body, from 0: over polling the first, which answers the
    poll that waits. The others come with the next."""
    return BURST // 2 if setting.over_websocket else 0


def code_of(name: str, event: object) -> str:
    """The code of an event of one cell. None begins another."""
    return f"{name}.{event}."


def burst(name: str) -> list[dict[str, object]]:
    """Ten bodies of events: each frame has from 126 to 65,535 bytes, and so a header of four."""
    bodies: list[dict[str, object]] = [
        {
            "cv_code": code_of(name, number),
            "cv_updated": True,
            "message": "CV updated and enhancement started",
            "status": "processing",
            "cv_enhance_status": "processing",
        }
        for number in range(BURST)
    ]
    bodies[0]["first"] = True
    return bodies


# ---------------------------------------------------------------------------------- the bodies


@dataclass(frozen=True, slots=True)
class Place:
    """So many bytes after the first one of ``mark``; without a mark, of the connection."""

    after: int = 0
    mark: bytes = b""


@dataclass(frozen=True, slots=True)
class Body:
    """Where it begins, a place within, and where it has passed whole."""

    begin: Place
    midst: Place
    end: Place


RESPONSE_101 = b"HTTP/1.1 101"
ACCEPTED = b"Sec-WebSocket-Accept: "
"""The last header of it: 28 characters and two ends of a line follow."""

SWITCHED = Body(
    Place(0, RESPONSE_101), Place(20, RESPONSE_101), Place(len(ACCEPTED) + 28 + 4, ACCEPTED)
)
"""The response that makes a connection a websocket: it has a head alone."""

LAST_OF_OPEN = b'"maxPayload":100000000}'
HEAD_END = b"\r\n\r\n"
OPENED = Body(Place(), Place(14, HEAD_END), Place(len(LAST_OF_OPEN), LAST_OF_OPEN))
"""The response to the first poll: head, and the Engine.IO handshake."""

PING = b"\x81\x012"
PINGED = Body(Place(0, PING), Place(1, PING), Place(3, PING))
"""The frame of three bytes."""

POLLED_PING = HEAD_END + b"2"
POLLED_PINGED = Body(Place(-FAR_BACK, POLLED_PING), Place(4, POLLED_PING), Place(5, POLLED_PING))
"""The response to a poll that brings one."""

LEAD = 4 + len('42["cv_updated",{"cv_code":"')
"""From the first byte of an event's frame to its code."""

END_OF_FIRST = b'"first":true}]'


def body_of(setting: Setting, phase: Phase, name: str) -> Body:
    """The body of a phase, in the cell of this name."""
    hit = hit_of(setting)
    code, after = code_of(name, hit).encode(), code_of(name, hit + 1).encode()
    match phase:
        case Phase.HANDSHAKE | Phase.RECONNECT:
            return SWITCHED if setting.transports[0] == "websocket" else OPENED
        case Phase.UPGRADE:
            return SWITCHED
        case Phase.IDLE:
            return PINGED if setting.over_websocket else POLLED_PINGED
        case Phase.MID_EVENT if setting.over_websocket:
            return Body(Place(-LEAD, code), Place(2, code), Place(-LEAD, after))
        case Phase.MID_EVENT:
            end = Place(len(END_OF_FIRST), END_OF_FIRST)
            return Body(Place(-FAR_BACK, code), Place(2, code), end)
        case _:
            assert_never(phase)


# ---------------------------------------------------------------------------------- the spoils


@dataclass(frozen=True, slots=True)
class Spoil:
    """What the proxy is told. ``refuse``: who connects is refused."""

    down: Mode = Pass()  # noqa: RUF009  frozen, and the same for everyone
    up: Mode = Pass()  # noqa: RUF009  frozen, and the same for everyone
    refuse: bool = False


@dataclass(frozen=True, slots=True)
class Impossible:
    """There is no such pair, and why."""

    reason: str


NO_UPGRADE = Impossible("nothing is upgraded")
STANDS = Impossible("only who connects is refused, and this line stands")
SAME_LINE = Impossible("only who connects is refused, and the websocket is made of polling's line")

WS_REQUEST = b"transport=websocket"


def spoil(setting: Setting, phase: Phase, fault: Fault, name: str) -> Spoil | Impossible:
    """What a fault does in a phase, in the cell of this name: on every connection, as long as it
    lasts."""
    if phase is Phase.UPGRADE and setting.transports != BOTH:
        return NO_UPGRADE
    body = body_of(setting, phase, name)
    begin, midst, end = body.begin, body.midst, body.end
    # In the upgrade, polling is left alone: a line is hit from the request for the change on.
    request = Place(-FAR_BACK, WS_REQUEST) if phase is Phase.UPGRADE else Place()
    # Before there is a connection the whole of it is hit, and not only half of an answer.
    connecting = phase in {Phase.HANDSHAKE, Phase.RECONNECT, Phase.UPGRADE}
    held = begin if connecting else midst
    match fault:
        case Fault.REFUSE if phase is Phase.UPGRADE:
            return SAME_LINE
        case Fault.REFUSE if setting.over_websocket and not connecting:
            return STANDS
        case Fault.REFUSE:
            return Spoil(refuse=True)
        case Fault.RESET_BEFORE:
            return Spoil(Reset(begin.after, begin.mark))
        case Fault.RESET_DURING:
            return Spoil(Reset(midst.after, midst.mark))
        case Fault.RESET_AFTER:
            return Spoil(Reset(end.after, end.mark))
        case Fault.STALL:
            return Spoil(Stall(held.after, held.mark), Stall(request.after, request.mark))
        case Fault.HALF_OPEN:
            return Spoil(Swallow(held.after, held.mark), Swallow(request.after, request.mark))
        case Fault.TRUNCATE:
            return Spoil(Truncate(midst.after, midst.mark))
        case Fault.GARBAGE:
            return Spoil(Garbage(after=begin.after, mark=begin.mark))
        case Fault.SLOW:
            down = begin if phase is Phase.UPGRADE else Place()
            return Spoil(
                Slow(SLOW_BYTES_PER_S, down.after, down.mark),
                Slow(SLOW_BYTES_PER_S, request.after, request.mark),
            )
        case _:
            assert_never(fault)
