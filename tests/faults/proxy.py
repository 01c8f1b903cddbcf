"""A TCP proxy that spoils the line in front of any server, by modes that change while it runs.

``up`` is what the client sends to the server, ``down`` what comes back; each has its own mode. A
mode acts on the bytes that come next; ``cut`` acts now, and ``refuse`` on those who come next.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from .modes import Garbage, Mode, Pass, Reset, Slow, Stall, Swallow, Truncate

CHUNK = 64 * 1024
SLICES_PER_SECOND = 50

POLITE_S = 1.0
"""How long a side that was sent a FIN may take to send its own, before it is closed on."""


@dataclass(slots=True)
class Count:
    """Bytes of one direction, over all connections: as they came in, and as they were let out
    (garbage is not counted)."""

    received: int = 0
    forwarded: int = 0


class Way:
    """One direction. ``bitten`` is set once the mode, other than ``Pass``, has acted on a
    connection."""

    def __init__(self) -> None:
        self._mode: Mode = Pass()
        self.count = Count()
        self.epoch = 0
        self.bitten = asyncio.Event()
        self._changed = asyncio.Event()

    @property
    def mode(self) -> Mode:
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        self._mode = mode
        self.epoch += 1
        self.bitten.clear()
        self._changed.set()
        self._changed = asyncio.Event()

    async def changed(self) -> None:
        """Waits for the next mode to be set."""
        await self._changed.wait()


class FaultProxy:
    """``async with FaultProxy(host, port) as proxy:``, then connect to ``proxy.port``.

    ``reset_on_accept``: who connects gets an RST, and the server never hears of it.
    ``accepted`` counts connections ever; ``live`` those of this moment.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server_at = host, port
        self.host = "127.0.0.1"
        self.port = 0
        self.up = Way()
        self.down = Way()
        self.reset_on_accept = False
        self.accepted = 0
        self._lines: set[_Line] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self._held: socket.socket | None = None
        self._cuts = 0
        self._emptied = asyncio.Event()
        self._emptied.set()

    async def start(self) -> None:
        """Listens when this returns; after ``refuse``, on the same port."""
        if self._listener is not None:
            return
        held, self._held = self._held or self._bound(), None
        self._listener = await asyncio.start_server(self._accept, sock=held)
        self.port = held.getsockname()[1]

    async def refuse(self) -> None:
        """Who connects from now on is refused; who is connected stays. ``start`` ends it."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
            # The listening socket goes with the loop's next turn.
            await asyncio.sleep(0)
            # Bound and not listening: nobody else is given the port meanwhile, and no client that
            # knocks at it is given it for its own end, and so meets itself.
            self._held = self._bound()

    def _bound(self) -> socket.socket:
        bound = socket.socket()
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((self.host, self.port))
        except OSError:
            bound.close()
            raise
        return bound

    async def stop(self) -> None:
        """Everything ends with an RST."""
        await self.refuse()
        if self._held is not None:
            self._held.close()
            self._held = None
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def live(self) -> int:
        return len(self._lines)

    async def emptied(self) -> None:
        """Waits until no connection is live."""
        await self._emptied.wait()

    def heal(self) -> None:
        """Both ways pass, and who connects is let in. Refusal is ended by ``start``."""
        self.up.mode = self.down.mode = Pass()
        self.reset_on_accept = False

    def cut(self, *, politely: bool = False) -> int:
        """End all live connections now, both sides, by RST or by FIN; how many there were. One that
        is being made to the server gets an RST."""
        self._cuts += 1
        lines = list(self._lines)
        for line in lines:
            line.end(politely=politely)
        return len(lines)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.accepted += 1
        try:
            if not self.reset_on_accept:
                await self._serve(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # The server is not there, or stop() ends this task: in both cases, an RST.
        finally:
            await abort(writer)
            self._tasks.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cuts = self._cuts
        server_reader, server_writer = await asyncio.open_connection(*self._server_at)
        if self._cuts != cuts:
            await abort(server_writer)
            return
        line = _Line((reader, writer), (server_reader, server_writer))
        self._lines.add(line)
        self._emptied.clear()
        try:
            await line.run(self.up, self.down)
        finally:
            await abort(server_writer)
            self._lines.discard(line)
            if not self._lines:
                self._emptied.set()


Side = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Line:
    """One connection: its two sides and the two pumps between them."""

    def __init__(self, client: Side, server: Side) -> None:
        self._client = client
        self._server = server
        self._pumps: tuple[asyncio.Task[None], ...] = ()
        self._politely = False
        self._orphaned = False
        for _, writer in (client, server):
            # A drained writer then has nothing left: what was let out is in the kernel's hands.
            writer.transport.set_write_buffer_limits(0)

    async def run(self, up: Way, down: Way) -> None:
        """Until both sides have ended, or one broke off, or ``end`` was called. What is still open
        when this returns is to be reset."""
        self._pumps = (
            asyncio.create_task(self._pump(self._client[0], _Gate(self._server[1], up), up)),
            asyncio.create_task(self._pump(self._server[0], _Gate(self._client[1], down), down)),
        )
        try:
            await asyncio.wait(self._pumps, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for pump in self._pumps:
                pump.cancel()
            ends = await asyncio.gather(*self._pumps, return_exceptions=True)
        if self._politely:
            await self._take_leave()
        elif all(end is None for end in ends):
            for _, writer in (self._client, self._server):
                writer.close()

    def end(self, *, politely: bool) -> None:
        self._politely = politely
        for pump in self._pumps:
            pump.cancel()

    async def _take_leave(self) -> None:
        """A FIN to both sides, and whatever they still send is read: unread, it would turn the
        closing of a socket into an RST."""
        for _, writer in (self._client, self._server):
            with contextlib.suppress(OSError):
                writer.write_eof()
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(POLITE_S):
                for reader, _ in (self._client, self._server):
                    while await reader.read(CHUNK):
                        pass
        for _, writer in (self._client, self._server):
            writer.close()

    async def _pump(self, reader: asyncio.StreamReader, gate: _Gate, way: Way) -> None:
        try:
            while data := await reader.read(CHUNK):
                way.count.received += len(data)
                if self._orphaned:
                    continue
                politely = await gate.deal(data)
                if politely is not None:
                    self.end(politely=politely)
                    return
        except OSError:
            # An RST is thrown away with the rest, where the line is half open.
            if not gate.swallows():
                raise
        # Who left, and is not to be known to have left, is not reached any more, either.
        self._orphaned = self._orphaned or gate.swallows()
        if self._orphaned:
            await asyncio.Event().wait()
        await gate.deal_end()


class _Gate:
    """What one direction of one connection lets through."""

    def __init__(self, writer: asyncio.StreamWriter, way: Way) -> None:
        self._writer = writer
        self._way = way
        self._begin()
        self._dead = False

    def _begin(self) -> None:
        """A mode begins on this connection. ``_passed`` None: its mark has not come yet."""
        self._epoch = self._way.epoch
        self._passed: int | None = None if getattr(self._way.mode, "mark", b"") else 0
        self._tail = b""
        self._garbled = False

    def _mode(self) -> Mode:
        if self._epoch != self._way.epoch:
            self._begin()
        return self._way.mode

    def _left(self, mode: Mode, data: bytes) -> int:
        """How many of these bytes pass before the mode acts."""
        if isinstance(mode, Pass):
            return len(data)
        if self._passed is None:
            seen = self._tail + data
            found = seen.find(mode.mark)
            self._tail = seen[max(0, len(seen) - len(mode.mark) + 1) :]
            if found < 0:
                return len(data)
            self._passed = len(seen) - len(data) - found
        return max(0, mode.after - self._passed)

    async def deal(self, data: bytes) -> bool | None:
        """None: go on. Otherwise the connection is to be ended, politely or not."""
        while not self._dead:
            mode = self._mode()
            if isinstance(mode, Pass):
                await asyncio.sleep(mode.latency_ms / 1000)
            if head := data[: self._left(mode, data)]:
                await self._forward(head)
                data = data[len(head) :]
            if isinstance(mode, Pass) or self._passed is None or self._passed < mode.after:
                return None
            self._way.bitten.set()
            match mode:
                case Reset():
                    return False
                case Truncate():
                    return True
                case Swallow():
                    self._dead = True
                case Garbage():
                    if not self._garbled:
                        self._garbled = True
                        self._writer.write(mode.data)
                    await self._forward(data)
                    return None
                case Slow():
                    data = await self._trickle(mode, data)
                    if not data:
                        return None
                case Stall():
                    if not data:
                        return None
                    await self._way.changed()
        return None

    def swallows(self) -> bool:
        """Whether the end of what is sent is thrown away, too; from now on it is."""
        if isinstance(mode := self._mode(), Swallow) and self._acts(mode):
            self._dead = True
            self._way.bitten.set()
        return self._dead

    def _acts(self, mode: Stall | Swallow) -> bool:
        return self._passed is not None and self._passed >= mode.after

    async def deal_end(self) -> None:
        """The sender's FIN: it is held back where bytes would be."""
        while isinstance(mode := self._mode(), Stall) and self._acts(mode):
            await self._way.changed()
        self._writer.write_eof()

    async def _trickle(self, mode: Slow, data: bytes) -> bytes:
        """One slice of it, in the time that it takes; the rest."""
        size = max(1, mode.bytes_per_s // SLICES_PER_SECOND)
        await asyncio.sleep(size / mode.bytes_per_s)
        await self._forward(data[:size])
        return data[size:]

    async def _forward(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()
        if self._passed is not None:
            self._passed += len(data)
        self._way.count.forwarded += len(data)


async def abort(writer: asyncio.StreamWriter) -> None:
    """An RST, unless the writer was closed already; gone when this returns."""
    if not writer.transport.is_closing():
        with contextlib.suppress(OSError):
            link = writer.get_extra_info("socket")
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(POLITE_S):
            await writer.wait_closed()
    writer.transport.abort()
