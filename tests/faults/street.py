"""A proxy between two raw sockets, and both of them in hand."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.faults.proxy import FaultProxy

BOUND_S = 20
FIN = "fin"
RST = "rst"


@dataclass
class End:
    """One end of a connection, read to its end by a task: what came, and how it ended."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    got: bytearray = field(default_factory=bytearray)
    how: str | None = None
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            while data := await self.reader.read(65536):
                self.got += data
                self._more.set()
            self.how = FIN
        except ConnectionResetError:
            self.how = RST
        self._more.set()

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def has(self, data: bytes) -> bool:
        """Once as much has come, or the end: whether it is this."""
        async with asyncio.timeout(BOUND_S):
            while len(self.got) < len(data) and self.how is None:
                self._more.clear()
                await self._more.wait()
        return bytes(self.got) == data

    async def ended(self) -> str | None:
        async with asyncio.timeout(BOUND_S):
            await asyncio.shield(self.task)
        return self.how

    async def leave(self) -> None:
        self.task.cancel()
        self.writer.close()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await self.task
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


class Street:
    """A proxy with a server behind it that hands over each end it accepts."""

    def __init__(self, proxy: FaultProxy, arrivals: asyncio.Queue[End]) -> None:
        self.proxy = proxy
        self._arrivals = arrivals
        self._ends: list[End] = []

    async def connect(self) -> tuple[End, End]:
        """(client, server) of one new connection."""
        client = await self.knock()
        async with asyncio.timeout(BOUND_S):
            server = await self._arrivals.get()
        return client, server

    async def knock(self) -> End:
        client = End(*await asyncio.open_connection("127.0.0.1", self.proxy.port))
        self._ends.append(client)
        return client

    async def leave(self) -> None:
        for end in self._ends:
            await end.leave()


@asynccontextmanager
async def opened() -> AsyncIterator[Street]:
    arrivals: asyncio.Queue[End] = asyncio.Queue()
    served: list[End] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        end = End(reader, writer)
        served.append(end)
        arrivals.put_nowait(end)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with FaultProxy("127.0.0.1", server.sockets[0].getsockname()[1]) as proxy:
        street = Street(proxy, arrivals)
        yield street
        await street.leave()
        for end in served:
            await end.leave()
    server.close()
    await server.wait_closed()


async def quiet() -> None:
    """Long enough for bytes on this machine to arrive, were they let through. A loaded machine can
    only make a broken proxy look sound here, never a sound one broken."""
    await asyncio.sleep(0.05)
