"""Connection State Recovery: what was missed is replayed, or the gap is told, and why."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from listener.adapters.socket_source import OnConnect
from listener.core.names import GapReason
from listener.ports.event_source import (
    ConnectFailed,
    Listening,
    Lost,
    ReceivedEvent,
    Resume,
)

from .conftest import Start
from .ear import Ear, codes, eventually
from .scripted_server import Peer, ScriptedServer, event_frame

RECOVERY = {"recovery_ms": 120_000}


def offer_of(auth: dict[str, Any]) -> tuple[object, object]:
    return auth.get("pid"), auth.get("offset")


# --------------------------------------------------------------------------- the official server


async def test_what_was_missed_is_replayed_before_listening(
    start_node: Start, fast_path: bool
) -> None:
    server = await start_node(**RECOVERY)
    # The delay leaves the time to emit while nobody is connected.
    async with Ear(server.url, fast_path=fast_path, backoff_first_s=0.5, backoff_cap_s=1) as ear:
        first = await ear.until(Listening)
        await server.emit({"cv_code": "before"})
        await server.drop()
        await ear.until(Lost)
        await server.burst(100, "missed")
        signals = [await ear.next() for _ in range(101)]
        replayed = [signal for signal in signals if isinstance(signal, ReceivedEvent)]
        assert codes(replayed) == [f"missed-{number}" for number in range(100)]
        assert all(event.replayed and event.offset for event in replayed)
        again = signals[-1]
        assert isinstance(again, Listening)
        assert (again.recovered, again.gap_reason, again.pid) == (True, None, first.pid)
        await server.emit({"cv_code": "after"})
        (live,) = await ear.hear(1)
        assert (live.code, live.replayed) == ("after", False)
        assert (await server.status())["recovered"] == 1


async def test_cuts_in_the_midst_of_bursts_lose_nothing_and_repeat_nothing(
    start_node: Start, fast_path: bool
) -> None:
    server = await start_node(**RECOVERY)
    async with Ear(server.url, fast_path=fast_path) as ear:
        await ear.until(Listening)
        await server.emit({"cv_code": "first"})
        await ear.hear(1)
        wanted = ["first"]
        for number in range(8):
            await asyncio.gather(server.burst(700, f"burst-{number}"), server.drop())
            wanted += [f"burst-{number}-{index}" for index in range(700)]
            assert (await ear.until(Listening)).recovered
        while len(events := [s for s in ear.signals if isinstance(s, ReceivedEvent)]) < len(wanted):
            await ear.next()
        assert codes(events) == wanted
        assert (await server.status())["recovered"] == 8


async def test_another_process_goes_on_where_the_journal_ends(
    start_node: Start, fast_path: bool
) -> None:
    server = await start_node(**RECOVERY)
    async with Ear(server.url, fast_path=fast_path) as ear:
        pid = (await ear.until(Listening)).pid
        await server.emit({"cv_code": "a"}, {"cv_code": "b"}, {"cv_code": "c"})
        events = await ear.hear(3)
    # Only the first had been committed when that process died.
    await server.emit({"cv_code": "d"})
    resume = Resume(pid, events[0].offset)
    async with Ear(server.url, fast_path=fast_path, resume=resume, first_seq=2) as ear:
        replayed = await ear.hear(3)
        assert codes(replayed) == ["b", "c", "d"]
        assert [event.seq for event in replayed] == [2, 3, 4]
        listening = await ear.until(Listening)
        assert (listening.recovered, listening.pid) == (True, pid)


async def test_a_server_that_restarted_has_forgotten_us(start_node: Start, fast_path: bool) -> None:
    server = await start_node(**RECOVERY)
    async with Ear(server.url, fast_path=fast_path) as ear:
        first = await ear.until(Listening)
        await server.emit({"cv_code": "a"})
        await ear.hear(1)
        await server.restart()
        again = await ear.until(Listening)
        assert (again.recovered, again.gap_reason) == (False, GapReason.NOT_RECOVERED)
        assert again.pid not in {None, first.pid}
        # The new session has its own offsets.
        await server.emit({"cv_code": "b"})
        await ear.hear(1)
        await server.drop()
        assert (await ear.until(Listening)).recovered


@pytest.mark.parametrize(
    ("transport", "reason", "gap_reason"),
    [
        ("websocket", "transport_closed", GapReason.NOT_RECOVERED),
        # There it can say so, and does.
        ("polling", "server_disconnect", GapReason.POLLING),
    ],
)
async def test_a_server_that_closes_in_order_has_forgotten_us_too(
    start_node: Start, fast_path: bool, transport: str, reason: str, gap_reason: GapReason
) -> None:
    """``io.close()``, without a connection being cut."""
    server = await start_node(**RECOVERY)
    async with Ear(server.url, fast_path=fast_path, transports=(transport,)) as ear:
        await ear.until(Listening)
        await server.emit({"cv_code": "a"})
        await ear.hear(1)
        await server.restart(politely=True)
        assert (await ear.until(Lost)).reason == reason
        assert (await ear.until(Listening)).gap_reason is gap_reason
        await server.emit({"cv_code": "b"})
        assert codes(await ear.hear(1)) == ["b"]


@pytest.mark.parametrize("close", [False, True], ids=["namespace", "connection"])
async def test_whom_the_server_throws_out_it_does_not_remember(
    start_node: Start, fast_path: bool, close: bool
) -> None:
    server = await start_node(**RECOVERY)
    async with Ear(server.url, fast_path=fast_path) as ear:
        await ear.until(Listening)
        await server.emit({"cv_code": "a"})
        await ear.hear(1)
        await server.control("kick", close=close)
        assert (await ear.until(Lost)).reason == "server_disconnect"
        again = await ear.until(Listening)
        assert (again.recovered, again.gap_reason) == (False, GapReason.NOT_RECOVERED)


@pytest.mark.parametrize("transports", [("websocket",), ("polling", "websocket")])
async def test_within_a_namespace_what_was_missed_is_replayed_too(
    start_node: Start, fast_path: bool, transports: tuple[str, ...]
) -> None:
    """However it is connected, by an upgrade too."""
    server = await start_node(namespace="/cv", **RECOVERY)
    options = {"namespace": "/cv", "backoff_first_s": 0.5, "backoff_cap_s": 1}
    async with Ear(server.url, fast_path=fast_path, transports=transports, **options) as ear:
        await ear.until(Listening)
        await server.emit({"cv_code": "before"})
        await ear.hear(1)
        await server.drop()
        await ear.until(Lost)
        await server.emit({"cv_code": "missed"})
        again = await ear.until(Listening)
        heard = [signal for signal in ear.signals if isinstance(signal, ReceivedEvent)]
        assert (again.recovered, codes(heard)) == (True, ["before", "missed"])


async def test_where_nothing_was_heard_nothing_can_be_recovered(
    start_node: Start, fast_path: bool
) -> None:
    server = await start_node(**RECOVERY)
    async with Ear(server.url, fast_path=fast_path) as ear:
        await ear.until(Listening)
        await server.drop()
        assert (await ear.until(Listening)).gap_reason is GapReason.NO_OFFSET


async def test_an_adapter_that_keeps_no_sessions_is_told_apart(
    start_node: Start, fast_path: bool
) -> None:
    server = await start_node(keeps_sessions=False, **RECOVERY)
    async with Ear(server.url, fast_path=fast_path) as ear:
        assert (await ear.until(Listening)).pid is not None
        await server.drop()
        # So far it may only be that nothing was emitted.
        assert (await ear.until(Listening)).gap_reason is GapReason.NO_OFFSET
        await server.emit({"cv_code": "a"})
        await ear.hear(1)
        await server.drop()
        assert (await ear.until(Listening)).gap_reason is GapReason.ADAPTER_WITHOUT_RECOVERY


async def test_any_event_of_the_session_has_an_offset_to_go_on_from(
    start_node: Start, fast_path: bool
) -> None:
    server = await start_node(**RECOVERY)
    async with Ear(server.url, fast_path=fast_path) as ear:
        await ear.until(Listening)
        await server.emit({"anything": 1}, event="something_else")
        await eventually(lambda: ear.source.recovery.offer() is not None)
        await server.drop()
        assert (await ear.until(Listening)).recovered


async def test_the_offset_is_no_argument_of_the_event(start_node: Start, fast_path: bool) -> None:
    server = await start_node(**RECOVERY)
    async with Ear(server.url, fast_path=fast_path) as ear:
        await ear.until(Listening)
        await server.emit(None, how="bare")
        await server.emit({"cv_code": "a"}, how="volatile")
        await server.emit({"cv_code": "b"}, how="ack")
        bare, volatile, acked = await ear.hear(3)
        assert bare.problem == "no_body" and bare.offset
        assert (volatile.code, volatile.offset) == ("a", None)
        assert (acked.code, acked.offset) == ("b", None)


async def test_a_server_without_recovery_keeps_its_last_argument(
    start: Start, fast_path: bool
) -> None:
    server = await start()
    async with Ear(server.url, fast_path=fast_path) as ear:
        assert (await ear.until(Listening)).pid is None
        await server.emit("just a text")
        (event,) = await ear.hear(1)
        assert (event.problem, event.offset) == ("not_an_object", None)


async def test_what_subscribes_us_is_not_repeated_in_a_recovered_session(
    start_node: Start, fast_path: bool
) -> None:
    server = await start_node(join="subscribe", **RECOVERY)
    on_connect = [OnConnect("subscribe")]
    async with Ear(server.url, fast_path=fast_path, on_connect=on_connect) as ear:
        await ear.until(Listening)
        await server.emit({"cv_code": "a"})
        await ear.hear(1)
        await server.drop()
        assert (await ear.until(Listening)).recovered
        assert (await server.status())["joins"] == 1
        await server.emit({"cv_code": "b"})
        assert codes(await ear.hear(1)) == ["b"]


async def test_over_polling_a_gap_is_told(start_node: Start, fast_path: bool) -> None:
    server = await start_node(transports=["polling"], **RECOVERY)
    async with Ear(server.url, fast_path=fast_path, transports=("polling",)) as ear:
        await ear.until(Listening)
        await server.emit({"cv_code": "a"})
        await ear.hear(1)
        await server.drop()
        again = await ear.until(Listening)
        assert (again.recovered, again.gap_reason) == (False, GapReason.POLLING)


async def test_a_stop_leaves_a_session_that_can_be_recovered(
    start_node: Start, fast_path: bool
) -> None:
    """A clean goodbye to the namespace would make the server forget the session."""
    server = await start_node(**RECOVERY)
    resume = Resume()
    for number in range(3):
        async with Ear(server.url, fast_path=fast_path, resume=resume) as ear:
            listening = await ear.until(Listening)
            assert listening.recovered is (number > 0)
            await server.emit({"cv_code": f"run-{number}"})
            (event,) = await ear.hear(1)
            resume = Resume(listening.pid, event.offset)


# ------------------------------------------------------------------------- what is said on the wire


async def test_the_last_offset_received_is_offered_though_not_yet_committed(
    fast_path: bool,
) -> None:
    offers = []

    async def session(peer: Peer) -> None:
        offers.append(offer_of(await peer.open()))
        if len(offers) > 1:
            await peer.event("c", "3")
        await peer.admit("pid")
        if len(offers) == 1:
            await peer.event("a", "1")
            await peer.event("b", "2")
        else:
            await peer.gone()

    async with ScriptedServer(session) as server, Ear(server.url, fast_path=fast_path) as ear:
        await eventually(lambda: ear.source.queue.events == 3)
        ear.source.committed("1")
        assert codes(await ear.hear(3)) == ["a", "b", "c"]
        assert (await ear.until(Listening)).recovered
        assert offers == [(None, None), ("pid", "2")]


async def test_a_replay_that_breaks_off_goes_on_where_it_broke(fast_path: bool) -> None:
    offers = []

    async def session(peer: Peer) -> None:
        offers.append(offer_of(await peer.open()))
        if len(offers) < 4:
            await peer.event(f"code-{len(offers)}", str(len(offers)))
            return
        await peer.admit("pid")
        await peer.gone()

    resume = Resume("pid", "0")
    async with (
        ScriptedServer(session) as server,
        Ear(server.url, fast_path=fast_path, resume=resume) as ear,
    ):
        assert (await ear.until(Listening)).recovered
        events = [signal for signal in ear.signals if isinstance(signal, ReceivedEvent)]
        assert [(event.code, event.replayed) for event in events] == [
            ("code-1", True),
            ("code-2", True),
            ("code-3", True),
        ]
        assert offers == [("pid", "0"), ("pid", "1"), ("pid", "2"), ("pid", "3")]


async def test_an_offset_that_brings_what_we_cannot_read_is_dropped(fast_path: bool) -> None:
    offers = []

    async def session(peer: Peer) -> None:
        offers.append(offer_of(await peer.open()))
        if offers[-1] != (None, None):
            await peer.event("x" * 5000, "2")
            await peer.gone()
            return
        await peer.admit("another")
        await peer.gone()

    options = {"resume": Resume("pid", "1"), "max_message_bytes": 4000}
    async with (
        ScriptedServer(session) as server,
        Ear(server.url, fast_path=fast_path, **options) as ear,
    ):
        failed = [await ear.until(ConnectFailed) for _ in range(3)]
        assert {failure.reason for failure in failed} == {"message_too_big"}
        listening = await ear.until(Listening)
        assert (listening.recovered, listening.gap_reason) == (False, GapReason.POISON)
        assert offers == [("pid", "1")] * 3 + [(None, None)]


async def test_a_refusal_costs_no_offset(fast_path: bool) -> None:
    offers = []

    async def session(peer: Peer) -> None:
        offers.append(offer_of(await peer.open()))
        if len(offers) < 15:
            await peer.send('44{"message":"not authorized"}')
        else:
            await peer.admit("pid")
        await peer.gone()

    async with (
        ScriptedServer(session) as server,
        Ear(server.url, fast_path=fast_path, resume=Resume("pid", "1")) as ear,
    ):
        assert (await ear.until(Listening)).recovered
        assert set(offers) == {("pid", "1")}


async def test_offsets_of_a_new_session_wait_until_the_reader_knows_of_it(
    fast_path: bool,
) -> None:
    """Stored beside the old session's id, they would prove at the next start what is not so."""

    async def session(peer: Peer) -> None:
        await peer.open()
        await peer.admit("new")
        await peer.event("early", "11")
        subscribe = await peer.receive()
        assert subscribe == '421["subscribe"]'
        await peer.send("431[]")
        await peer.event("late", "12")
        await peer.gone()

    options = {"resume": Resume("old", "1"), "on_connect": [OnConnect("subscribe")]}
    async with (
        ScriptedServer(session) as server,
        Ear(server.url, fast_path=fast_path, **options) as ear,
    ):
        early = await ear.next()
        assert isinstance(early, ReceivedEvent)
        assert (early.code, early.offset, early.replayed) == ("early", None, False)
        listening = await ear.next()
        assert isinstance(listening, Listening)
        assert (listening.pid, listening.gap_reason) == ("new", GapReason.NOT_RECOVERED)
        (late,) = await ear.hear(1)
        assert late.offset == "12"


async def test_what_only_looks_like_a_replay_or_an_offset(fast_path: bool) -> None:
    offers = []

    async def session(peer: Peer) -> None:
        offers.append(offer_of(await peer.open()))
        # Before its CONNECT, but nothing was asked for.
        await peer.event("early", "0")
        await peer.admit("pid")
        # An event that wants an answer carries no offset.
        await peer.send('421["cv_updated",{"cv_code":"asks"},"text"]')
        if len(offers) > 1:
            await peer.gone()

    async with ScriptedServer(session) as server, Ear(server.url, fast_path=fast_path) as ear:
        early, asks = await ear.hear(2)
        assert (early.code, early.replayed, early.offset) == ("early", False, None)
        assert (asks.code, asks.offset) == ("asks", None)
        await ear.until(Lost)
        await ear.until(Listening)
        assert offers == [(None, None)] * 2


async def test_the_offer_stands_beside_what_else_is_in_auth(fast_path: bool) -> None:
    seen = []

    async def session(peer: Peer) -> None:
        seen.append(await peer.open())
        await peer.send(event_frame("a", "1"))
        await peer.admit("pid")

    auth: dict[str, object] = {"token": "t0ken"}
    async with (
        ScriptedServer(session) as server,
        Ear(server.url, fast_path=fast_path, auth=lambda: auth, resume=Resume("pid", "0")) as ear,
    ):
        await ear.until(Listening)
        await ear.until(Lost)
    assert seen[0] == {"token": "t0ken", "pid": "pid", "offset": "0"}
    assert auth == {"token": "t0ken"}
