"""A reader that is slower than the server: nothing is lost, and memory is bounded."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from listener.core.names import GapReason
from listener.ports.event_source import Listening, Lost, ReceivedEvent, Resume

from .conftest import Start
from .ear import PATIENCE_S, Ear, codes, eventually
from .scripted_server import Peer, ScriptedServer

LIMIT = 100


async def test_the_fast_path_stops_reading(start: Start) -> None:
    server = await start()
    async with Ear(server.url, fast_path=True, queue_limit=LIMIT) as ear:
        await ear.until(Listening)
        emitting = asyncio.create_task(server.burst(3000))
        await eventually(lambda: ear.source.queue.full)
        # However long the reader waits, no more than that is taken in.
        for _ in range(20):
            await asyncio.sleep(0.01)
            assert ear.source.queue.events == LIMIT
        heard: list[str | None] = []
        async with asyncio.timeout(PATIENCE_S):
            while len(heard) < 3000:
                batch = await ear.source.next_batch(7)
                assert all(isinstance(signal, ReceivedEvent) for signal in batch)
                heard += [s.code for s in batch if isinstance(s, ReceivedEvent)]
                assert ear.source.queue.events <= LIMIT
        await emitting
        assert heard == [f"code-{number}" for number in range(3000)]


async def test_not_reading_is_no_silence_of_the_server() -> None:
    async def scene(peer: Peer) -> None:
        await peer.open(pingInterval=500, pingTimeout=500)
        await peer.admit()
        for number in range(LIMIT + 20):
            await peer.event(f"code-{number}")
        while await peer.receive() is not None:
            pass

    async with (
        ScriptedServer(scene) as server,
        Ear(server.url, fast_path=True, queue_limit=LIMIT, silence_margin_s=0.1) as ear,
    ):
        await eventually(lambda: ear.source.queue.full)
        await asyncio.sleep(1.6)
        assert codes(await ear.hear(LIMIT + 20)) == [f"code-{n}" for n in range(LIMIT + 20)]
        assert not [signal for signal in ear.signals if isinstance(signal, Lost)]


async def test_the_slow_path_drops_the_connection_and_recovers(start_node: Start) -> None:
    server = await start_node(recovery_ms=60_000)
    async with Ear(server.url, fast_path=False, queue_limit=LIMIT) as ear:
        await ear.until(Listening)
        await server.emit({"cv_code": "first"})
        await ear.hear(1)
        await server.burst(1000)
        await eventually(lambda: len(ear.source.queue) > LIMIT)
        events = await ear.hear(1000)
        assert codes(events) == [f"code-{number}" for number in range(1000)]
        assert [event.seq for event in events] == list(range(2, 1002))
        losses = [signal for signal in ear.signals if isinstance(signal, Lost)]
        assert losses and all(lost.overflow and lost.reason == "overflow" for lost in losses)
        back = [signal for signal in ear.signals if isinstance(signal, Listening)]
        assert all(listening.recovered for listening in back[1:])


async def test_an_event_that_was_not_kept_is_not_acknowledged() -> None:
    said: list[str | None] = []

    async def scene(peer: Peer) -> None:
        await peer.open()
        await peer.admit()
        await peer.event("kept")
        await peer.send('427["cv_updated",{"cv_code":"not kept"}]')
        while said[-1:] != [None]:
            said.append(await peer.receive())

    async with (
        ScriptedServer(scene) as server,
        Ear(server.url, fast_path=False, queue_limit=1) as ear,
    ):
        await eventually(lambda: said[-1:] == [None])
        assert not [frame for frame in said if frame and frame.startswith("43")]
        assert codes(await ear.hear(1)) == ["kept"]
        assert (await ear.until(Lost)).overflow


async def test_a_replay_larger_than_the_queue_is_heard_in_pieces() -> None:
    """And not before there is room for the next."""
    offers: list[int] = []

    async def scene(peer: Peer) -> None:
        offers.append(int((await peer.open())["offset"]))
        for number in range(offers[-1] + 1, 251):
            await peer.event(f"code-{number}", str(number))
        await peer.admit("pid")
        await peer.gone()

    options = {"fast_path": False, "queue_limit": LIMIT, "resume": Resume("pid", "0")}
    async with ScriptedServer(scene) as server, Ear(server.url, **options) as ear:
        await eventually(lambda: len(ear.source.queue) == LIMIT)
        await asyncio.sleep(0.3)
        assert offers == [0]
        assert codes(await ear.hear(250)) == [f"code-{number}" for number in range(1, 251)]
        assert (await ear.until(Listening)).recovered
        assert offers[:2] == [0, LIMIT]
        assert len(ear.signals) == 251


@pytest.mark.parametrize("transports", [("websocket",), ("polling",)])
async def test_where_nothing_can_be_recovered_an_overflow_is_a_gap(
    start: Start, transports: tuple[str, ...]
) -> None:
    server = await start()
    async with Ear(server.url, fast_path=False, queue_limit=LIMIT, transports=transports) as ear:
        await ear.until(Listening)
        await server.burst(1000)
        await eventually(lambda: len(ear.source.queue) > LIMIT)
        lost = await ear.until(Lost)
        assert lost.overflow
        heard = [signal for signal in ear.signals if isinstance(signal, ReceivedEvent)]
        assert codes(heard) == [f"code-{number}" for number in range(LIMIT)]
        again = await ear.until(Listening)
        assert (again.recovered, again.gap_reason) == (False, GapReason.OVERFLOW)


async def test_others_get_their_turn_in_a_long_burst() -> None:
    async def scene(peer: Peer) -> None:
        await peer.open()
        await peer.admit()
        for number in range(3000):
            await peer.event(f"code-{number}")
        await peer.gone()

    turns: list[int] = []
    async with ScriptedServer(scene) as server, Ear(server.url, queue_limit=10_000) as ear:

        async def other() -> None:
            while ear.source.queue.events < 3000:
                turns.append(ear.source.queue.events)
                await asyncio.sleep(0)

        async with asyncio.timeout(PATIENCE_S):
            await other()
    turns.append(3000)
    assert max(b - a for a, b in pairwise(turns)) <= 128
