"""One fact, one line: stories of the core, as the real log tells them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from listener.core.catalogue import (
    CATALOGUE,
)
from listener.core.facts import LaneRested, SubmissionClosed, SubmissionCorrected
from listener.core.log_fields import (
    ALWAYS,
    ANYWHERE,
)
from listener.core.names import Attribution, CvCode, Outcome, SubmissionId
from listener.core.view import canonical
from listener.service.fact_log import retell, tell
from tests.adapters.logs.sinks import Written, written
from tests.core.rules.script import ACCEPTED, NOT_SENT, REFUSED, TIMED_OUT, Script

CODE = CvCode("Cv9E#nH4$xTz8!pY2aW^mK6rL")


class Told(Script):
    """A script whose facts are told, as the engine does it."""

    def __init__(self, sink: Written) -> None:
        super().__init__()
        self.sink = sink

    def give(self, given: Any) -> Told:
        super().give(given)
        changed = {submission.id: submission for submission in self.decision.changed}
        tell(self.sink.log, CODE, self.decision.facts, changed)
        return self


@pytest.fixture
def sink() -> Iterator[Written]:
    with written() as made:
        yield made
        assert CODE not in made.text


STORIES = {
    "confirmed": lambda s: s.submit().begin().at(1).end(ACCEPTED).at(3).event(),
    "rejected, then heard": lambda s: s.submit().begin().at(1).end(REFUSED).at(2).event(),
    "not sent, again": lambda s: (
        s.submit().begin().at(1).end(NOT_SENT).wake().begin().end(ACCEPTED)
    ),
    "in doubt, moved": lambda s: s.submit().begin().end(TIMED_OUT).at(31).time().read("p1"),
    "in doubt, unmoved": lambda s: s.submit().begin().end(TIMED_OUT).at(31).time().read("p0"),
    "unresolved, then late": lambda s: (
        s.submit().begin().end(ACCEPTED).wake().read("p1").at(40).event()
    ),
    "twice": lambda s: s.submit().begin().end(ACCEPTED).event().event(),
    "cancelled": lambda s: s.submit().cancel(),
    "cancelled while sending": lambda s: s.submit().begin().cancel().end(NOT_SENT),
    "blind": lambda s: s.submit().begin_blind().end(TIMED_OUT).at(100).time().wake(),
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_every_fact_is_one_line_in_its_order(sink: Written, story: Any) -> None:
    told = Told(sink)
    story(told)
    assert told.facts
    assert [line["event"] for line in sink.lines] == [fact.event for fact in told.facts]
    for line, fact in zip(sink.lines, told.facts, strict=True):
        assert line.get("submission_id") == fact.submission_id
        assert line["cv_ref"] == sink.log.ref(CODE)
        assert set(line) <= {*ALWAYS, *ANYWHERE, *CATALOGUE[fact.event].fields}
        # Points in time are words, and no duration is one.
        assert not [name for name in line if name.endswith("_ms") and isinstance(line[name], str)]


def test_the_canonical_line_has_all_timings_and_evidence(sink: Written) -> None:
    told = Told(sink)
    told.submit().at(0.5).begin().at(1.5).end(ACCEPTED).at(4).event()
    (line,) = sink.of("submission.closed")
    expected = {name: value for name, value in canonical(told.of()).items() if value is not None}
    assert {name: line[name] for name in expected} == expected
    assert (line["queued_ms"], line["post_ms"], line["confirm_ms"], line["total_ms"]) == (
        500,
        1_000,
        3_500,
        4_000,
    )
    assert (line["outcome"], line["evidence"], line["level"]) == ("confirmed", ["event"], "info")


def test_a_point_in_time_is_told_as_such(sink: Written) -> None:
    told = Told(sink)
    told.submit().begin().at(1).end(NOT_SENT)
    (line,) = sink.of("attempt.ended")
    assert line["retry_at"].startswith("2023-11-14T22:13:2")
    told.wake().begin().end(ACCEPTED).wake().read("p1")
    until = told.fact(LaneRested)
    assert [rested["until"][:10] for rested in sink.of("lane.rested")] == ["2023-11-14"] * len(
        until
    )


def test_a_close_and_its_correction_in_one_decision_each_tell_their_own(sink: Written) -> None:
    told = Told(sink)
    told.submit().begin().at(1).end(ACCEPTED).at(3).event()
    submission, before = told.of(), len(sink.lines)
    closed = SubmissionClosed(
        at_ms=told.now,
        submission_id=submission.id,
        outcome=Outcome.UNCONFIRMED,
        attribution=None,
        reason="never_heard",
    )
    corrected = SubmissionCorrected(
        at_ms=told.now,
        submission_id=submission.id,
        outcome_before=Outcome.UNCONFIRMED,
        outcome=Outcome.CONFIRMED,
        attribution=Attribution.EXCLUSIVE,
        reason=None,
    )
    tell(sink.log, CODE, [closed, corrected], {submission.id: submission})
    first, second = sink.lines[before:]
    assert (first["outcome"], first["reason"], first["level"]) == (
        "unconfirmed",
        "never_heard",
        "error",
    )
    assert "attribution" not in first
    assert (second["outcome_before"], second["outcome"]) == ("unconfirmed", "confirmed")
    assert second["attribution"] == "exclusive"


def test_a_close_that_is_told_again_is_the_same_and_says_so(sink: Written) -> None:
    told = Told(sink)
    told.submit().begin().at(1).end(ACCEPTED).at(3).event()
    retell(sink.log, CODE, told.of())
    first, again = sink.of("submission.closed")
    assert again.pop("repeated") is True
    assert {**first, "timestamp": ""} == {**again, "timestamp": ""}


def test_a_fact_of_a_submission_that_is_gone_is_told_all_the_same(sink: Written) -> None:
    told = Told(sink)
    told.submit().begin().at(1).end(REFUSED)
    closed = [fact for fact in told.facts if isinstance(fact, SubmissionClosed)]
    before = len(sink.lines)
    tell(sink.log, CODE, closed, {SubmissionId("other"): told.of()})
    (line,) = sink.lines[before:]
    assert (line["outcome"], "total_ms" in line) == ("rejected", False)
