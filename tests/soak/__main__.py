"""``python -m tests.soak [--minutes 60] [--seed 1] [--record] [--judge FOLDER]``: mixed faults,
played at the real process; from its log alone the report must tell what the upstream's ledger
knows.

The log and the ledger stay in a folder that is named at the end; ``--judge`` looks at one again.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.e2e.witnesses import violations
from tests.record import Cell, write_record

from .judge import ALWAYS, Case, no_line_held_the_loop_up, read
from .play import house, keep

UPDATES_PER_S = 2.0


async def play(folder: Path, minutes: float, seed: int) -> None:
    """One soak, kept in a folder that must exist and be empty."""
    async with house(folder, seed, UPDATES_PER_S) as soak:
        await soak.live(minutes * 60)
        keep(soak, folder)


def figures(case: Case) -> dict[str, Cell]:
    """What a reader wants to know of it; the ledger's and the report's side by side."""
    results = case.report["attempts"]["results"]
    outcomes = case.outcomes
    return {
        "minutes": round(case.seconds / 60, 1),
        "spells of bad weather": sum(case.met.values()),
        "of them kills": len(case.kills),
        "seconds unread at a stretch": case.unread_s,
        "updates accepted, by the clients": len(case.accepted),
        "updates accepted, by the report": case.report["submissions"]["accepted"],
        "updates closed, by the report": case.report["submissions"]["closed"],
        "POSTs, by the ledger": sum(told.posts for told in case.truth.values()),
        "attempts, by the report": sum(results.values()),
        "of them never sent": results.get("not_sent", 0),
        "updates applied, by the ledger": sum(bool(told.applied) for told in case.truth.values()),
        "confirmed or presumed, by the report": outcomes.get("confirmed", 0)
        + outcomes.get("presumed", 0),
        "applied twice, by the ledger": sum(told.applied > 1 for told in case.truth.values()),
        "events of ours, by the ledger": len(case.emitted()),
        "confirmed, by the report": outcomes.get("confirmed", 0),
        "lines": case.lines,
        "lines dropped": case.report["read"]["dropped_by_the_daemon"],
        "milliseconds that one line held the loop up, at most": case.slowest_line_ms,
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--record", action="store_true", help="write docs/proof/soak.json")
    parser.add_argument("--judge", type=Path, metavar="FOLDER", help="no soak: look at one again")
    given = parser.parse_args()
    folder = given.judge
    if folder is None:
        folder = Path(tempfile.mkdtemp(prefix="soak-"))
        asyncio.run(play(folder, given.minutes, given.seed))
    case = read(folder)
    found = violations(case, (*ALWAYS, no_line_held_the_loop_up))
    told = figures(case)
    for name, value in told.items():
        print(f"{name}: {value}")
    print("outcomes:", ", ".join(f"{n} {name}" for name, n in case.outcomes.items()))
    print(f"{len(found)} broken promises")
    for problem in found:
        print(f"  {problem}")
    print(f"the log and the ledger: {folder}")
    if given.record:
        rows: list[dict[str, Cell]] = [
            {"weather": kind, "times": times} for kind, times in sorted(case.met.items())
        ]
        seed = "" if given.seed == 1 else f" SEED={given.seed}"
        command = f"make soak MINUTES={given.minutes:g}{seed}"
        print(write_record("soak", command, told | {"broken promises": len(found)}, rows))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
