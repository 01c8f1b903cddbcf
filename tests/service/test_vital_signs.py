"""Whether it lives: as the journal and the loop show it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

from listener.core.names import SubmissionId
from listener.service.front import ServiceFront
from listener.service.service import Service, ServicePolicy, World
from tests.adapters.web.rig import Beyond, Ear, Lines, RealClock
from tests.fakes.journal_memory import MemoryJournal
from tests.fakes.spool_memory import MemorySpool


class Gate:
    """What each write of the journal waits for, twice."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.writes = 0

    async def __call__(self) -> None:
        self.writes += 1
        await self.open.wait()


@asynccontextmanager
async def front(journal: MemoryJournal, **policy: float) -> AsyncIterator[ServiceFront]:
    """A front whose service need not run."""
    clock = RealClock()
    ear = Ear(clock, 0)
    numbers = count(1)
    world = World(
        journal=journal,
        spool=MemorySpool(),
        upstream=Beyond(clock, ear),
        source=ear,
        clock=clock,
        log=Lines(),
        new_id=lambda: SubmissionId(f"0199a1b2-0000-7000-8000-{next(numbers):012x}"),
    )
    yield ServiceFront(Service(world, ServicePolicy(**policy)), world)  # type: ignore[arg-type]  # any number, by name


async def test_a_journal_whose_writer_is_held_is_slow_and_then_dead() -> None:
    gate = Gate()
    gate.open.clear()
    async with front(MemoryJournal(pause=gate), journal_silent_s=0.8) as house:
        slow = await house.alive()
        assert (slow.alive, [check.name for check in slow.checks]) == (True, ["loop", "journal"])
        assert slow.checks[1].detail.startswith("no answer for 0.")
        (check,) = (await house.readiness()).failing[:1]
        assert check.name == "journal"
        dead = await house.alive()
        assert (dead.alive, [check.name for check in dead.failing]) == (False, ["journal"])
        assert dead.failing[0].detail.startswith("no answer for ")
        assert gate.writes == 1, "it is asked once, however often we look"
        gate.open.set()
        assert "journal" not in [check.name for check in (await house.readiness()).failing]
        assert (await house.alive()).alive


async def test_whoever_asks_at_one_time_shares_one_write() -> None:
    gate = Gate()
    async with front(MemoryJournal(pause=gate)) as house:
        await asyncio.gather(*(house.alive() for _ in range(50)), house.readiness())
        await house.alive()
        assert gate.writes == 2, "one write, and two pauses in it"


async def test_a_journal_that_failed_is_dead_and_ends_the_service() -> None:
    journal = MemoryJournal()
    async with front(journal) as house:
        journal.break_down("a broken disk")
        dead = await house.alive()
        assert [(c.name, c.detail) for c in dead.failing] == [
            ("journal", "failed; the log says how")
        ]
        assert (await house.alive()).failing == dead.failing


async def test_a_loop_of_which_a_turn_takes_too_long_is_dead() -> None:
    async with front(MemoryJournal(), loop_lag_s=0.05) as house:
        assert (await house.alive()).alive
        asking = asyncio.ensure_future(house.alive())
        # Behind the first step of the asking, and before the second: the turn that it measures.
        asyncio.get_running_loop().call_soon(time.sleep, 0.1)
        dead = await asking
        assert [check.name for check in dead.failing] == ["loop"]
        assert (await house.alive()).alive
