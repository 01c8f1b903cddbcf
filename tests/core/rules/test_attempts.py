"""What each attempt leaves in its submission and in the lane."""

from __future__ import annotations

import pytest

from listener.core.evidence import PostResult
from listener.core.facts import AttemptBegan, SendingDeclined
from listener.core.names import Movement, PostKind
from listener.core.policy import Policy

from .script import (
    NOT_SENT,
    REFUSED,
    TIMED_OUT,
    Script,
    accepted,
    in_doubt,
    unresolved,
)

LOST = PostResult(PostKind.NOT_SENT, "file_lost", resendable=False)


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


def test_the_backoff_counts_what_was_not_sent_since_the_last_possibly_sent() -> None:
    script = requeued()
    for wait in (1, 2, 4):
        script.begin("p0").end(NOT_SENT)
        assert script.of().not_before_ms == script.after(wait)
        script.at(script.now_s + wait)


def test_a_cancel_during_a_resend_that_was_not_sent() -> None:
    script = requeued().begin("p0").cancel().at(33).end(NOT_SENT)
    assert (script.end_of(), script.of().reason) == ("unconfirmed", "cancelled")
    assert script.lane.rest_until_ms == script.after(30)


def test_a_file_that_is_lost_before_a_resend_leaves_it_in_doubt() -> None:
    script = requeued().begin("p0").at(33).end(LOST)
    assert (script.state(), script.of().never_resend) == ("in_doubt", True)
    assert script.of().settle_ms == script.after(30)
    script.at(63).time().read("p0")
    assert (script.end_of(), script.of().reason) == ("unconfirmed", "listened_record_unmoved")


def test_a_cancel_during_sending_that_was_not_sent_says_so() -> None:
    script = Script().submit().begin().cancel().end(NOT_SENT)
    assert (script.end_of(), script.of().reason) == ("cancelled", "cancelled")


@pytest.mark.parametrize("state", ["awaiting", "in_doubt"])
def test_a_cancel_that_waits_for_an_event_looks_again_at_once(state: str) -> None:
    script = (accepted if state == "awaiting" else in_doubt)().at(2).awaited().cancel()
    assert script.of().enquire_ms == script.after(0.001)


# ---------------------------------------------------------- whether an update of ours may move it


@pytest.mark.parametrize("result", [NOT_SENT, REFUSED, LOST])
def test_what_was_not_applied_explains_no_movement(result: PostResult) -> None:
    script = Script().submit().begin("p0").end(result)
    assert script.lane.ours_since_seen is False
    name = "b" if script.state() == "closed" else "a"
    if name == "b":
        script.submit("b")
    assert script.at(5).begin("p1", name).fact(AttemptBegan)[0].contended


def never_read(began_s: float | None) -> Script:
    """Accepted at 1 s and closed, and its rest is over; the record was read while it was sent, if
    at all, and never since."""
    script = accepted("old", Policy(give_up_after_ms=40_000))
    if began_s is not None:
        script.at(2).read("p0", began=began_s)
    while script.lane.rest_until_ms is not None or script.state("old") != "closed":
        script.wake().read(None)
    return script


@pytest.mark.parametrize("began_s", [None, 0.5, 1.0])
@pytest.mark.parametrize("result", [NOT_SENT, REFUSED, LOST])
def test_an_older_update_may_still_have_moved_it(result: PostResult, began_s: float | None) -> None:
    script = never_read(began_s).submit().begin(None).end(result)
    assert script.lane.ours_since_seen is True


@pytest.mark.parametrize("result", [NOT_SENT, REFUSED, LOST])
def test_with_readings_off_ours_may_always_have_moved_it(result: PostResult) -> None:
    script = Script().submit().begin_blind().end(result)
    assert script.lane.last_seen is None
    assert script.lane.ours_since_seen is True


# ------------------------------------------------------------------------- the record as last seen


def seen(script: Script) -> str | None:
    return None if script.lane.last_seen is None else script.lane.last_seen.path_digest


def test_a_reading_that_failed_is_not_the_record_as_last_seen() -> None:
    assert seen(accepted().at(2).read(None)) == "p0"
    assert seen(accepted().at(2).read("p1")) == "p1"


def test_a_reading_that_comes_back_during_sending_is_not_either() -> None:
    assert seen(Script().submit().begin("p0").at(1).read("p1")) == "p0"


def test_an_older_reading_replaces_no_newer_one() -> None:
    script = accepted().at(5).read("p1").at(6).read("p2", began=4.999)
    assert seen(script) == "p1"
    assert seen(script.read("p2", began=5)) == "p2"
