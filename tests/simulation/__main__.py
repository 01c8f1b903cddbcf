"""``python -m tests.simulation [--seeds N] [--from N] [--seed N]``: play seeds, say what broke."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

from .invariants import summary, violations
from .play import play_seed


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--seed", type=int, help="play one seed, and tell its story")
    given = parser.parse_args()
    if given.seed is not None:
        return _one(given.seed)
    began, simulated, failed = time.process_time(), 0.0, 0
    for seed in range(given.first, given.first + given.seeds):
        life = play_seed(seed)
        simulated += life.loop.time()
        problems = asyncio.run(violations(life))
        if problems:
            failed += 1
            print(f"{summary(life)}\n  " + "\n  ".join(problems))
            print(f"  again: python -m tests.simulation --seed {seed}")
    spent = time.process_time() - began
    print(
        f"{given.seeds} seeds, {failed} with violations, {simulated / 60 / given.seeds:.0f} "
        f"simulated minutes and {spent / given.seeds:.3f} s of CPU a seed"
    )
    return 1 if failed else 0


def _one(seed: int) -> int:
    life = play_seed(seed)
    for line in life.log.lines:
        print(line.event, {k: v for k, v in line.fields.items() if k != "cv_ref"})
    for post in life.upstream.ledger.posts:
        print(post)
    problems = asyncio.run(violations(life))
    print(summary(life), *problems, sep="\n  ")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
