"""How each mutant ended when it was last hunted, kept from one run to the next."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field

from tests.tree import ROOT

from .forks import End
from .mutant import Mutant, digest_of

LAST = ROOT / ".build" / "mutants.json"

Key = tuple[str, str]
"""A mutant's place and its change."""


@dataclass
class Tally:
    """The ends of ``mutants``, as far as they are known of the core's text as it is now."""

    mutants: dict[Key, Mutant]
    ends: dict[Key, End] = field(default_factory=dict)
    learning_s: float = 0.0

    def load(self) -> None:
        """What earlier runs found of modules that have not changed since."""
        if not LAST.exists():
            return
        told = json.loads(LAST.read_text(encoding="utf-8"))
        digests = {mutant.module: digest_of(mutant.module) for mutant in self.mutants.values()}
        for where, change, digest, by, cpu_s in told["ends"]:
            mutant = self.mutants.get((where, change))
            if mutant is not None and digests[mutant.module] == digest:
                self.ends[where, change] = End(by, cpu_s)
        self.learning_s = told["learning_s"]

    def save(self) -> None:
        digests = {mutant.module: digest_of(mutant.module) for mutant in self.mutants.values()}
        ends = [
            [*key, digests[self.mutants[key].module], end.by, end.cpu_s]
            for key, end in self.ends.items()
        ]
        LAST.parent.mkdir(exist_ok=True)
        told = {"learning_s": self.learning_s, "ends": ends}
        LAST.write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")

    def killed(self, key: Key) -> bool:
        return key in self.ends and self.ends[key].by is not None

    @property
    def survived(self) -> list[Key]:
        return sorted(key for key, end in self.ends.items() if end.by is None)

    @property
    def rate(self) -> float:
        """Per cent of those hunted that were killed."""
        return 100 * (1 - len(self.survived) / len(self.ends)) if self.ends else 0.0

    @property
    def cpu_min(self) -> float:
        return (self.learning_s + sum(end.cpu_s for end in self.ends.values())) / 60

    def by_module(self) -> list[tuple[str, int, int]]:
        """(module, mutants, survivors of them)."""
        every = Counter(self.mutants[key].module for key in self.ends)
        alive = Counter(self.mutants[key].module for key in self.survived)
        return [(module, count, alive[module]) for module, count in sorted(every.items())]
