"""Whether a lane still waits for a reading of its record, and whether something waits behind it."""

from __future__ import annotations

from listener.core.policy import Policy
from listener.core.standing import awaits_reading, holds_up_sending
from listener.core.submission import Lane

from .script import ACCEPTED, TIMED_OUT, Script, accepted, in_doubt


def test_an_open_one_that_was_possibly_sent_awaits_a_reading() -> None:
    assert awaits_reading(accepted().lane)
    assert awaits_reading(in_doubt().lane)


def test_one_that_was_not_sent_or_is_on_its_way_awaits_none() -> None:
    assert not awaits_reading(Lane())
    assert not awaits_reading(Script().submit().lane)
    assert not awaits_reading(Script().submit().begin().lane)


def test_one_that_is_to_be_sent_again_awaits_none_but_the_one_before_it_is_sent() -> None:
    script = in_doubt(policy=Policy(enquiries_ms=())).wake().read("p0")
    assert script.state() == "queued"
    assert not awaits_reading(script.lane)
    assert holds_up_sending(script.lane)


def test_a_closed_one_awaits_a_reading_while_its_lane_is_to_be_reviewed() -> None:
    assert not awaits_reading(accepted().event().lane)
    script = accepted().wake().read("p1")
    assert script.end_of() == "unconfirmed"
    assert awaits_reading(script.lane)
    assert not awaits_reading(script.wake().read("p1").lane)


def test_a_lane_that_is_to_be_reviewed_awaits_none_while_a_younger_one_is_sent() -> None:
    script = accepted().wake().read("p1").submit("b").wake().read("p1").begin("p1", "b")
    assert script.state("b") == "sending"
    assert not awaits_reading(script.lane)
    assert awaits_reading(script.end(ACCEPTED, "b").lane)


def test_what_waits_behind_an_open_one_or_a_rest_is_held_up() -> None:
    assert not holds_up_sending(Lane())
    assert not holds_up_sending(accepted().lane)
    assert holds_up_sending(accepted().submit("b").lane)
    script = accepted().wake().read("p1")
    assert not holds_up_sending(script.lane), "it rests, and nothing waits"
    assert holds_up_sending(script.submit("b").lane)


def test_one_in_doubt_is_held_up_itself() -> None:
    assert holds_up_sending(in_doubt().lane)
    assert not holds_up_sending(Script().submit().begin().lane)
    assert not holds_up_sending(Script().submit().begin().end(ACCEPTED).lane)
    assert holds_up_sending(Script().submit().begin().end(TIMED_OUT).lane)
