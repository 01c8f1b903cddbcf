"""Every fault of the line at every stage of a POST, against the whole daemon: how the attempt ends,
what becomes of the update, and that it was applied once."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import assert_never

from listener.core.names import Outcome
from tests.record import FOLDER, write_record
from tests.record import Cell as Shown

from .house import applied, house
from .modes import Garbage, Mode, Reset, Slow, Stall, Swallow, Truncate
from .proxy import FaultProxy
from .spoils import FAR_BACK

RECORD = "post_faults"
AT_ONCE = 4
UNHINDERED = 1_000_000_000


class PostFault(Enum):
    """The value: what the page says that it is."""

    REFUSE = "nobody answers at the port, and the lines that stood are cut"
    RESET = "an RST"
    TRUNCATE = "an orderly end (a FIN)"
    STALL = "nothing moves any more that way"
    HALF_OPEN = "what is sent that way is thrown away, and nobody is told"
    GARBAGE = "22 bytes that mean nothing come in between"
    SLOW = "20,000 bytes a second up, 20 down"

    @property
    def words(self) -> str:
        return self.name.lower().replace("_", "-")


class Stage(Enum):
    """The value: what the page calls it."""

    BEFORE = "before the body"
    UPLOAD = "during the upload"
    WAITING = "after the upload, before the reply"
    REPLY = "in the reply"


@dataclass(frozen=True, slots=True)
class PostCell:
    fault: PostFault
    stage: Stage

    @property
    def impossible(self) -> str | None:
        """Why there is no such cell."""
        if self.fault is PostFault.REFUSE and self.stage is not Stage.BEFORE:
            return "only who connects is refused"
        return None

    def __str__(self) -> str:
        return f"{self.fault.words} {self.stage.value}"


ALL = tuple(cell for f in PostFault for s in Stage if (cell := PostCell(f, s)).impossible is None)


@dataclass(frozen=True, slots=True)
class PostMeasured:
    """``attempt``: how the first one ended, its result and its detail. ``wrong``: what must not
    be."""

    attempt: str
    attempts: int
    outcome: str
    applied: int
    wrong: tuple[str, ...]


def _mode(fault: PostFault, after: int, mark: bytes, bytes_per_s: int) -> Mode:
    match fault:
        case PostFault.RESET:
            return Reset(after, mark)
        case PostFault.TRUNCATE:
            return Truncate(after, mark)
        case PostFault.STALL:
            return Stall(after, mark)
        case PostFault.HALF_OPEN:
            return Swallow(after, mark)
        case PostFault.GARBAGE:
            return Garbage(after=after, mark=mark)
        case PostFault.SLOW:
            return Slow(bytes_per_s, after, mark)
        case PostFault.REFUSE:
            raise AssertionError("a mode does not refuse")
        case _:
            assert_never(fault)


REQUEST = b"POST /"


async def _spoil(cell: PostCell, line: FaultProxy) -> None:
    """Returns when the fault is on, or will strike by itself."""
    if cell.fault is PostFault.REFUSE:
        await line.refuse()
        line.cut()
    elif cell.stage in {Stage.BEFORE, Stage.UPLOAD}:
        after = -FAR_BACK if cell.stage is Stage.BEFORE else 100_000
        line.up.mode = _mode(cell.fault, after, REQUEST, 20_000)
    else:
        line.up.mode = Slow(UNHINDERED, mark=REQUEST)
        await line.up.bitten.wait()
        # From here on, what comes back is the reply.
        line.down.mode = _mode(cell.fault, 0 if cell.stage is Stage.WAITING else 20, b"", 20)


async def trial(cell: PostCell, folder: Path) -> PostMeasured:
    """One update, spoiled until its first attempt is over."""
    async with house(folder, CV_BASELINE="on") as home:
        await home.closed(await home.submit("first"))
        spoiling = asyncio.create_task(_spoil(cell, home.http))
        await asyncio.sleep(0)
        name = await home.submit()
        await spoiling
        first = await home.first_attempt(name)
        home.http.heal()
        await home.http.start()
        end = await home.closed(name)
        times = applied(home)
        assert first.result is not None
        assert end.outcome is not None
        return PostMeasured(
            attempt=f"{first.result.kind} {first.result.detail}",
            attempts=len(end.attempts),
            outcome=end.outcome,
            applied=times,
            wrong=tuple(_wrong(end.outcome, times)),
        )


def _wrong(outcome: Outcome, times: int) -> Iterable[str]:
    if times > 1:
        yield f"applied {times} times"
    if times == 0 and outcome in {Outcome.CONFIRMED, Outcome.PRESUMED}:
        yield f"{outcome}, and never applied"
    if times and outcome not in {Outcome.CONFIRMED, Outcome.PRESUMED}:
        yield f"applied, and {outcome}"


Rounds = Mapping[PostCell, Sequence[PostMeasured]]
Row = Mapping[str, Shown]


async def measure(cells: Iterable[PostCell], rounds: int = 1) -> dict[PostCell, list[PostMeasured]]:
    """Each cell so many times."""
    told: dict[PostCell, list[PostMeasured]] = {cell: [] for cell in cells}
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(cell: PostCell, folder: Path) -> None:
        async with turns:
            told[cell].append(await trial(cell, folder))

    with tempfile.TemporaryDirectory() as place:
        async with asyncio.TaskGroup() as group:
            for number, cell in enumerate([*told] * rounds):
                group.create_task(one(cell, Path(place) / str(number)))
    return told


def broken(measured: Rounds) -> list[str]:
    return [
        f"{cell}: {w}" for cell, rounds in measured.items() for one in rounds for w in one.wrong
    ]


# ------------------------------------------------------------------------------------- the record


def row(cell: PostCell, rounds: Sequence[PostMeasured]) -> dict[str, Shown]:
    return {
        "fault": cell.fault.words,
        "stage": cell.stage.value,
        "first attempt": _either(one.attempt for one in rounds),
        "attempts": _either(str(one.attempts) for one in rounds),
        "outcome": _either(one.outcome for one in rounds),
        "applied": _either(str(one.applied) for one in rounds),
    }


def record(measured: Rounds) -> None:
    rows = [row(cell, measured[cell]) for cell in ALL]
    figures: dict[str, Shown] = {
        "cells": len(rows),
        "rounds": len(measured[ALL[0]]),
        "applied twice": 0,
        "confirmed falsely": 0,
    }
    write_record(RECORD, "make faults RECORD=1", figures, rows)


def recorded() -> dict[tuple[str, str], Row]:
    """The rows on record, by fault and stage."""
    told = json.loads((FOLDER / f"{RECORD}.json").read_text(encoding="utf-8"))
    return {(str(row["fault"]), str(row["stage"])): row for row in told["rows"]}


def disagreements(measured: Rounds, rows: Mapping[tuple[str, str], Row]) -> list[str]:
    """Where what happens is not what is on record."""
    return [
        f"{cell}: {what} {value}, on record {before[what]}"
        for cell, rounds in measured.items()
        for before in (rows[cell.fault.words, cell.stage.value],)
        for what, value in row(cell, rounds).items()
        if not _parted(value) <= _parted(before[what])
    ]


def _either(words: Iterable[str]) -> str:
    return " or ".join(sorted(set(words)))


def _parted(words: Shown) -> set[str]:
    return set(str(words).split(" or "))
