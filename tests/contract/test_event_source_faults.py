"""The event source port, where a handshake or a replay fails: the real source over a server that
says what each test writes, and the scripted one over its own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from listener.core.names import CvCode, GapReason, Millis
from listener.ports.event_source import ConnectFailed, Listening, Lost, Resume
from tests.adapters.socket_source.scripted_server import Peer, Scene, ScriptedServer, event_frame
from tests.adapters.upstream_http.raw_server import Script, Talk, raw_server, reply
from tests.fakes.socket_server import HANDSHAKES, SocketServer
from tests.simulation.loop import run_virtual

from .sources import TOGETHER_MS, UNHURRIED, Ear, RealRig, ScriptedRig, body, codes

SHORT_S = 0.3
"""Of a connect, and of the patience with a server that is silent."""

RESUME = Resume("pid-0", "offset-0")

Play = Callable[[Awaitable[None]], None]


def real(scene: Awaitable[None]) -> None:
    async def main() -> None:
        await scene

    asyncio.run(main())


def virtual(scene: Awaitable[None]) -> None:
    async def main(_: object) -> None:
        await scene

    run_virtual(1, main)


def rig_at(url: str) -> RealRig:
    return RealRig(url, recovery=True)


# ------------------------------------------------------------------------------- handshakes


async def silent(peer: Peer) -> None:
    await peer.gone()


async def garbage(peer: Peer) -> None:
    await peer.send('0{"sid":')
    await peer.gone()


async def unauthorized(peer: Peer) -> None:
    await peer.open()
    await peer.send('44{"message":"not authorized"}')
    await peer.gone()


async def old(peer: Peer) -> None:
    await peer.open()
    await peer.send("40")
    await peer.gone()


async def no_answer(peer: Peer) -> None:
    await peer.open()
    await peer.gone()


async def reset(talk: Talk) -> None:
    await talk.head()
    talk.reset()


async def http_503(talk: Talk) -> None:
    await talk.head()
    await talk.say(reply(b'{"message":"Service Unavailable"}', "503 Service Unavailable"))


async def http_401(talk: Talk) -> None:
    await talk.head()
    await talk.say(reply(b'{"message":"not authorized"}', "401 Unauthorized"))


SCENES: dict[str, Scene] = {
    "silent": silent,
    "garbage": garbage,
    "unauthorized": unauthorized,
    "old": old,
    "no_answer": no_answer,
}
RAW: dict[str, Script] = {"reset": reset, "http_503": http_503, "http_401": http_401}
OUTCOMES = [
    ("silent", "connect_timeout", False),
    ("garbage", "bad_handshake", False),
    ("unauthorized", "refused", True),
    ("old", "server_2x", True),
    ("no_answer", "connect_timeout", False),
    ("reset", "transport_closed", False),
    ("http_503", "http_503", False),
    ("http_401", "http_401", True),
]


async def first_failure(ear: Ear) -> ConnectFailed:
    async with ear:
        failed = await ear.next()
        assert isinstance(failed, ConnectFailed)
        return failed


@pytest.mark.parametrize(("treatment", "reason", "refused"), OUTCOMES)
def test_a_handshake_that_fails_has_a_name_and_the_same_from_both(
    treatment: str, reason: str, refused: bool
) -> None:
    told: list[ConnectFailed] = []

    async def over_loopback() -> None:
        if treatment in RAW:
            async with raw_server(RAW[treatment]) as bytes_server:
                rig = rig_at(f"http://127.0.0.1:{bytes_server.port}")
                told.append(await first_failure(Ear(rig, connect_timeout_s=SHORT_S)))
            return
        async with ScriptedServer(SCENES[treatment]) as server:
            told.append(await first_failure(Ear(rig_at(server.url), connect_timeout_s=SHORT_S)))

    async def scripted() -> None:
        rig = ScriptedRig(recovery=True)
        rig.server.admit = lambda: treatment
        told.append(await first_failure(Ear(rig, connect_timeout_s=SHORT_S)))

    real(over_loopback())
    virtual(scripted())
    assert [(one.reason, one.refused, one.failures) for one in told] == [(reason, refused, 1)] * 2
    # The library's own words differ in the kind of exception alone.
    assert told[0].detail.split(" (")[0] == told[1].detail.split(" (")[0]


def test_every_treatment_is_held_against_the_real_source() -> None:
    here = {treatment for treatment, _, _ in OUTCOMES}
    elsewhere = {"ok", "refused", "cut_in_replay", "choke_in_replay"}
    assert here | elsewhere == HANDSHAKES


# ------------------------------------------------------------------------------- replays


async def poisoned(ear: Ear, reason: str, times: int) -> None:
    """So many failures, then a session without the offset."""
    async with ear:
        failed = [await ear.next() for _ in range(times)]
        assert {getattr(one, "reason", None) for one in failed} == {reason}
        again = await ear.next()
        assert isinstance(again, Listening)
        assert (again.recovered, again.gap_reason) == (False, GapReason.POISON)


def test_an_offset_whose_replay_we_choke_on_is_dropped_after_three_times() -> None:
    async def over_loopback() -> None:
        async def session(peer: Peer) -> None:
            offered = (await peer.open()).get("offset")
            if offered is not None:
                await peer.send('42["cv_updated",{"x":"' + "x" * 3_000 + '"},"offset-1"]')
            else:
                await peer.admit("pid-1")
            await peer.gone()

        async with ScriptedServer(session) as server:
            ear = Ear(rig_at(server.url), resume=RESUME, max_message_bytes=1_000)
            await poisoned(ear, "message_too_big", 3)

    async def scripted() -> None:
        rig = ScriptedRig(recovery=True)
        rig.server.admit = lambda: "choke_in_replay"
        await poisoned(Ear(rig, resume=RESUME), "message_too_big", 3)

    real(over_loopback())
    virtual(scripted())


def test_an_offset_whose_replay_breaks_off_is_dropped_after_nine_times() -> None:
    async def over_loopback() -> None:
        async def session(peer: Peer) -> None:
            offered = (await peer.open()).get("offset")
            if offered is None:
                await peer.admit("pid-1")
                await peer.gone()

        async with ScriptedServer(session) as server:
            await poisoned(Ear(rig_at(server.url), resume=RESUME), "transport_closed", 9)

    async def scripted() -> None:
        rig = ScriptedRig(recovery=True)
        rig.server.admit = lambda: "cut_in_replay"
        await poisoned(Ear(rig, resume=RESUME), "transport_closed", 9)

    real(over_loopback())
    virtual(scripted())


def test_what_a_replay_brought_before_it_broke_off_is_not_brought_again() -> None:
    async def heard(ear: Ear, miss: Callable[[], None]) -> None:
        async with ear:
            await ear.until(Lost)
            miss()
            again = await ear.until(Listening)
            assert again.recovered
            assert codes(ear.signals) == ["before", "missed-0", "missed-1"]

    async def over_loopback() -> None:
        frames = [event_frame(f"missed-{number}", f"offset-{number + 2}") for number in range(2)]

        async def session(peer: Peer) -> None:
            offered = (await peer.open()).get("offset")
            if offered is None:
                await peer.admit("pid-1")
                await peer.event("before", "offset-1")
            elif offered == "offset-1":
                await peer.send(frames[0])
            else:
                await peer.send(frames[1])
                await peer.admit("pid-1")
                await peer.gone()

        async with ScriptedServer(session) as server:
            await heard(Ear(rig_at(server.url)), lambda: None)

    async def scripted() -> None:
        rig = ScriptedRig(recovery=True)
        treatments: Iterator[str] = iter(["ok", "cut_in_replay", "ok"])
        rig.server.admit = lambda: next(treatments)

        async def cut() -> None:
            await rig.emit(body("before"))
            await asyncio.sleep(1)
            rig.server.cut()

        def miss() -> None:
            rig.server.emit("", body("missed-0"))
            rig.server.emit("", body("missed-1"))

        ear = Ear(rig, **UNHURRIED)
        asyncio.get_running_loop().call_later(1, lambda: tasks.append(asyncio.create_task(cut())))
        tasks: list[asyncio.Task[None]] = []
        await heard(ear, miss)

    real(over_loopback())
    virtual(scripted())


# ------------------------------------------------------------------------------- half open


def test_a_connection_that_falls_silent_is_lost_after_the_servers_patience() -> None:
    async def heard(ear: Ear, now_ms: Callable[[], Millis], quiet: Callable[[], None]) -> None:
        async with ear:
            await ear.until(Listening)
            (event,) = await ear.hear(1)
            quiet()
            lost = await ear.next()
            assert isinstance(lost, Lost)
            assert lost.reason == "silent"
            assert event.heard_ms - TOGETHER_MS <= lost.at_ms <= now_ms() - SHORT_S * 900
            again = await ear.until(Listening)
            assert (again.recovered, codes(ear.signals)) == (True, ["before", "missed"])

    async def over_loopback() -> None:
        async def session(peer: Peer) -> None:
            offered = (await peer.open(pingInterval=200, pingTimeout=100)).get("offset")
            if offered is None:
                await peer.admit("pid-1")
                await peer.event("before", "offset-1")
            else:
                await peer.event("missed", "offset-2")
                await peer.admit("pid-1")
            await peer.gone()

        async with ScriptedServer(session) as server:
            rig = rig_at(server.url)
            await heard(Ear(rig, silence_margin_s=0.1), rig.now_ms, lambda: None)

    async def scripted() -> None:
        rig = ScriptedRig(recovery=True)
        rig.server.ping_s, rig.server.patience_s = 0.2, SHORT_S
        loop = asyncio.get_running_loop()
        loop.call_later(1, lambda: rig.server.emit("", body("before")))

        def quiet() -> None:
            rig.server.go_quiet()
            rig.server.emit("", body("missed"))

        await heard(Ear(rig), rig.now_ms, quiet)

    real(over_loopback())
    virtual(scripted())


# --------------------------------------------------------------- of the scripted server alone


def scripted_scene(scene: Callable[[ScriptedRig], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        await scene(ScriptedRig(recovery=True, **options))

    virtual(main())


def test_frames_keep_their_order_whatever_the_delay_of_each() -> None:
    async def scene(rig: ScriptedRig) -> None:
        rng = random.Random(7)
        rig.server.delay = lambda: rng.choice([0.0, 0.0, 3.0, 0.5])
        async with Ear(rig) as ear:
            await ear.until(Listening)
            for number in range(200):
                await rig.emit(body(f"code-{number}"))
                await asyncio.sleep(rng.choice([0.0, 0.1]))
            assert codes(await ear.hear(200)) == [f"code-{number}" for number in range(200)]

    scripted_scene(scene)


def test_what_was_on_its_way_when_a_connection_broke_comes_by_the_replay() -> None:
    async def scene(rig: ScriptedRig) -> None:
        async with Ear(rig) as ear:
            await ear.until(Listening)
            await rig.emit(body("heard"))
            await ear.hear(1)
            rig.server.delay = lambda: 1.5
            await rig.emit(body("on its way"))
            rig.server.cut()
            (event,) = await ear.hear(1)
            assert (event.code, event.replayed) == ("on its way", True)

    scripted_scene(scene)


def test_a_server_that_has_not_noticed_the_end_of_a_session_does_not_recover_it() -> None:
    """As the official server's in-memory adapter: it keeps a session from its end on."""

    async def scene(rig: ScriptedRig) -> None:
        async with Ear(rig) as ear:
            first = await ear.until(Listening)
            await rig.emit(body("heard"))
            await ear.hear(1)
            rig.server.go_quiet(server_notices_s=90)
            await rig.emit(body("missed"))
            lost = await ear.until(Lost)
            assert rig.now_ms() - lost.at_ms >= 45_000
            again = await ear.until(Listening)
            assert (again.recovered, again.gap_reason) == (False, GapReason.NOT_RECOVERED)
            assert again.pid != first.pid

    scripted_scene(scene)


def test_an_offset_that_the_server_has_swept_away_is_no_proof() -> None:
    """As the official server's in-memory adapter: each minute it drops the packets that are past
    the window, those that a connected client had as its last among them."""

    async def scene(rig: ScriptedRig) -> None:
        async with Ear(rig) as ear:
            await ear.until(Listening)
            await rig.emit(body("heard"))
            await ear.hear(1)
            await asyncio.sleep(200)
            rig.server.cut()
            again = await ear.until(Listening)
            assert (again.recovered, again.gap_reason) == (False, GapReason.NOT_RECOVERED)

    scripted_scene(scene)


def test_a_deafened_connection_stays_up_and_hears_nothing() -> None:
    async def scene(rig: ScriptedRig) -> None:
        async with Ear(rig) as deaf:
            await deaf.until(Listening)
            rig.server.deafen()
            async with Ear(rig) as ear:
                await ear.until(Listening)
                await rig.emit(body("a"))
                await ear.hear(1)
            await asyncio.sleep(600)
            assert not deaf.source.pending(CvCode("a"))
            assert len(rig.server.wires) == 1

    scripted_scene(scene)


def test_pings_are_frames() -> None:
    async def scene(rig: ScriptedRig) -> None:
        async with Ear(rig) as ear:
            listening = await ear.until(Listening)
            await asyncio.sleep(100)
            frame_ms = ear.source.last_frame_ms
            assert frame_ms is not None
            assert 75_000 <= frame_ms - listening.at_ms <= 100_000

    scripted_scene(scene)


def test_an_event_that_wants_an_answer_is_no_part_of_the_recovery() -> None:
    async def scene(rig: ScriptedRig) -> None:
        async with Ear(rig, **UNHURRIED) as ear:
            await ear.until(Listening)
            await rig.emit(body("heard"))
            await ear.hear(1)
            await rig.cut()
            await ear.until(Lost)
            await rig.emit_wanting_ack(body("missed"))
            assert (await ear.until(Listening)).recovered
            assert codes(ear.signals) == ["heard"]

    scripted_scene(scene)


def test_the_truth_is_in_the_ledger_whoever_hears_it() -> None:
    async def scene(rig: ScriptedRig) -> None:
        server: SocketServer = rig.server
        server.emit("nobody hears it")
        async with Ear(rig) as ear:
            await ear.until(Listening)
            server.emit("heard")
            (event,) = await ear.hear(1)
            assert event.payload == '{"application_id":2}'
        assert [(one.number, one.code, one.listeners) for one in server.emissions] == [
            (1, "nobody hears it", 0),
            (2, "heard", 1),
        ]

    scripted_scene(scene)
