"""The catalogue is whole: every fact, every line the source writes, every field has its words."""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Iterator
from enum import StrEnum

import pytest

from docs.log_events import page
from listener.cli.root import COMMANDS
from listener.core import facts
from listener.core.catalogue import CATALOGUE, CATALOGUE_VERSION, GROUPS, runbook
from listener.core.event_spec import EventSpec, Level
from listener.core.facts import Fact
from listener.core.log_fields import (
    ALWAYS,
    ANYWHERE,
    FIELDS,
    FREE_TEXT,
)
from listener.core.names import (
    Comparison,
    Disposition,
    FileKind,
    GapReason,
    Millis,
    Outcome,
    PostKind,
    SubmissionId,
)
from listener.core.reasons import ATTEMPT, SUBSCRIPTION
from listener.core.submission import FileFacts, Submission
from listener.core.view import canonical
from listener.settings import known_settings
from tests.tree import ROOT, parsed, texts

SPECS = list(CATALOGUE.values())
PAST = re.compile(r"ed$|^(began|lost|held|swept|forgotten)$")
STATES = {"daemon.ready", "daemon.heartbeat", "daemon.drain_cut_short", "event.never_heard"}
"""Named for what is, or for what did not happen."""
LOUD = {Level.WARNING, Level.ERROR, Level.CRITICAL}


def every_fact() -> list[type[Fact]]:
    return [
        each
        for each in vars(facts).values()
        if isinstance(each, type) and issubclass(each, Fact) and each is not Fact
    ]


@pytest.mark.parametrize("fact", every_fact(), ids=lambda fact: fact.__name__)
def test_every_fact_is_an_event_with_its_fields(fact: type[Fact]) -> None:
    spec = CATALOGUE[fact.event]
    own = {field.name for field in dataclasses.fields(fact)} - {"at_ms"}
    assert own | {"cv_ref"} <= set(spec.fields)


def test_every_fact_has_an_event_of_its_own() -> None:
    names = [fact.event for fact in every_fact()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("event", ["submission.closed", "submission.corrected"])
def test_the_canonical_line_has_every_canonical_field(event: str) -> None:
    file = FileFacts("00", 1, FileKind.PDF, "cv.pdf")
    submission = Submission(SubmissionId("0"), Millis(0), file)
    assert set(canonical(submission)) <= set(CATALOGUE[event].fields)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_an_event_is_well_formed(spec: EventSpec) -> None:
    assert re.fullmatch(r"[a-z]+\.[a-z]+(_[a-z]+)*", spec.name)
    assert spec.name in STATES or PAST.search(re.split(r"[._]", spec.name)[-1]), "what happened"
    assert spec.meaning.endswith(".")
    assert len(set(spec.fields)) == len(spec.fields)
    assert set(spec.fields) <= set(FIELDS)
    assert not set(spec.fields) & {*ALWAYS, *ANYWHERE}, "those need not be said"
    if spec.levels() & LOUD:
        assert spec.what_to_do.endswith("."), "who is called needs to know what to do"
    if spec.levels_by is not None:
        assert spec.levels_by[0] in spec.fields


def test_every_event_stands_in_one_group() -> None:
    grouped = [spec.name for specs in GROUPS.values() for spec in specs]
    assert sorted(grouped) == sorted(set(grouped)) == sorted(CATALOGUE)


def test_every_field_is_explained_and_used() -> None:
    used = {*ALWAYS, *ANYWHERE, *(name for spec in SPECS for name in spec.fields)}
    assert used == set(FIELDS)
    assert set(FIELDS) >= FREE_TEXT
    assert all(meaning.endswith(".") for meaning in FIELDS.values())


def test_a_level_can_follow_a_field() -> None:
    closed = CATALOGUE["submission.closed"]
    levels = {outcome: closed.level_of({"outcome": outcome}) for outcome in Outcome}
    assert {o for o, level in levels.items() if level is Level.INFO} == {
        Outcome.CONFIRMED,
        Outcome.CANCELLED,
        Outcome.SUPERSEDED,
    }
    assert levels[Outcome.PRESUMED] is Level.WARNING
    assert levels[Outcome.NOT_DISPATCHED] is Level.ERROR
    assert closed.level_of({}) is Level.INFO


def test_what_a_level_follows_is_a_word_of_the_vocabulary() -> None:
    vocabularies: dict[str, type[StrEnum]] = {
        "outcome": Outcome,
        "worst": Outcome,
        "result": PostKind,
        "disposition": Disposition,
        "verdict": Comparison,
    }
    for spec in SPECS:
        if spec.levels_by is not None:
            name, levels = spec.levels_by
            assert set(levels) <= {word.value for word in vocabularies[name]}


def emitted() -> Iterator[tuple[str, ast.expr, list[ast.keyword], str]]:
    """(place, event, fields, method) of each line that the source writes to the log."""
    for name, text in texts(".py", under=("listener/", "handlers/")):
        if name.startswith(("listener/emulator/", "listener/adapters/logs/log.py")):
            continue
        for node in ast.walk(parsed(text)):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("emit", "fault")
                and re.search(r"\blog\b|_log\b", ast.unparse(node.func.value))
            ):
                yield f"{name}:{node.lineno}", node.args[0], node.keywords, node.func.attr


MADE = {
    "fact.event": {fact.event for fact in every_fact()},
    "SubmissionClosed.event": {facts.SubmissionClosed.event},
    "event": {"subscription.refused", "subscription.failed"},
}
"""Events that are named by no constant, and what they can be."""


def test_events_that_are_made_are_in_the_catalogue_too() -> None:
    assert set().union(*MADE.values()) <= set(CATALOGUE)
    written = {ast.unparse(event) for _, event, _, _ in emitted()}
    assert set(MADE) <= written, "none is a leftover"


def test_what_the_source_writes_is_in_the_catalogue() -> None:
    wrong, seen = [], 0
    for place, event, keywords, method in emitted():
        if not isinstance(event, ast.Constant) or not isinstance(event.value, str):
            if ast.unparse(event) not in MADE:
                wrong.append(f"{place} writes {ast.unparse(event)}: enter in MADE what it can be")
            continue
        seen += 1
        spec = CATALOGUE.get(event.value)
        fields = {keyword.arg for keyword in keywords if keyword.arg}
        if method == "fault":
            fields |= {"error_type", "error", "trace"}
        if spec is None:
            wrong.append(f"{place} writes {event.value}, which is not in the catalogue")
        elif extra := fields - {*spec.fields, *ANYWHERE}:
            wrong.append(f"{place} writes {event.value} with {sorted(extra)}")
    assert not wrong
    assert seen > 15, "the search finds what it looks for"


def test_the_catalogue_has_no_event_that_nothing_writes() -> None:
    named = {event.value for _, event, _, _ in emitted() if isinstance(event, ast.Constant)}
    # The log's own line about itself.
    written = named.union(*MADE.values()) | {"log.dropped"}
    assert set(CATALOGUE) - written == set()


def test_the_page_tells_of_everything() -> None:
    text = page()
    for name, spec in CATALOGUE.items():
        assert f"### `{name}`" in text
        assert spec.what_to_do in text
    assert {f"docs/log-events.md#{anchor}" for anchor in anchors(text)} >= {
        f"docs/log-events.md#{name.replace('.', '')}" for name in CATALOGUE
    }


def anchors(text: str) -> list[str]:
    """As a page's headings are linked to."""
    return [
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    ]


OF_THE_RUNBOOK = {
    name for name, spec in CATALOGUE.items() if spec.levels() - {Level.DEBUG, Level.INFO}
}
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text("utf-8")


def test_the_runbook_has_an_entry_for_every_event_that_is_loud_and_for_no_other() -> None:
    entries = re.findall(r"^### (\S+)\n\n(.+?)(?=^##|\Z)", RUNBOOK, re.MULTILINE | re.DOTALL)
    assert len(entries) == len({name for name, _ in entries})
    assert {name for name, _ in entries} == OF_THE_RUNBOOK
    assert {runbook(name) for name in OF_THE_RUNBOOK} <= {
        f"docs/runbook.md#{anchor}" for anchor in anchors(RUNBOOK)
    }
    for name, text in entries:
        assert "*Do:*" in text, f"{name} has nothing to do"
    critical = {name for name, spec in CATALOGUE.items() if Level.CRITICAL in spec.levels()}
    assert {name for name, text in entries if "*Wake somebody*" in text} >= critical


def test_what_the_runbook_speaks_of_is_there() -> None:
    events = set(re.findall(r"`([a-z]+\.[a-z_]+)`", RUNBOOK))
    assert events <= set(CATALOGUE) | {"refused"}, events - set(CATALOGUE)
    commands = set(re.findall(r"cv-listener ([a-z]+)", RUNBOOK))
    assert commands <= set(COMMANDS), commands - set(COMMANDS)
    settings = set(re.findall(r"\bCV_[A-Z_]+", RUNBOOK))
    known = {setting.name for setting in known_settings()}
    assert settings <= known, settings - known


def test_an_event_that_says_no_more_has_a_level_and_nothing_to_do() -> None:
    plain = EventSpec("a.b", Level.INFO, "It was.")
    assert plain == EventSpec("a.b", Level.INFO, "It was.", (), "", None, {}, 1)
    assert plain.hint_of({"reason": "refused"}) == ""
    assert plain.level_of({"outcome": "rejected"}) is Level.INFO
    assert plain.levels() == {Level.INFO}


def test_a_level_that_follows_a_field_may_be_any_of_its_own() -> None:
    closed = CATALOGUE["submission.closed"]
    assert closed.levels() == {Level.INFO, Level.WARNING, Level.ERROR}
    assert closed.level_of({"outcome": 7}) is Level.INFO
    assert closed.level_of({"outcome": ["rejected"]}) is Level.INFO
    assert closed.level_of({"outcome": "of no vocabulary"}) is Level.INFO
    ended = CATALOGUE["attempt.ended"]
    loud = {kind for kind in PostKind if ended.level_of({"result": kind}) is Level.WARNING}
    assert loud == set(PostKind) - {PostKind.ACCEPTED}
    assert ended.level_of({"outcome": "rejected"}) is Level.INFO, "another field counts for nothing"


def test_what_to_do_follows_the_reason_where_that_says_it() -> None:
    spec = CATALOGUE["subscription.refused"]
    assert spec.hint_of({"reason": "server_2x"}).startswith("No setting helps")
    assert spec.hint_of({"reason": "http_401"}) != spec.hint_of({"reason": "http_404"})
    assert spec.hint_of({"reason": "http_418"}) == SUBSCRIPTION["http_4xx"].what_to_do
    assert spec.hint_of({"reason": "of no vocabulary"}) == spec.what_to_do
    assert spec.hint_of({"reason": 7}) == spec.hint_of({}) == spec.what_to_do
    restored = CATALOGUE["subscription.restored"]
    assert restored.hint_of({"gap_reason": GapReason.NO_OFFSET}) == restored.what_to_do
    assert "maxDisconnectionDuration" in restored.hint_of({"gap_reason": GapReason.NOT_RECOVERED})
    closed = CATALOGUE["submission.closed"]
    assert closed.hint_of({"reason": "not_found"}) == ATTEMPT["not_found"].what_to_do
    assert closed.hint_of({"reason": "http_502"}) == closed.what_to_do, "nothing follows it"


def test_an_event_is_as_old_as_the_catalogue_at_most() -> None:
    assert CATALOGUE_VERSION == 1, "a new version needs its own events"
    assert {spec.since for spec in SPECS} == {1}


def test_where_it_is_written_what_to_do() -> None:
    assert runbook("submission.closed") == "docs/runbook.md#submissionclosed"
