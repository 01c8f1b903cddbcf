"""The matrix of faults: every promise held in every cell, and what happens is what is on record."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from listener.core.names import CvCode, GapReason, Millis
from listener.ports.event_source import ConnectFailed, Listening, Lost, ReceivedEvent
from tests.tools import ToolMissing

from . import matrix, posts
from .account import HEARD, MISSED, REPLAYED, Account
from .cell import CAP_S, Cell, Measured
from .spoils import BOTH, POLLING, SETTINGS, WEBSOCKET, Fault, Phase, Setting

SAMPLE = (
    Cell(Setting(WEBSOCKET, recovery=True), Phase.IDLE, Fault.HALF_OPEN),
    Cell(Setting(WEBSOCKET, recovery=True), Phase.RECONNECT, Fault.REFUSE),
    Cell(Setting(WEBSOCKET, recovery=False), Phase.MID_EVENT, Fault.RESET_DURING),
    Cell(Setting(WEBSOCKET, recovery=False), Phase.HANDSHAKE, Fault.GARBAGE),
    Cell(Setting(BOTH, recovery=True), Phase.UPGRADE, Fault.STALL),
    Cell(Setting(POLLING, recovery=False), Phase.MID_EVENT, Fault.TRUNCATE),
)


async def _hold(cells: Iterable[Cell]) -> None:
    try:
        measured = await matrix.measure(cells)
    except ToolMissing as missing:
        pytest.skip(str(missing))
    assert matrix.broken(measured) == []
    assert matrix.disagreements(measured, matrix.recorded()) == []


async def test_some_cells_hold() -> None:
    await _hold(SAMPLE)


@pytest.mark.prove(lasts=40)
async def test_every_cell_holds() -> None:
    await _hold(matrix.ALL)


def test_what_is_on_record_is_every_cell_that_there_is() -> None:
    there = {(c.setting.words, c.phase.words, c.fault.words) for c in matrix.ALL}
    assert set(matrix.recorded()) == there
    assert set(SAMPLE) <= set(matrix.ALL)
    assert {cell.setting for cell in matrix.ALL} == set(SETTINGS)


@pytest.mark.prove
async def test_every_fault_at_every_stage_of_a_post() -> None:
    measured = await posts.measure(posts.ALL)
    assert posts.broken(measured) == []
    assert posts.disagreements(measured, posts.recorded()) == []


def test_what_is_on_record_is_every_stage_of_a_post() -> None:
    assert set(posts.recorded()) == {(cell.fault.words, cell.stage.value) for cell in posts.ALL}


# --------------------------------------------------------------------------------- the judge itself


CELL = SAMPLE[0]


def measured(**changes: object) -> dict[Cell, list[Measured]]:
    """One round of a cell, as its record says, but for some changes."""
    told = matrix.recorded()[CELL.setting.words, CELL.phase.words, CELL.fault.words]
    as_recorded = {
        "told": matrix.parted(told["told"]),
        "fate": next(iter(matrix.parted(told["event"]))),
        "transport": str(told["transport"]),
        "back_s": 0.0,
        "late_s": 0.0,
        "wrong": (),
    }
    return {CELL: [Measured(**{**as_recorded, **changes})]}  # type: ignore[arg-type]  # by name


def test_a_cell_that_is_as_on_record_is_well() -> None:
    one = measured(back_s=CELL.bound_s)
    assert matrix.broken(one) == []
    assert matrix.disagreements(one, matrix.recorded()) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"told": frozenset({"lost silent", "failed dns_failed"})},
        {"told": frozenset[str]()},
        {"fate": "not_recovered"},
        {"transport": "polling"},
    ],
)
def test_a_cell_that_does_otherwise_than_on_record_is_found(changes: dict[str, object]) -> None:
    one = measured(**changes)
    assert matrix.broken(one) == []
    assert len(matrix.disagreements(one, matrix.recorded())) == 1


@pytest.mark.parametrize(
    "changes", [{"back_s": CELL.bound_s + CAP_S / 10}, {"wrong": ("heard twice: x",)}]
)
def test_a_cell_that_breaks_a_promise_is_found(changes: dict[str, object]) -> None:
    assert len(matrix.broken(measured(**changes))) == 1
    assert matrix.broken(measured(back_s=CELL.bound_s + 1, late_s=1.5)) == []


# ---------------------------------------------------------------------------------- the account


def event(seq: int, at_ms: int, code: str, *, replayed: bool = False) -> ReceivedEvent:
    return ReceivedEvent(seq, Millis(at_ms), CvCode(code), "{}", replayed=replayed)


def listening(at_ms: int, gap_reason: GapReason | None) -> Listening:
    return Listening(Millis(at_ms), gap_reason is None, gap_reason, None, "websocket")


def account() -> Account:
    """Listening from 100, lost at 200, back at 300 with a gap, lost at 400, recovered at 500."""
    told = Account(Millis(0))
    for signal in (
        listening(100, GapReason.STARTED),
        event(1, 150, "a"),
        Lost(Millis(200), "silent"),
        ConnectFailed(Millis(250), "unreachable", "", False, 0.1, 1),
        listening(300, GapReason.NO_OFFSET),
        event(2, 350, "b"),
        Lost(Millis(400), "transport_closed"),
        event(3, 490, "c", replayed=True),
        listening(500, None),
    ):
        told.take(signal)
    return told


def test_what_became_of_each_event() -> None:
    emitted = [("z", 50), ("a", 140), ("y", 250), ("b", 345), ("c", 450)]
    told = account()
    assert told.fates(emitted, 190) == {
        "z": GapReason.STARTED,
        "a": HEARD,
        "y": GapReason.NO_OFFSET,
        "b": HEARD,
        "c": REPLAYED,
    }
    assert told.wrong(emitted, 190) == []
    assert told.told == ["lost silent", "failed unreachable", "lost transport_closed"]


@pytest.mark.parametrize(
    ("code", "at_ms", "fate"),
    [
        ("before the fault", 180, MISSED),
        ("on its way", 195, GapReason.NO_OFFSET),
        ("in the midst of hearing", 360, MISSED),
        ("though recovered", 450, MISSED),
        ("after all", 600, MISSED),
    ],
)
def test_an_event_in_no_gap_is_missed(code: str, at_ms: int, fate: str) -> None:
    told = account()
    emitted = sorted([("a", 140), ("b", 345), (code, at_ms), ("c", 470)], key=lambda e: e[1])
    assert told.fates(emitted, 190)[code] == fate
    assert bool(told.wrong(emitted, 190)) is (fate == MISSED)


def test_what_was_overtaken_was_not_on_its_way() -> None:
    told = account()
    emitted = [("lost", 140), ("a", 145), ("b", 345), ("c", 450)]
    assert told.fates(emitted, 100)["lost"] == MISSED


@pytest.mark.parametrize(
    ("last", "wrong"),
    [
        (event(4, 550, "b"), "heard twice: b"),
        (event(4, 550, "stranger"), "never emitted: stranger"),
        (event(4, 550, "early"), "out of order: early"),
    ],
)
def test_what_is_heard_is_held_against_what_was_emitted(last: ReceivedEvent, wrong: str) -> None:
    told = account()
    told.take(last)
    emitted = [("a", 140), ("early", 142), ("b", 345), ("c", 450)]
    assert wrong in told.wrong(emitted, 190)
