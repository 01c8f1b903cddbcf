"""The fault proxy does to bytes what its modes say, seen from raw sockets on both sides."""

from __future__ import annotations

import asyncio

import pytest

from tests.faults.modes import Garbage, Mode, Pass, Reset, Slow, Stall, Swallow, Truncate
from tests.faults.proxy import abort

from .street import BOUND_S, FIN, RST, Street, quiet


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
