"""The fault proxy does to bytes what its modes say, seen from raw sockets on both sides."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from tests.faults.modes import Garbage, Mode, Pass, Reset, Slow, Stall, Swallow, Truncate
from tests.faults.proxy import FaultProxy, abort

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


@pytest.fixture
async def street() -> AsyncIterator[Street]:
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


async def test_both_ways_pass_and_are_counted_and_each_end_is_passed_on(street: Street) -> None:
    client, server = await street.connect()
    await client.send(b"question")
    assert await server.has(b"question")
    await server.send(b"the answer")
    assert await client.has(b"the answer")
    client.writer.write_eof()
    assert await server.ended() == FIN
    await server.send(b"!")
    assert await client.has(b"the answer!")
    server.writer.close()
    assert await client.ended() == FIN
    async with asyncio.timeout(BOUND_S):
        await street.proxy.emptied()
    up, down = street.proxy.up.count, street.proxy.down.count
    assert (up.received, up.forwarded) == (8, 8)
    assert (down.received, down.forwarded) == (11, 11)
    assert (street.proxy.accepted, street.proxy.live) == (1, 0)


async def test_much_passes_whole_in_both_directions_at_once(street: Street) -> None:
    client, server = await street.connect()
    much = bytes(range(256)) * 8192
    async with asyncio.timeout(BOUND_S), asyncio.TaskGroup() as group:
        group.create_task(client.send(much))
        group.create_task(server.send(much[::-1]))
    assert await server.has(much)
    assert await client.has(much[::-1])


async def test_refused_is_refused_by_the_kernel_and_start_takes_the_same_port(
    street: Street,
) -> None:
    client, server = await street.connect()
    port = street.proxy.port
    await street.proxy.refuse()
    with pytest.raises(ConnectionRefusedError) as refused:
        await street.knock()
    assert refused.value.errno == errno.ECONNREFUSED
    await client.send(b"still here")
    assert await server.has(b"still here")
    await street.proxy.start()
    assert street.proxy.port == port
    again, _ = await street.connect()
    assert again.how is None


async def test_a_port_that_refuses_is_nobody_elses(street: Street) -> None:
    await street.proxy.refuse()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind((street.proxy.host, street.proxy.port))
    await street.proxy.start()
    client, _ = await street.connect()
    assert client.how is None


async def test_reset_on_accept_never_reaches_the_server(street: Street) -> None:
    street.proxy.reset_on_accept = True
    client = await street.knock()
    assert await client.ended() == RST
    assert street.proxy.live == 0
    street.proxy.heal()
    client, server = await street.connect()
    await client.send(b"x")
    assert await server.has(b"x")


async def test_a_cut_ends_a_connection_that_is_just_being_made(street: Street) -> None:
    client = await street.knock()
    async with asyncio.timeout(BOUND_S):
        while True:
            if street.proxy.accepted:
                break
            await asyncio.sleep(0)
    assert street.proxy.live == 0
    street.proxy.cut()
    assert await client.ended() == RST
    assert street.proxy.live == 0


@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize(
    ("mode", "how"), [(Reset(5), RST), (Truncate(5), FIN), (Reset(10), RST), (Truncate(10), FIN)]
)
async def test_it_breaks_off_after_exactly_so_many_bytes(
    street: Street, direction: str, mode: Reset | Truncate, how: str
) -> None:
    client, server = await street.connect()
    sender, receiver = (client, server) if direction == "up" else (server, client)
    way = street.proxy.up if direction == "up" else street.proxy.down
    await sender.send(b"before")
    assert await receiver.has(b"before")
    way.mode = mode
    await sender.send(b"012")
    assert await receiver.has(b"before012")
    await sender.send(b"3456789")
    assert await receiver.ended() == how
    assert await sender.ended() == how
    assert way.count.forwarded == len(b"before") + mode.after
    if how == FIN:
        assert receiver.got == b"before" + b"0123456789"[: mode.after]


async def test_a_mode_counts_anew_on_each_connection(street: Street) -> None:
    street.proxy.up.mode = Truncate(3)
    for _ in range(2):
        client, server = await street.connect()
        await client.send(b"abcdef")
        assert await server.ended() == FIN
        assert server.got == b"abc"


@pytest.mark.parametrize(
    ("chunks", "after", "passes"),
    [
        ([b"abc", b"xxMARKyyzz"], 0, b"abcxx"),
        ([b"abc", b"xxMARKyyzz"], -1, b"abcx"),
        ([b"abc", b"xxMARKyyzz"], -9, b"abc"),
        ([b"abc", b"xxMARKyyzz"], 6, b"abcxxMARKyy"),
        ([b"abc", b"xxMA", b"RKyy", b"zz"], 7, b"abcxxMARKyyz"),
        ([b"abc", b"xxMARK", b"yyMARKzz"], 7, b"abcxxMARKyyM"),
        ([b"M", b"A", b"MA", b"RK"], 4, b"MAMARK"),
    ],
)
async def test_it_counts_from_a_mark_where_there_is_one(
    street: Street, chunks: list[bytes], after: int, passes: bytes
) -> None:
    client, server = await street.connect()
    way = street.proxy.down
    way.mode = Truncate(after, mark=b"MARK")
    for number, chunk in enumerate(chunks, 1):
        assert not way.bitten.is_set()
        await server.send(chunk)
        if number < len(chunks):
            assert await client.has(b"".join(chunks[:number]))
    assert await client.ended() == FIN
    assert client.got == passes
    assert way.bitten.is_set()


async def test_a_mark_is_looked_for_on_each_connection(street: Street) -> None:
    street.proxy.up.mode = Garbage(b"<?>", mark=b"M")
    for _ in range(2):
        client, server = await street.connect()
        await client.send(b"aMb")
        assert await server.has(b"a<?>Mb")
        await client.send(b"aMb")
        assert await server.has(b"a<?>MbaMb")


async def test_a_stall_holds_bytes_and_end_and_loses_none(street: Street) -> None:
    client, server = await street.connect()
    street.proxy.up.mode = Stall(2)
    await client.send(b"held back")
    client.writer.write_eof()
    assert await server.has(b"he")
    await server.send(b"other way")
    assert await client.has(b"other way")
    await quiet()
    assert server.got == b"he"
    assert server.how is None
    street.proxy.up.mode = Pass()
    assert await server.ended() == FIN
    assert server.got == b"held back"


async def test_a_stall_is_felt_by_the_sender(street: Street) -> None:
    client, server = await street.connect()
    street.proxy.up.mode = Stall()
    much = b"x" * (16 * 1024 * 1024)
    sending = asyncio.create_task(client.send(much))
    await quiet()
    assert not sending.done()
    street.proxy.heal()
    async with asyncio.timeout(BOUND_S):
        await sending
    assert await server.has(much)


async def test_a_half_open_line_swallows_bytes_and_end(street: Street) -> None:
    client, server = await street.connect()
    street.proxy.up.mode = Swallow(4)
    await client.send(b"some and the rest")
    client.writer.write_eof()
    assert await server.has(b"some")
    await quiet()
    assert server.got == b"some"
    assert server.how is None
    assert street.proxy.up.count.received == len(b"some and the rest")
    assert street.proxy.up.count.forwarded == 4
    street.proxy.heal()
    await server.send(b"and back")
    await quiet()
    assert server.got == b"some"
    assert client.got == b""
    assert server.how is None
    assert client.how is None


@pytest.mark.parametrize("politely", [False, True])
async def test_of_who_leaves_a_half_open_line_nobody_hears(street: Street, politely: bool) -> None:
    client, server = await street.connect()
    await client.send(b"x")
    assert await server.has(b"x")
    street.proxy.up.mode = Swallow()
    if politely:
        client.writer.close()
    else:
        await abort(client.writer)
    async with asyncio.timeout(BOUND_S):
        await street.proxy.up.bitten.wait()
    street.proxy.heal()
    await server.send(b"are you there?")
    await quiet()
    await server.send(b"are you there?")
    await quiet()
    assert server.how is None


async def test_garbage_comes_once_and_in_its_place(street: Street) -> None:
    client, server = await street.connect()
    street.proxy.down.mode = Garbage(b"<?>", after=2)
    await server.send(b"abcd")
    assert await client.has(b"ab<?>cd")
    await server.send(b"ef")
    assert await client.has(b"ab<?>cdef")


@pytest.mark.parametrize("mode", [Slow(2000), Pass(latency_ms=30)])
async def test_slow_and_late_lose_nothing(street: Street, mode: Mode) -> None:
    loop = asyncio.get_running_loop()
    client, server = await street.connect()
    street.proxy.up.mode = mode
    began = loop.time()
    await client.send(b"x" * 100)
    assert await server.has(b"x" * 100)
    # 100 bytes at 2000 a second are 50 ms; only too early would be wrong.
    assert loop.time() - began >= 0.025


async def test_another_mode_takes_over_in_the_middle_of_a_trickle(street: Street) -> None:
    client, server = await street.connect()
    street.proxy.up.mode = Slow(100)
    await client.send(b"x" * 100_000)
    await server.has(b"xx")
    assert 0 < len(server.got) < 100_000
    street.proxy.heal()
    assert await server.has(b"x" * 100_000)


@pytest.mark.parametrize(("politely", "how"), [(False, RST), (True, FIN)])
async def test_cut_ends_every_live_connection_and_no_later_one(
    street: Street, politely: bool, how: str
) -> None:
    pairs = [await street.connect() for _ in range(3)]
    assert street.proxy.live == 3
    assert street.proxy.cut(politely=politely) == 3
    for client, server in pairs:
        assert await client.ended() == how
        assert await server.ended() == how
    client, server = await street.connect()
    await client.send(b"new")
    assert await server.has(b"new")


async def test_an_rst_of_one_side_becomes_an_rst_for_the_other(street: Street) -> None:
    client, server = await street.connect()
    await client.send(b"x")
    assert await server.has(b"x")
    await abort(server.writer)
    assert await client.ended() == RST


async def test_a_server_that_is_not_there_is_an_rst_for_the_client() -> None:
    unused = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    port = unused.sockets[0].getsockname()[1]
    unused.close()
    await unused.wait_closed()
    async with FaultProxy("127.0.0.1", port) as proxy:
        client = End(*await asyncio.open_connection("127.0.0.1", proxy.port))
        assert await client.ended() == RST
        await client.leave()


async def test_stop_leaves_nothing_behind_even_with_a_stalled_line(street: Street) -> None:
    before = asyncio.all_tasks()
    client, server = await street.connect()
    street.proxy.up.mode = Stall()
    await client.send(b"x" * 500_000)
    await street.proxy.stop()
    assert await client.ended() == RST
    assert await server.ended() == RST
    assert asyncio.all_tasks() - before == set()
    await street.proxy.start()
