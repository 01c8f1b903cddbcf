"""Events of other names that the source is asked to hear: as they are, in their place, never in the
way of ours. Over both servers and both paths."""

from __future__ import annotations

import itertools
import time

import pytest

from listener.adapters.socket_source import signals
from listener.adapters.socket_source.link import FrameClock, Link
from listener.adapters.socket_source.packets import Arrival, fast_prefixes
from listener.adapters.socket_source.reception import Reception
from listener.adapters.socket_source.recovery import Recovery
from listener.adapters.socket_source.signals import SignalQueue
from listener.core.names import CvCode, Millis
from listener.core.wire import read_event
from listener.ports.event_source import (
    Listening,
    Lost,
    OtherEvent,
    OthersDropped,
    ReceivedEvent,
    Resume,
    Signal,
)
from listener.ports.inbound import PAYLOAD_MOST

from .conftest import Start
from .ear import Ear, eventually, now_ms

OTHERS = ("viewed", "gelöscht")


async def heard(ear: Ear, count: int) -> list[OtherEvent]:
    found: list[OtherEvent] = []
    while len(found) < count:
        if isinstance(signal := await ear.next(), OtherEvent):
            found.append(signal)
    return found


async def test_they_are_heard_as_they_are_and_in_their_place(start: Start, fast_path: bool) -> None:
    server = await start()
    async with Ear(server.url, fast_path=fast_path, others=OTHERS) as ear:
        await ear.until(Listening)
        before = now_ms()
        await server.emit({"cv_code": "a"})
        await server.emit({"n": [1, None, "ü"]}, event="viewed")
        await server.emit({"cv_code": "unknown"}, event="something_else")
        await server.emit({"cv_code": "b"})
        await server.emit("plain", event="gelöscht")
        await server.emit({"cv_code": "c"})
        found: list[Signal] = []
        while not (found and isinstance(found[-1], ReceivedEvent) and found[-1].code == "c"):
            found.append(await ear.next())
        names = [s.name if isinstance(s, OtherEvent) else getattr(s, "code", s) for s in found]
        assert names == ["a", "viewed", "b", "gelöscht", "c"]
        assert [s.seq for s in found if isinstance(s, ReceivedEvent)] == [1, 2, 3]
        first, second = (s for s in found if isinstance(s, OtherEvent))
        assert (first.payload, second.payload) == ('[{"n":[1,null,"ü"]}]', '["plain"]')
        assert first.size == len(first.payload.encode())
        assert (first.problem, first.replayed, first.acknowledge) == (None, False, None)
        assert before <= first.heard_ms <= now_ms()
        assert "null" not in repr(first)


async def test_an_ack_goes_out_after_the_commit_and_of_what_cannot_be_kept_too(
    start: Start, fast_path: bool
) -> None:
    server = await start()

    async def acked(count: int) -> bool:
        return len((await server.status())["acks"]) >= count

    async with Ear(server.url, fast_path=fast_path, others=OTHERS) as ear:
        await ear.until(Listening)
        await server.emit({"cv_code": "a"}, event="viewed", how="ack")
        await server.emit({"cv_code": "b"}, event="viewed", how="binary")
        await server.emit({"cv_code": "c", "x": "x" * PAYLOAD_MOST}, event="viewed", how="ack")
        first, binary, large = await heard(ear, 3)
        assert not await acked(1)
        assert (binary.problem, binary.payload) == ("not_json", "")
        assert (large.problem, large.payload) == ("too_large", "")
        assert large.size > PAYLOAD_MOST
        for event in (first, large):
            assert event.acknowledge is not None
            await event.acknowledge()
        await eventually(lambda: acked(2))


async def test_they_carry_offsets_and_are_replayed(start_node: Start, fast_path: bool) -> None:
    server = await start_node(recovery_ms=120_000)
    async with Ear(server.url, fast_path=fast_path, others=OTHERS, backoff_first_s=0.3) as ear:
        await ear.until(Listening)
        await server.emit({"n": 1}, event="viewed")
        (first,) = await heard(ear, 1)
        assert first.offset is not None and first.payload == '[{"n":1}]'
        await server.drop()
        await ear.until(Lost)
        await server.emit({"n": 2}, event="viewed")
        (second,) = await heard(ear, 1)
        assert (second.payload, second.replayed) == ('[{"n":2}]', True)
        assert second.offset not in (None, first.offset)
        assert (await ear.until(Listening)).recovered


# ------------------------------------------------------------------------------------ the bounds


def other(size: int = 2, name: str = "viewed") -> OtherEvent:
    return OtherEvent(name, Millis(size), "x" * size, size)


def test_a_flood_is_dropped_and_counted_and_ours_keep_their_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signals, "OTHERS_MOST", 3)
    monkeypatch.setattr(signals, "OTHERS_BYTES", 100)
    queue, ours = SignalQueue(2), ReceivedEvent(1, Millis(1), CvCode("a"), "{}")
    assert [queue.put_other(other()) for _ in range(5)] == [True, True, True, False, False]
    assert not queue.put_other(other(3, "left"))
    assert (queue.events, queue.full) == (0, False)
    queue.put(ours)
    dropped = [OthersDropped(Millis(2), "viewed", 2), OthersDropped(Millis(3), "left", 1)]
    assert queue.drain(2) == [other(), other(), *dropped], "told once, with the next"
    assert [queue.put_other(other(size)) for size in (98, 99, 1)] == [True, False, False]
    assert queue.oldest_ms == Millis(2)
    assert len(queue.drain(9)) == 4
    assert queue.put_other(other(100))


def reception(queue: SignalQueue, recovery: Recovery) -> Reception:
    made = Reception(
        queue,
        itertools.count(1),
        recovery,
        Link("/", FrameClock(now_ms, time.monotonic)),
        event="cv_updated",
        others=OTHERS,
        read=read_event,
        offered=recovery.offer,
    )
    made.connected = False
    return made


async def test_after_an_event_of_ours_that_was_lost_no_offset_of_theirs_is_remembered() -> None:
    queue, recovery = SignalQueue(1), Recovery(Resume("pid", "offset-0"))
    ear = reception(queue, recovery)
    assert ear.take('["viewed",1,"offset-1"]')
    assert recovery.offer() == Resume("pid", "offset-1")
    for number in (2, 3):
        assert ear.take(f'["cv_updated",{{"cv_code":"{number}"}},"offset-{number}"]')
    assert ear.take('["viewed",4,"offset-4"]')
    await ear.handle(Arrival("viewed", wants_ack=False), 5, "offset-5")
    assert recovery.offer() == Resume("pid", "offset-2")
    first, second = queue.drain(9)
    assert isinstance(first, OtherEvent) and (first.payload, first.offset) == ("[1]", "offset-1")
    assert isinstance(second, ReceivedEvent)


async def test_one_for_which_there_is_no_room_is_acknowledged_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signals, "OTHERS_MOST", 0)
    queue = SignalQueue(1)
    await reception(queue, Recovery(Resume())).handle(Arrival("viewed", wants_ack=True), 1)
    assert len(queue) == 0


@pytest.mark.parametrize("args", ['"\\ud800"', "[" * 300 + "]" * 300])
async def test_what_no_file_could_hold_is_dropped(args: str) -> None:
    queue = SignalQueue(1)
    ear = reception(queue, Recovery(Resume()))
    if not ear.take(f'["viewed",{args}]'):
        await ear.handle(Arrival("viewed", wants_ack=False), "\ud800")
    (event,) = queue.drain(1)
    assert isinstance(event, OtherEvent) and (event.problem, event.payload) == ("not_json", "")


def test_their_frames_go_by_the_fast_path() -> None:
    prefixes, at = fast_prefixes("cv_updated", "/", ["viewed", "gelöscht"])
    assert prefixes == (
        '42["cv_updated",',
        '42["gel\\u00f6scht",',
        '42["gelöscht",',
        '42["viewed",',
    )
    assert at == 2
