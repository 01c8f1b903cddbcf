"""``decide()`` itself, explored: every world within so many faults keeps every promise."""

from __future__ import annotations

import pytest

from .explore import explore, walk
from .settings import LONG, QUICK, WALKED

ADMITTED = {
    "confirmed: foreign after the baseline",
    "confirmed: foreign before the first reading",
    "confirmed: foreign hidden behind an update of ours",
    "confirmed: foreign seen long before",
    "confirmed: foreign, and no baseline",
    "confirmed: foreign, and no distinguishing field",
    "confirmed: foreign",
    "confirmed: refused_and_applied",
    "confirmed: twice",
    "confirmed: event of a forgotten submission",
    "presumed: foreign after the baseline",
    "presumed: foreign before the first reading",
    "presumed: foreign hidden behind an update of ours",
    "presumed: foreign seen long before",
    "presumed: foreign, and no baseline",
    "presumed: refused_and_applied",
    "not_dispatched: late_application",
    "sent again: late_application",
    "rejected: refused_and_applied",
}
"""What no rule can close: each is told of in docs/state-machine.md."""

MOST_FRIENDLY_MOVES = 40
"""From any world to the close of all, once nothing goes wrong any more."""

WALKS, LONG_WALKS = 150, 3_000
MOVES = 150


@pytest.mark.parametrize("name", QUICK)
def test_every_world_keeps_every_promise(name: str) -> None:
    found = explore(QUICK[name])
    assert found.complete
    assert found.worlds > 500
    assert set(found.excused) <= ADMITTED
    assert found.longest_friendly <= MOST_FRIENDLY_MOVES


@pytest.mark.prove
@pytest.mark.parametrize("name", LONG)
def test_further_worlds_keep_every_promise(name: str) -> None:
    found = explore(LONG[name], most=80_000)
    assert found.worlds > 20_000
    assert set(found.excused) <= ADMITTED
    assert found.longest_friendly <= MOST_FRIENDLY_MOVES


def test_three_submissions_at_random() -> None:
    for seed in range(WALKS):
        assert set(walk(WALKED, seed, MOVES).excused) <= ADMITTED


@pytest.mark.prove
def test_three_submissions_at_random_for_long() -> None:
    for seed in range(WALKS, LONG_WALKS):
        assert set(walk(WALKED, seed, MOVES).excused) <= ADMITTED


def test_a_story_is_told_the_same_way_again() -> None:
    first, second = (walk(WALKED, 7, MOVES) for _ in range(2))
    assert (first.worlds, first.moves) == (second.worlds, second.moves)
    assert first.pairs == second.pairs
