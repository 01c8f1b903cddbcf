"""The matrix: every cell measured, many at once; and what of it goes on record.

A record holds, for each cell, what was told in every round, what in some, and which fates the event
in question had: a race that is a race in the world is one on the page, too. A fresh run agrees with
it if it tells all of the first, and nothing else. Times may differ, within the bound.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

from tests.interop.node_server import NodeServer
from tests.record import FOLDER, write_record
from tests.record import Cell as Shown

from .cell import (
    CAP_S,
    PING_INTERVAL_MS,
    PING_TIMEOUT_MS,
    STANDING,
    Cell,
    Measured,
    Meter,
    Trial,
    Unbitten,
)
from .spoils import SETTINGS, Fault, Phase

RECORD = "faults"
ROUNDS = 5
AT_ONCE = 24
"""More of them, and the machine is late enough to be what is measured."""

DISTURBED_S = 0.3
TRIES = 4
"""A machine that stood still for so long in a trial is a fault of its own, and so is one that lost
the line before the fault came to it: the trial is made again. The promises are held in each."""


def is_race(cell: Cell) -> bool:
    """Of these nothing is promised but that nothing is missed silently, and how soon the
    subscription is back. An RST may overtake what it follows: whether the last of a body is read
    before, and whether a line is used again before it is known to be gone, is the kernel's to say.
    And over a slow line polls end by the server's patience or by ours, whichever is first."""
    polled_slowly = cell.fault is Fault.SLOW and not cell.setting.over_websocket
    return cell.fault is Fault.RESET_AFTER or (polled_slowly and cell.phase in STANDING)


WINDOW_MS = 60_000

ALL = tuple(
    cell
    for setting in SETTINGS
    for phase in Phase
    for fault in Fault
    if (cell := Cell(setting, phase, fault)).impossible is None
)

Rounds = Mapping[Cell, Sequence[Measured]]
Row = Mapping[str, Shown]
Key = tuple[str, str, str]


async def measure(cells: Iterable[Cell], rounds: int = 1) -> dict[Cell, list[Measured]]:
    """Each cell so many times, in front of two servers: one that remembers sessions, and one that
    does not. Raises ToolMissing where there is no Node."""
    pings = {"ping_interval_ms": PING_INTERVAL_MS, "ping_timeout_ms": PING_TIMEOUT_MS}
    told: dict[Cell, list[Measured]] = {cell: [] for cell in cells}
    meter, turns, names = Meter(), asyncio.Semaphore(AT_ONCE), itertools.count()

    async with AsyncExitStack() as stack:
        servers = {
            recovery: await stack.enter_async_context(
                NodeServer(recovery_ms=WINDOW_MS * recovery, compress_polls=False, **pings)
            )
            for recovery in (True, False)
        }

        async def measure_one(cell: Cell) -> None:
            async with turns:
                told[cell].append(await _undisturbed(cell, names, servers, meter))

        metering = asyncio.create_task(meter.run())
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(rounds):
                    for cell in told:
                        group.create_task(measure_one(cell))
        finally:
            metering.cancel()
    return told


async def _undisturbed(
    cell: Cell, names: Iterator[int], servers: Mapping[bool, NodeServer], meter: Meter
) -> Measured:
    """A trial in which the machine did not stand still, or the last of some."""
    server = servers[cell.setting.recovery]
    wrong: tuple[str, ...] = ()
    for left in reversed(range(TRIES)):
        try:
            one = await Trial(cell, f"c{next(names)}", server, meter).run()
        except Unbitten:
            if not left:
                raise
            continue
        wrong += one.wrong
        if one.late_s <= DISTURBED_S:
            break
    return replace(one, wrong=wrong)


def broken(measured: Rounds) -> list[str]:
    """What no cell may do: come back too late, miss an event silently, hear one twice."""
    found = []
    for cell, rounds in measured.items():
        for one in rounds:
            found += [f"{cell}: {wrong}" for wrong in one.wrong]
            if one.back_s > cell.bound_s + one.late_s:
                found.append(f"{cell}: back after {one.back_s:.2f} s, not {cell.bound_s:.2f} s")
    return found


# ------------------------------------------------------------------------------------- the record


def row(cell: Cell, rounds: Sequence[Measured]) -> dict[str, Shown]:
    every = frozenset.intersection(*(one.told for one in rounds))
    some = frozenset.union(*(one.told for one in rounds)) - every
    return {
        "setting": cell.setting.words,
        "phase": cell.phase.words,
        "fault": cell.fault.words,
        "told": _joined(every),
        "told in some rounds": _joined(some),
        "event": _joined({one.fate for one in rounds}),
        "transport": _joined({one.transport for one in rounds}),
        "back": round(max(one.back_s for one in rounds) / CAP_S, 1),
        "bound": round(cell.bound_s / CAP_S, 1),
    }


def record(measured: Rounds) -> None:
    rows = [row(cell, rounds) for cell, rounds in measured.items()]
    slowest = max(one.back_s for rounds in measured.values() for one in rounds)
    figures: dict[str, Shown] = {
        "cells": len(rows),
        "rounds": len(next(iter(measured.values()))),
        "missed silently": 0,
        "heard twice": 0,
        "back at the latest, in caps": round(slowest / CAP_S, 1),
    }
    write_record(RECORD, "make faults RECORD=1", figures, rows)


def recorded() -> dict[Key, Row]:
    """The rows on record, by setting, phase and fault."""
    told = json.loads((FOLDER / f"{RECORD}.json").read_text(encoding="utf-8"))
    return {key_of(row): row for row in told["rows"]}


def key_of(row: Row) -> Key:
    return str(row["setting"]), str(row["phase"]), str(row["fault"])


def disagreements(measured: Rounds, rows: Mapping[Key, Row]) -> list[str]:
    """Where what happens is not what is on record."""
    found = []
    for cell, rounds in measured.items():
        now = row(cell, rounds)
        before = rows[key_of(now)]
        if is_race(cell):
            continue
        every, some = parted(before["told"]), parted(before["told in some rounds"])
        for one in rounds:
            if not every <= one.told <= every | some:
                words = _joined(one.told) or "nothing"
                found.append(f"{cell}: told {words}, on record {_joined(every) or 'nothing'}")
        for what in ("event", "transport"):
            if not parted(now[what]) <= parted(before[what]):
                found.append(f"{cell}: {what} {now[what]}, on record {before[what]}")
    return found


def _joined(words: Iterable[str]) -> str:
    return ", ".join(sorted(words))


def parted(words: Shown) -> frozenset[str]:
    return frozenset(str(words).split(", ")) if words else frozenset()
