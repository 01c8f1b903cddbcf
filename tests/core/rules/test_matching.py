"""Rules 2, 3, 4, 9: whose an event is."""

from __future__ import annotations

import pytest

from listener.core.effects import Dispatch, Enquire
from listener.core.evidence import PostResult
from listener.core.facts import AttributionChanged, ContradictionSeen, EventCorrelated

from .script import (
    ACCEPTED,
    NOT_SENT,
    REFUSED,
    THROTTLED,
    TIMED_OUT,
    UNREADABLE,
    Script,
    accepted,
    in_doubt,
    unresolved,
)

# --------------------------------------------------------------------------------- rule 2: matching


def test_an_event_before_anything_was_sent_is_foreign() -> None:
    script = Script().submit().event()
    assert (script.disposed, script.state()) == (["foreign"], "queued")
    assert script.fact(EventCorrelated)[0].submission_id is None


@pytest.mark.parametrize("make", [accepted, in_doubt])
def test_an_event_while_waiting_confirms(make: object) -> None:
    assert callable(make)
    script = make().at(3).event()
    assert (script.end_of(), script.disposed) == ("confirmed exclusive", ["confirmed"])
    assert script.of().heard_ms == script.now


def test_an_event_while_queued_again_confirms_and_nothing_is_sent_again() -> None:
    script = in_doubt().at(31).time().read("p0")
    assert script.state() == "queued"
    script.event()
    assert script.end_of() == "confirmed exclusive"
    assert script.begin().decision.refusal is not None


def test_an_event_soon_after_a_foreign_one_is_contended() -> None:
    script = Script().submit().event().at(20).begin("p0").end(ACCEPTED).at(21).event()
    assert (script.disposed, script.state()) == (["candidate"], "awaiting")


def test_an_event_long_after_a_foreign_one_is_our_own() -> None:
    script = Script().submit().event().at(31).begin("p0").end(ACCEPTED).at(32).event()
    assert script.end_of() == "confirmed exclusive"


@pytest.mark.parametrize(("seconds", "end"), [(30, "candidate"), (30.001, "confirmed")])
def test_a_foreign_one_from_before_the_lane_contends_as_well(seconds: float, end: str) -> None:
    heard_ms = Script().now
    script = Script().at(seconds).submit().begin("p0", foreign_ms=heard_ms).end(ACCEPTED).event()
    assert script.disposed == [end]


def test_of_two_foreign_ones_the_later_counts() -> None:
    script = Script().submit().event()
    earlier = script.after(-20)
    script.at(29).begin("p0", foreign_ms=earlier).end(ACCEPTED).event()
    assert script.disposed == ["candidate"]


@pytest.mark.parametrize("replayed", [False, True])
def test_an_unresolved_earlier_submission_contends(replayed: bool) -> None:
    script = unresolved("old").at(70).submit().begin("p1").end(ACCEPTED).event(replayed=replayed)
    assert (script.disposed, script.state()) == (["candidate"], "awaiting")


def test_a_confirmed_earlier_submission_does_not_contend_for_long() -> None:
    script = accepted("old").event().at(32).submit().begin("p1").end(ACCEPTED).event()
    assert script.end_of() == "confirmed exclusive"


def test_past_its_late_window_an_earlier_submission_does_not_contend() -> None:
    script = unresolved("old").at(31 + 86_400).time()
    assert not script.lane.submissions
    script.submit().begin("p1").end(ACCEPTED).event()
    assert script.end_of() == "confirmed exclusive"


def test_an_update_sent_twice_may_be_heard_twice() -> None:
    script = in_doubt().at(31).time().read("p0").begin("p0").at(32).end(ACCEPTED).event()
    assert script.end_of() == "confirmed exclusive"
    script.submit("b").at(63).begin("p1", "b")
    assert script.decision.refusal == "not_sendable", "the lane rests: another may come"


# ----------------------------------------------------------------------------- rule 3: early events


def test_an_event_during_sending_is_held() -> None:
    script = Script().submit().begin().event()
    assert (script.disposed, script.state()) == (["held"], "sending")
    assert [held.seq for held in script.of().held] == [1]
    assert not script.event(seq=1).decision.changed


@pytest.mark.parametrize("result", [ACCEPTED, TIMED_OUT, UNREADABLE])
def test_held_and_possibly_sent_confirms(result: PostResult) -> None:
    script = Script().submit().begin().event().end(result)
    assert (script.end_of(), script.disposed) == ("confirmed exclusive", ["confirmed"])


@pytest.mark.parametrize("result", [NOT_SENT, THROTTLED])
def test_held_and_not_sent_is_foreign(result: PostResult) -> None:
    script = Script().submit().begin().event().end(result)
    assert (script.disposed, script.state()) == (["foreign"], "queued")
    assert not script.of().held
    script.at(5).begin("p0").end(ACCEPTED).event()
    assert script.state() == "awaiting", "a foreign update was seen just before"


def test_held_and_not_sent_is_an_unresolved_earlier_ones() -> None:
    script = unresolved("old").submit().begin("p1").event().end(NOT_SENT)
    assert script.disposed == ["corrected"]
    assert script.end_of("old") == "confirmed exclusive"
    assert script.state() == "queued"


def test_held_and_not_sent_after_an_attempt_possibly_sent_confirms() -> None:
    script = in_doubt().at(31).time().read("p0").begin("p0").event().end(NOT_SENT)
    assert script.end_of() == "confirmed exclusive"


def test_refused_and_yet_heard_is_a_contradiction() -> None:
    script = Script().submit().begin().event().at(1).end(REFUSED)
    assert (script.disposed, script.state()) == (["contradiction"], "in_doubt")
    assert script.fact(ContradictionSeen)[0].detail == "not_found"
    script.wake()
    assert script.effect(Enquire)
    for path in ("p0", "p1"):
        script.read(path)
        assert script.state() == "in_doubt"
    assert script.event().disposed == ["contradiction"]


def test_a_contradiction_is_never_resent_and_closes() -> None:
    script = Script().submit().begin("p0").event().at(1).end(REFUSED)
    for _ in range(10):
        script.wake()
        if script.effect(Enquire):
            script.read("p0")
        assert not script.effect(Dispatch)
        if script.state() == "closed":
            break
    assert (script.end_of(), script.of().reason) == ("unconfirmed", "refused_but_heard")


def test_refused_while_an_earlier_ones_event_was_heard_is_no_contradiction() -> None:
    script = unresolved("old").submit().begin("p1").event().end(REFUSED)
    assert (script.end_of(), script.end_of("old")) == ("rejected", "confirmed exclusive")
    assert not script.fact(ContradictionSeen)


def test_several_held_events_confirm_once_and_the_rest_contend() -> None:
    script = Script().submit().begin().event().event().end(ACCEPTED)
    assert script.disposed == ["confirmed", "duplicate"]
    assert (script.end_of(), script.of().duplicates) == ("confirmed contended", 1)


# ------------------------------------------------------------------------------ rule 4: duplicates


def test_a_further_event_contends_a_confirmed_one_and_the_lane_rests() -> None:
    script = accepted().event()
    version = script.of().version
    script.at(2).event()
    assert script.disposed == ["duplicate"]
    assert (script.end_of(), script.of().duplicates) == ("confirmed contended", 1)
    assert script.of().version == version + 1
    assert script.told == ["event.correlated", "submission.reattributed", "lane.rested"]
    assert script.fact(AttributionChanged)
    script.at(3).event()
    assert script.of().duplicates == 2
    assert "submission.reattributed" not in script.told


def test_the_event_that_confirmed_given_again_changes_nothing() -> None:
    script = accepted().event()
    assert not script.event(seq=1).decision.changed


def test_after_a_duplicate_a_reading_ends_the_rest_and_corrects_nothing() -> None:
    script = accepted().event().at(2).event().submit("b").wake().read("p1")
    assert script.end_of() == "confirmed contended"
    assert [offer.submission_id for offer in script.effect(Dispatch)] == ["b"]


# ----------------------------------------------------------------------------- rule 9: contention


def contended() -> Script:
    """Accepted at 70 s beside an unresolved one, and an event was heard at 71 s."""
    return unresolved("old").at(70).submit().begin("p1").end(ACCEPTED).at(71).event()


def test_a_contended_event_is_looked_at_at_once() -> None:
    script = contended()
    assert script.due_s == 71
    assert script.time().effect(Enquire)


def test_unmoved_it_stays_a_candidate_and_is_enquired_of_until_the_deadline() -> None:
    script = contended()
    readings = 0
    while script.state() != "closed":
        script.wake()
        if script.effect(Enquire):
            readings += 1
            script.read("p1")
    assert readings > 3
    assert script.now_s == 100
    assert script.end_of() == "not_dispatched"
    assert [heard.seq for heard in script.of().candidates] == [1]


def test_moved_it_is_confirmed_but_contended() -> None:
    script = contended().time().read("p2")
    assert (script.end_of(), script.disposed) == ("confirmed contended", ["confirmed"])


def test_a_failed_reading_decides_nothing() -> None:
    script = contended().time().read(None)
    assert script.state() == "awaiting"
    assert script.due_s is not None and script.due_s > 71


def test_two_candidates_are_one_each() -> None:
    script = contended().event().time().read("p2")
    assert script.end_of() == "confirmed contended"
    assert script.end_of("old") == "confirmed contended"
    assert script.disposed == ["confirmed", "corrected"]


def test_without_a_baseline_an_accepted_one_is_confirmed_contended_at_once() -> None:
    script = unresolved("old").at(70).submit().begin(None).end(ACCEPTED).event()
    assert script.end_of() == "confirmed contended"


def test_without_a_baseline_one_in_doubt_is_not() -> None:
    script = unresolved("old").at(70).submit().begin(None).at(71).end(TIMED_OUT).event()
    for _ in range(30):
        if script.state() == "closed":
            break
        script.wake()
        if script.effect(Enquire):
            script.read("p9")
    assert (script.end_of(), script.of().reason) == ("unconfirmed", "listened_no_baseline")


def test_a_candidate_of_one_to_be_sent_again_counts_before_the_resend() -> None:
    script = unresolved("old").at(70).submit().begin("p1").at(71).end(TIMED_OUT)
    script.at(101).time().read("p1")
    assert script.state() == "queued"
    script.event()
    assert script.disposed == ["candidate"]
    assert script.begin("p2").state() == "in_doubt"
    script.at(103).wake().read("p2")
    assert script.end_of() == "confirmed contended"


def test_a_cancelled_one_keeps_one_candidate_and_passes_the_others_on() -> None:
    script = contended().event().cancel()
    assert script.end_of() == "unconfirmed"
    assert script.end_of("old") == "confirmed contended"
    assert len(script.of().candidates) == 1


# ------------------------------------------------------------------- what a contradiction remembers


def contradicted() -> Script:
    """Refused at 1 s, and an event was heard before."""
    return Script().submit().begin("p0").event().at(1).end(REFUSED)


def test_a_contradiction_keeps_its_events_and_is_enquired_of_at_once() -> None:
    script = contradicted()
    assert (script.of().contradicted, script.of().never_resend) == (True, True)
    assert [heard.seq for heard in script.of().candidates] == [1]
    assert (script.of().held, script.of().enquire_ms) == ((), script.now)
    script.at(5).event()
    assert [heard.seq for heard in script.of().candidates] == [1, 2]
    assert script.of().enquire_ms == script.now
    assert [fact.submission_id for fact in script.fact(EventCorrelated)] == ["a"]


def test_a_contradiction_passes_none_of_its_events_on() -> None:
    script = contradicted().at(5).event().cancel()
    assert script.state() == "closed"
    assert [heard.seq for heard in script.of().candidates] == [1, 2]
    assert not script.disposed


def test_a_contradiction_is_forgotten_a_settle_period_after_its_close() -> None:
    script = contradicted().at(5).cancel()
    version = script.of().version
    assert script.at(34.999).event().disposed == ["contradiction"]
    assert [heard.seq for heard in script.of().candidates] == [1, 2]
    assert script.of().version == version + 1
    assert script.told == ["event.correlated"], "it was told when it was seen first"
    assert not script.at(35).time().lane.submissions
    assert script.event().disposed == ["foreign"]


def test_refused_and_heard_after_an_attempt_possibly_sent_is_no_contradiction() -> None:
    script = unresolved("old").at(70).submit().begin("p1").at(71).end(TIMED_OUT)
    script.at(101).time().read("p1").begin("p1").event().at(102).end(REFUSED)
    assert (script.state(), script.disposed) == ("in_doubt", ["candidate"])
    assert (script.of().contradicted, script.of().never_resend) == (False, True)


def test_what_a_confirmed_one_heard_excuses_no_contradiction() -> None:
    script = accepted("old").event().at(5).submit().begin("p1").event().end(REFUSED)
    assert (script.disposed, script.state()) == (["contradiction"], "in_doubt")


def test_a_contended_event_is_told_of_its_candidate() -> None:
    script = contended()
    assert [fact.submission_id for fact in script.fact(EventCorrelated)] == ["a"]
    script.time().read("p2")
    assert [fact.submission_id for fact in script.fact(EventCorrelated)] == ["a"]


# ------------------------------------------------------------------------------ late, and contended


def test_a_late_event_that_contends_is_looked_at_at_once() -> None:
    script = unresolved("old").at(70).submit().begin("p1").end(ACCEPTED).at(100).time().read("p1")
    assert script.at(101).event().disposed == ["candidate"]
    assert [fact.submission_id for fact in script.fact(EventCorrelated)] == ["a"]
    assert script.due_s == 101
    assert script.time().effect(Enquire)


def test_a_late_event_of_which_the_record_can_never_tell_corrects_at_once() -> None:
    script = unresolved("old").at(70).submit().begin(None).end(ACCEPTED).at(100).time().read("p1")
    assert script.end_of() == "unconfirmed"
    assert script.event().disposed == ["corrected"]
    assert script.end_of() == "confirmed contended"


def test_in_doubt_it_waits_for_a_record_that_can_tell() -> None:
    script = unresolved("old").at(70).submit().begin(None).end(TIMED_OUT).at(100).time().read("p1")
    assert script.end_of() == "unconfirmed"
    assert script.event().disposed == ["candidate"]


def test_of_two_candidates_that_the_record_speaks_for_the_first_is_its_own() -> None:
    script = contended().at(100).time().read("p1")
    assert script.end_of() == "not_dispatched"
    assert script.event().disposed == ["corrected"], "the older one's"
    assert script.event().disposed == ["candidate"]
    assert [heard.seq for heard in script.of().candidates] == [1, 3]
    script.wake().read("p2")
    assert script.decision.dispositions == ((1, "corrected"), (3, "duplicate"))
    assert (script.end_of(), script.of().duplicates) == ("confirmed contended", 1)
    heard = script.of().heard
    assert heard is not None and heard.seq == 1
    assert script.of().candidates == ()
