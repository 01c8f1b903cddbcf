"""Each gap's account is told once, when nothing that it touched is open, and as its row has it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from listener.adapters.clock import SystemClock
from listener.core.catalogue import CATALOGUE
from listener.core.event_spec import Level
from listener.core.evidence import Gap
from listener.core.names import CvCode, Millis, Outcome, State
from listener.ports.gaps import GapRow
from listener.service.gap_book import GapBook
from listener.service.reactor import at_once
from tests.contract.test_journal_gaps import GAP, ended, have_gap, put, sent, waiting
from tests.fakes.journal_memory import MemoryJournal
from tests.simulation.life import Life
from tests.simulation.loop import VirtualLoop, run_virtual

from .test_hearing import listening
from .test_rooms import CODE, crash, lived, service_of, start, submit, until


async def never() -> None:
    """A log that nobody reads."""
    await asyncio.Event().wait()


class Told:
    """Implements ``ports.log.Log``."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def emit(self, event: str, /, **fields: object) -> None:
        assert event == "gap.settled"
        assert fields.keys() <= set(CATALOGUE[event].fields)
        self.lines.append({name: value for name, value in fields.items() if value is not None})

    def ref(self, code: CvCode) -> str:
        return "cv_0"


class Counted(MemoryJournal):
    """Counts how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    async def ripe_gaps(self, limit: int) -> list[GapRow]:
        self.asked += 1
        return await super().ripe_gaps(limit)


def kept(story: Callable[[MemoryJournal, Told], Awaitable[None]]) -> None:
    """A story over an empty journal, on virtual time."""

    async def main(_: VirtualLoop) -> None:
        await story(Counted(), Told())

    run_virtual(1, main)


def opened(
    journal: MemoryJournal, told: Told, written: Callable[[], Awaitable[None]] = at_once
) -> tuple[GapBook, asyncio.Task[None]]:
    """A book that runs."""
    book = GapBook(journal, SystemClock(), told, written)

    async def run() -> None:
        await book.recover()
        await book.run()

    return book, asyncio.create_task(run())


async def shut(running: asyncio.Task[None]) -> None:
    running.cancel()
    await asyncio.wait({running})


async def settled(journal: MemoryJournal) -> list[bool]:
    return [row.settled_ms is not None for row in await journal.gaps(None, 99)]


def test_a_gap_is_told_once_nothing_that_it_touched_is_open() -> None:
    async def story(journal: MemoryJournal, told: Told) -> None:
        book, running = opened(journal, told)
        await have_gap(journal)
        one = waiting(1, sent(10))
        two = (ended(2, 10, 150), ended(3, 120, 130), ended(4, 120, 300, Outcome.PRESUMED))
        await put(journal, one, *two)
        await asyncio.sleep(60)
        assert (told.lines, await settled(journal)) == ([], [False])
        await put(journal, ended(1, 10, 900), *two)
        book.wake()
        await asyncio.sleep(1.1)
        assert await settled(journal) == [True]
        assert told.lines == [
            {
                "gap_reason": "polling",
                "since": "2025-10-09T08:53:20.100Z",
                "until": "2025-10-09T08:53:20.200Z",
                "duration_ms": 100,
                "touched": 4,
                "became": {"confirmed": 3, "presumed": 1},
                "worst": "presumed",
            }
        ]
        await asyncio.sleep(60)
        assert len(told.lines) == 1
        await shut(running)

    kept(story)


def test_a_gap_that_touched_nothing_is_settled_without_a_word() -> None:
    async def story(journal: MemoryJournal, told: Told) -> None:
        _, running = opened(journal, told)
        for moment in range(200):
            await have_gap(journal, Gap(Millis(moment), Millis(moment), "polling"))
        await put(journal, ended(1, 10, 20), waiting(2, sent(201)))
        await asyncio.sleep(7)
        assert await settled(journal) == [True] * 99
        assert await journal.ripe_gaps(9) == []
        assert told.lines == []
        await shut(running)

    kept(story)


def test_it_is_a_warning_where_any_did_not_end_confirmed() -> None:
    touchable = (Outcome.CONFIRMED, Outcome.PRESUMED, Outcome.UNCONFIRMED, Outcome.NOT_DISPATCHED)
    levels = [CATALOGUE["gap.settled"].level_of({"worst": outcome}) for outcome in touchable]
    assert levels == [Level.INFO, Level.WARNING, Level.WARNING, Level.WARNING]


def test_the_worst_is_the_least_certain() -> None:
    async def story(journal: MemoryJournal, told: Told) -> None:
        await have_gap(journal)
        every = (Outcome.UNCONFIRMED, Outcome.CONFIRMED, Outcome.NOT_DISPATCHED, Outcome.PRESUMED)
        await put(journal, *(ended(n, 10, 150, outcome) for n, outcome in enumerate(every, 1)))
        _, running = opened(journal, told)
        await asyncio.sleep(1)
        (line,) = told.lines
        assert list(line["became"]) == ["confirmed", "presumed", "unconfirmed", "not_dispatched"]
        assert line["worst"] == "not_dispatched"
        await shut(running)

    kept(story)


def test_news_of_a_second_is_looked_at_once() -> None:
    async def story(journal: MemoryJournal, told: Told) -> None:
        assert isinstance(journal, Counted)
        book, running = opened(journal, told)
        for _ in range(1_000):
            book.wake()
            await asyncio.sleep(0.01)
        # One at the recovery, and one a second.
        assert 9 <= journal.asked <= 12
        await shut(running)

    kept(story)


def test_a_line_that_a_crash_may_have_followed_is_repeated_and_says_so() -> None:
    async def story(journal: MemoryJournal, told: Told) -> None:
        _, running = opened(journal, told, never)
        await asyncio.sleep(0.1)
        await have_gap(journal)
        await put(journal, ended(1, 10, 150))
        await asyncio.sleep(10)
        assert await settled(journal) == [False], "nobody has read the line"
        await shut(running)
        journal = journal.reopened()
        await have_gap(journal)
        _, running = opened(journal, told)
        await asyncio.sleep(1)
        await have_gap(journal, Gap(GAP.start_ms, GAP.end_ms, "overflow"))
        await asyncio.sleep(7)
        assert await settled(journal) == [True] * 3
        assert [line.get("repeated") for line in told.lines] == [None, True, True, None]
        await shut(running)

    kept(story)


def test_what_is_repeated_is_what_was_said() -> None:
    """Whatever this run makes of the submissions before it is told."""

    async def story(journal: MemoryJournal, told: Told) -> None:
        _, running = opened(journal, told, never)
        await asyncio.sleep(0.1)
        await have_gap(journal)
        await put(journal, ended(1, 10, 150))
        await asyncio.sleep(10)
        await shut(running)
        journal = journal.reopened()
        book = GapBook(journal, SystemClock(), told)
        await book.recover()
        await put(journal, ended(1, 10, 20))
        running = asyncio.create_task(book.run())
        await asyncio.sleep(1)
        first, second = told.lines
        assert second == {**first, "repeated": True}
        (row,) = await journal.gaps(None, 9)
        assert row.account.became == {Outcome.CONFIRMED: 1}
        await shut(running)

    kept(story)


def of(life: Life, event: str) -> list[dict[str, Any]]:
    return [line.fields for line in life.log.lines if line.event == event]


async def deaf_for(life: Life, seconds: float) -> None:
    life.server.up = False
    life.server.cut()
    await service_of(life).hearer.wait_change()
    await asyncio.sleep(seconds)
    life.server.up = True
    await listening(life)


def test_the_lines_of_an_incident_agree_with_its_row() -> None:
    async def story(life: Life) -> None:
        await listening(life)
        names = [await submit(life, CvCode(f"{CODE}{number}")) for number in range(3)]
        for name in names:
            await until(life, name, State.AWAITING)
        await deaf_for(life, 5)
        for name in names:
            await until(life, name, State.CLOSED)
        await asyncio.sleep(1.1)
        (restored,) = of(life, "subscription.restored")
        (told,) = of(life, "gap.settled")
        assert restored["touched"] == told["touched"] == 3
        for field in ("since", "until", "duration_ms"):
            assert restored[field] == told[field]
        assert (told["became"], told["worst"]) == ({"presumed": 3}, "presumed")
        row = (await service_of(life)._world.journal.gaps(None, 1))[0]
        assert row.account.became == {Outcome.PRESUMED: 3}
        assert row.settled_ms is not None

    lived(story, recovery=False, events={"silent": 1.0})


def test_a_gap_of_an_earlier_run_is_told_by_the_next() -> None:
    async def story(life: Life) -> None:
        await listening(life)
        name = await submit(life, CODE)
        await until(life, name, State.AWAITING)
        await deaf_for(life, 1)
        await crash(life)
        assert of(life, "gap.settled") == []
        await start(life)
        await until(life, name, State.CLOSED)
        await asyncio.sleep(7)
        told = of(life, "gap.settled")
        assert [line["gap_reason"] for line in told] == ["no_recovery_offered", "started"]
        first = of(life, "subscription.established")[-1]
        for field in ("since", "until"):
            assert first[field] == told[-1][field]
        assert [line["touched"] for line in told] == [1, 1]
        assert not any("repeated" in line for line in told)

    lived(story, recovery=False, events={"silent": 1.0})


def test_what_was_told_and_not_settled_is_told_again_after_a_crash() -> None:
    async def story(life: Life) -> None:
        await listening(life)
        service_of(life).gap_book._written = never
        name = await submit(life, CODE)
        await until(life, name, State.AWAITING)
        await deaf_for(life, 1)
        await until(life, name, State.CLOSED)
        await asyncio.sleep(7)
        await crash(life)
        await start(life)
        await asyncio.sleep(7)
        told = of(life, "gap.settled")
        first, second = (line for line in told if line["gap_reason"] != "started")
        assert second == {**first, "repeated": True}

    lived(story, recovery=False, events={"silent": 1.0})
