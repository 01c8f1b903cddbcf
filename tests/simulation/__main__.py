"""``python -m tests.simulation [--seeds N] [--from N] [--record]``, or ``--seed N``: play, and say
what broke."""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed

from tests.record import Cell, write_record

from .evidence import summary
from .play import play_seed
from .promises import violations
from .tally import Tally, play_range

BLOCK = 50
MOST_KINDS = 24
"""How many kinds of anything are counted in the summary."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--seed", type=int, help="play one seed, and tell its story")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--record", action="store_true", help="write docs/proof/simulation.json")
    given = parser.parse_args()
    if given.seed is not None:
        return _one(given.seed)
    tally = _many(given.first, given.seeds, given.jobs)
    _show(tally)
    if given.record and not tally.broken:
        _record(tally, given.first)
    return 1 if tally.broken else 0


def _many(first: int, seeds: int, jobs: int) -> Tally:
    """In blocks, over processes; a block that breaks is told of at once."""
    whole, total = range(first, first + seeds), Tally()
    with ProcessPoolExecutor(jobs) as pool:
        blocks = [whole[i : i + BLOCK] for i in range(0, seeds, BLOCK)]
        playing = [pool.submit(play_range, block.start, len(block)) for block in blocks]
        for done in as_completed(playing):
            tally = done.result()
            for lines in tally.broken.values():
                print(*lines, sep="\n  ", flush=True)
            total.add(tally)
    return total


def _show(tally: Tally) -> None:
    print(tally.told())
    print("outcomes     ", _counts(tally.outcomes))
    print("POSTs        ", _counts(tally.posts))
    print("runs ended   ", _counts(tally.ends))
    print("died at      ", _counts(tally.died_at))
    world = {k.removeprefix("world: "): v for k, v in tally.passed.items() if k[:5] == "world"}
    print("the world's  ", _counts(Counter(world)))
    print(f"all closed    at most {tally.slowest_close_s:.0f} s after the last fault")


def _counts(counter: Counter[str]) -> str:
    """As many kinds as a few lines of a terminal hold."""
    told = ", ".join(f"{name} {count}" for name, count in counter.most_common(MOST_KINDS))
    left = len(counter) - MOST_KINDS
    lines = textwrap.wrap(told, width=84, subsequent_indent=" " * 14)
    return "\n".join(lines) + (f", and {left} kinds more" if left > 0 else "")


def _record(tally: Tally, first: int) -> None:
    rows: list[dict[str, Cell]] = [
        {"point": name, "passed": tally.passed[name], "died at": tally.died_at[name]}
        for name in sorted(tally.died_at)
    ]
    figures: dict[str, Cell] = {
        "seeds": tally.seeds,
        "seeds with violations": len(tally.broken),
        "simulated hours": round(tally.minutes / 60),
        "fewest simulated minutes of a seed": round(tally.shortest_minutes, 1),
        "CPU seconds a seed": round(tally.cpu_s / tally.seeds, 3),
        "updates closed": tally.outcomes.total(),
        "POSTs": tally.posts.total(),
        "processes that ended by kill": tally.ends["killed"],
        "processes that ended by SIGTERM": tally.ends["stopped"],
        "processes that ended by a fault of the disk": tally.ends["journal fault"],
        "longest time to close all after the last fault, s": round(tally.slowest_close_s),
    }
    command = f"make sim SEEDS={tally.seeds}" + (f" FROM={first}" if first else "")
    print(f"wrote {write_record('simulation', command, figures, rows)}")


def _one(seed: int) -> int:
    life = play_seed(seed)
    try:
        problems = violations(life)
    finally:
        life.disk.remove()
    for line in life.log.lines:
        fields = {k: str(v) for k, v in line.fields.items() if k != "cv_ref"}
        print(f"{line.at_s:9.3f} {line.event}", *(f"{k}={v}" for k, v in fields.items()))
    for post in life.upstream.ledger.posts:
        print(post)
    print(life.scenario, summary(life), *problems, sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
