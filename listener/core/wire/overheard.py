"""What one frame of the socket is, without what it says: for somebody who looks why no event is
understood. Pure.

A frame is of Engine.IO 4, and of Socket.IO 5 within; whatever else it is, it is told as such.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from .shape import Shape, reads_like_a_name, shape_of

LONGEST = 256 * 1024
"""Characters of a frame that is looked into."""

_KINDS = {
    "0": "connect",
    "1": "disconnect",
    "2": "event",
    "3": "ack",
    "4": "connect_error",
    "5": "event",
    "6": "ack",
}
_PACKET = re.compile(
    r"4(?P<kind>[0-6])(?:(?P<attachments>\d{1,9})-)?(?:(?P<namespace>/[^,]*),?)?(?P<id>\d{1,18})?"
    r"(?P<json>.*)",
    re.DOTALL,
)
_OF_THE_TRANSPORT = frozenset("01236")


@dataclass(frozen=True, slots=True)
class Overheard:
    """``kind``: ``event``, ``ack``, ``connect``, ``disconnect``, ``connect_error``, ``attachment``,
    ``too_long`` or ``unreadable``. ``namespace`` and ``name`` None: there is none, or it does not
    read like a name (``hidden`` then has the word). ``arguments``: the shapes, in order."""

    kind: str
    size: int
    namespace: str | None = None
    name: str | None = None
    hidden: tuple[str, ...] = ()
    wants_ack: bool = False
    attachments: int = 0
    arguments: tuple[Shape, ...] = ()


def overheard(frame: object, known: frozenset[str] = frozenset()) -> tuple[Overheard, list[object]]:
    """What it is, and the event's arguments themselves, for whoever reads them; empty for all that
    is no event. ``known``: names that are shown whatever they look like. Never raises."""
    if not isinstance(frame, str):
        return Overheard("attachment", len(frame) if isinstance(frame, bytes) else 0), []
    size = len(frame)
    if frame.startswith("b"):
        return Overheard("attachment", size), []
    if size > LONGEST:
        return Overheard("too_long", size), []
    found = _PACKET.fullmatch(frame)
    if found is None:
        return Overheard("unreadable", size), []
    kind, text = _KINDS[found["kind"]], found["json"]
    try:
        data = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return Overheard("unreadable", size), []
    name: object = None
    arguments = [] if data is None else [data]
    if kind in ("event", "ack"):
        if not isinstance(data, list) or (kind == "event" and not data):
            return Overheard("unreadable", size, arguments=(shape_of(data),)), []
        name, arguments = (data[0], data[1:]) if kind == "event" else (None, data)
    namespace = (found["namespace"] or "/").partition("?")[0]
    shown_name = _shown(name, known)
    shown_namespace = namespace if namespace in known or _path(namespace) else None
    hidden = [word for word, one in (("namespace", shown_namespace),) if one is None]
    if kind == "event" and shown_name is None:
        hidden.append("name")
    return (
        Overheard(
            kind,
            size,
            shown_namespace,
            shown_name,
            tuple(hidden),
            kind == "event" and found["id"] is not None,
            int(found["attachments"] or 0),
            tuple(shape_of(each) for each in arguments),
        ),
        arguments if kind == "event" and isinstance(name, str) else [],
    )


def is_of_the_transport(frame: object) -> bool:
    """Whether it is a ping, a pong, or another packet in which nobody says anything."""
    return isinstance(frame, str) and (not frame or frame[0] in _OF_THE_TRANSPORT)


def _shown(name: object, known: frozenset[str]) -> str | None:
    if not isinstance(name, str):
        return None
    return name if name in known or reads_like_a_name(name) else None


def _path(namespace: str) -> bool:
    parts = namespace.removeprefix("/").split("/")
    return namespace == "/" or all(map(reads_like_a_name, parts))
