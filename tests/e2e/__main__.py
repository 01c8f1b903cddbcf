"""``python -m tests.e2e [--run NAME] [--seed N] [--record]``: cuts in the midst of the traffic.

Every run of ``cuts.PLANS``, or one alone; ``--seed`` draws other cuts than those of the tests.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tests.record import Cell, write_record

from .cuts import PLANS, Plan, Told, play


async def _run(name: str, plan: Plan) -> Told:
    with tempfile.TemporaryDirectory(prefix="cuts-") as folder:
        told = await play(Path(folder), plan)
    print(f"{name}, seed {plan.seed}: {len(told.problems)} broken promises, {told.seconds:.0f} s")
    for problem in told.problems:
        print(f"  {problem}", flush=True)
    return told


def _row(name: str, told: Told) -> dict[str, Cell]:
    return {
        "run": name,
        "cuts": told.cuts,
        "kills": told.kills,
        "events": told.emitted,
        "heard once, in order": told.heard,
        "of them replayed": told.replayed,
        "gaps": told.gaps,
        "seconds deaf": round(told.deaf_ms / 1000, 1),
        "updates": sum(told.ends.values()),
        "confirmed": told.ends.get("confirmed", 0),
        "event missed": told.missed,
        "presumed": told.ends.get("presumed", 0),
        "confirmed falsely": told.false,
        "POSTs too many": told.posts_too_many,
        "broken promises": len(told.problems),
        "seconds": round(told.seconds),
    }


def _record(command: str, runs: Mapping[str, Told]) -> Path:
    return write_record(
        "cuts",
        command,
        {
            "cuts": sum(told.cuts for told in runs.values()),
            "kills": sum(told.kills for told in runs.values()),
            "events": sum(told.emitted for told in runs.values()),
            "updates": sum(sum(told.ends.values()) for told in runs.values()),
            "confirmed falsely": sum(told.false for told in runs.values()),
            "POSTs too many": sum(told.posts_too_many for told in runs.values()),
            "broken promises": sum(len(told.problems) for told in runs.values()),
        },
        [_row(name, told) for name, told in runs.items()],
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e", description=__doc__)
    parser.add_argument("--run", choices=list(PLANS), help="one run alone")
    parser.add_argument("--seed", type=int, help="of the cuts, instead of each run's own")
    parser.add_argument("--record", action="store_true", help="write docs/proof/cuts.json")
    given = parser.parse_args()
    names = list(PLANS) if given.run is None else [given.run]
    runs: dict[str, Told] = {}
    for name in names:
        plan = PLANS[name] if given.seed is None else replace(PLANS[name], seed=given.seed)
        runs[name] = asyncio.run(_run(name, plan))
    broken = sum(len(told.problems) for told in runs.values())
    if given.record:
        seed = "" if given.seed is None else f" SEED={given.seed}"
        print(_record(f"make cuts{seed}", runs))
    print(f"{sum(told.cuts for told in runs.values())} cuts, {broken} broken promises")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
