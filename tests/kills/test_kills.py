"""The real process is killed with -9 at any moment and at named points: every promise holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from .lives import play
from .plans import NAMED_IN_A_LIFE, Death, Plan, at_moments, at_points, drawn
from .planted import BUGS
from .points import POINTS, find

LIVES = -(-len(POINTS) // NAMED_IN_A_LIFE)
"""So many drawn lives come by every point."""


@pytest.mark.timeout(180)
async def test_killed_five_times_at_any_moment_all_promises_hold(tmp_path: Path) -> None:
    told = await play(tmp_path, at_moments(seed=1, count=5))
    assert (told.problems, len(told.reached)) == ([], 5)


@pytest.mark.timeout(180)
async def test_killed_at_the_narrowest_points_all_promises_hold(tmp_path: Path) -> None:
    names = (
        "accept.committed",
        "post.handed_over",
        "event.appended",
        "start.event_uncorrelated",
        "close.committed",
    )
    told = await play(tmp_path, at_points(*names))
    assert (told.problems, told.reached) == ([], list(names))


@pytest.mark.timeout(180)
async def test_a_log_that_nobody_reads_costs_no_canonical_line(tmp_path: Path) -> None:
    told = await play(tmp_path, Plan(3, (Death(after_s=2.5, unread=True),)))
    assert told.problems == []


@pytest.mark.prove
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(LIVES))
async def test_killed_at_every_point_and_as_often_at_any_moment(tmp_path: Path, seed: int) -> None:
    told = await play(tmp_path, drawn(seed))
    assert told.problems == [], f"again: python -m tests.kills --seed {seed}"


def test_the_drawn_lives_come_by_every_point() -> None:
    deaths = [death for seed in range(LIVES) for death in drawn(seed).deaths]
    assert {death.point for death in deaths if death.point} == set(POINTS)
    assert sum(death.point is None for death in deaths) >= 50


def test_every_point_is_a_function_of_the_product_and_says_its_risk() -> None:
    for name, point in POINTS.items():
        assert callable(find(point.where)[2]), name
        assert point.risk, name


PINNED = {
    "acknowledge_before_commit": (at_points("transaction.half_done"), "I1"),
    "resend_after_crash": (at_points("post.replied"), "I4"),
    "confirm_after_crash": (at_points("sending.committed"), "I2"),
    "resend_accepted": (at_points("ended.told"), "I3"),
    "leak_code": (at_points("accept.committed"), "I8"),
    "forget_inbox": (at_points("event.appended"), "I5"),
    "lose_canonical_line": (at_points("close.committed"), "I7"),
    "delete_before_close": (at_points("event.received"), "I1"),
    "finish_reaction_before_handlers": (at_points("reaction.begun"), "I6"),
    "sweep_nothing": (at_points("spool.renamed"), "I10"),
}
"""For each planted bug the life that shows it, and the promise it breaks."""


LATER = {
    "finish_reaction_before_handlers",
    "sweep_nothing",
    "confirm_after_crash",
    "resend_accepted",
    "leak_code",
}


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "bug", [pytest.param(bug, marks=[pytest.mark.prove] * (bug in LATER)) for bug in BUGS]
)
async def test_a_planted_bug_is_seen(tmp_path: Path, bug: str) -> None:
    plan, promise = PINNED[bug]
    told = await play(tmp_path, replace(plan, bug=bug))
    assert promise in {problem.split()[0] for problem in told.problems}, told.problems
