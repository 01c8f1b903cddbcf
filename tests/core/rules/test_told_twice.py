"""Rule 4: an event that is told a second time is no other update's."""

from __future__ import annotations

import pytest

from listener.core.effects import Dispatch, Enquire
from listener.core.evidence import PostResult

from .script import ACCEPTED, REFUSED, TIMED_OUT, Script, accepted

DAY = 86_400


def after_a_confirmed_one(seconds: float, result: PostResult) -> Script:
    """``old`` was confirmed at 2 s; ``a`` began so many seconds later, and ended at once."""
    script = accepted("old").at(2).event().at(2 + seconds).submit().begin("p1").end(result)
    assert script.end_of("old") == "confirmed exclusive"
    return script


@pytest.mark.parametrize("seconds", [0, 30])
def test_an_event_soon_after_anothers_may_be_that_one_told_twice(seconds: float) -> None:
    script = after_a_confirmed_one(seconds, ACCEPTED).event()
    assert (script.disposed, script.state()) == (["candidate"], "awaiting")
    assert script.time().effect(Enquire), "the record is read at once"


def test_the_record_speaks_for_it_and_the_next_goes_at_once() -> None:
    script = after_a_confirmed_one(1, ACCEPTED).event().submit("b").time().read("p2")
    assert script.end_of() == "confirmed contended"
    assert [offer.submission_id for offer in script.effect(Dispatch)] == ["b"]
    assert script.lane.rest_until_ms is None
    script.begin("p2", "b").end(ACCEPTED, "b").event().time().read("p3")
    assert script.end_of("b") == "confirmed contended"


@pytest.mark.parametrize("result", [ACCEPTED, TIMED_OUT])
def test_the_record_does_not_speak_for_it(result: PostResult) -> None:
    script = after_a_confirmed_one(1, result).event()
    while script.state() != "closed" and script.now_s < 40:
        script.wake()
        if script.effect(Enquire):
            script.read("p1")
        if script.effect(Dispatch):
            break
    # Accepted it was not dispatched; in doubt it is sent again, a settle period later.
    expected = ("not_dispatched", 33) if result is ACCEPTED else ("queued", 33)
    assert (script.end_of(), script.now_s) == expected


def test_held_it_is_as_doubtful() -> None:
    script = accepted("old").at(2).event().at(3).submit().begin("p1").event().end(ACCEPTED)
    assert (script.disposed, script.state()) == (["candidate"], "awaiting")


def test_long_after_the_other_ones_event_it_is_its_own() -> None:
    assert after_a_confirmed_one(30.001, ACCEPTED).event().end_of() == "confirmed exclusive"


def test_in_doubt_the_record_must_speak_however_long_after() -> None:
    script = after_a_confirmed_one(3_600, TIMED_OUT).event()
    assert (script.disposed, script.state()) == (["candidate"], "in_doubt")
    assert script.time().read("p2").end_of() == "confirmed exclusive"


def test_in_doubt_and_the_record_can_never_tell() -> None:
    script = accepted("old").at(2).event().at(3_600).submit().begin(None).end(TIMED_OUT).event()
    assert script.end_of() == "confirmed exclusive"


def test_who_connects_anew_may_be_told_anew() -> None:
    script = after_a_confirmed_one(3_600, ACCEPTED).at(3_604).deaf().at(3_605).listening()
    script.event()
    assert script.disposed == ["candidate"]
    assert script.time().read("p2").end_of() == "confirmed contended"


@pytest.mark.parametrize(("seconds", "end"), [(30, "candidate"), (30.001, "confirmed")])
def test_also_where_it_was_sent_just_after_that(seconds: float, end: str) -> None:
    script = accepted("old").at(2).event().at(3_600).deaf().at(3_601).listening()
    script.at(3_601 + seconds).submit().begin("p1").end(ACCEPTED).event()
    assert script.disposed == [end]


def test_a_replay_of_a_session_that_was_recovered_is_no_second_telling() -> None:
    script = after_a_confirmed_one(3_600, ACCEPTED).at(3_604).deaf().event(replayed=True)
    assert script.end_of() == "confirmed exclusive"


def test_a_late_one_is_looked_at_too() -> None:
    script = after_a_confirmed_one(1, ACCEPTED).at(33).time().read("p1")
    assert script.end_of() == "not_dispatched"
    assert script.at(34).event().disposed == ["candidate"]
    script.time().read("p2")
    assert script.end_of() == "confirmed contended"


def test_one_in_doubt_after_a_refused_one_needs_the_record_too() -> None:
    script = Script().submit("old").begin("p0", "old").at(1).end(REFUSED, "old")
    script.submit().begin("p0").end(TIMED_OUT).event()
    assert script.disposed == ["candidate"]
    assert script.time().read("p1").end_of() == "confirmed exclusive"
