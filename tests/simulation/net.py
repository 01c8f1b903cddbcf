"""``python -m tests.simulation.net [--record]`` (``make net``): plant each bug, play seeds until
one shows it, and say which, by what, and how fast. The record pins the seeds for the tests."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

import pytest

from tests.record import FOLDER, Cell, write_record

from .plants import PLANTS, Plant
from .play import play_seed
from .promises import violations

MOST_SEEDS = 500


def seen(plant: Plant, seed: int) -> str | None:
    """How one seed shows a planted bug; None if it does not."""
    with pytest.MonkeyPatch.context() as patch:
        plant.plant(patch)
        try:
            life = play_seed(seed)
        except Exception as error:  # noqa: BLE001  a bug may also break the service outright
            return f"the service fell over: {error!r}"
        try:
            problems = violations(life)
        finally:
            life.disk.remove()
    for problem in problems:
        if problem.startswith(plant.caught_by):
            return problem
    return None


def hunt(plant: Plant) -> dict[str, Cell] | None:
    """The first seed that shows it, as a row of the record; None if none of 500 does."""
    began = time.process_time()
    for seed in range(MOST_SEEDS):
        problem = seen(plant, seed)
        if problem is not None:
            return {
                "planted": plant.name,
                "what it does": plant.meaning,
                "seed": seed,
                "CPU seconds": round(time.process_time() - began, 2),
                "caught by": problem.split("[")[0].strip(),
            }
    return None


def _hunt_all(plants: Sequence[Plant]) -> Iterator[dict[str, Cell] | None]:
    """Over processes: a plant changes the product in its own alone."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(hunt, plants)


def pinned() -> dict[str, int]:
    """The seed that catches each bug, by the bug's name."""
    told = json.loads((FOLDER / "net.json").read_text(encoding="utf-8"))
    return {row["planted"]: row["seed"] for row in told["rows"]}


def say(line: str) -> None:
    """At once: a hunt takes its time."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.net", description=__doc__)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--only", help="words in the bug's name")
    given = parser.parse_args()
    rows: list[dict[str, Cell]] = []
    missed = []
    chosen = [plant for plant in PLANTS if not given.only or given.only in plant.name]
    for plant, row in zip(chosen, _hunt_all(chosen), strict=True):
        if row is None:
            missed.append(plant.name)
            say(f"{plant.name}: NOT CAUGHT by {MOST_SEEDS} seeds")
        else:
            rows.append(row)
            shown = (row["planted"], f"seed {row['seed']}", f"{row['CPU seconds']} s")
            say(" · ".join((*map(str, shown), str(row["caught by"]))))
    if given.record and not missed and not given.only:
        figures: dict[str, Cell] = {
            "bugs planted": len(rows),
            "caught within 500 seeds": len(rows),
            "seeds needed at most": max(int(row["seed"]) for row in rows) + 1,
        }
        say(f"wrote {write_record('net', 'make net', figures, rows)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
