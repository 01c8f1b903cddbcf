"""Many lives, added up: what broke, what was met, and what each fault met."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from .evidence import summary
from .life import Life
from .play import play_seed
from .ports import Told
from .promises import violations


@dataclass(slots=True)
class Tally:
    """Of all seeds played so far. ``broken``: by seed, in words."""

    seeds: int = 0
    minutes: float = 0.0
    shortest_minutes: float = float("inf")
    cpu_s: float = 0.0
    slowest_close_s: float = 0.0
    broken: dict[int, list[str]] = field(default_factory=dict)
    passed: Counter[str] = field(default_factory=Counter)
    died_at: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    posts: Counter[str] = field(default_factory=Counter)

    def play(self, seed: int) -> None:
        """Play one seed, and add it."""
        began = time.process_time()
        life = play_seed(seed)
        try:
            problems = violations(life)
        finally:
            life.disk.remove()
        self.cpu_s += time.process_time() - began
        self.seeds += 1
        self._note(life)
        if problems:
            self.broken[seed] = [summary(life), *problems, f"again: make sim SEED={seed}"]

    def _note(self, life: Life) -> None:
        minutes = life.loop.time() / 60
        self.minutes += minutes
        self.shortest_minutes = min(self.shortest_minutes, minutes)
        if life.all_closed_s is not None and life.quiet_since_s is not None:
            took = life.all_closed_s - life.quiet_since_s
            self.slowest_close_s = max(self.slowest_close_s, took)
        self.passed += life.passed
        self.died_at += life.died_at
        self.ends += life.ends
        self.posts.update(post.fault for post in life.upstream.ledger.posts)
        self.outcomes.update(str(told.outcome) for told in _last_told(life))

    def add(self, other: Tally) -> None:
        """What another process has played."""
        self.seeds += other.seeds
        self.minutes += other.minutes
        self.shortest_minutes = min(self.shortest_minutes, other.shortest_minutes)
        self.cpu_s += other.cpu_s
        self.slowest_close_s = max(self.slowest_close_s, other.slowest_close_s)
        self.broken |= other.broken
        for mine, theirs in (
            (self.passed, other.passed),
            (self.died_at, other.died_at),
            (self.ends, other.ends),
            (self.outcomes, other.outcomes),
            (self.posts, other.posts),
        ):
            mine.update(theirs)

    def told(self) -> str:
        """One line."""
        return (
            f"{self.seeds} seeds, {len(self.broken)} with violations, "
            f"{self.minutes / self.seeds:.0f} simulated minutes a seed "
            f"({self.shortest_minutes:.0f} at least) in {self.cpu_s / self.seeds:.3f} s of CPU"
        )


def _last_told(life: Life) -> list[Told]:
    return list({told.name: told for told in life.reacted}.values())


def play_range(first: int, count: int) -> Tally:
    """Play ``count`` seeds from ``first`` on."""
    tally = Tally()
    for seed in range(first, first + count):
        tally.play(seed)
    return tally
