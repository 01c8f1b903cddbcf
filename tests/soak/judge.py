"""What the daemon's log alone tells, by ``cv-listener report``, against the upstream's ledger."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from listener.core.log_faults import faults_of
from tests.e2e.process import ROOT

SLACK_MS = 1_000
"""Between an emission and the begin of the gap that swallowed it: what was under way."""
HELD_MOST_MS = 50.0
TORN_BY_KILL = 1

UNREADABLE = "hostile"
"""The payload of an event that says nothing of its code."""

LOST_ON_THE_WAY = {"not_sent", "possibly_sent"}
"""Results of attempts that the upstream need not have seen."""


@dataclass(frozen=True, slots=True)
class Truth:
    """One submission, as the ledger has it."""

    posts: int = 0
    applied: int = 0
    emitted_ms: tuple[int, ...] = ()


@dataclass(slots=True)
class Case:
    """One soak: what was done (``soak.json``), the ledger, the log, and the report of that log."""

    accepted: Mapping[str, str]
    kills: Sequence[int]
    unread_s: float
    seconds: float
    met: Mapping[str, int]
    slowest_line_ms: float
    truth: Mapping[str, Truth]
    foreign: frozenset[str]
    report: Mapping[str, Any]
    ends: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    attempts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    wrong_lines: Counter[str] = field(default_factory=Counter)
    lines: int = 0

    @property
    def outcomes(self) -> dict[str, int]:
        """By the report."""
        return {row["outcome"]: row["count"] for row in self.report["submissions"]["outcomes"]}

    def alone(self, name: str) -> bool:
        """Whether no other update is of its code, so that its events are its own."""
        code = self.accepted[name]
        return self.updates_of[code] == 1 and code not in self.foreign

    @property
    def updates_of(self) -> Counter[str]:
        """How many of each code were accepted."""
        return Counter(self.accepted.values())

    def emitted(self) -> set[str]:
        """Submissions that the upstream emitted for."""
        return {name for name, told in self.truth.items() if told.emitted_ms}

    def ended(self, outcome: str) -> set[str]:
        """Submissions that ended so, by the log."""
        return {name for name, end in self.ends.items() if end["outcome"] == outcome}

    def deaf_at(self, at_ms: int) -> bool:
        """Whether the report says that we were deaf then, to the daemon's own knowledge."""
        return any(
            time["start_ms"] - SLACK_MS <= at_ms <= (time["end_ms"] or at_ms) + SLACK_MS
            for each in self.report["deaf"]
            for time in each["times"]
        )


def read(folder: Path) -> Case:
    """A soak that ``play.keep`` kept. Runs the report on its log."""
    told = json.loads((folder / "soak.json").read_text())
    ledger = json.loads((folder / "ledger.json").read_text())
    log = folder / "output.log"
    case = Case(
        **told,
        truth=_truth(ledger),
        foreign=frozenset(code for code, told in ledger["codes"].items() if told["foreign"]),
        report=report_of(log),
    )
    _read_log(case, log)
    return case


def _truth(ledger: Mapping[str, Any]) -> dict[str, Truth]:
    """By submission. An event that nobody could read is none."""
    truth: dict[str, Truth] = {}
    for entries in ledger["codes"].values():
        for post in entries["posts"]:
            name = (post["request_id"] or "").rpartition("-")[0]
            before = truth.get(name, Truth())
            emitted = tuple(
                event["emitted_ms"]
                for event in entries["events"]
                if event["for_post"] == post["number"] and event["payload"] != UNREADABLE
            )
            truth[name] = Truth(
                before.posts + 1,
                before.applied + post["applied"],
                (*before.emitted_ms, *emitted),
            )
    return truth


def report_of(log: Path) -> Mapping[str, Any]:
    """What the command says."""
    ended = subprocess.run(
        [sys.executable, "-m", "listener", "report", "--json", str(log)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    found: Mapping[str, Any] = json.loads(ended.stdout)
    return found


def _read_log(case: Case, log: Path) -> None:
    with log.open("rb") as lines:
        for text in lines:
            try:
                line = json.loads(text)
            except ValueError:
                case.wrong_lines["torn"] += 1
                continue
            case.lines += 1
            case.wrong_lines.update(faults_of(line))
            name = line.get("submission_id")
            match line["event"]:
                case "submission.closed" | "submission.corrected":
                    before = case.ends.get(name)
                    version = line["submission_version"]
                    if before is None or version >= before["submission_version"]:
                        case.ends[name] = line
                case "attempt.ended":
                    case.attempts[name][line["result"]] += 1


# ------------------------------------------------------------------------------------- promises


def all_accepted_is_told_and_closed(case: Case) -> Iterator[str]:
    """The report knows every acknowledgement, and none is open at the end."""
    told, count = case.report["submissions"], len(case.accepted)
    if told["accepted"] != count:
        yield f"{count} were accepted, and the report tells of {told['accepted']}"
    if told["closed"] != count or case.report["open"]["accepted_and_not_closed"]:
        yield f"{count} were accepted, and the report has {told['closed']} closed"
    if case.ends.keys() != case.accepted.keys():
        yield f"closed in the log or accepted alone: {case.ends.keys() ^ case.accepted.keys()}"
    if sum(case.outcomes.values()) != len(case.ends):
        yield f"the report counts {case.outcomes}, and the log has {len(case.ends)} ends"


def the_report_s_outcomes_are_the_log_s(case: Case) -> Iterator[str]:
    """By a second reading, line by line."""
    found = dict(Counter(str(end["outcome"]) for end in case.ends.values()))
    if found != case.outcomes:
        yield f"the report counts {case.outcomes}, the lines say {found}"


def nothing_is_applied_twice(case: Case) -> Iterator[str]:
    """Whatever happened to its POSTs."""
    for name, told in case.truth.items():
        if told.applied > 1:
            yield f"{name} was applied {told.applied} times"


def outcomes_are_true(case: Case) -> Iterator[str]:
    """Confirmed: emitted. Presumed: applied. Rejected, not dispatched, undelivered: not applied."""
    for name, end in case.ends.items():
        told, outcome = case.truth.get(name, Truth()), end["outcome"]
        if outcome == "confirmed" and not told.emitted_ms and case.alone(name):
            yield f"{name} is confirmed, and no event was emitted for it"
        if outcome == "presumed" and not told.applied and case.alone(name):
            yield f"{name} is presumed, and was not applied"
        if outcome in ("rejected", "not_dispatched", "undelivered") and told.applied:
            yield f"{name} is {outcome}, and was applied"


def what_was_emitted_and_not_heard_lies_in_deafness(case: Case) -> Iterator[str]:
    """No event is missed silently."""
    for name in case.emitted() - case.ended("confirmed"):
        if case.alone(name) and not any(map(case.deaf_at, case.truth[name].emitted_ms)):
            yield f"{name} was emitted for while the report has us listening: {case.ends[name]}"


def every_post_is_an_attempt(case: Case) -> Iterator[str]:
    """As many as arrived, the log has; and where fewer arrived, an attempt says that it may not
    have, or a kill cut its line off."""
    unexplained = 0
    for name, end in case.ends.items():
        arrived, attempts = case.truth.get(name, Truth()).posts, end["attempts"]
        if arrived > attempts:
            yield f"{name} has {attempts} attempts, and {arrived} POSTs arrived"
        told = sum(case.attempts[name][result] for result in LOST_ON_THE_WAY)
        unexplained += max(0, attempts - arrived - told)
    if unexplained > 16 * len(case.kills):
        yield f"{unexplained} attempts did not arrive, and no line says that they may not have"


def lines_are_whole(case: Case) -> Iterator[str]:
    """Valid against the catalogue, but for what a kill cut; none dropped; none with a code."""
    torn = case.wrong_lines.pop("torn", 0)
    if torn > TORN_BY_KILL * len(case.kills):
        yield f"{torn} lines are torn, after {len(case.kills)} kills"
    for wrong, count in case.wrong_lines.most_common(5):
        yield f"{count} lines: {wrong}"
    if dropped := case.report["read"]["dropped_by_the_daemon"]:
        yield f"{dropped} lines were dropped"


def no_line_held_the_loop_up(case: Case) -> Iterator[str]:
    """With the log unread for a minute, too."""
    if case.slowest_line_ms > HELD_MOST_MS:
        yield f"a line held the loop up for {case.slowest_line_ms} ms"


Check = Callable[[Case], Iterator[str]]

ALWAYS: Sequence[Check] = (
    all_accepted_is_told_and_closed,
    the_report_s_outcomes_are_the_log_s,
    nothing_is_applied_twice,
    outcomes_are_true,
    what_was_emitted_and_not_heard_lies_in_deafness,
    every_post_is_an_attempt,
    lines_are_whole,
)
