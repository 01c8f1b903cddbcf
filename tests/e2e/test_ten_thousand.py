"""Twenty cuts in the midst of the traffic, between the real daemon and the official server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools import ToolMissing

from .cuts import LONGEST_S, PLANS, SHORTEST_S, Told, cuts_of, play


async def played(folder: Path, name: str) -> Told:
    try:
        told = await play(folder, PLANS[name])
    except ToolMissing as missing:
        pytest.skip(str(missing))
    assert told.problems == [], f"again: python -m tests.e2e --run {name!r}"
    assert told.cuts == PLANS[name].cuts
    return told


@pytest.mark.prove(lasts=50)
@pytest.mark.parametrize("name", ["recovery on", "recovery on, kill -9"])
async def test_ten_thousand_events_are_heard_once_and_in_order(tmp_path: Path, name: str) -> None:
    told = await played(tmp_path, name)
    assert told.kills == PLANS[name].kills
    assert told.heard == told.emitted > 10_000
    assert 0 < told.replayed < told.heard
    assert told.ends == {"confirmed": PLANS[name].updates + 2}


@pytest.mark.prove(lasts=50)
@pytest.mark.parametrize("name", ["recovery off", "recovery off, polling"])
async def test_what_nobody_can_recover_is_missed_and_said_so(tmp_path: Path, name: str) -> None:
    told = await played(tmp_path, name)
    assert told.ends == {"confirmed": told.heard, "presumed": told.missed}
    assert min(told.heard, told.missed) > PLANS[name].updates / 10
    assert told.gaps > PLANS[name].cuts / 2


def test_the_cuts_are_of_all_lengths() -> None:
    for plan in PLANS.values():
        lengths = sorted(cut.lasts_s for cut in cuts_of(plan))
        assert (lengths[0], lengths[-1]) == (SHORTEST_S, LONGEST_S)
        assert cuts_of(plan) == cuts_of(plan)
