"""``python -m tests.mutants.named``: a few mutants, one for each room of rules, that must die.

They need nothing but Python, and seconds: they show that the net still catches what it should.
"""

from __future__ import annotations

import sys
from pathlib import Path

from .forks import End
from .hunting import hunt_declarations, hunt_functions
from .mutant import Mutant, path_of

TESTS = (
    *("tests/core/rules", "tests/core/test_evidence.py"),
    *("tests/core/test_wire.py", "tests/core/test_wire_replies.py"),
)
TABLES = (("tests/core/rules/test_matching.py",), ("tests/core/test_catalogue.py",))

NAMED: tuple[tuple[str, str | None, str, str], ...] = (
    ("correlation", "correlate_closed", "free[-1]", "free[0]"),
    ("draft", "Draft.rest", "reviews=0", "reviews=1"),
    ("enquiry", "_decide_doubt", "read_ms < owner.settle_ms", "read_ms <= owner.settle_ms"),
    ("evidence", "Hearing.deaf_within", "gap.start_ms <= end_ms", "gap.start_ms < end_ms"),
    ("restart", "_restart_one", "crashed=True", "crashed=False"),
    ("quiet", "wait_ms", "max(asked", "min(asked"),
    ("standing", "may_resend", "< policy.max_attempts", "<= policy.max_attempts"),
    ("view", "_verdict", "word != before", "word == before"),
    ("wire.events", "_read_code", "> 1", "> 2"),
    ("wire.replies", "read_post", "http_status == 408", "http_status == 409"),
    ("catalogue", None, '*("outcome", "attribution",', '*("outcome",'),
    ("transitions", None, "(_S, EventHeard): frozenset({_S}),", ""),
)
"""Module, function (None: the module is imported anew), what stands there once, what instead."""


def named() -> list[Mutant]:
    """Raises ValueError where what is to be changed does not stand in its module once."""
    made = []
    for room, function, before, after in NAMED:
        module = f"listener.core.{room}"
        source = Path(path_of(module)).read_text(encoding="utf-8")
        if source.count(before) != 1:
            raise ValueError(f"expected {before!r} once in {room}, found it {source.count(before)}")
        mutated = source.replace(before, after)
        made.append(Mutant(module, f"core.{room}", f"{before} → {after}", mutated, function))
    return made


def main() -> int:
    alive: list[str] = []

    def tell(mutant: Mutant, end: End) -> None:
        sys.stdout.write(f"{end.cpu_s:.1f} s  {mutant.name}: {end.by or 'SURVIVED'}\n")
        if end.by is None:
            alive.append(mutant.name)

    mutants = named()
    hunt_declarations([each for each in mutants if each.function is None], tell, TABLES)
    hunt_functions([each for each in mutants if each.function is not None], tell, TESTS)
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
