"""Runs the tests that can kill a mutant, in a process of its own, until the first that fails.

All processes are forks of this one. A mutant of a function's body is put into a process that has
all tests collected, and meets only those that call the function, the likeliest first. Another one
is put into a process that has imported nothing of ours yet: slower, and true to what a table does
when its module is imported.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import HealthCheck, Phase, settings

from .forks import End, in_a_fork, within
from .mutant import CORE, Mutant, module_of, put_in_place

TESTS = ("tests/core",)
"""What kills mutants of functions."""

_WORLDS = "tests/core/exploration/test_exploration.py::test_"
TOO_SLOW = (
    f"{_WORLDS}every_world_keeps_every_promise[two submissions, any one fault but the wide ones]",
    f"{_WORLDS}every_world_keeps_every_promise[two submissions, the second",
    f"{_WORLDS}every_world_keeps_every_promise[one submission, deaf, and the upstream at fault]",
    f"{_WORLDS}every_world_keeps_every_promise[one submission, records without a distinguishing",
    f"{_WORLDS}every_world_keeps_every_promise[one submission, any one fault, at any time]",
    f"{_WORLDS}three_submissions_at_random",
    "tests/core/test_table.py::test_every_row_is_reached",
)
"""Left out: what takes half a second or more, which every survivor would cost. What such a test
alone would see is worth a script of its own."""

_WIRE = ("", "_replies", "_files", "_sniff", "_requests")
STAGES = (
    ("tests/core/test_catalogue.py",),
    ("tests/core/test_values.py", "tests/core/test_endings.py", "tests/core/test_evidence.py"),
    tuple(f"tests/core/test_wire{part}.py" for part in _WIRE),
    ("tests/core/rules", "tests/core/test_table.py"),
    ("tests/test_papers.py::test_generated_papers_say_what_the_source_says",),
    ("tests/adapters/journal_sqlite/test_codec.py",),
)
"""What kills mutants of all the rest, the quickest first."""

SLOW = 10
"""A test that takes so many times as long as it does without a mutant has met an endless loop."""

# As the default profile, but a failing example is not made smaller: that it fails is all we ask.
settings.register_profile(
    "mutants",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=50,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow],
)
OPTIONS = ["-m", "not prove", "-s", "-q", "--no-header", "--no-summary", "--tb=line"]
OPTIONS += ["--hypothesis-profile=mutants", "-p", "no:cacheprovider"]
# pytest wants to be the first that imports its plugins; here a second run follows the first.
OPTIONS += ["-W", "ignore:Module already imported"]


# ----------------------------------------------------------------------------- mutants of functions


@dataclass(eq=False)
class Known:
    """What one test is like without a mutant: how long it takes (seconds), what it calls."""

    seconds: float
    calls: frozenset[tuple[str, str]]


@dataclass(eq=False)
class FunctionHunt:
    """A pytest plugin that, once all tests are collected, hunts the mutants instead."""

    mutants: Iterable[Mutant]
    tell: Callable[[Mutant, End], None]
    known: dict[str, Known] = field(default_factory=dict)
    cpu_s: float = 0.0
    kills: defaultdict[tuple[str, str], Counter[str]] = field(
        default_factory=lambda: defaultdict(Counter)
    )

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        gc.collect()
        gc.freeze()
        items = {item.nodeid: item for item in session.items}
        self._learn(items)
        for mutant in self.mutants:
            assert mutant.function is not None
            place = (mutant.module, mutant.function)
            order = self._order(place)
            limit = 60 + SLOW * sum(self.known[name].seconds for name in order)

            def work(mutant: Mutant = mutant, order: list[str] = order) -> str | None:
                put_in_place(mutant)
                return self._first_failure([items[name] for name in order])

            end = in_a_fork(work, int(limit))
            if end.by in items:
                self.kills[place][str(end.by)] += 1
            self.tell(mutant, end)
        return True

    def _order(self, place: tuple[str, str]) -> list[str]:
        """The tests that call a function: quick ones, and those that killed there, come first."""
        kills = self.kills[place]
        names = [name for name, known in self.known.items() if place in known.calls]
        return sorted(names, key=lambda name: self.known[name].seconds / (1 + 20 * kills[name]))

    def _first_failure(self, items: Sequence[pytest.Item]) -> str | None:
        for item in items:
            with within(2 + SLOW * self.known[item.nodeid].seconds):
                if not _passes(item):
                    return item.nodeid
        return None

    def _learn(self, items: dict[str, pytest.Item]) -> None:
        """Run all without a mutant, in a fork, so that this process stays as collected."""

        def work() -> str | None:
            learnt = {}
            for name, item in items.items():
                began = time.process_time()
                passes, calls = _watched(item)
                if not passes:
                    return f"FAILS WITHOUT A MUTANT: {name}"
                learnt[name] = (time.process_time() - began, sorted(calls))
            os.write(told, json.dumps(learnt).encode())
            return None

        reads, told = os.pipe()
        with os.fdopen(os.memfd_create("learnt"), "w+") as memory:
            os.dup2(memory.fileno(), told)
            os.close(reads)
            end = in_a_fork(work, 600)
            if end.by is not None:
                raise RuntimeError(f"expected every test to pass without a mutant, found: {end.by}")
            memory.seek(0)
            learnt = json.load(memory)
        self.cpu_s += end.cpu_s
        for name, (seconds, calls) in learnt.items():
            self.known[name] = Known(seconds, frozenset((module, call) for module, call in calls))


def _passes(item: pytest.Item) -> bool:
    return all(report.passed for report in runtestprotocol(item, log=False, nextitem=None))


def _watched(item: pytest.Item) -> tuple[bool, set[tuple[str, str]]]:
    """Whether a test passes, and which of the core's functions it calls."""
    seen: set[CodeType] = set()
    sys.settrace(lambda frame, what, _: seen.add(frame.f_code))
    try:
        passes = _passes(item)
    finally:
        sys.settrace(None)
    return passes, {
        (module_of(Path(code.co_filename)), code.co_qualname.split(".<locals>")[0])
        for code in seen
        if code.co_filename.startswith(str(CORE))
    }


def hunt_functions(
    mutants: Iterable[Mutant], tell: Callable[[Mutant, End], None], tests: Sequence[str] = TESTS
) -> float:
    """Hunt mutants of functions; ``tell`` hears of each. CPU seconds that learning took."""
    hunt = FunctionHunt(mutants, tell)
    left_out = [f"--deselect={name}" for name in TOO_SLOW]
    code = pytest.main([*OPTIONS, *left_out, *tests], plugins=[hunt])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise RuntimeError(f"expected pytest to collect {tests}, found exit code {code}")
    return hunt.cpu_s


# -------------------------------------------------------------------------- mutants of all the rest


@dataclass(eq=False)
class DeclarationHunt:
    """A pytest plugin that, before any test is imported, hunts the mutants instead."""

    mutants: Iterable[Mutant]
    tell: Callable[[Mutant, End], None]
    stages: Sequence[Sequence[str]]
    cpu_s: int
    failed: list[str] = field(default_factory=list)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> bool:
        assert not any(name.startswith("listener.core") for name in sys.modules)
        _warm_up()
        gc.collect()
        gc.freeze()
        whole = in_a_fork(lambda: self._first_failure(session, self.stages), 2 * self.cpu_s)
        if whole.by is not None:
            raise RuntimeError(f"expected every test to pass without a mutant, found: {whole.by}")
        last: dict[str, Sequence[str]] = {}
        for mutant in self.mutants:
            # The likeliest killer of the next is what killed the last of the same module.
            order = sorted(self.stages, key=lambda stage: stage != last.get(mutant.module))

            def work(mutant: Mutant = mutant, order: list[Sequence[str]] = order) -> str | None:
                put_in_place(mutant)
                return self._first_failure(session, order)

            end = in_a_fork(work, self.cpu_s)
            for stage in self.stages:
                if str(end.by).startswith(tuple(stage)):
                    last[mutant.module] = stage
            self.tell(mutant, end)
        return True

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid or "collection")

    def _first_failure(
        self, session: pytest.Session, stages: Sequence[Sequence[str]]
    ) -> str | None:
        for stage in stages:
            items = session.perform_collect(stage)
            if self.failed:
                return self.failed[0]
            for item in items:
                if not _passes(item):
                    return item.nodeid
        return None


def hunt_declarations(
    mutants: Iterable[Mutant],
    tell: Callable[[Mutant, End], None],
    stages: Sequence[Sequence[str]] = STAGES,
    cpu_s: int = 60,
) -> None:
    """Hunt mutants for which their module is imported anew; ``tell`` hears of each. This process
    must have imported nothing of the core. ``stages``: tests, the likeliest killers first."""
    hunt = DeclarationHunt(mutants, tell, stages, cpu_s)
    code = pytest.main([*OPTIONS, "tests/core"], plugins=[hunt])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise RuntimeError(f"expected pytest to run, found exit code {code}")


def _warm_up() -> None:
    """Import what the tests need from elsewhere, once for all forks."""
    for name in ("hypothesis.stateful", "pydantic_settings", "orjson"):
        importlib.import_module(name)
