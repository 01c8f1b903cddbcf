"""Rules 10 and 14: what a gap may have swallowed, and what a new process finds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from listener.core.effects import Announce, Dispatch, Enquire, HoldAll
from listener.core.evidence import Gap, Hearing, PostResult
from listener.core.facts import SubmissionCorrected
from listener.core.names import Millis, PostKind
from listener.core.policy import Policy
from listener.core.submission import Lane

from .script import (
    ACCEPTED,
    NOT_SENT,
    START,
    THROTTLED,
    TIMED_OUT,
    Script,
    accepted,
    in_doubt,
    unresolved,
)

# ------------------------------------------------------------------------------------------ rule 10


@pytest.mark.parametrize("make", [accepted, in_doubt])
def test_an_open_one_is_enquired_of_when_the_gap_ends(make: object) -> None:
    assert callable(make)
    script = make().at(2).deaf().at(4).listening()
    assert script.due_s == 4
    assert script.time().effect(Enquire)
    assert script.due_s > 4


def test_a_gap_before_it_was_sent_does_not_concern_it() -> None:
    script = Script().deaf().at(1).listening().at(2).submit().begin("p0").end(ACCEPTED)
    assert script.due_s == 32
    script.at(32).time().read("p0")
    assert script.end_of() == "not_dispatched"


def test_one_that_was_never_sent_is_not_enquired_of() -> None:
    assert not Script().submit().deaf().at(1).listening().decision.changed


def test_while_it_may_be_recovered_no_reading_decides() -> None:
    script = accepted().at(31).time().deaf().read("p1")
    assert script.state() == "awaiting"
    script.recovered().wake()
    assert script.effect(Enquire)
    script.read("p1")
    assert script.of().reason == "listened_record_moved", "a recovered gap is none"


def test_a_replayed_event_confirms_before_the_recovery_is_proven() -> None:
    script = accepted().at(2).deaf().at(9).event(replayed=True)
    assert script.end_of() == "confirmed exclusive"
    assert script.of().deaf_ms == 0, "what is replayed was not missed"


def test_a_closed_unconfirmed_one_is_enquired_of_after_a_gap() -> None:
    script = accepted().at(31).time().read("p0").wake().read("p0")
    assert script.lane.review_ms is None
    script.at(100).deaf().at(110).listening()
    assert script.due_s == 110
    assert script.time().effect(Enquire)
    script.read("p1")
    assert (script.end_of(), script.of().reason) == (
        "presumed exclusive",
        "record_moved_while_deaf",
    )


def test_unmoved_after_a_gap_takes_nothing_from_not_dispatched() -> None:
    script = accepted().at(31).time().read("p0").wake().read("p0")
    script.at(100).deaf().at(110).listening().time().read("p0")
    assert script.end_of() == "not_dispatched"


# What was closed in the belief that we listened, and is found out later.


def told(script: Script, name: str = "a") -> tuple[str, str | None, int]:
    return script.end_of(name), script.of(name).reason, script.of(name).deaf_ms


def test_a_deafness_that_is_found_out_later_makes_a_moved_one_presumed() -> None:
    script = unresolved("a").at(100).was_deaf(0, 90)
    assert told(script) == ("presumed exclusive", "record_moved_while_deaf", 90_000)
    assert script.fact(SubmissionCorrected)[0].outcome_before == "unconfirmed"
    assert script.effect(Announce)


@pytest.mark.parametrize(
    ("last", "reason"), [("p0", "deaf_record_unmoved"), (None, "deaf_record_unknown")]
)
def test_a_deafness_that_is_found_out_later_is_said_of_the_others(
    last: str | None, reason: str
) -> None:
    quick = Policy(give_up_after_ms=40_000)
    script = accepted(policy=quick).at(32).time().read(last)
    while script.state() != "closed":
        script.wake().read(last)
    closed_s = script.now_s
    script.was_deaf(5, 6)
    assert told(script) == ("unconfirmed", reason, 1_000)
    assert script.now_s == closed_s


def test_what_was_read_before_a_younger_update_speaks_for_the_older() -> None:
    script = unresolved("a").at(70).submit("b").begin("p1", "b").at(71).end(ACCEPTED, "b")
    script.at(80).was_deaf(2, 3)
    assert told(script)[:2] == ("presumed exclusive", "record_moved_while_deaf")


@pytest.mark.parametrize(
    ("start_s", "end_s"), [(40, 45), (-5, -1)], ids=["after its close", "before it was sent"]
)
def test_a_deafness_outside_of_its_window_does_not_concern_a_closed_one(
    start_s: float, end_s: float
) -> None:
    script = unresolved("a").at(100).was_deaf(start_s, end_s)
    assert told(script)[:2] == ("unconfirmed", "listened_record_moved")


def test_past_its_late_window_nothing_is_found_out_any_more() -> None:
    script = unresolved("a", Policy(late_window_ms=60_000)).at(92).was_deaf(0, 90)
    assert not script.fact(SubmissionCorrected)


def test_one_that_was_known_to_be_deaf_is_not_corrected_again() -> None:
    script = accepted().at(2).deaf().at(3).listening().at(31).time().read("p0")
    assert script.of().reason == "deaf_record_unmoved"
    script.was_deaf(5, 6)
    assert not script.fact(SubmissionCorrected)


def test_one_that_was_confirmed_heard_all_the_same() -> None:
    script = accepted().event().at(10).was_deaf(0, 9)
    assert script.end_of() == "confirmed exclusive"
    assert not script.decision.changed


def test_a_confirmed_one_is_not_enquired_of_after_a_gap() -> None:
    script = accepted().event().at(100).deaf().at(110).listening()
    assert not script.time().effect(Enquire)


def test_a_gap_during_the_rest_is_looked_at_at_its_end() -> None:
    script = accepted().at(31).time().read("p1").at(40).deaf().at(45).listening()
    assert script.due_s == 61
    script.wake().read("p1")
    assert script.end_of() == "presumed exclusive"
    assert script.lane.rest_until_ms is None


def test_deaf_time_is_measured_within_the_submissions_window_alone() -> None:
    script = Script().deaf().at(5).submit().begin("p0").at(6).end(ACCEPTED).at(8).listening()
    script.at(20).deaf().at(21).listening().at(36).time().read("p0")
    assert script.of().deaf_ms == 3_000 + 1_000


# ------------------------------------------------------------------------------------------ rule 14


def test_sending_found_at_start_is_possibly_sent() -> None:
    script = Script().submit().begin("p0").at(10).restart()
    assert script.state() == "in_doubt"
    assert script.of().attempts[0].crashed
    assert script.of().settle_ms == script.now + 30_000
    script.at(40).time().read("p0")
    assert script.state() == "queued"


def test_a_crash_before_the_attempt_was_committed_is_none() -> None:
    script = Script().submit().at(5).restart()
    assert script.state() == "queued"
    assert script.effect(Dispatch)


def test_what_was_owed_is_owed_again() -> None:
    script = accepted().at(31).time()
    assert script.effect(Enquire)
    script.at(32).restart()
    assert script.due_s == 32
    assert script.time().effect(Enquire)


def test_a_rest_is_begun_anew() -> None:
    script = accepted().submit("b").at(31).time().read("p1").at(60).restart()
    assert script.begin("p1", "b").decision.refusal == "not_sendable"
    assert script.due_s == 90
    assert script.wake().effect(Enquire)


def test_a_review_is_made_at_once() -> None:
    script = accepted().at(31).time().read("p0").wake().read("p0").at(70).deaf().at(71).listening()
    assert script.at(80).restart().time().effect(Enquire)


@pytest.mark.parametrize("forward_s", [100, 10_000, 10_000_000])
def test_a_clock_set_forward_cannot_end_a_settle_period(forward_s: int) -> None:
    script = in_doubt().at(forward_s).restart()
    assert script.of().settle_ms == script.now + 30_000
    script.time().read("p0")
    assert script.state() == "in_doubt"
    script.at(forward_s + 30).time().read("p0")
    assert script.state() == "queued"


@pytest.mark.parametrize("make", [accepted, in_doubt])
@pytest.mark.parametrize("back_s", [-50, -1_000_000])
def test_a_clock_set_back_puts_nothing_off_for_ever(make: object, back_s: int) -> None:
    assert callable(make)
    script = make().at(2).read("p0").at(back_s).restart()
    while script.state() not in {"closed", "queued"}:
        script.wake()
        if script.effect(Enquire):
            script.read("p0")
    assert script.now_s <= back_s + 31


def test_a_clock_set_back_delivers_within_the_same_bound() -> None:
    script = Script().submit().begin().end(NOT_SENT).at(-1_000_000).restart()
    assert script.of().deliver_by_ms == script.now + 86_400_000
    assert (script.of().not_before_ms or 0) <= script.now + 60_000
    script.wake()
    assert script.effect(Dispatch)


def test_a_clock_set_forward_leaves_time_to_deliver() -> None:
    script = Script().submit().at(10_000_000).restart()
    assert not script.time().decision.changed
    assert script.begin().state() == "sending"


def test_a_clock_set_back_makes_no_reading_newer_than_what_follows() -> None:
    """An old reading, of a later hour, must not speak of the attempt after it."""
    script = in_doubt().at(31).time().read("p0").at(-100).restart()
    script.at(-40).begin("p0").at(-39).end(ACCEPTED).at(-38).deaf(settled=True)
    assert script.of().reading is not None
    give_up = script.of().give_up_ms
    assert give_up is not None
    script.at((give_up - START) / 1000).time()
    assert script.of().reason == "deaf_record_unknown"


def test_a_clock_set_back_hides_no_later_reading() -> None:
    script = accepted().event().submit("b").at(-100).restart().begin("p1", "b")
    assert script.lane.last_seen is not None
    assert script.lane.last_seen.path_digest == "p1"


def test_closed_ones_are_remembered_no_longer_than_younger_ones() -> None:
    script = unresolved("old").at(-1_000).restart().submit().begin("p1").end(ACCEPTED).event()
    old = script.of("old").closed_ms
    assert old is not None and old <= script.now


@pytest.mark.parametrize("make", [accepted, in_doubt])
@pytest.mark.parametrize("order", ["before", "after", "around", "none"])
def test_an_event_around_a_restart_gives_the_same_end(make: object, order: str) -> None:
    assert callable(make)
    script = make()
    if order in {"before", "around"}:
        script.event()
    script.at(2).restart()
    if order == "after":
        script.event()
    if order == "around":
        assert not script.event(seq=1).decision.changed
    if order == "none":
        script.event()
    assert script.end_of() == "confirmed exclusive"


def test_a_held_event_survives_the_crash_that_ends_its_attempt() -> None:
    before = Script().submit().begin("p0").event().at(3).restart()
    assert (before.end_of(), before.disposed) == ("confirmed exclusive", ["confirmed"])
    after = Script().submit().begin("p0").at(3).restart().event()
    assert after.end_of() == before.end_of()


def test_restarting_twice_is_restarting_once() -> None:
    for script in (in_doubt(), accepted(), Script().submit(), unresolved()):
        once = script.at(100).restart().lane
        twice: Lane = script.restart().lane
        assert [s.state for s in once.submissions] == [s.state for s in twice.submissions]
        assert once.rest_until_ms == twice.rest_until_ms
        assert [_timers(once)] == [_timers(twice)]


def _timers(lane: Lane) -> list[tuple[Millis | None, ...]]:
    return [
        (s.deadline_ms, s.settle_ms, s.give_up_ms, s.deliver_by_ms, s.enquire_ms)
        for s in lane.submissions
    ]


def test_a_resend_that_was_decided_is_read_for_again_after_a_restart() -> None:
    script = in_doubt().at(31).time().read("p0").at(40).restart()
    assert script.state() == "queued"
    assert script.effect(Dispatch)
    assert script.begin("p1").state() == "in_doubt"


@pytest.mark.parametrize("make", [accepted, in_doubt])
def test_many_restarts_put_no_enquiry_off(make: object) -> None:
    assert callable(make)
    script = make().deaf()
    for second in range(2, 10):
        script.at(second).restart().time()
        assert script.due_s == second + 1, "deaf at the start: soon again, each time"


def test_many_restarts_put_no_review_off() -> None:
    script = unresolved().at(100).deaf().at(110).listening().deaf()
    for second in range(111, 119):
        script.at(second).restart().time()
        assert script.due_s == second + 1, "deaf at the start: soon again, each time"


def test_a_long_backoff_is_capped_at_a_restart() -> None:
    script = Script(Policy(backoff_cap_ms=5_000)).submit().begin().end(NOT_SENT)
    script.at(-3_600).restart()
    assert script.of().not_before_ms == script.now + 5_000


def test_an_enquiry_that_comes_back_after_nothing_waits_is_harmless() -> None:
    script = Script().submit().read("p0")
    assert script.state() == "queued"
    script = Script().submit().begin("p0").read("p1")
    assert script.state() == "sending"
    script = Script().submit().begin("p0").at(1).end(TIMED_OUT).event().read("p1")
    assert script.end_of() == "confirmed exclusive"


# ------------------------------------------------------------------ what a restart leaves as it was


def test_a_restart_makes_nothing_due_of_what_is_closed() -> None:
    script = unresolved().at(100).restart()
    assert script.of("old").enquire_ms is None
    assert script.of("old").enquiries == 1
    assert not script.decision.changed


def test_a_restart_sets_no_timer_that_was_not_set() -> None:
    assert accepted().at(5).restart().of().settle_ms is None
    again = in_doubt().at(31).time().read("p0").at(40).restart().of()
    assert again.enquire_ms is None
    assert again.enquiries == 0


def test_a_restart_counts_the_looks_of_a_rest_anew() -> None:
    script = accepted().at(31).time().read("p1").wake().read(None)
    assert script.lane.reviews == 1
    script.at(62).restart()
    assert script.lane.rest_until_ms == script.lane.review_ms == script.after(30)
    assert script.lane.reviews == 0


def test_a_review_that_was_under_way_is_owed_at_once() -> None:
    script = unresolved().at(100).deaf().at(110).listening().time()
    assert script.effect(Enquire)
    script.at(111).restart()
    assert (script.lane.review_ms, script.lane.reviews) == (script.now, 0)


def test_what_was_being_sent_ends_as_a_crash() -> None:
    script = in_doubt().at(31).time().read("p0").begin("p0").at(40).restart()
    first, last = script.of().attempts
    assert first.result == TIMED_OUT
    assert (last.ended_ms, last.crashed) == (script.now, True)
    assert last.result == PostResult(PostKind.POSSIBLY_SENT, "crashed_while_sending")


def test_on_the_same_clock_the_past_stays_as_it_was() -> None:
    script = unresolved("old").event().submit().begin("p2").at(62).end(TIMED_OUT).at(63).read("p2")
    script.at(64)
    before = script.lane
    after = script.restart().lane
    assert after.last_seen == before.last_seen
    assert after.foreign_ms == before.foreign_ms
    for was, now in zip(before.submissions, after.submissions, strict=True):
        assert (now.attempts, now.reading, now.closed_ms) == (
            was.attempts,
            was.reading,
            was.closed_ms,
        )


def test_on_a_clock_set_back_the_past_is_just_before_now() -> None:
    script = Script().event().at(40).submit().begin("p0").at(41).end(TIMED_OUT).at(42).read("p0")
    script.at(-100).restart()
    attempt, lane = script.of().attempts[0], script.lane
    assert attempt.began_ms == attempt.ended_ms == lane.foreign_ms == script.now
    reading, seen = script.of().reading, lane.last_seen
    assert reading is not None and seen is not None
    assert reading.read_ms == seen.read_ms == script.now - 1
    assert (reading.path_digest, seen.path_digest) == ("p0", "p0")


def test_on_a_clock_set_back_the_deafness_of_a_start_is_still_an_attempts_own() -> None:
    """The connection may stand before the lane is told of the start: the gap ends before that."""
    script = accepted().at(-100).deaf().at(-98).restart()
    assert script.of().attempts[0].began_ms == script.after(-2)
    script.hearing = Hearing(listening=True, gaps=(Gap(script.after(-2), script.after(-1)),))
    script.at(-60).time().read("p1")
    assert script.end_of() == "presumed exclusive"
    assert script.of().reason == "record_moved_while_deaf"


def test_what_ended_at_this_very_moment_is_not_of_another_clock() -> None:
    script = Script().submit().begin("p0").at(1).deaf().at(2).end(TIMED_OUT).restart()
    assert script.of().attempts[0].ended_ms == script.now


def test_a_reading_of_this_very_moment_is_past_too() -> None:
    script = in_doubt().at(5).read("p0").restart()
    reading = script.of().reading
    assert reading is not None and reading.read_ms == script.now - 1


def test_restarting_twice_at_one_moment_changes_nothing_more() -> None:
    for script in (in_doubt(), accepted(), Script().submit(), unresolved()):
        script.at(100).restart()
        assert script.restart().decision.changed == ()


# ------------------------------------------------------------------- the quiet that was asked for


BUSY = replace(THROTTLED, retry_after_ms=120_000)
UNAVAILABLE = PostResult(PostKind.POSSIBLY_SENT, "http_503", 503, retry_after_ms=120_000)


@pytest.mark.parametrize("result", [BUSY, UNAVAILABLE], ids=["throttled", "unavailable"])
def test_a_new_process_keeps_the_quiet_that_an_earlier_one_was_asked_for(
    result: PostResult,
) -> None:
    script = Script().submit().begin("p0").end(result).at(50).restart()
    assert script.effect(HoldAll) == [HoldAll(Millis(START + 120_000), restarted=True)]
    assert not script.at(121).restart().effect(HoldAll), "it is over"


def test_a_clock_set_back_makes_the_quiet_no_longer_than_it_was() -> None:
    script = Script().submit().begin().end(BUSY).at(-9_000).restart()
    (held,) = script.effect(HoldAll)
    assert held.until_ms <= script.after(120)
    assert script.of().not_before_ms == script.after(120)


def test_it_is_kept_though_its_update_was_withdrawn_and_no_longer_than_it_lasts() -> None:
    script = Script().submit().begin().end(BUSY).at(1).cancel().at(50).time()
    assert script.restart().effect(HoldAll)
    assert not script.at(120).time().lane.submissions


def test_what_is_asked_for_is_granted_up_to_a_bound_that_may_be_another_after_a_restart() -> None:
    script = Script(Policy(retry_after_cap_ms=90_000)).submit().begin().end(BUSY)
    assert script.effect(HoldAll) == [HoldAll(script.after(90))]
    assert script.of().not_before_ms == script.after(90)
    script.policy = Policy(retry_after_cap_ms=20_000, backoff_cap_ms=5_000)
    script.at(10).restart()
    assert script.effect(HoldAll) == [HoldAll(Millis(START + 20_000), restarted=True)]
    assert script.of().not_before_ms == script.after(20)
