"""What is read after we stood still may have waited for us: no proof that we heard until now."""

from __future__ import annotations

import asyncio
import itertools
import time

from listener.adapters.socket_source import SocketSource
from listener.adapters.socket_source.link import CATCH_UP_S, STILL_S, End, FrameClock, Link
from listener.adapters.socket_source.reception import Reception
from listener.adapters.socket_source.recovery import Recovery
from listener.adapters.socket_source.signals import SignalQueue
from listener.core.names import CvCode, Millis
from listener.core.wire import EventBody
from listener.ports.event_source import Listening, Lost, ReceivedEvent, Resume

from .ear import Ear
from .scripted_server import Peer, ScriptedServer, event_frame


class Time:
    """A wall clock and a monotonic one, moved by hand."""

    def __init__(self) -> None:
        self.s = 1_000.0

    def now_ms(self) -> Millis:
        return Millis(round(self.s * 1000))

    def monotonic(self) -> float:
        return self.s


def a_clock() -> tuple[Time, FrameClock]:
    at = Time()
    clock = FrameClock(at.now_ms, at.monotonic)
    clock.tick()
    clock.turn()
    return at, clock


def test_a_frame_counts_while_the_loop_turns() -> None:
    at, clock = a_clock()
    for _ in range(30):
        at.s += 1.0
        clock.turn()
    clock.tick()
    assert (clock.last_ms, clock.last_at) == (at.now_ms(), at.s)


def test_a_frame_read_after_we_stood_still_says_that_the_server_lives_and_no_more() -> None:
    at, clock = a_clock()
    before_ms = at.now_ms()
    at.s += STILL_S + 1
    clock.tick()
    clock.turn()
    clock.tick()
    assert (clock.last_ms, clock.last_at) == (before_ms, at.s)
    at.s += CATCH_UP_S
    clock.turn()
    clock.tick()
    assert clock.last_ms == at.now_ms()


def test_the_loop_finds_it_out_where_no_frame_does() -> None:
    at, clock = a_clock()
    before_ms = at.now_ms()
    at.s += STILL_S + 1
    clock.turn()
    clock.tick()
    assert clock.last_ms == before_ms


def test_before_the_loop_is_watched_nothing_is_late() -> None:
    at, clock = a_clock()
    clock.restart()
    at.s += 60.0
    clock.tick()
    assert clock.last_ms == at.now_ms()


def test_an_event_that_waits_may_have_waited_before_it_was_received_too() -> None:
    at = Time()
    source = SocketSource(
        url="http://127.0.0.1:9", now_ms=at.now_ms, monotonic=at.monotonic, first_seq=1
    )
    source.clock.tick()
    source.clock.turn()
    before_ms = at.now_ms()
    at.s += STILL_S + 1
    source.clock.tick()
    source.queue.put(ReceivedEvent(1, at.now_ms(), CvCode("Ab1"), "{}"))
    assert source.handed_out_until_ms == before_ms


def test_an_event_read_after_we_stood_still_says_that_we_listened_before_and_no_more() -> None:
    """A connection that is deaf may have been so since the last event that it surely brought."""
    at, clock = a_clock()
    link = Link("/", clock)
    clock.turn()
    reception = Reception(
        SignalQueue(8),
        itertools.count(1),
        Recovery(Resume(None, None)),
        link,
        event="cv_updated",
        read=lambda args: EventBody(CvCode("Ab1"), None, "{}"),
        offered=lambda: None,
    )
    assert reception.take('["cv_updated",{"cv_code":"Ab1"}]')
    assert reception.heard_ms == at.now_ms()
    at.s += 1
    clock.tick()
    before_ms = at.now_ms()
    at.s += STILL_S + 1
    clock.tick()
    assert reception.take('["cv_updated",{"cv_code":"Ab1"}]')
    assert reception.heard_ms == before_ms


def test_an_overflow_after_we_stood_still_began_before_it() -> None:
    at, clock = a_clock()
    link = Link("/", clock)
    clock.turn()
    before_ms = at.now_ms()
    at.s += STILL_S + 1
    clock.tick()
    link.close(End("overflow", overflow=True))
    assert link.end_ms == before_ms


async def test_a_connection_that_broke_while_we_slept_is_lost_since_before(fast_path: bool) -> None:
    slept_s = 0.0
    sleep = asyncio.Event()

    async def scene(peer: Peer) -> None:
        nonlocal slept_s
        await peer.open(pingTimeout=10_000_000)
        await peer.admit()
        await sleep.wait()
        await peer.send(event_frame("buffered"))
        # The client has read none of it yet: nothing has been awaited.
        slept_s = 600.0

    def now_ms() -> Millis:
        return Millis(round((time.time() + slept_s) * 1000))

    def monotonic() -> float:
        return time.monotonic() + slept_s

    async with (
        ScriptedServer(scene) as server,
        Ear(server.url, fast_path=fast_path, monotonic=monotonic, now_ms=now_ms) as ear,
    ):
        listening = await ear.until(Listening)
        sleep.set()
        (event,) = await ear.hear(1)
        lost = await ear.until(Lost)
        assert event.code == "buffered"
        assert lost.at_ms < listening.at_ms + 100_000 < event.heard_ms
