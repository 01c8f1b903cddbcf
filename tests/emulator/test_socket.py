"""The socket side, by a real client: who hears what, and how it is let down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import socketio  # type: ignore[import-untyped]  # python-socketio ships no types

from listener.emulator import Emulator, Options

from .conftest import Ear

BOUND_S = 10


@asynccontextmanager
async def listening(
    upstream: Emulator, namespace: str = "/", auth: Any = None, event: str = "cv_updated"
) -> AsyncIterator[Ear]:
    sio = socketio.AsyncClient(reconnection=False, handle_sigint=False)
    heard: asyncio.Queue[Any] = asyncio.Queue()
    sio.on(event, lambda *args: heard.put_nowait(args), namespace=namespace)
    try:
        await sio.connect(
            upstream.socket_url, transports=["websocket"], namespaces=[namespace], auth=auth
        )
        yield Ear(sio, heard)
    finally:
        await sio.disconnect()
        if sio.eio.http is not None:
            await sio.eio.http.close()


async def next_of(ear: Ear) -> Any:
    async with asyncio.timeout(BOUND_S):
        return await ear.heard.get()


def told(upstream: Emulator, what: str) -> Callable[[Any], bool]:
    return lambda ledger: any(entry.what == what for entry in ledger.sockets())


async def test_namespace_event_and_a_second_argument_are_as_set() -> None:
    options = Options(namespace="/cvs", event="changed", extra_argument=True)
    async with Emulator(options) as upstream, listening(upstream, "/cvs", event="changed") as ear:
        entry = await upstream.emit({"cv_code": "x"}, "x")
        assert entry.receivers == 1
        body, extra = await next_of(ear)
        assert body == {"cv_code": "x"}
        assert isinstance(extra, str)


async def test_who_has_not_joined_hears_nothing() -> None:
    async with (
        Emulator(Options(join_event="subscribe")) as upstream,
        listening(upstream) as ear,
    ):
        assert (await upstream.emit({"n": 1})).receivers == 0
        assert await ear.sio.call("subscribe", {"any": "thing"}, timeout=BOUND_S) == {
            "status": "ok"
        }
        assert (await upstream.emit({"n": 2})).receivers == 1
        assert await next_of(ear) == ({"n": 2},)
        assert ear.heard.empty()


@pytest.mark.parametrize("auth", [None, {}, {"token": "wrong"}, {"token": "right", "more": 1}])
async def test_who_brings_the_wrong_auth_is_refused(auth: Any) -> None:
    async with Emulator(Options(socket_auth={"token": "right"})) as upstream:
        with pytest.raises(socketio.exceptions.ConnectionError):
            async with listening(upstream, auth=auth):
                pass
        await upstream.ledger.until(told(upstream, "refused"))
        async with listening(upstream, auth={"token": "right"}):
            assert upstream.socket.clients == 1


async def test_a_drop_is_felt_and_a_new_connection_hears() -> None:
    async with Emulator() as upstream:
        async with listening(upstream) as ear:
            gone = asyncio.Event()
            ear.sio.on("disconnect", lambda _reason: gone.set())
            assert upstream.socket.drop() == 1
            async with asyncio.timeout(BOUND_S):
                await gone.wait()
            await upstream.ledger.until(told(upstream, "disconnected"))
            assert (await upstream.emit({"n": 1})).receivers == 0
        async with listening(upstream) as ear:
            await upstream.emit({"n": 2})
            assert await next_of(ear) == ({"n": 2},)


async def test_a_restart_closes_is_away_and_comes_back_knowing_nobody() -> None:
    async with Emulator() as upstream:
        async with listening(upstream) as ear:
            gone = asyncio.Event()
            ear.sio.on("disconnect", lambda _reason: gone.set())
            await upstream.socket.restart(down_ms=60_000)
            async with asyncio.timeout(BOUND_S):
                await gone.wait()
            assert upstream.socket.clients == 0
        with pytest.raises(socketio.exceptions.ConnectionError):
            async with listening(upstream):
                pass
        await upstream.socket.restart()
        async with listening(upstream) as ear:
            await upstream.emit({"n": 1})
            assert await next_of(ear) == ({"n": 1},)


async def test_the_deafened_stay_connected_and_only_new_ones_hear() -> None:
    async with Emulator() as upstream, listening(upstream) as deaf:
        assert upstream.socket.deafen() == 1
        async with listening(upstream) as ear:
            assert (await upstream.emit({"n": 1})).receivers == 1
            assert await next_of(ear) == ({"n": 1},)
        assert deaf.sio.connected
        assert deaf.heard.empty()


async def test_what_was_paused_comes_in_its_order() -> None:
    async with Emulator() as upstream, listening(upstream) as ear:
        upstream.socket.pause()
        held = [asyncio.create_task(upstream.emit({"n": n})) for n in range(20)]
        await asyncio.sleep(0)
        assert not upstream.ledger.events()
        upstream.socket.resume()
        assert [await next_of(ear) for _ in held] == [({"n": n},) for n in range(20)]
        await asyncio.gather(*held)


async def test_a_stop_is_not_held_up_by_clients_and_leaves_no_task() -> None:
    upstream = Emulator()
    before = asyncio.all_tasks()
    await upstream.start()
    async with listening(upstream) as ear:
        # A client that upgraded and then reads nothing.
        reader, writer = await asyncio.open_connection("127.0.0.1", upstream.port)
        writer.write(
            b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n"
            b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        assert b"101" in await reader.readline()
        async with asyncio.timeout(BOUND_S):
            await upstream.stop()
        writer.close()
        await writer.wait_closed()
        async with asyncio.timeout(BOUND_S):
            await ear.sio.wait()
    assert asyncio.all_tasks() - before == set()
