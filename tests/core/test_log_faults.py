"""A line is held against the catalogue: names, types, words, level."""

from __future__ import annotations

from typing import Any

import pytest

from listener.core.catalogue import CATALOGUE
from listener.core.log_faults import faults_of
from listener.core.log_fields import ALWAYS, ANYWHERE, FIELDS
from listener.core.log_kinds import KINDS, VOCABULARY, Kind
from tests.adapters.logs.sinks import written

AN_ID = "0199a1b2-0000-7000-8000-000000000001"
A_MOMENT = "2026-01-31T12:00:00.000Z"
GOOD: dict[Kind, Any] = {
    Kind.TEXT: "any text",
    Kind.WORD: "a_word",
    Kind.FLAG: True,
    Kind.COUNT: 3,
    Kind.BYTES: 3,
    Kind.MILLIS: 3,
    Kind.MILLIS_PART: 0.5,
    Kind.SECONDS: 0.5,
    Kind.MOMENT: A_MOMENT,
    Kind.ID: AN_ID,
    Kind.REF: "cv_0123456789ab",
    Kind.NUMBER_OR_TEXT: 7,
    Kind.WORDS: ["a", "b"],
    Kind.COUNTS: {},
    Kind.TEXTS: {"CV_A": "x"},
}
BAD: dict[Kind, list[Any]] = {
    Kind.TEXT: [1, None, []],
    Kind.WORD: ["two words", "", "a" * 65, 7, "é"],
    Kind.FLAG: [1, "yes", None],
    Kind.COUNT: [-1, 1.5, True, "1", None],
    Kind.BYTES: [-1, 1.5, True],
    Kind.MILLIS: [-1, 1.5, True],
    Kind.MILLIS_PART: [-0.1, True, "1"],
    Kind.SECONDS: [-0.1, True, "1"],
    Kind.MOMENT: ["2026-01-31T12:00:00Z", "2026-01-31 12:00:00.000Z", 7],
    Kind.ID: [AN_ID.upper(), "1", 7],
    Kind.REF: ["cv_1", "0123456789ab", 7],
    Kind.NUMBER_OR_TEXT: [[], True, -1],
    Kind.WORDS: ["a", [1]],
    Kind.COUNTS: [[], {"confirmed": -1}, {"confirmed": "1"}],
    Kind.TEXTS: [[], "a"],
}


def value(field: str) -> Any:
    """One that it can have."""
    if field in VOCABULARY and KINDS[field] is Kind.COUNTS:
        return {min(VOCABULARY[field]): 1}
    return min(VOCABULARY[field]) if field in VOCABULARY else GOOD[KINDS[field]]


def line(event: str, **fields: Any) -> dict[str, Any]:
    """One as the log writes it."""
    with written() as sink:
        sink.log.emit(event, **fields)
        found: dict[str, Any] = sink.lines[0]
    return found


def test_every_field_has_a_kind_and_words_that_are_of_it() -> None:
    assert set(KINDS) == set(FIELDS)
    assert {KINDS[name] for name in VOCABULARY} == {Kind.WORD, Kind.COUNTS}
    assert set(GOOD) == set(BAD) == set(Kind)


@pytest.mark.parametrize("event", CATALOGUE)
def test_what_the_log_writes_is_without_fault(event: str) -> None:
    fields = {name: value(name) for name in CATALOGUE[event].fields}
    assert faults_of(line(event, **fields)) == []
    assert faults_of(line(event)) == [], "fields that do not apply are left out"


@pytest.mark.parametrize("kind", Kind)
def test_a_value_of_another_kind_is_a_fault(kind: Kind) -> None:
    told = line("daemon.ready")
    for event, spec in CATALOGUE.items():
        for field in spec.fields:
            if KINDS[field] is kind and field not in VOCABULARY and spec.levels_by is None:
                whole = line(event, **{field: value(field)})
                for wrong in BAD[kind]:
                    [fault] = faults_of(whole | {field: wrong})
                    assert fault == f"{event}.{field}: expected {kind.value}, found another"
    assert faults_of(told) == []


@pytest.mark.parametrize("field", sorted(set(VOCABULARY) - {"level"}))
def test_a_word_of_no_vocabulary_is_a_fault(field: str) -> None:
    event = next(name for name, spec in CATALOGUE.items() if field in spec.fields)
    wrong = {"unheard": 1} if KINDS[field] is Kind.COUNTS else "unheard"
    found = faults_of(line(event) | {field: wrong})
    assert any(fault.startswith(f"{event}.{field}: expected one of") for fault in found), (
        "and whatever follows from it"
    )
    assert not any("unheard" in fault for fault in found), "no value is told"


def test_what_no_line_may_be() -> None:
    told = line("submission.closed", outcome="rejected", reason="not_found")
    assert faults_of(told) == []
    assert faults_of({}) == faults_of(told | {"event": "no.such"}) == faults_of(told | {"event": 7})
    assert faults_of({}) == ["event: expected one of the catalogue's, found another"]
    without = {name: each for name, each in told.items() if name != "hint"}
    assert faults_of(without) == [
        "submission.closed.hint: expected one, for it is error; found none"
    ]
    assert faults_of(without | {"truncated": True}) == []
    assert faults_of(told | {"level": "info"}) == ["submission.closed.level: expected error, found"
                                                   " another"]  # fmt: skip
    assert faults_of(told | {"v": 2}) == ["submission.closed.v: expected 1, found another"]
    assert "of its own" in faults_of(told | {"transport": "polling"})[0]
    assert "not in the catalogue" in faults_of(told | {"catalogue_miss": "x"})[0]
    backwards = dict(reversed(list(told.items())))
    assert "in their order" in faults_of(backwards)[0]
    assert set(ALWAYS) | set(ANYWHERE) <= set(KINDS)
