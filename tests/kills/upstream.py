"""The embedded upstream, with Connection State Recovery, which python-socketio does not have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import socketio  # type: ignore[import-untyped]  # python-socketio ships no types
from socketio import packet

import listener.emulator.emulator
from listener.emulator.loudspeaker import Loudspeaker


class _RecoveringServer(socketio.AsyncServer):  # type: ignore[misc]  # python-socketio ships no types
    """As the official server does it: each event carries an offset; a client that comes back with
    a pid and an offset is sent what followed, before its CONNECT, which names the same pid."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._sent: list[tuple[str, list[Any]]] = []
        self._offered: dict[str, tuple[str, str]] = {}
        self._pids: set[str] = set()

    def remember(self, event: str, body: object) -> str:
        """The offset of an event that is about to be emitted."""
        offset = f"o{len(self._sent)}"
        self._sent.append((offset, [event, body, offset]))
        return offset

    async def _handle_connect(self, eio_sid: str, namespace: str, data: Any) -> None:
        if isinstance(data, dict) and {"pid", "offset"} <= data.keys():
            self._offered[eio_sid] = (data["pid"], data["offset"])
        await super()._handle_connect(eio_sid, namespace, data)

    async def _send_packet(self, eio_sid: str, pkt: Any) -> None:
        if pkt.packet_type == packet.CONNECT:
            pid, offset = self._offered.pop(eio_sid, ("", ""))
            places = [at for at, _ in self._sent]
            if pid in self._pids and offset in places:
                for _, args in self._sent[places.index(offset) + 1 :]:
                    again = self.packet_class(packet.EVENT, args, namespace=pkt.namespace)
                    await super()._send_packet(eio_sid, again)
            else:
                pid = f"pid-{pkt.data['sid']}"
                self._pids.add(pid)
            pkt.data["pid"] = pid
        await super()._send_packet(eio_sid, pkt)


class RecoveringSpeaker(Loudspeaker):
    """A Loudspeaker whose server recovers sessions."""

    def _new_server(self) -> Any:
        plain = socketio.AsyncServer
        socketio.AsyncServer = _RecoveringServer
        try:
            return super()._new_server()
        finally:
            socketio.AsyncServer = plain

    async def emit(self, body: object, event: str = "") -> None:
        """Also what nobody hears now is remembered."""
        name = event or self._options.event
        offset = self._server.remember(name, body)
        await self._server.emit(name, (body, offset), namespace=self._options.namespace)


@contextmanager
def recovering(wanted: bool) -> Iterator[None]:
    """Emulators that are started within have recovery."""
    seam: Any = listener.emulator.emulator
    if wanted:
        seam.Loudspeaker = RecoveringSpeaker
    try:
        yield
    finally:
        seam.Loudspeaker = Loudspeaker
