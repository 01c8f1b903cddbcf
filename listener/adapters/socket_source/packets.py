"""Packets, read so that nothing a server sends can hurt.

The library decodes a packet in a task of its own, where an exception is lost, and the event with
it. And it calls the handlers of ``connect`` and ``disconnect`` for an event of that name. Its
``serializer`` parameter takes a class of ours, which hands every event to one handler, whatever it
is called and however it is broken.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson
from socketio import packet  # type: ignore[import-untyped]  # python-socketio ships no types

HEARD = "cv-listener: an event"
"""The name under which every event reaches its handler: not one of the library's reserved ones."""

_WITHOUT_ATTACHMENTS = {packet.BINARY_EVENT: packet.EVENT, packet.BINARY_ACK: packet.ACK}


@dataclass(frozen=True, slots=True)
class Arrival:
    """The first argument of the handler; the event's own follow. ``name`` None: the packet could
    not be read as an event."""

    name: str | None
    wants_ack: bool


class _Json:
    """The library's own JSON, but that what the fast path can read, the slow one can: numbers of
    more digits than the library takes, for one."""

    dumps = staticmethod(packet.Packet.json.dumps)

    @staticmethod
    def loads(text: str) -> Any:
        """Raises ValueError or RecursionError."""
        try:
            return orjson.loads(text)
        except ValueError:
            return packet.Packet.json.loads(text)


class HeardPacket(packet.Packet):  # type: ignore[misc]  # the library's class is untyped
    """A packet whose events are ``[HEARD, Arrival, *args]``."""

    data: Any
    json = _Json

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
        if attachments == 0:
            # The library would wait for an attachment that never comes, and hear nothing meanwhile.
            self.packet_type = _WITHOUT_ATTACHMENTS.get(self.packet_type, self.packet_type)
        return attachments

    def add_attachment(self, attachment: object) -> bool:
        """Whether it was the last. What cannot be put together is an event that cannot be read:
        raising, the library would hear nothing of this connection any more."""
        try:
            complete: bool = super().add_attachment(attachment)
        except Exception:  # noqa: BLE001  whatever a placeholder says: a number, a text, a depth
            ack = self.packet_type == packet.BINARY_ACK
            self.data = [] if ack else [HEARD, Arrival(None, wants_ack=self.id is not None)]
            return True
        return complete


def fast_prefixes(
    event: str, namespace: str, others: Iterable[str] = ()
) -> tuple[tuple[str, ...], int]:
    """How a text frame with a plain event of ours begins (no ack, no attachments), in the spellings
    of servers that escape what is not ASCII and of those that do not; and where its JSON begins.
    ``others``: more names."""
    head = "42" if namespace == "/" else f"42{namespace},"
    events = (event, *others)
    names = {name for one in events for name in (orjson.dumps(one).decode(), json.dumps(one))}
    return tuple(sorted(f"{head}[{name}," for name in names)), len(head)
