"""The promises hold in simulated lives, and a seed is one life, anywhere."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from .life import Life
from .play import play_seed
from .tally import play_range


@pytest.mark.parametrize("block", range(8))
def test_promises_hold_in_two_hundred_lives(block: int) -> None:
    tally = play_range(block * 25, 25)
    assert not tally.broken, tally.broken
    assert tally.shortest_minutes >= 30


@pytest.mark.prove
@pytest.mark.timeout(900)
@pytest.mark.parametrize("block", range(16))
def test_promises_hold_in_two_thousand_lives(block: int) -> None:
    tally = play_range(1_000 + block * 125, 125)
    assert not tally.broken, tally.broken
    assert tally.shortest_minutes >= 30


def story(seed: int) -> str:
    """All that the witnesses saw of a seed."""
    life: Life = play_seed(seed)
    inbox = life.disk.ask("SELECT * FROM inbox ORDER BY seq")
    facts = life.disk.ask("SELECT * FROM facts ORDER BY id")
    life.disk.remove()
    lines = [f"{line.at_s} {line.event} {line.fields}" for line in life.log.lines]
    return "\n".join([*lines, *map(repr, life.upstream.ledger.posts), repr(inbox), repr(facts)])


def test_a_seed_is_one_life() -> None:
    assert story(11) == story(11)
    assert story(11) != story(12)


@pytest.mark.parametrize("seed", [11, 15])
def test_a_seed_is_one_life_in_another_process_with_another_hash_seed(seed: int) -> None:
    program = (
        "import hashlib; from tests.simulation.test_simulation import story;"
        f"print(hashlib.sha256(story({seed}).encode()).hexdigest())"
    )

    def digest(hash_seed: str) -> str:
        env = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(
            [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    assert digest("1") == digest("2")
