"""``python -m tests.mutants [--module core.view …] [--again] [--record]``: hunt the core's mutants.

Fails where fewer than 90 % die, where a survivor has no reason in ``survivors.toml``, and where a
reason there is one for a mutant that died or is no more.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection

from tests.record import Cell, write_record

from .forks import End
from .hunting import hunt_declarations, hunt_functions
from .judging import reasons, stale, unexplained
from .making import mutants_of
from .mutant import Mutant, modules
from .tally import Key, Tally

LEAST = 90.0
"""Per cent that must die."""


def _hunt(mutants: list[Mutant], tally: Tally) -> None:
    hunted = 0

    def tell(mutant: Mutant, end: End) -> None:
        nonlocal hunted
        hunted += 1
        tally.ends[mutant.key] = end
        if end.by is None:
            print(f"survived {mutant.name}", flush=True)
        if hunted % 100 == 0:
            print(f"-- {hunted} of {len(mutants)}", flush=True)

    anew = [mutant for mutant in mutants if mutant.function is None]
    if anew:
        hunt_declarations(anew, tell)
    bodies = [mutant for mutant in mutants if mutant.function is not None]
    if bodies:
        tally.learning_s = hunt_functions(bodies, tell)


def _judged(tally: Tally, hunted: Collection[Key]) -> bool:
    told = reasons()
    bare = unexplained(tally.survived, told)
    needless = stale(tally.survived, hunted, told)
    for where, change in bare:
        print(f"no reason in survivors.toml: {where}: {change}")
    for where, change in needless:
        print(f"stale in survivors.toml, it died or is no more: {where}: {change}")
    slow = sum(end.by == "too slow" for end in tally.ends.values())
    print(
        f"{len(tally.ends)} mutants, {len(tally.ends) - len(tally.survived)} killed "
        f"({slow} by their time), {len(tally.survived)} survived: {tally.rate:.2f} % killed, "
        f"in {tally.cpu_min:.1f} minutes of CPU"
    )
    return not bare and not needless and tally.rate >= LEAST


def _record(tally: Tally) -> None:
    command = "make mutants RECORD=1"
    figures: dict[str, Cell] = {
        "mutants": len(tally.ends),
        "killed": len(tally.ends) - len(tally.survived),
        "survived": len(tally.survived),
        "killed, %": round(tally.rate, 2),
        "CPU minutes": round(tally.cpu_min, 1),
    }
    rows: list[dict[str, Cell]] = [
        {"module": module, "mutants": count, "killed": count - alive, "survived": alive}
        for module, count, alive in tally.by_module()
    ]
    write_record("mutants", command, figures, rows)
    told = reasons()
    survivors: list[dict[str, Cell]] = [
        {"where": where, "change": change, "why": told[where, change]}
        for where, change in tally.survived
    ]
    write_record("survivors", command, {"survivors": len(survivors)}, survivors)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--module", action="append", default=[], help="core.view, for one alone")
    parser.add_argument("--again", action="store_true", help="those alone that did not die yet")
    parser.add_argument("--record", action="store_true", help="write docs/proof, if all is well")
    given = parser.parse_args()
    whole = not given.module
    chosen = [each for each in modules() if whole or each.removeprefix("listener.") in given.module]
    tally = Tally({mutant.key: mutant for module in chosen for mutant in mutants_of(module)})
    if given.again:
        tally.load()
    alive = [each for key, each in tally.mutants.items() if not tally.killed(key)]
    _hunt(alive, tally)
    if whole:
        tally.save()
    good = _judged(tally, {*tally.ends, *reasons()} if whole else tally.ends)
    if good and given.record and whole:
        _record(tally)
        print("recorded: `make docs` writes the page of it")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
