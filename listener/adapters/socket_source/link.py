"""What is known of one connection while it lives, and how it ended."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from listener.core.names import Millis

from .overhearing import Overhearing
from .packets import HeardPacket

DISCONNECT = 1
SHORTEST_PATIENCE_S = 0.1

STILL_S = 2.5
"""A loop that did not turn for so long stood still: a process that was stopped, a machine that
slept, something that blocked."""

CATCH_UP_S = 1.0
"""For reading what had come in meanwhile."""


@dataclass(frozen=True, slots=True)
class End:
    """Why a connection ended, or never came to be. ``reason`` is a stable slug. ``choked``: over
    something received that could not be read."""

    reason: str
    detail: str = ""
    refused: bool = False
    overflow: bool = False
    choked: bool = False


SERVER_2X = End(
    "server_2x",
    "expected a Socket.IO server of version 3 or newer, found a 2.x one: it would drop us at its"
    " first ping",
    refused=True,
)
POLLED_2X = re.compile(r"\d+:0\{")
"""How the first answer of a 2.x server begins over polling: with the length of its handshake."""


class FrameClock:
    """When a frame of any kind was last received: by the wall, and by a clock that never steps.

    A frame that is read after we stood still may have waited for us all that time, and so may the
    end of the connection behind it: it proves that the server lives, and not that we heard until
    now. ``last_ms`` stays at what came before, until all that waited is read.
    """

    def __init__(self, now_ms: Callable[[], Millis], monotonic: Callable[[], float]) -> None:
        self.now_ms = now_ms
        self.monotonic = monotonic
        self.last_ms: Millis | None = None
        self.last_at = monotonic()
        self._turned_at: float | None = None
        self._late_until = self.last_at

    def tick(self) -> None:
        """A frame was received."""
        self._look(self.monotonic())
        self.last_at = self.monotonic()
        if self.last_ms is None or not self.late:
            self.last_ms = self.now_ms()

    @property
    def late(self) -> bool:
        """Whether what is read now may have waited for us."""
        return self.monotonic() < self._late_until

    def turn(self) -> None:
        """The loop turns: to be called every second or so, from the first call on."""
        now = self.monotonic()
        self._look(now)
        self._turned_at = now

    def stood_still(self) -> None:
        """Frames were not read for a while."""
        self._late_until = self.monotonic() + CATCH_UP_S

    def restart(self) -> None:
        """No frame was looked for until now."""
        self.last_at = self.monotonic()
        self._turned_at = None

    def _look(self, now: float) -> None:
        if self._turned_at is not None and now - self._turned_at > STILL_S:
            self.stood_still()
            self._turned_at = now


class Link:
    """One connection. The first end that is named is the one that counts."""

    def __init__(
        self, namespace: str, clock: FrameClock, overhearing: Overhearing | None = None
    ) -> None:
        self._namespace = namespace
        self.overhearing = overhearing or Overhearing(clock.now_ms)
        self.clock = clock
        clock.restart()
        self.patience_s: float | None = None
        """After so long without a frame the server is gone. None until its handshake."""
        self.engine_id: str | None = None
        """What the server calls the connection."""
        self.sid: str | None = None
        self.pid: str | None = None
        self.status: int | None = None
        """Of the last HTTP response that was no success, and ``words``: what it said."""
        self.words = ""
        self.fault: aiohttp.ClientError | None = None
        self.end: End | None = None
        self.end_ms: Millis | None = None
        """From when on we may have been deaf."""
        self._attachments = 0
        self._ended = asyncio.Event()

    def close(self, end: End) -> None:
        """Name the end."""
        if self.end is None:
            now = self.clock.now_ms()
            self.end = end
            at_hand = end.overflow and not self.clock.late
            self.end_ms = now if at_hand else self.clock.last_ms or now
            self._ended.set()

    async def wait_end(self) -> End:
        """Wait for it."""
        while self.end is None:
            await self._ended.wait()
        return self.end

    @property
    def in_attachments(self) -> bool:
        """Whether the next frames are the attachments of a packet already read."""
        return self._attachments > 0

    def observe(self, frame: object) -> None:
        """Note what a frame says of the connection itself, before the library sees it."""
        if self.patience_s is None and isinstance(frame, str) and POLLED_2X.match(frame):
            self.close(SERVER_2X)
        elif not isinstance(frame, str) or frame.startswith("b"):
            self._attachments = max(0, self._attachments - 1)
        elif frame.startswith("0"):
            self._observe_open(frame)
        elif frame == "1":
            # The library tells of it only once its connect() has returned.
            self.close(End("server_disconnect"))
        elif frame.startswith("4"):
            if self.in_attachments:
                # The library would take this packet for the attachment, and lose it.
                self.close(End("protocol_error", "an attachment is missing", choked=True))
            elif frame[1:2] == '"':
                # The library would read the text in it as a packet, and we would not see it.
                self.close(End("protocol_error", "a packet in quotes", choked=True))
            elif frame[1:2] in {"0", "1"}:
                self._observe_session(frame[1:])
            elif frame[1:2] in {"5", "6"}:
                count, dash, _ = frame[2:13].partition("-")
                self._attachments = int(count) if dash and count.isdecimal() else 0

    def _observe_open(self, frame: str) -> None:
        try:
            said = HeardPacket.json.loads(frame[1:])
            self.engine_id = _id(said.get("sid"))
            patience_ms = int(said["pingInterval"]) + int(said["pingTimeout"])
            self.patience_s = max(SHORTEST_PATIENCE_S, patience_ms / 1000)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            self.close(End("bad_handshake", "the server's handshake cannot be read"))

    def _observe_session(self, encoded: str) -> None:
        try:
            packet = HeardPacket(encoded_packet=encoded)
        except ValueError:
            return
        if (packet.namespace or "/") != self._namespace:
            return
        if packet.packet_type == DISCONNECT:
            # The library overlooks one that comes before its connect() has returned.
            self.close(End("server_disconnect"))
        elif isinstance(packet.data, dict):
            self.sid = _text(packet.data.get("sid"))
            self.pid = _text(packet.data.get("pid"))


def _id(value: object) -> str | None:
    """For a URL: what is no id of Engine.IO's is none."""
    return value if isinstance(value, str) and re.fullmatch(r"[\w-]{1,64}", value, re.A) else None


def storable(text: str) -> bool:
    """Whether the journal can hold it: JSON can spell half of a surrogate pair, UTF-8 cannot."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value and storable(value) else None
