"""What each attempt leaves in its submission and in the lane."""

from __future__ import annotations

from listener.core.facts import AttemptBegan, SendingDeclined
from listener.core.names import Movement

from .script import NOT_SENT, TIMED_OUT, Script, in_doubt, unresolved


def requeued() -> Script:
    """In doubt, settled at 31 s and unmoved: to be sent again."""
    return in_doubt().at(31).time().read("p0")


def test_a_declined_resend_is_enquired_of_again_ever_later() -> None:
    script = requeued()
    assert (script.of().enquiries, script.of().enquire_ms) == (1, None)
    script.at(32).begin(None)
    assert script.of().enquiries == 2
    assert script.of().enquire_ms == script.after(4), "the third wait of the backoff"


def test_a_resend_without_a_reading_is_declined() -> None:
    script = requeued().at(32).begin_blind()
    assert (script.state(), script.decision.refusal) == ("in_doubt", "not_unmoved")
    assert script.fact(SendingDeclined)[0].movement is Movement.UNKNOWN


def test_the_lane_remembers_the_baseline_that_could_be_read() -> None:
    script = Script().submit().begin("p0").end(NOT_SENT).at(5).begin(None)
    seen = script.lane.last_seen
    assert seen is not None and (seen.path_digest, seen.read_ms) == ("p0", script.after(-5))
    assert script.lane.ours_since_seen is True
    assert script.lane.foreign_ms is None


def test_the_lane_remembers_when_a_baseline_had_moved() -> None:
    script = Script().submit().begin("p0").end(NOT_SENT).at(5).begin("p1")
    assert script.fact(AttemptBegan)[0].contended
    assert script.lane.foreign_ms == script.now
    moved = script.now
    script.end(NOT_SENT).at(10).begin("p1")
    assert script.lane.foreign_ms == moved, "and not again while it stays"
    assert script.of().attempts[0].contended is False
    assert [attempt.number for attempt in script.of().attempts] == [1, 2, 3]


def test_a_resend_begins_with_nothing_due_and_nothing_counted() -> None:
    script = unresolved("old").at(70).submit().begin("p1").at(71).end(TIMED_OUT)
    script.at(101).time().read("p1").event()
    queued = script.of()
    assert (queued.not_before_ms, queued.enquire_ms) == (script.now, script.now)
    assert queued.enquiries == 1
    again = script.at(102).begin("p1").of()
    assert script.state() == "sending"
    assert (again.not_before_ms, again.enquire_ms, again.enquiries) == (None, None, 0)
    assert again.sent_ms == queued.sent_ms, "the first that was possibly sent"
