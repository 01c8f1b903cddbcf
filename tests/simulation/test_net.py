"""Each planted bug is caught by the seed that was found to catch it; without it the seed is whole.

``make net`` finds the seeds anew where a change of the rules has moved what a seed meets."""

from __future__ import annotations

import pytest

from .net import MOST_SEEDS, pinned, seen
from .plants import PLANTS, Plant

SEEDS = pinned()


@pytest.mark.parametrize("plant", PLANTS, ids=[plant.name for plant in PLANTS])
def test_the_net_catches(plant: Plant) -> None:
    seed = SEEDS[plant.name]
    assert seed < MOST_SEEDS
    assert seen(plant, seed), f"seed {seed} sees nothing of it: `make net` looks for another"


def test_the_seeds_are_whole_without_a_bug() -> None:
    nothing = Plant(lambda _: None)
    assert {seed: seen(nothing, seed) for seed in set(SEEDS.values())} == dict.fromkeys(
        SEEDS.values()
    )
