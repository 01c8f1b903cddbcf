"""A hundred connections leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter

import engineio  # type: ignore[import-untyped]  # python-engineio ships no types
import psutil
from engineio import async_client

from listener.ports.event_source import ConnectFailed, Listening, Lost

from .ear import Ear
from .scripted_server import Peer, ScriptedServer

ROUNDS = 100
WATCHED = ("TrackedClient", "TrackedEngine", "ClientSession", "TappedSocket", "Connection", "Link")


def left() -> Counter[str]:
    gc.collect()
    kinds = Counter(type(thing).__name__ for thing in gc.get_objects())
    counted = Counter({kind: kinds[kind] for kind in WATCHED})
    counted["tasks"] = len(asyncio.all_tasks())
    counted["files"] = psutil.Process().num_fds()
    counted["clients"] = len(engineio.base_client.connected_clients)
    counted["references"] = len(async_client.task_reference_holder)
    return counted


async def test_a_hundred_reconnects_leave_nothing(fast_path: bool) -> None:
    async def scene(peer: Peer) -> None:
        await peer.open()
        if server.connections % 5 == 4:
            await peer.send('44{"message":"not authorized"}')
            return
        await peer.admit()
        await peer.send('421["cv_updated",{"cv_code":"unacknowledged"}]')
        if server.connections % 5 == 3:
            await peer.send("41")
            await peer.gone()
        elif server.connections % 5 == 2:
            assert peer.request.transport is not None
            peer.request.transport.abort()

    server = ScriptedServer(scene)
    async with server:
        before = left()
        async with Ear(server.url, fast_path=fast_path, backoff_cap_s=0.01) as ear:
            await ear.until(Listening)
            ends = 0
            while ends < ROUNDS:
                ends += isinstance(await ear.next(), Lost | ConnectFailed)
        del ear
        await asyncio.sleep(0.2)
        after = left()
    for what, count in after.items():
        # A few of the server's own connections may still be closing.
        assert count <= before[what] + 5, (what, before[what], count)
