"""Where each bound lies, to the millisecond, and what lies on it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from listener.core.facts import AttemptBegan, RecordEnquired
from listener.core.names import Movement
from listener.core.policy import Policy

from .script import ACCEPTED, NOT_SENT, TIMED_OUT, Script, accepted, in_doubt, unresolved

DAY = 86_400


def test_an_event_on_the_last_moment_of_the_late_window_still_corrects() -> None:
    script = accepted().at(31).time().read("p1").at(31 + DAY).event()
    assert script.disposed == ["corrected"]


def test_a_foreign_event_a_whole_settle_period_before_still_contends() -> None:
    script = Script().submit().event().at(30).begin("p0").end(ACCEPTED).at(31).event()
    assert script.disposed == ["candidate"]
    script = Script().submit().event().at(30.001).begin("p0").end(ACCEPTED).at(31).event()
    assert script.disposed == ["confirmed"]


def test_at_the_moment_of_giving_up_nothing_is_sent_again() -> None:
    assert in_doubt().at(3_600.999).read("p0").state() == "queued"
    assert in_doubt().at(3_601).read("p0").end_of() == "unconfirmed"


@pytest.mark.parametrize(
    ("began", "movement"), [(32.999, Movement.UNKNOWN), (33, Movement.UNMOVED)]
)
def test_a_reading_from_before_the_attempts_end_cannot_say_unmoved(
    began: float, movement: Movement
) -> None:
    script = in_doubt().at(31).time().read("p0").begin("p0").at(33).end(TIMED_OUT)
    script.at(34).read("p0", began=began)
    assert script.fact(RecordEnquired)[0].movement is movement


def test_an_attempt_that_was_not_sent_lends_no_baseline() -> None:
    script = Script().submit().begin("p0").end(NOT_SENT).at(2).begin("p1").at(3).end(ACCEPTED)
    script.at(33).time().read("p1")
    assert script.end_of() == "not_dispatched"


@pytest.mark.parametrize(("before", "after"), [("p0", ""), ("", "p0")])
def test_a_path_that_one_reading_lacks_is_no_foreign_update(before: str, after: str) -> None:
    script = Script().submit().begin(before).end(NOT_SENT).at(5).begin(after)
    assert not script.fact(AttemptBegan)[0].contended


# --------------------------------------------------------------- what a younger one's baseline says


def test_the_baseline_of_the_next_tells_that_an_update_was_applied() -> None:
    """Never read itself, it is known to have moved: a late event need not wait for the record."""
    script = unresolved("old", Policy(give_up_after_ms=40_000)).at(70)
    script.submit().begin("p1").end(ACCEPTED)
    while script.lane.rest_until_ms is not None or script.state() != "closed":
        script.wake().read(None)
    assert script.of().reason == "listened_record_unknown"
    script.submit("b").begin("p2", "b").end(ACCEPTED, "b").event().read("p3")
    assert script.end_of("b") == "confirmed contended"
    assert script.event().disposed == ["corrected"]
    assert script.end_of() == "confirmed contended"


def test_the_baseline_of_an_older_one_tells_nothing_of_a_younger() -> None:
    script = unresolved("old").at(70).submit("b").begin("p1", "b").end(ACCEPTED, "b")
    script.at(100).time().read("p2").wake().read("p2").submit()
    script.begin("p2").at(131).end(ACCEPTED).at(161).time().read("p2")
    assert script.end_of() == "not_dispatched"
    assert script.event().disposed == ["candidate"]


# ------------------------------------------------------------------ nothing is due of a closed one


@pytest.mark.parametrize(
    "play",
    [
        lambda: Script(Policy(deliver_within_ms=3_000)).submit().begin().end(NOT_SENT).at(3).time(),
        lambda: Script(Policy(deliver_within_ms=500)).submit().begin().end(NOT_SENT).at(0.5).time(),
        lambda: accepted().at(2).cancel(),
        lambda: in_doubt().at(2).cancel(),
        lambda: in_doubt().at(31).time().read("p0").cancel(),
        lambda: in_doubt().at(31).time().read("p0").event(),
        lambda: in_doubt().at(31).time().read("p1"),
    ],
)
def test_a_closed_one_has_no_timers(play: Callable[[], Script]) -> None:
    script = play()
    closed = script.of()
    assert script.state() == "closed"
    assert closed.closed_ms == script.now
    assert closed.not_before_ms is closed.deliver_by_ms is closed.deadline_ms is None
    assert closed.settle_ms is closed.give_up_ms is closed.enquire_ms is None
    assert closed.held == ()
