"""``python -m tests.powercut``: cut power, say what was lost. ``--help`` tells the rest."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.record import write_record

from .lives import Found, Plant, one_life


async def _cut(seeds: range, plant: Plant) -> tuple[int, Found]:
    """How many lives lost something, and the sum of what was seen."""
    broken, sums = 0, Found()
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            found = await one_life(Path(folder), seed, plant)
        sums.cuts += found.cuts
        sums.syncs += found.syncs
        sums.acknowledged += found.acknowledged
        if found.broken:
            broken += 1
            bug = "" if plant is Plant.NONE else f" --plant {plant}"
            print(f"python -m tests.powercut --seed {seed}{bug}", *found.broken, sep="\n  ")
    return broken, sums


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.powercut", description=__doc__)
    parser.add_argument("--cuts", type=int, default=1_000, help="lives, each with two cuts or more")
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--seed", type=int, help="one life alone")
    parser.add_argument("--plant", type=Plant, choices=list(Plant), default=Plant.NONE)
    parser.add_argument("--record", action="store_true", help="write docs/proof/power_cuts.json")
    given = parser.parse_args()
    first, lives = (given.first, given.cuts) if given.seed is None else (given.seed, 1)
    began = time.monotonic()
    broken, sums = asyncio.run(_cut(range(first, first + lives), given.plant))
    seconds = round(time.monotonic() - began)
    print(
        f"{lives} lives, {sums.cuts} cuts, {broken} lives with something lost; {sums.syncs} syncs, "
        f"{sums.acknowledged} things acknowledged, {seconds} s"
    )
    if given.record:
        write_record(
            "power_cuts",
            f"make powercut CUTS={lives} RECORD=1",
            {
                "lives, each cut twice or more": lives,
                "cuts": sums.cuts,
                "with something lost": broken,
                "things acknowledged": sums.acknowledged,
                "syncs seen": sums.syncs,
                "seconds": seconds,
            },
        )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
