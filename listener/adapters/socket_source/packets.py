"""Packets, read so that nothing a server sends can hurt.

The library decodes a packet in a task of its own, where an exception is lost, and the event with
it. And it calls the handlers of ``connect`` and ``disconnect`` for an event of that name. Its
``serializer`` parameter takes a class of ours, which hands every event to one handler, whatever it
is called and however it is broken.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import orjson
from socketio import packet  # type: ignore[import-untyped]  # python-socketio ships no types

HEARD = "cv-listener: an event"
"""The name under which every event reaches its handler: not one of the library's reserved ones."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """The first argument of the handler; the event's own follow. ``name`` None: the packet could
    not be read as an event."""

    name: str | None
    wants_ack: bool


class HeardPacket(packet.Packet):  # type: ignore[misc]  # the library's class is untyped
    """A packet whose events are ``[HEARD, Arrival, *args]``."""

    data: Any

    def decode(self, encoded_packet: str) -> int:
        """The number of attachments to come. Raises ValueError for what is no event at all."""
        if not isinstance(encoded_packet, str):
            raise TypeError("expected a packet as text, found an attachment without a packet")
        is_event = encoded_packet[:1] in {"2", "5"}
        try:
            attachments: int = super().decode(encoded_packet)
        except (ValueError, RecursionError):
            if not is_event:
                raise ValueError("expected a Socket.IO packet, found something else") from None
            self.packet_type = packet.EVENT
            self.data = [HEARD, Arrival(None, wants_ack=self.id is not None)]
            return 0
        if is_event:
            wants_ack = self.id is not None
            match self.data:
                case [str(name), *args]:
                    self.data = [HEARD, Arrival(name, wants_ack), *args]
                case _:
                    self.data = [HEARD, Arrival(None, wants_ack)]
        return attachments


def fast_prefixes(event: str, namespace: str) -> tuple[tuple[str, ...], int]:
    """How a text frame with a plain event of ours begins (no ack, no attachments), in the spellings
    of servers that escape what is not ASCII and of those that do not; and where its JSON begins."""
    head = "42" if namespace == "/" else f"42{namespace},"
    names = {orjson.dumps(event).decode(), json.dumps(event)}
    return tuple(sorted(f"{head}[{name}," for name in names)), len(head)
