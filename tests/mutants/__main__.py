"""``python -m tests.mutants [--module core.view …] [--again] [--record]``: hunt the core's mutants.

Fails where fewer than 90 % die, where a survivor has no reason in ``survivors.toml``, and where a
reason there is one for a mutant that died or is no more.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from dataclasses import dataclass, field

from tests.record import Cell, write_record
from tests.tree import ROOT

from .forks import End
from .hunting import hunt_declarations, hunt_functions
from .judging import reasons, stale, unexplained
from .mutant import Mutant, modules

LEAST = 90.0
"""Per cent that must die."""

LAST = ROOT / ".build" / "mutants.json"
"""How each mutant ended when it was last hunted."""


@dataclass
class Tally:
    """What was found so far."""

    total: int
    ends: dict[tuple[str, str], End] = field(default_factory=dict)
    modules: dict[tuple[str, str], str] = field(default_factory=dict)
    learning_s: float = 0.0

    def tell(self, mutant: Mutant, end: End) -> None:
        key = (mutant.where, mutant.change)
        self.ends[key], self.modules[key] = end, mutant.module
        if end.by is None:
            print(f"survived {mutant.name}", flush=True)
        if len(self.ends) % 100 == 0:
            print(f"-- {len(self.ends)} of {self.total}, {self.rate:.1f} % killed", flush=True)

    @property
    def survived(self) -> list[tuple[str, str]]:
        return [key for key, end in self.ends.items() if end.by is None]

    @property
    def rate(self) -> float:
        return 100 * (1 - len(self.survived) / len(self.ends))

    @property
    def cpu_min(self) -> float:
        return (self.learning_s + sum(end.cpu_s for end in self.ends.values())) / 60


def _chosen(only: list[str], again: bool) -> list[Mutant]:
    from .making import mutants_of

    wanted = [m for m in modules() if not only or m.removeprefix("listener.") in only]
    mutants = [mutant for module in wanted for mutant in mutants_of(module)]
    if again:
        last = json.loads(LAST.read_text(encoding="utf-8"))
        mutants = [mutant for mutant in mutants if last.get(mutant.name, "none") is None]
    return mutants


def _hunted(mutants: list[Mutant]) -> Tally:
    tally = Tally(len(mutants))
    declared = [mutant for mutant in mutants if mutant.function is None]
    if declared:
        hunt_declarations(declared, tally.tell)
    tally.learning_s = hunt_functions(
        [mutant for mutant in mutants if mutant.function is not None], tally.tell
    )
    return tally


def _remember(tally: Tally) -> None:
    known = json.loads(LAST.read_text(encoding="utf-8")) if LAST.exists() else {}
    known |= {f"{where}: {change}": end.by for (where, change), end in tally.ends.items()}
    LAST.parent.mkdir(exist_ok=True)
    LAST.write_text(json.dumps(known, indent=0, ensure_ascii=False), encoding="utf-8")


def _judged(tally: Tally, whole: bool) -> bool:
    told = reasons()
    hunted = set(told) | set(tally.ends) if whole else set(tally.ends)
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
    killed = len(tally.ends) - len(tally.survived)
    figures = {
        "mutants": len(tally.ends),
        "killed": killed,
        "survived": len(tally.survived),
        "killed, %": round(tally.rate, 2),
        "CPU minutes": round(tally.cpu_min, 1),
    }
    every, alive = Counter(tally.modules.values()), Counter(map(tally.modules.get, tally.survived))
    rows: list[dict[str, Cell]] = [
        {
            "module": module,
            "mutants": count,
            "killed": count - alive[module],
            "survived": alive[module],
        }
        for module, count in sorted(every.items())
    ]
    write_record("mutants", command, figures, rows)
    told = reasons()
    survivors: list[dict[str, Cell]] = [
        {"where": where, "change": change, "why": told[where, change]}
        for where, change in sorted(tally.survived)
    ]
    write_record("survivors", command, {"survivors": len(survivors)}, survivors)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--module", action="append", default=[], help="core.view, for one alone")
    parser.add_argument("--again", action="store_true", help="those alone that survived last time")
    parser.add_argument("--record", action="store_true", help="write docs/proof")
    given = parser.parse_args()
    whole = not given.module and not given.again
    if given.record and not whole:
        parser.error("expected --record for a whole run alone")
    tally = _hunted(_chosen(given.module, given.again))
    _remember(tally)
    good = _judged(tally, whole)
    if good and given.record:
        _record(tally)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
