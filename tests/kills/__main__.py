"""``python -m tests.kills [--kills N] [--from N] [--seed N] [--record]``: kill, look, say.

Lives are drawn from seeds that follow one another, each with nine kills or so and one SIGTERM,
until so many kills were made; ``--seed N`` plays one life again.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.record import write_record

from .lives import Told, play
from .plans import GENTLY, drawn
from .points import POINTS


async def _life(seed: int) -> Told:
    plan = drawn(seed)
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        try:
            told = await play(Path(folder), plan)
        except (AssertionError, TimeoutError, ExceptionGroup) as error:
            told = Told(plan, found=[("the harness", f"{type(error).__name__}: {error}")])
    if told.found:
        print(f"python -m tests.kills --seed {seed}", *told.problems, sep="\n  ", flush=True)
    return told


async def _until(kills: int, first: int) -> list[Told]:
    lives: list[Told] = []
    while _killed(lives) < kills:
        told = await _life(first + len(lives))
        lives.append(told)
        heard = ", all replayed" if told.all_heard else ""
        print(f"life {told.plan.seed}{heard}: {_killed(lives)} kills so far", flush=True)
    return lives


def _killed(lives: list[Told]) -> int:
    """Deaths by SIGKILL."""
    return sum(name != GENTLY for told in lives for name in told.reached)


def _record(command: str, lives: list[Told], seconds: float) -> Path:
    reached = Counter(name for told in lives for name in told.reached)
    broken = Counter(death for told in lives for death, _ in told.found)
    others = sorted((reached.keys() | broken.keys()) - POINTS.keys())
    return write_record(
        "kills",
        command,
        {
            "kills": _killed(lives),
            "stops by SIGTERM": reached[GENTLY],
            "violations": sum(broken.values()),
            "lives": len(lives),
            "lives to which all was replayed": sum(told.all_heard for told in lives),
            "updates accepted": sum(told.accepted for told in lives),
            "POSTs": sum(told.posts for told in lives),
            "seconds": round(seconds),
        },
        [
            {"crash point": name, "times reached": reached[name], "violations": broken[name]}
            for name in [*POINTS, *others]
        ],
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first life's seed")
    parser.add_argument("--seed", type=int, help="one life alone")
    parser.add_argument("--record", action="store_true", help="write docs/proof/kills.json")
    given = parser.parse_args()
    began = time.monotonic()
    if given.seed is not None:
        lives = [asyncio.run(_life(given.seed))]
    else:
        lives = asyncio.run(_until(given.kills, given.first))
    broken = sum(len(told.found) for told in lives)
    if given.record:
        command = f"make kill KILLS={given.kills}"
        print(_record(command, lives, time.monotonic() - began))
    print(f"{_killed(lives)} kills, {broken} broken promises")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
