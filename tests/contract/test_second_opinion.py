"""A subscription that is deaf though connected, and what a second connection makes of it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest

from listener.adapters.socket_source.second import (
    DISPLACED_S,
    GRACE_S,
    HOLD_FIRST_S,
    RENEW_FIRST_S,
)
from listener.core.names import Comparison, GapReason
from listener.ports.event_source import (
    Compared,
    Listening,
    Lost,
)

from .sources import (
    RECOVERING,
    RIGS,
    Ear,
    Play,
    Rig,
    ScriptedRig,
    body,
    codes,
    player,
    subscribing,
)


@pytest.fixture
def play(request: pytest.FixtureRequest) -> Play:
    return player(request.param)


everywhere = pytest.mark.parametrize("play", RIGS, indirect=True)
recovering = pytest.mark.parametrize("play", RECOVERING, indirect=True)


async def doubted(ear: Ear, rig: Rig, *, deaf: bool = False) -> None:
    """The doubt is spoken, and the second connection listens. ``deaf``: the first one is, from now
    on."""
    if deaf:
        await rig.deafen()
    ear.source.doubt()
    await rig.clients(2, hearing=1 if deaf else 2)


async def until_replaced(ear: Ear) -> tuple[Lost, Compared, Listening]:
    lost = await ear.until(Lost)
    compared, listening = await ear.next(), await ear.next()
    assert isinstance(compared, Compared)
    assert isinstance(listening, Listening)
    return lost, compared, listening


@everywhere
def test_one_that_is_deaf_is_replaced_by_one_that_hears(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        async with Ear(rig) as ear:
            await ear.until(Listening)
            await rig.emit(body("before"))
            [before] = await ear.hear(1)
            await rig.deafen()
            await rig.emit(body("missed"))
            await doubted(ear, rig, deaf=True)
            await rig.emit(body("a"), body("b"))
            lost, compared, listening = await until_replaced(ear)
            assert (lost.reason, lost.at_ms) == ("deaf_subscription", before.heard_ms)
            assert compared.verdict is Comparison.FIRST_DEAF
            assert not listening.recovered
            assert listening.gap_reason is GapReason.DEAF_SUBSCRIPTION
            assert lost.at_ms <= listening.at_ms
            await rig.emit(body("c"))
            heard = await ear.hear(3)
            assert codes(heard) == ["a", "b", "c"]
            assert [event.seq for event in heard] == [2, 3, 4]
            assert not any(event.replayed for event in heard)
            assert all(event.heard_ms >= listening.at_ms for event in heard)
            await rig.clients(1, hearing=1)

    play(scene)


@everywhere
def test_one_that_hears_stays_and_hears_everything_once(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        async with Ear(rig) as ear:
            await ear.until(Listening)
            await doubted(ear, rig)
            await rig.emit(body("a"), body("b"))
            compared = await ear.until(Compared)
            assert compared.verdict is Comparison.FIRST_HEARS
            await rig.clients(1, hearing=1)
            await rig.emit(body("c"))
            while len(codes(ear.signals)) < 3:
                await ear.next()
            assert codes(ear.signals) == ["a", "b", "c"]
            assert not any(isinstance(signal, Lost) for signal in ear.signals)

    play(scene)


@everywhere
def test_one_that_ends_takes_the_doubt_with_it(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        async with Ear(rig) as ear:
            await ear.until(Listening)
            await doubted(ear, rig)
            await rig.cut()
            await ear.until(Listening)
            await rig.clients(1, hearing=1)
            await rig.emit(body("a"))
            await ear.hear(1)
            assert not any(isinstance(signal, Compared) for signal in ear.signals)

    play(scene)


@everywhere
def test_a_stop_in_the_midst_of_a_doubt_leaves_no_connection(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        async with Ear(rig) as ear:
            await ear.until(Listening)
            await doubted(ear, rig)
            await ear.stop()
            await rig.clients(0, hearing=0)

    play(scene)


@everywhere
def test_what_took_over_can_be_doubted_and_replaced_in_its_turn(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        async with Ear(rig) as ear:
            await ear.until(Listening)
            for code in ("a", "b"):
                await doubted(ear, rig, deaf=True)
                await rig.emit(body(code))
                await until_replaced(ear)
                assert codes(await ear.hear(1)) == [code]
                await rig.clients(1, hearing=1)

    play(scene)


@recovering
def test_what_took_over_is_recovered_after_a_cut(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        async with Ear(rig) as ear:
            await ear.until(Listening)
            await doubted(ear, rig, deaf=True)
            await rig.emit(body("a"))
            _, _, second = await until_replaced(ear)
            await ear.hear(1)
            await rig.clients(1, hearing=1)
            await rig.cut()
            again = await ear.until(Listening)
            assert (again.recovered, again.pid) == (True, second.pid)

    play(scene)


@everywhere
def test_the_second_one_subscribes_itself_too(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        async with Ear(rig, **subscribing()) as ear:
            await ear.until(Listening)
            await doubted(ear, rig, deaf=True)
            await rig.emit(body("a"))
            await until_replaced(ear)
            assert codes(await ear.hear(1)) == ["a"]

    play(scene, join=True)


# ------------------------------------------------------------------- on virtual time, to the second


def scripted_scene(scene: Callable[[ScriptedRig], object]) -> None:
    player("scripted")(scene)


def test_a_second_one_that_cannot_be_had_is_told_once_and_tried_again() -> None:
    async def scene(rig: ScriptedRig) -> None:
        async with Ear(rig) as ear:
            await ear.until(Listening)
            rig.server.admit = lambda: "unauthorized"
            ear.source.doubt()
            assert (await ear.until(Compared)).verdict is Comparison.SECOND_FAILED
            await asyncio.sleep(600)
            rig.server.admit = lambda: "ok"
            rig.server.deafen()
            await rig.clients(2, hearing=1)
            await rig.emit(body("a"))
            await until_replaced(ear)
            verdicts = [s.verdict for s in ear.signals if isinstance(s, Compared)]
            assert verdicts == [Comparison.SECOND_FAILED, Comparison.FIRST_DEAF]

    scripted_scene(scene)


def test_an_event_that_comes_later_over_the_first_one_is_no_deafness() -> None:
    async def scene(rig: ScriptedRig) -> None:
        async with Ear(rig) as ear:
            await ear.until(Listening)
            await doubted(ear, rig)
            first, second = rig.server.wires
            first.deafened = True
            await rig.emit(body("a"))
            await asyncio.sleep(GRACE_S - 0.5)
            first.deafened, second.deafened = False, True
            await rig.emit(body("a"))
            assert (await ear.until(Compared)).verdict is Comparison.FIRST_HEARS
            await rig.clients(1, hearing=1)
            assert codes(ear.signals) == ["a"]

    scripted_scene(scene)


def test_without_an_event_both_are_kept_for_as_long_as_it_takes() -> None:
    async def scene(rig: ScriptedRig) -> None:
        async with Ear(rig) as ear:
            await ear.until(Listening)
            await doubted(ear, rig)
            await asyncio.sleep(7 * 86_400)
            assert len(rig.server.wires) == 2
            assert [type(signal) for signal in ear.signals] == [Listening]

    scripted_scene(scene)


def test_a_second_one_that_is_deaf_too_is_replaced_when_the_doubt_is_spoken_again() -> None:
    async def scene(rig: ScriptedRig) -> None:
        async with Ear(rig) as ear:
            await ear.until(Listening)
            await doubted(ear, rig, deaf=True)
            await asyncio.sleep(RENEW_FIRST_S)
            rig.server.deafen()
            deaf = list(rig.server.wires)
            ear.source.doubt()
            await rig.clients(2, hearing=1)
            assert deaf[0] in rig.server.wires
            assert deaf[1] not in rig.server.wires
            connections = rig.server.connections
            for _ in range(50):
                ear.source.doubt()
                await asyncio.sleep(1)
            assert rig.server.connections == connections, "it is young yet"
            await rig.emit(body("a"))
            await until_replaced(ear)
            assert codes(await ear.hear(1)) == ["a"]

    scripted_scene(scene)


# ------------------------------------------------------------------- one session a client


def test_a_second_one_that_ends_the_first_takes_its_place_and_stays_the_only_one_for_long() -> None:
    async def scene(rig: ScriptedRig) -> None:
        async with Ear(rig) as ear:
            await ear.until(Listening)
            await rig.emit(body("a"))
            await ear.hear(1)
            rig.server.alone = True
            rig.server.delay = lambda: 0.01
            ear.source.doubt()
            lost, compared, listening = await until_replaced(ear)
            assert lost.reason == compared.verdict == Comparison.DISPLACED
            assert (listening.recovered, listening.at_ms) == (True, lost.at_ms)
            rig.server.delay = random.Random(2).random
            for code in "bc":
                await rig.emit(body(code))
            for hours in range(1, 4):
                ear.source.doubt()
                await asyncio.sleep(HOLD_FIRST_S * 0.3)
                assert rig.server.connections == 1 + hours
                await asyncio.sleep(HOLD_FIRST_S * 2 ** (hours - 1))
                ear.source.doubt()
                lost, compared, listening = await until_replaced(ear)
                assert lost.reason == compared.verdict == Comparison.DISPLACED
                assert listening.recovered is (listening.at_ms == lost.at_ms)
            await rig.emit(body("d"))
            while len(codes(ear.signals)) < 4:
                await ear.next()
            assert codes(ear.signals) == ["a", "b", "c", "d"]
            await rig.clients(1, hearing=1)

    scripted_scene(scene)


def test_what_the_second_one_heard_before_the_first_knew_of_its_end_is_heard_once() -> None:
    async def scene(rig: ScriptedRig) -> None:
        async with Ear(rig) as ear:
            await ear.until(Listening)
            rig.server.alone = True
            ear.source.doubt()
            while rig.server.connections < 2 or not rig.server.wires[-1].subscribed:  # noqa: ASYNC110  nobody is told
                await asyncio.sleep(0.001)
            await rig.emit(body("a"), body("b"))
            await until_replaced(ear)
            heard = await ear.hear(2)
            assert (codes(heard), [event.seq for event in heard]) == (["a", "b"], [1, 2])

    scripted_scene(scene)


@pytest.mark.parametrize("who", ["first", "both"])
def test_one_that_is_ended_by_name_otherwise_was_not_ended_by_the_second(who: str) -> None:
    async def scene(rig: ScriptedRig) -> None:
        async with Ear(rig) as ear:
            await ear.until(Listening)
            await doubted(ear, rig)
            if who == "first":
                await asyncio.sleep(DISPLACED_S + 0.2)
            rig.server.kick(but=rig.server.wires[1] if who == "first" else None)
            lost = await ear.until(Lost)
            assert lost.reason == "server_disconnect"
            await ear.until(Listening)
            await doubted(ear, rig)
            assert not any(isinstance(signal, Compared) for signal in ear.signals)

    scripted_scene(scene)


def test_a_stop_while_it_is_seen_who_ended_the_first_leaves_no_connection() -> None:
    async def scene(rig: ScriptedRig) -> None:
        for tenths in range(15):
            async with Ear(rig) as ear:
                await ear.until(Listening)
                rig.server.alone = True
                ear.source.doubt()
                await asyncio.sleep(tenths / 10)
                await ear.stop()
                await rig.clients(0, hearing=0)

    scripted_scene(scene)


def test_one_that_subscribes_after_the_first_was_ended_leaves_a_gap_until_it_listens() -> None:
    async def scene(rig: ScriptedRig) -> None:
        async with Ear(rig, **subscribing()) as ear:
            await ear.until(Listening)
            rig.server.alone = True
            rig.server.delay = lambda: 1.5
            ear.source.doubt()
            lost, compared, listening = await until_replaced(ear)
            assert lost.reason == compared.verdict == Comparison.DISPLACED
            assert (listening.recovered, listening.at_ms - lost.at_ms) == (False, 1_500)
            assert listening.gap_reason is GapReason.NO_RECOVERY_OFFERED

    player("scripted")(scene, join=True)
