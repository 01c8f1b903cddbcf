"""A soak of a minute, and a judge that notices when it is lied to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.witnesses import violations

from .__main__ import play
from .judge import ALWAYS, Case, no_line_held_the_loop_up, read
from .weather import KINDS, forecast

MINUTES = 1.0


def test_every_kind_of_weather_comes_before_any_comes_again() -> None:
    spells = list(forecast(1, 3_600))
    assert {spell.kind for spell in spells[: len(KINDS)]} == set(KINDS)
    assert sum(spell.after_s + spell.lasts_s for spell in spells) <= 3_600
    assert min(Counter(spell.kind for spell in spells).values()) >= 5
    assert spells == list(forecast(1, 3_600)) != list(forecast(2, 3_600))


LIES: dict[str, Callable[[Case], object]] = {
    "one more was accepted": lambda case: case.accepted.update(nobody="code"),  # type: ignore[attr-defined]  # it is a dict, read from JSON
    "the report has one too few": lambda case: case.report["submissions"].update(accepted=1),
    "one is open": lambda case: case.report["open"].update(accepted_and_not_closed=1),
    "nothing was emitted": lambda case: _ledger(case, emitted_ms=()),
    "all was applied twice": lambda case: _ledger(case, applied=2),
    "nothing was applied": lambda case: _ledger(case, applied=0),
    "all had five POSTs": lambda case: _ledger(case, posts=5),
    "nothing arrived": lambda case: _ledger(case, posts=0),
    "nothing was heard, and nobody was deaf": lambda case: _deny(case),
    "lines were dropped": lambda case: case.report["read"].update(dropped_by_the_daemon=1),
    "a line is wrong": lambda case: case.wrong_lines.update(["a field too many"]),
    "lines are torn": lambda case: case.wrong_lines.update({"torn": 99}),
}


def _ledger(case: Case, **changes: object) -> None:
    case.truth = {name: replace(told, **changes) for name, told in case.truth.items()}  # type: ignore[arg-type]  # they are its fields


def _deny(case: Case) -> None:
    for each in case.report["deaf"]:
        each["times"].clear()
    for name, end in case.ends.items():
        case.ends[name] = {**end, "outcome": "unconfirmed"}


@pytest.mark.prove(lasts=180)
@pytest.mark.timeout(900)
async def test_a_minute_of_mixed_faults_is_told_by_its_log_alone(tmp_path: Path) -> None:
    await play(tmp_path, MINUTES, seed=7)
    case = read(tmp_path)
    assert len(case.accepted) > 50
    assert sum(case.met.values()) >= 4
    assert violations(deepcopy(case), ALWAYS) == []
    for lie, tell in LIES.items():
        lied = deepcopy(case)
        tell(lied)
        assert violations(lied, ALWAYS), f"not noticed: {lie}"
    assert violations(replace(case, slowest_line_ms=51.0), [no_line_held_the_loop_up])
