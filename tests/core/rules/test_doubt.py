"""Rules 8 and 12: in doubt, the deadline, and the bounds on all waiting."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from listener.core.effects import Enquire, Post
from listener.core.facts import RecordEnquired, ResendDecided, SendingDeclined, SubmissionClosed
from listener.core.names import Movement, Outcome
from listener.core.policy import Policy

from .script import ACCEPTED, NOT_SENT, TIMED_OUT, Script, Words, accepted, in_doubt, unresolved

# ---------------------------------------------------------------------------------------- rule 8


def test_it_enquires_on_the_way_and_once_more_when_settled() -> None:
    script = in_doubt()
    readings = []
    while script.state() == "in_doubt":
        script.wake()
        assert script.effect(Enquire)
        readings.append(script.now_s)
        script.read("p0")
    assert readings == [3, 6, 16, 31]
    assert script.state() == "queued"
    assert script.fact(ResendDecided)[0].attempts == 1


def test_unmoved_before_the_settle_period_decides_nothing() -> None:
    script = in_doubt().at(30).read("p0")
    assert script.state() == "in_doubt"


def test_a_reading_that_began_before_the_settle_periods_end_does_not_count() -> None:
    script = in_doubt().at(33).read("p0", began=30.9)
    assert script.state() == "in_doubt"


def test_the_resend_is_read_for_right_before() -> None:
    script = in_doubt().at(31).time().read("p0").at(40).begin("p0")
    assert [post.attempt for post in script.effect(Post)] == [2]


@pytest.mark.parametrize(("path", "movement"), [("p1", Movement.MOVED), (None, Movement.UNKNOWN)])
def test_anything_but_unmoved_right_before_is_not_sent(
    path: str | None, movement: Movement
) -> None:
    script = in_doubt().at(31).time().read("p0").at(32).begin(path)
    assert (script.state(), script.decision.refusal) == ("in_doubt", "not_unmoved")
    assert script.fact(SendingDeclined)[0].movement is movement
    assert not script.effect(Post)
    script.wake().read("p1")
    assert script.end_of() == "unconfirmed"


@pytest.mark.parametrize("as_of", [0.5, 30.9])
def test_what_a_cache_kept_from_before_is_no_reason_to_send_again(as_of: float) -> None:
    script = in_doubt().at(31).time().read("p0").at(40).begin("p0", as_of=as_of)
    assert (script.state(), script.decision.refusal) == ("in_doubt", "not_unmoved")
    assert script.fact(SendingDeclined)[0].movement is Movement.UNKNOWN
    assert not script.effect(Post)


@pytest.mark.parametrize("as_of", [-1.0, -40.0])
def test_what_a_cache_kept_from_before_the_attempt_is_no_movement(as_of: float) -> None:
    script = in_doubt().deaf().listening().at(31).time().read("p9", began=as_of)
    assert script.state() == "in_doubt"
    assert script.fact(RecordEnquired)[0].movement is Movement.UNKNOWN
    script.wake().read("p1")
    assert script.end_of().startswith("presumed")


def test_a_resend_is_declined_while_a_replay_may_still_come() -> None:
    script = in_doubt().at(31).time().read("p0").deaf().begin("p0")
    assert (script.state(), script.decision.refusal) == ("in_doubt", "not_unmoved")


def test_attempts_possibly_sent_are_counted_and_others_are_not() -> None:
    script = in_doubt(policy=Policy(max_attempts=2)).at(31).time().read("p0")
    script.begin("p0").end(NOT_SENT)
    assert script.state() == "queued"
    script.at(33).begin("p0").end(TIMED_OUT)
    script.at(63).time().read("p0")
    assert (script.end_of(), script.of().reason) == ("unconfirmed", "listened_record_unmoved")
    assert len(script.of().attempts) == 3


def test_unknown_is_enquired_of_again_with_backoff_until_given_up() -> None:
    script = in_doubt()
    readings = []
    while script.state() == "in_doubt":
        script.wake()
        if script.effect(Enquire):
            readings.append(script.now_s)
            script.read(None)
    waits = [later - sooner for sooner, later in pairwise(readings[4:])]
    assert waits == sorted(waits)
    assert max(waits) == 60
    assert script.now_s == 1 + 3600
    assert (script.end_of(), script.of().reason) == ("unconfirmed", "listened_record_unknown")


def test_without_a_distinguishing_field_nothing_is_ever_resent() -> None:
    script = Script().submit().begin("", words=Words("ready")).at(1).end(TIMED_OUT)
    script.at(31).time().read("", words=Words("ready"))
    assert (script.end_of(), script.of().reason) == ("unconfirmed", "listened_no_baseline")


def test_without_a_baseline_processing_proves_nothing() -> None:
    script = Script().submit().begin(None).at(1).end(TIMED_OUT)
    script.at(2).deaf().at(3).listening().at(31).time().read("p0", words=Words("processing"))
    assert (script.end_of(), script.of().reason) == ("unconfirmed", "deaf_no_baseline")


def test_processing_that_was_there_before_is_no_movement() -> None:
    script = Script().submit().begin("p0", words=Words("processing")).at(1).end(TIMED_OUT)
    script.at(31).time().read("p0", words=Words("processing"))
    assert script.state() == "queued"


def test_moved_while_deaf_is_presumed() -> None:
    script = in_doubt().at(5).deaf().at(9).listening().at(31).time().read("p1")
    assert (script.end_of(), script.of().reason) == (
        "presumed exclusive",
        "record_moved_while_deaf",
    )
    assert script.of().deaf_ms == 4_000


def test_moved_and_listened_all_that_time_is_unconfirmed() -> None:
    script = in_doubt().at(31).time().read("p1")
    assert (script.end_of(), script.of().reason) == ("unconfirmed", "listened_record_moved")
    assert script.of().deaf_ms == 0


def test_presumed_beside_an_unresolved_one_is_contended() -> None:
    script = unresolved("old").at(70).submit().begin("p1").at(71).end(TIMED_OUT)
    script.at(75).deaf().at(76).listening().at(101).time().read("p2")
    assert script.end_of() == "presumed contended"


def test_the_deadline_may_be_longer_than_the_settle_period() -> None:
    policy = Policy(settle_ms=10_000)
    script = in_doubt(policy=policy).at(11).time().read("p1")
    assert script.state() == "in_doubt", "the event may still come"
    script.at(31).time().read("p1")
    assert script.end_of() == "unconfirmed"


def test_the_settle_period_may_be_longer_than_the_deadline() -> None:
    policy = Policy(settle_ms=60_000)
    script = in_doubt(policy=policy).at(31).time().read("p0")
    assert script.state() == "in_doubt"
    script.at(61).time().read("p0")
    assert script.state() == "queued"


# ---------------------------------------------------------------------------- accepted, not heard


def test_accepted_listened_and_unmoved_is_not_dispatched() -> None:
    script = accepted().at(31).time()
    assert script.effect(Enquire)
    script.read("p0")
    assert (script.end_of(), script.of().reason) == ("not_dispatched", "record_unmoved")


def test_it_is_not_judged_before_the_settle_period() -> None:
    script = accepted(policy=Policy(settle_ms=60_000)).at(31).time().read("p0")
    assert (script.end_of(), script.of().reason) == ("unconfirmed", "listened_record_unmoved")
    script.at(91).time().read("p0")
    assert script.end_of() == "not_dispatched", "the rest's enquiry corrects it"


def test_deaf_for_a_moment_it_is_not_known() -> None:
    script = accepted().at(5).deaf().at(5).listening().at(31).time().read("p0")
    assert (script.end_of(), script.of().reason) == ("unconfirmed", "deaf_record_unmoved")


def test_without_a_distinguishing_field_it_is_unconfirmed() -> None:
    script = Script().submit().begin("").at(1).end(ACCEPTED).at(31).time().read("")
    assert script.end_of() == "unconfirmed"


def test_a_failed_reading_at_the_deadline_is_unknown_and_is_asked_again() -> None:
    script = accepted().at(31).time().read(None)
    if script.state() == "awaiting":
        assert script.due_s is not None
        script.wake().read("p0")
        assert script.end_of() == "not_dispatched"
    else:
        assert script.of().reason == "listened_record_unknown"


# ---------------------------------------------------------------------------------------- rule 12


def test_deadlines_count_from_the_end_of_the_attempt() -> None:
    script = Script().submit().begin("p0").at(100).end(ACCEPTED)
    assert script.of().deadline_ms == script.now + 30_000


def test_time_alone_is_harmless_before_it_is_due() -> None:
    script = accepted().at(2)
    assert not script.time().decision.changed
    assert not script.decision.effects


@pytest.mark.parametrize("make", [accepted, in_doubt])
def test_nothing_closes_while_an_event_awaits_correlation(make: object) -> None:
    assert callable(make)
    script = make().at(31).awaited().time()
    assert not script.effect(Enquire)
    script.read("p1")
    assert script.state() in {"awaiting", "in_doubt"}
    script.at(3601).time()
    assert script.state() in {"awaiting", "in_doubt"}
    assert script.due_s == 3601.25
    script.awaited(False).event()
    assert script.end_of() == "confirmed exclusive"


def test_nothing_is_resent_while_an_event_awaits_correlation() -> None:
    script = in_doubt().at(31).time().awaited().read("p0")
    assert script.state() == "in_doubt"
    script = in_doubt().at(31).time().read("p0").awaited().begin("p0")
    assert (script.state(), script.decision.refusal) == ("queued", "events_pending")


def test_an_enquiry_that_is_lost_is_asked_again() -> None:
    script = accepted().at(31).time()
    assert script.effect(Enquire)
    script.wake()
    assert (script.now_s, bool(script.effect(Enquire))) == (91, True)


def test_no_outage_outlasts_the_give_up() -> None:
    script = accepted().at(2).deaf()
    while script.state() != "closed":
        script.wake()
        assert not script.effect(Enquire), "while it is not known whether it is recovered"
    assert script.now_s == 3601
    assert (script.end_of(), script.of().reason) == ("unconfirmed", "deaf_record_unknown")
    assert script.of().deaf_ms == 3599_000


def test_deaf_for_long_it_reads_and_waits_for_the_ear() -> None:
    script = accepted().at(2).deaf(settled=True).at(31).time()
    assert script.effect(Enquire)
    script.read("p1")
    assert script.state() == "awaiting"
    script.at(40).listening().time().read("p1")
    assert script.end_of() == "presumed exclusive"


def test_given_up_the_last_reading_since_the_attempt_counts() -> None:
    script = accepted().at(2).deaf(settled=True).at(31).time().read("p1").at(3601).time()
    assert script.end_of() == "presumed exclusive"


def test_an_update_that_waits_to_be_sent_again_is_given_up_too() -> None:
    script = in_doubt().at(31).time().read("p0").at(3601)
    assert script.begin("p0").decision.refusal == "not_unmoved"
    script = in_doubt().at(31).time().read("p0").at(3601).time()
    assert script.end_of() == "unconfirmed"


def test_delivery_is_bounded_and_an_outage_of_hours_is_not_the_end() -> None:
    script = Script(Policy(deliver_within_ms=7_200_000)).submit()
    while script.state() == "queued":
        script.begin("p0")
        if script.state() == "sending":
            script.end(NOT_SENT)
        script.wake()
    assert script.end_of() == "undelivered"
    assert script.now_s == 7_200


# ------------------------------------------------------------------------------------ corrections


def test_a_late_event_corrects_under_the_same_id_with_a_higher_version() -> None:
    script = accepted().at(31).time().read("p0")
    version = script.of().version
    script.at(1000).event()
    assert (script.end_of(), script.of().late) == ("confirmed exclusive", True)
    assert script.of().version == version + 1
    assert script.of().closed_ms is not None
    assert script.told == ["event.correlated", "submission.corrected"]
    assert not script.fact(SubmissionClosed), "told once"
    assert script.disposed == ["corrected"]


def test_after_its_late_window_an_event_is_foreign() -> None:
    script = accepted().at(31).time().read("p1").wake().read("p1")
    assert script.at(31 + 86_400 + 1).event().disposed == ["foreign"]


@pytest.mark.parametrize("at_s", [100.0, 86_000.0])
def test_the_late_window_is_a_day(at_s: float) -> None:
    assert accepted().at(31).time().read("p1").at(at_s).event().disposed == ["corrected"]


def test_a_further_late_event_is_a_duplicate() -> None:
    script = accepted().at(31).time().read("p1").at(40).event().at(41).event()
    assert script.disposed == ["duplicate"]
    assert script.end_of() == "confirmed contended"


def test_the_rests_enquiry_corrects_not_dispatched() -> None:
    script = accepted().at(31).time().read("p0")
    assert script.end_of() == "not_dispatched"
    script.wake().read("p1")
    assert (script.end_of(), script.of().reason) == ("unconfirmed", "listened_record_moved")
    assert script.told == ["record.enquired", "submission.corrected", "lane.released"]


def test_a_late_event_beside_an_unresolved_one_waits_for_the_record() -> None:
    script = unresolved("old").at(70).submit().begin("p1").end(ACCEPTED).at(100).time().read("p1")
    assert script.end_of() == "not_dispatched"
    script.at(101).event()
    assert script.disposed == ["candidate"]
    assert script.wake().effect(Enquire)
    script.read("p2")
    assert script.end_of() == "confirmed contended"


def test_a_record_that_stays_unmoved_corrects_no_candidate() -> None:
    script = unresolved("old").at(70).submit().begin("p1").end(ACCEPTED).at(100).time().read("p1")
    script.at(101).event().wake().read("p1")
    assert script.end_of() == "not_dispatched"
    assert script.of().candidates


def test_a_cancelled_and_moved_one_is_corrected_by_nothing_but_its_event() -> None:
    script = accepted().at(2).cancel().wake().read("p1")
    assert script.of().outcome is Outcome.UNCONFIRMED
    assert script.at(60).event().end_of() == "confirmed exclusive"


def test_cancel_of_a_closed_one_changes_nothing() -> None:
    script = accepted().at(31).time().read("p0")
    assert not script.cancel().decision.changed


def test_many_enquiries_do_not_make_a_timer_spin() -> None:
    policy = replace(Policy(), enquiries_ms=(0, 0, 1))
    script = in_doubt(policy=policy)
    for _ in range(10):
        before = script.now_s
        script.wake()
        assert script.due_s is not None and script.due_s > before
        if script.effect(Enquire):
            script.read(None)
