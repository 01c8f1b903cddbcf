"""``python -m tests.powercut [--cuts N] [--from N] [--seed N]``: cut power, say what was lost."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from .lives import one_life


async def _cut(seeds: range) -> int:
    broken = 0
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            problems = await one_life(Path(folder), seed, "FULL")
        if problems:
            broken += 1
            print(f"seed {seed}", *problems, sep="\n  ")
    print(f"{len(seeds)} cuts, {broken} with something lost")
    return 1 if broken else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.powercut", description=__doc__)
    parser.add_argument("--cuts", type=int, default=1_000)
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--seed", type=int, help="one cut alone")
    given = parser.parse_args()
    first, cuts = (given.first, given.cuts) if given.seed is None else (given.seed, 1)
    return asyncio.run(_cut(range(first, first + cuts)))


if __name__ == "__main__":
    sys.exit(main())
