"""How the fault proxy makes, counts, refuses and cuts connections, seen from both sides."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest

from tests.faults.modes import Stall
from tests.faults.proxy import FaultProxy, abort

from .street import BOUND_S, FIN, RST, End, Street


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
