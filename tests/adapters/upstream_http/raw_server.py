"""A server made of bytes: each connection plays a script, and what was seen is kept."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

ACCEPTED = b'{"status":"success","data":{"cv_id":456,"application_id":null,"status":"draft"}}'
BOUND_S = 30
"""Of every wait in these tests: long enough for a loaded machine, and never waited out."""

BIG = 4_000_000
"""Bytes: more than the kernel's buffers take on either side."""
SMALL_BUFFER = 4096


def reply(body: bytes = ACCEPTED, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass
class Seen:
    """One request as it arrived."""

    line: str
    headers: dict[str, str]
    body: bytearray = field(default_factory=bytearray)

    @property
    def length(self) -> int:
        return int(self.headers.get("content-length", "0"))

    @property
    def whole(self) -> bool:
        return len(self.body) >= self.length


class Talk:
    """One connection, from the server's side."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: RawServer
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.server = server

    async def head(self) -> Seen:
        """The next request's head. Ends the script where the client has closed instead."""
        text = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *lines = text.removesuffix("\r\n\r\n").split("\r\n")
        headers = {}
        for one in lines:
            name, _, value = one.partition(":")
            assert name.lower() not in headers, f"{name} came twice"
            headers[name.lower()] = value.strip()
        seen = Seen(line, headers)
        self.server.seen.append(seen)
        return seen

    async def body(self, seen: Seen, limit: int | None = None) -> None:
        """Read the body, or ``limit`` bytes of it, or as much as comes."""
        wanted = seen.length if limit is None else min(limit, seen.length)
        while len(seen.body) < wanted:
            chunk = await self.reader.read(min(65536, wanted - len(seen.body)))
            if not chunk:
                return
            seen.body += chunk

    async def request(self) -> Seen:
        seen = await self.head()
        await self.body(seen)
        return seen

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """RST, whatever is still to be read or sent."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def stall(self) -> None:
        """Say nothing more until the test ends."""
        await self.server.over.wait()


Script = Callable[[Talk], Awaitable[None]]


class RawServer:
    """``seen`` fills as requests arrive; ``ended`` is set as each connection's script ends.
    ``open``: the sockets of those whose script goes on."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.seen: list[Seen] = []
        self.over = asyncio.Event()
        self.ended = asyncio.Event()
        self.connections = 0
        self.open: list[Any] = []
        self.port = 0
        self._talks: set[asyncio.Task[None]] = set()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        sock = writer.get_extra_info("socket")
        self.open.append(sock)
        try:
            # The client may leave at any point: that ends the script and fails nothing.
            with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                await self._script(Talk(reader, writer, self))
        finally:
            self._talks.discard(task)
            self.open.remove(sock)
            self.ended.set()
            writer.close()
            with suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()

    async def finish(self) -> None:
        self.over.set()
        if self._talks:
            await asyncio.wait(self._talks, timeout=1)
        for task in tuple(self._talks):
            task.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)


@asynccontextmanager
async def raw_server(
    script: Script, *, tls: ssl.SSLContext | None = None, receive_buffer: int | None = None
) -> AsyncIterator[RawServer]:
    server = RawServer(script)
    sock = socket.create_server(("127.0.0.1", 0))
    if receive_buffer is not None:
        # Accepted sockets inherit it.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    server.port = sock.getsockname()[1]
    listening = await asyncio.start_server(
        server.talk, sock=sock, ssl=tls, limit=4096 if receive_buffer else 2**16
    )
    try:
        async with asyncio.timeout(BOUND_S * 2):
            yield server
    finally:
        listening.close()
        await server.finish()
        await listening.wait_closed()


async def accepts(talk: Talk) -> None:
    """A good upstream, for as many requests as come."""
    while True:
        seen = await talk.request()
        record = b'{"status":"success","data":{"cv_path":"/1.pdf","status":"draft"}}'
        await talk.say(reply(ACCEPTED if seen.line.startswith("POST") else record))
