"""Events other than cv_updated: kept before they are told, told in order, each for itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from listener.adapters.clock import SystemClock
from listener.core.names import CvCode, Millis
from listener.core.policy import Policy
from listener.ports.event_source import (
    EventSource,
    Listening,
    OtherEvent,
    OthersDropped,
    ReceivedEvent,
    Resume,
    Signal,
)
from listener.ports.inbound import EventHandler, InboundEvent, InboundRow, Placed
from listener.ports.journal import InboxRow
from listener.ports.reaction import HandlerFailed
from listener.service.ear import Hearer
from listener.service.engine import Engine
from listener.service.inbound import Inbound
from tests.adapters.logs.sinks import Written, written
from tests.fakes import journal_memory
from tests.fakes.journal_memory import MemoryJournal
from tests.simulation.loop import VirtualLoop, run_virtual

HOUR = 3_600.0
SECRET = "Cv9E#nH4$xTz8!pY2aW^mK6rL"
T0_S = 1_700_000_000


class Given(EventSource):
    """A source whose signals are given."""

    def __init__(self) -> None:
        self.signals: asyncio.Queue[Signal] = asyncio.Queue()
        self.offsets: list[str] = []

    async def run(self) -> None:
        raise NotImplementedError

    async def next_batch(self, limit: int) -> list[Signal]:
        batch = [await self.signals.get()]
        while not self.signals.empty():
            batch.append(self.signals.get_nowait())
        return batch

    def pending(self, code: CvCode) -> bool:
        return False

    def doubt(self) -> None:
        raise NotImplementedError

    def hurry(self) -> None:
        raise NotImplementedError

    def committed(self, offset: str) -> None:
        self.offsets.append(offset)

    @property
    def handed_out_until_ms(self) -> Millis | None:
        return None

    @property
    def last_frame_ms(self) -> Millis | None:
        return None

    @property
    def backlog(self) -> int:
        return self.signals.qsize()


class Watched(MemoryJournal):
    """Notes what was written with which events."""

    def __init__(self) -> None:
        super().__init__()
        self.together: list[tuple[list[str], list[int], Resume | None]] = []

    async def append_inbound(
        self, events: Sequence[InboundRow], rows: Sequence[InboxRow], resume: Resume | None = None
    ) -> list[Placed]:
        placed = await super().append_inbound(events, rows, resume)
        self.together.append(([e.event for e in events], [r.heard.seq for r in rows], resume))
        return placed


class Ward:
    """A journal, a log, and an ear that runs, with handlers behind it."""

    def __init__(self, loop: VirtualLoop, sink: Written) -> None:
        self.loop = loop
        self.sink = sink
        self.journal: MemoryJournal = Watched()
        self.source = Given()
        self.clock = SystemClock(lambda: T0_S * 10**9, lambda: int(self.loop.time() * 1e9))
        self.hearer: Hearer | None = None

    @asynccontextmanager
    async def running(self, *handlers: EventHandler) -> AsyncIterator[None]:
        """One run of the process; it ends as a process does that is killed."""
        self.source = Given()
        engine = Engine(self.journal, self.clock, Policy(), self.sink.log)
        inbound = Inbound(self.journal, self.clock, self.sink.log, handlers)
        await inbound.recover((await self.journal.first_look()).inbound)
        self.hearer = Hearer(
            self.source,
            self.journal,
            engine,
            self.clock,
            self.sink.log,
            unsettled_ms=1,
            late_window_ms=1,
            gap_ended=lambda: None,
            inbound=inbound,
        )
        tasks = [asyncio.create_task(self.hearer.run())]
        if not inbound.idle:
            tasks.append(asyncio.create_task(inbound.run()))
        try:
            yield
            assert not any(task.done() for task in tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            self.journal = self.journal.reopened()

    def now_ms(self) -> Millis:
        return self.clock.now_ms()

    def hear(self, name: str, payload: str = "[]", **more: Any) -> None:
        signal = OtherEvent(name, self.now_ms(), payload, len(payload.encode()), **more)
        self.source.signals.put_nowait(signal)

    def hear_update(self, seq: int, offset: str | None = None) -> None:
        code = CvCode(f"updated-{seq}")
        self.source.signals.put_nowait(ReceivedEvent(seq, self.now_ms(), code, "{}", offset=offset))

    def lines(self, event: str) -> list[dict[str, Any]]:
        return self.sink.of(event)


def played(story: Callable[[Ward], Awaitable[None]]) -> None:
    async def main(loop: VirtualLoop) -> None:
        with written() as sink:
            await story(Ward(loop, sink))
            assert SECRET not in sink.text

    run_virtual(1, main)


class Told:
    """A handler that notes what it was told, and does what it is told to."""

    def __init__(self, answer: Callable[[InboundEvent], Awaitable[None]] | None = None) -> None:
        self._answer = answer
        self.events: list[InboundEvent] = []

    async def __call__(self, event: InboundEvent) -> None:
        self.events.append(event)
        if self._answer is not None:
            await self._answer(event)

    @property
    def sequences(self) -> list[int]:
        return [event.sequence for event in self.events]


def handler(name: str, handle: Told, *events: str, timeout_s: float = 30.0) -> EventHandler:
    return EventHandler(f"own:{name}", handle, frozenset(events or ("viewed",)), timeout_s)


async def hang(_: InboundEvent) -> None:
    await asyncio.Event().wait()


async def fail(_: InboundEvent) -> None:
    raise HandlerFailed("not now")


# ---------------------------------------------------------------------------------- what is told


def test_it_is_told_what_was_heard() -> None:
    async def story(ward: Ward) -> None:
        own = Told()
        async with ward.running(handler("a", own, "viewed", "left")):
            ward.hear("viewed", f'[{{"cv_code":"{SECRET}","n":[1,null]}},"x"]')
            await asyncio.sleep(0.5)
            ward.hear("left", replayed=True)
            await asyncio.sleep(0.5)
        first, second = own.events
        assert (first.name, first.args) == ("viewed", ({"cv_code": SECRET, "n": [1, None]}, "x"))
        assert (first.sequence, first.replayed) == (1, False)
        heard_at = datetime.fromtimestamp(T0_S, UTC) + timedelta(seconds=own.events[0].sequence - 1)
        assert abs(first.heard_at - heard_at) < timedelta(seconds=1)
        assert (second.name, second.args, second.sequence) == ("left", (), 2)
        assert second.replayed
        assert SECRET not in repr(first)
        assert await ward.journal.inbound_waiting() == {}, "nothing of it stays"

    played(story)


def test_lines_name_event_handler_sequence_and_size_and_no_more() -> None:
    async def story(ward: Ward) -> None:
        own = Told(fail)
        async with ward.running(handler("a", own)):
            ward.hear("viewed", f'["{SECRET}"]')
            await asyncio.sleep(0.5)
        (stored,) = ward.lines("event.stored")
        (failed,) = ward.lines("handler.failed")
        for line in (stored, failed):
            assert (line["heard_event"], line["handler"]) == ("viewed", "own:a")
            assert (line["seq"], line["size"]) == (1, len(SECRET) + 4)

    played(story)


def test_they_are_told_in_order_one_at_a_time_whatever_fails() -> None:
    async def story(ward: Ward) -> None:
        under_way = 0

        async def answer(event: InboundEvent) -> None:
            nonlocal under_way
            assert under_way == 0
            under_way += 1
            await asyncio.sleep(1)
            under_way -= 1
            if event.sequence == 2 and own.sequences.count(2) < 3:
                raise HandlerFailed("not now")

        own = Told(answer)
        async with ward.running(handler("a", own, "viewed", "left")):
            for name in ("viewed", "left", "viewed", "left"):
                ward.hear(name)
            await asyncio.sleep(60)
        assert own.sequences == [1, 2, 2, 2, 3, 4]

    played(story)


def test_what_a_crash_took_the_end_of_is_told_again_as_the_same() -> None:
    async def story(ward: Ward) -> None:
        own, again = Told(hang), Told()
        async with ward.running(handler("a", own)):
            for number in range(3):
                ward.hear("viewed", f"[{number}]")
            await asyncio.sleep(1)
            assert own.sequences == [1]
        async with ward.running(handler("a", again)):
            ward.hear("viewed", "[3]")
            await asyncio.sleep(1)
        assert [(e.sequence, e.args) for e in again.events] == [
            (number + 1, (number,)) for number in range(4)
        ]
        assert own.events[0] == again.events[0]
        async with ward.running(handler("a", again)):
            ward.hear("viewed", "[4]")
            await asyncio.sleep(1)
        assert again.sequences == [1, 2, 3, 4, 5], "a number stands for one event for ever"

    played(story)


# ------------------------------------------------------------------------------ each for itself


def test_one_that_fails_or_hangs_holds_up_neither_others_nor_the_hearing() -> None:
    async def story(ward: Ward) -> None:
        failing, hanging, good = Told(fail), Told(hang), Told()
        async with ward.running(
            handler("bad", failing), handler("slow", hanging), handler("good", good)
        ):
            for number in range(1, 6):
                ward.hear("viewed", f"[{number}]")
                ward.hear_update(number)
            await asyncio.sleep(20)
            assert good.sequences == [1, 2, 3, 4, 5]
            assert (set(failing.sequences), hanging.sequences) == ({1}, [1])
            assert ward.hearer is not None and ward.hearer.heard_count == 5
            assert await ward.journal.highest_seq() == 5
        assert await ward.journal.inbound_waiting() == {"own:bad": 5, "own:slow": 5}

    played(story)


def test_what_nobody_takes_in_a_day_is_given_up_and_the_next_has_its_turn() -> None:
    async def story(ward: Ward) -> None:
        async def answer(event: InboundEvent) -> None:
            if event.args == ("poison",):
                raise HandlerFailed("never")

        own = Told(answer)
        async with ward.running(handler("a", own)):
            ward.hear("viewed", '["poison"]')
            await asyncio.sleep(20 * HOUR)
            ward.hear("viewed", '["later"]')
            await asyncio.sleep(3.9 * HOUR)
            assert set(own.sequences) == {1}
            assert len(own.sequences) > 24 * 3, "no try is put off for longer than a quarter hour"
            await asyncio.sleep(0.5 * HOUR)
        assert own.sequences[-1] == 2
        (line,) = ward.lines("event.expired")
        assert (line["heard_event"], line["handler"], line["count"]) == ("viewed", "own:a", 1)
        assert line["level"] == "error"

    played(story)


def test_what_waits_for_a_function_that_is_not_named_any_more_is_told_of_and_deleted() -> None:
    async def story(ward: Ward) -> None:
        async with ward.running(handler("a", Told(hang))):
            ward.hear("viewed")
            ward.hear("viewed")
            await asyncio.sleep(1)
        async with ward.running():
            await asyncio.sleep(23 * HOUR)
            assert await ward.journal.inbound_waiting() == {"own:a": 2}
            await asyncio.sleep(1.1 * HOUR)
            assert await ward.journal.inbound_waiting() == {}
        (line,) = ward.lines("event.unclaimed")
        assert (line["handler"], line["waiting"]) == ("own:a", 2)
        assert [line["count"] for line in ward.lines("event.expired")] == [2]

    played(story)


# ------------------------------------------------------------------------------------ the journal


def test_nothing_is_told_or_acknowledged_before_it_is_on_disk_with_its_offset() -> None:
    async def story(ward: Ward) -> None:
        own, acks = Told(), list[str]()
        async with ward.running(handler("a", own)):
            journal = ward.journal
            assert isinstance(journal, Watched)

            async def acknowledge() -> None:
                assert journal.together
                acks.append("viewed")

            up = Listening(ward.now_ms(), False, None, "pid", "websocket")
            ward.source.signals.put_nowait(up)
            ward.hear_update(7, "offset-1")
            ward.hear("viewed", offset="offset-2", acknowledge=acknowledge)
            ward.hear_update(8)
            await asyncio.sleep(1)
            assert journal.together == [(["viewed"], [7, 8], Resume("pid", "offset-2"))]
            assert (own.sequences, acks, ward.source.offsets) == ([1], ["viewed"], ["offset-2"])
            ward.hear("viewed", "", problem="too_large", offset="offset-3")
            await asyncio.sleep(1)
            assert journal.together[1] == ([], [], Resume("pid", "offset-3"))
            assert await journal.resume_cursor() == Resume("pid", "offset-3")

    played(story)


def test_what_is_dropped_is_counted_and_said_and_in_nobody_s_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(journal_memory, "BACKLOG_MOST", 2)

    async def story(ward: Ward) -> None:
        good = Told()
        async with ward.running(handler("slow", Told(hang)), handler("good", good)):
            for number in range(1, 6):
                ward.hear("viewed")
                ward.hear_update(number)
                await asyncio.sleep(1)
            ward.hear("viewed", "", problem="not_json")
            ward.source.signals.put_nowait(OthersDropped(ward.now_ms(), "viewed", 5))
            ward.source.signals.put_nowait(OthersDropped(ward.now_ms(), "viewed", 2))
            ward.source.signals.put_nowait(OthersDropped(ward.now_ms(), "viewed", 2))
            ward.hear_update(6)
            await asyncio.sleep(1)
            assert good.sequences == [1, 2, 3, 4, 5]
            assert ward.hearer is not None and ward.hearer.heard_count == 6
        assert await ward.journal.inbound_waiting() == {"own:slow": 2}
        lines = ward.lines("event.dropped")
        assert {line["level"] for line in lines} == {"warning"}
        assert [(line["reason"], line["count"]) for line in lines] == [
            *(("backlog_full", 1), ("backlog_full", 2), ("not_json", 1)),
            *(("flood", 5), ("flood", 9)),
        ]
        assert {line.get("handler") for line in lines[:2]} == {"own:slow"}

    played(story)


def test_where_no_function_is_named_there_is_nothing_to_run() -> None:
    async def story(ward: Ward) -> None:
        assert Inbound(ward.journal, ward.clock, ward.sink.log).idle
        async with ward.running():
            ward.hear_update(1)
            await asyncio.sleep(1)
            assert isinstance(ward.journal, Watched) and ward.journal.together == []

    played(story)
