"""A lane's rest, and the readings on behalf of what is closed (rules 1, 10)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from listener.core.effects import Enquire
from listener.core.evidence import Hearing
from listener.core.facts import LaneReleased, SubmissionCorrected
from listener.core.names import Movement
from listener.core.policy import Policy

from .script import ACCEPTED, Script, accepted, unresolved

BRIEF = Policy(late_window_ms=10_000)
"""What closed is forgotten ten seconds later, in the midst of the rest."""


def resting(policy: Policy | None = None) -> Script:
    """Closed at 31 s, unconfirmed, the record moved: the lane rests until 61 s."""
    return accepted(policy=policy).at(31).time().read("p1")


def times(script: Script) -> tuple[float | None, float | None, int]:
    """When the rest ends and when it is looked at (seconds from now), and how often it was."""
    lane = script.lane
    rest, review = (
        None if moment is None else (moment - script.now) / 1000
        for moment in (lane.rest_until_ms, lane.review_ms)
    )
    return rest, review, lane.reviews


def test_an_event_that_awaits_correlation_puts_off_the_look_a_moment() -> None:
    script = resting().at(61).awaited().time()
    assert times(script) == (0, 0.25, 0)
    assert not script.effect(Enquire)
    script.read("p1")
    assert times(script) == (0, 0.25, 0)
    script.awaited(False).read("p1")
    assert times(script) == (None, None, 0)


def test_deaf_the_look_is_put_off_ever_longer() -> None:
    script = resting().at(61).deaf().time()
    assert times(script) == (0, 1, 1)
    script.at(62).time()
    assert times(script) == (-1, 2, 2)
    script.read("p1")
    assert times(script) == (-1, 0.25, 2), "nor does a reading decide"


@pytest.mark.parametrize("deaf", [False, True])
def test_a_rest_is_given_up_to_the_millisecond(deaf: bool) -> None:
    script = resting()
    if deaf:
        script.deaf()
    for at, over in ((31 + 3_599.999, False), (31 + 3_600, True)):
        script.at(at)
        if deaf:
            script.lane = replace(script.lane, review_ms=script.now)
            script.time()
        else:
            script.read(None)
        assert (script.lane.rest_until_ms is None) is over
    assert [fact.movement for fact in script.fact(LaneReleased)] == [Movement.UNKNOWN]


def test_each_reading_that_fails_is_counted_until_the_rest_is_over() -> None:
    script = resting().at(61).time().read(None)
    assert times(script) == (0, 1, 1)
    script.wake().read(None)
    assert times(script) == (-1, 2, 2)
    script.wake().read("p1")
    assert times(script) == (None, None, 0)


def test_a_rest_whose_look_was_lost_is_looked_at_when_it_ends() -> None:
    script = resting()
    script.lane = replace(script.lane, review_ms=None)
    assert script.due_s == 61
    assert not script.at(60.999).time().effect(Enquire)
    assert script.at(61).time().effect(Enquire)


def test_a_reading_in_the_midst_of_the_rest_leaves_its_end_to_be_looked_at() -> None:
    script = unresolved("old").at(70).submit().begin("p1").end(ACCEPTED).at(100).time().read("p1")
    assert times(script) == (30, 30, 0)
    script.at(101).event()
    assert times(script) == (29, 0, 0)
    script.time().read("p1")
    assert times(script) == (29, 29, 0)


def test_with_readings_off_the_rest_ends_as_what_can_never_be_told() -> None:
    script = Script(Policy(baseline=False)).submit().begin_blind().at(1).end(ACCEPTED)
    script.at(31).time().at(61).time()
    assert [fact.movement for fact in script.fact(LaneReleased)] == [Movement.INCOMPARABLE]


# ---------------------------------------------------------------------- where nothing is remembered


def test_a_reading_ends_the_rest_of_what_is_forgotten() -> None:
    script = resting(BRIEF).at(41).time()
    assert not script.lane.submissions
    assert script.at(61).time().effect(Enquire)
    script.read("p1")
    assert [fact.movement for fact in script.fact(LaneReleased)] == [Movement.INCOMPARABLE]
    assert times(script) == (None, None, 0)


def test_deaf_the_rest_of_what_is_forgotten_is_over_at_its_end() -> None:
    script = resting(BRIEF).at(41).time().at(61).deaf().time()
    assert times(script) == (None, None, 0)


def test_after_its_late_window_the_record_corrects_nothing() -> None:
    script = accepted(policy=BRIEF).at(31).time().read("p0").at(41).read("p1")
    assert [fact.outcome for fact in script.fact(SubmissionCorrected)] == ["unconfirmed"]
    script = accepted(policy=BRIEF).at(31).time().read("p0").at(41.001).read("p1")
    assert not script.fact(SubmissionCorrected)


# --------------------------------------------------------------------------------- what it corrects


def test_what_cannot_be_read_corrects_nothing() -> None:
    script = accepted(policy=Policy(give_up_after_ms=40_000)).at(31).time().read("p0")
    while script.lane.rest_until_ms is not None:
        script.wake().read(None)
        assert not script.fact(SubmissionCorrected)
    assert script.end_of() == "not_dispatched"


def test_what_can_no_longer_be_compared_corrects_nothing() -> None:
    script = accepted().at(31).time().read("p0").at(61).time().read("")
    assert script.end_of() == "not_dispatched"
    assert [fact.movement for fact in script.fact(LaneReleased)] == [Movement.INCOMPARABLE]


def presumed() -> Script:
    """Closed at 31 s: the record had moved, and we were deaf from 5 to 9 s."""
    script = accepted().at(5).deaf().at(9).listening().at(31).time().read("p1")
    assert script.end_of() == "presumed exclusive"
    return script


def test_presumed_stays_so_while_the_record_is_moved_even_if_the_gap_is_forgotten() -> None:
    script = presumed()
    script.hearing = Hearing(listening=True)
    assert script.at(61).time().read("p1").end_of() == "presumed exclusive"


def test_presumed_is_taken_back_if_the_record_is_as_it_was() -> None:
    script = presumed().at(61).time().read("p0")
    assert (script.end_of(), script.of().reason) == ("unconfirmed", "deaf_record_unmoved")
