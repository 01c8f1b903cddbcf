"""The net itself: each fault planted in the core is caught by the exploration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from listener.core import correlation, draft, enquiry, restart, sending, standing, transitions
from listener.core.draft import Draft
from listener.core.evidence import Heard, PostResult
from listener.core.inputs import TimePassed
from listener.core.names import Attribution, Disposition, Movement, Outcome, PostKind, State
from listener.core.submission import Lane, Submission

from .explore import explore
from .promises import Broken
from .settings import EVERY, LANES, PACE, UPSTREAM, setting

Patch = pytest.MonkeyPatch


def resend_on_timeout_without_enquiry(patch: Patch) -> None:
    real = sending.doubt

    def doubt(draft: Draft, over: Submission) -> None:
        if over.state is State.SENDING and not over.never_resend:
            draft.put(replace(over, state=State.QUEUED, not_before_ms=draft.at_ms))
            return
        real(draft, over)

    patch.setattr(sending, "doubt", doubt)
    patch.setattr(sending, "possibly_sent", lambda submission: False)


def a_moved_record_is_sent_again(patch: Patch) -> None:
    patch.setattr(enquiry, "movement_now", lambda submission, reading: Movement.UNMOVED)
    patch.setattr(sending, "movement_now", lambda submission, reading: Movement.UNMOVED)


def the_settle_period_is_not_waited_for(patch: Patch) -> None:
    def decide_doubt(draft: Draft, owner: Submission, moved: Movement, read_ms: int) -> None:
        if moved is Movement.UNMOVED:
            draft.put(replace(owner, state=State.QUEUED, not_before_ms=draft.at_ms))

    patch.setattr(enquiry, "_decide_doubt", decide_doubt)


def a_lane_of_two(patch: Patch) -> None:
    def head(lane: Lane) -> Submission | None:
        return next((s for s in lane.submissions if s.state is State.QUEUED), None)

    patch.setattr(standing, "head", head)


def held_events_are_applied_before_the_attempts_end(patch: Patch) -> None:
    def correlate(draft: Draft, heard: Heard) -> None:
        owner = standing.owner_candidate(draft.lane)
        if owner is not None and owner.state is State.SENDING:
            draft.dispose(heard, Disposition.CONFIRMED, owner.id)
            draft.close(owner, Outcome.CONFIRMED, None, Attribution.EXCLUSIVE, heard)
        else:
            correlation.correlate(draft, heard)

    patch.setattr(transitions, "correlate", correlate)


def an_event_confirms_what_was_never_sent(patch: Patch) -> None:
    def correlate(draft: Draft, heard: Heard) -> None:
        first = next(standing.open_submissions(draft.lane), None)
        if first is not None and first.state is State.QUEUED:
            draft.dispose(heard, Disposition.CONFIRMED, first.id)
            draft.close(first, Outcome.CONFIRMED, None, Attribution.EXCLUSIVE, heard)
        else:
            correlation.correlate(draft, heard)

    patch.setattr(transitions, "correlate", correlate)


def held_events_are_forgotten_in_a_crash(patch: Patch) -> None:
    real = restart._restart_one

    def restart_one(draft: Draft, submission: Submission) -> None:
        real(draft, replace(submission, held=()))

    patch.setattr(restart, "_restart_one", restart_one)


def contention_is_ignored(patch: Patch) -> None:
    patch.setattr(draft, "contended", lambda *given: False)


def foreign_updates_are_not_looked_for(patch: Patch) -> None:
    patch.setattr(sending, "foreign_update_seen", lambda lane, reading: False)
    patch.setattr(enquiry, "foreign_update_seen", lambda lane, reading: False)


def an_unreadable_reply_is_sent_again(patch: Patch) -> None:
    real = sending.doubt

    def doubt(draft: Draft, over: Submission) -> None:
        real(draft, replace(over, never_resend=False))

    patch.setattr(sending, "doubt", doubt)


def a_reset_counts_as_not_sent(patch: Patch) -> None:
    real = sending.settle_attempt

    def settle(draft: Draft, over: Submission, result: PostResult) -> None:
        if result.detail == "read_timeout":
            result = replace(result, kind=PostKind.NOT_SENT)
            over = replace(over, attempts=(*over.attempts[:-1], _with(over, result)))
        real(draft, over, result)

    patch.setattr(sending, "settle_attempt", settle)


def _with(over: Submission, result: PostResult) -> Any:
    return replace(over.attempts[-1], result=result)


def nothing_is_due_after_a_restart(patch: Patch) -> None:
    def forget_timers(draft: Draft, submission: Submission) -> None:
        draft.put(replace(submission, enquire_ms=None, give_up_ms=None))

    patch.setattr(restart, "_restart_one", forget_timers)


def a_due_timer_is_left_due(patch: Patch) -> None:
    real = enquiry.pass_time

    def pass_time(draft: Draft, given: TimePassed) -> None:
        if standing.in_flight(draft.lane) is None:
            real(draft, given)

    patch.setattr(transitions, "pass_time", pass_time)


def the_lane_does_not_rest(patch: Patch) -> None:
    patch.setattr(Draft, "rest", lambda draft: None)


def unmoved_is_not_dispatched_whenever_it_was_read(patch: Patch) -> None:
    def judge(draft: Draft, owner: Submission, moved: Movement, read_ms: int) -> Any:
        if moved is Movement.UNMOVED:
            return Outcome.NOT_DISPATCHED, "record_unmoved"
        return Outcome.UNCONFIRMED, "listened_record_moved"

    patch.setattr(enquiry, "judge", judge)


def a_second_event_is_dropped(patch: Patch) -> None:
    def pass_by(draft: Draft, heard: Heard) -> None:
        draft.dispose(heard, Disposition.DUPLICATE, None)

    patch.setattr(correlation, "correlate_closed", pass_by)


def an_event_told_twice_is_believed(patch: Patch) -> None:
    """What every update had for its own until this was found: the next event, whoever's."""
    patch.setattr(draft, "told_again", lambda *given: False)


def an_event_alone_confirms_what_was_not_accepted(patch: Patch) -> None:
    patch.setattr(correlation, "known_to_the_upstream", lambda *given: False)


def a_refused_one_is_forgotten_at_once(patch: Patch) -> None:
    for room in (standing, correlation):
        patch.setattr(room, "refused", lambda submission: False)


ONE = setting((*UPSTREAM, *PACE), 2)
ALL = setting(EVERY, 2)
TWO = setting((*UPSTREAM, "cancel"), 1, 2, LANES["queue"])
CROWD = setting(("foreign",), 1, 2)
DROPPED = setting(("twice", "not_sent", "dropped"), 3, 2)
LATE = setting(("crash", "foreign", "slow"), 2)

FAULTS: list[tuple[Callable[[Patch], None], Any]] = [
    (resend_on_timeout_without_enquiry, ONE),
    (a_moved_record_is_sent_again, ONE),
    (the_settle_period_is_not_waited_for, ONE),
    (a_lane_of_two, TWO),
    (held_events_are_applied_before_the_attempts_end, ONE),
    (an_event_confirms_what_was_never_sent, LATE),
    (held_events_are_forgotten_in_a_crash, ALL),
    (contention_is_ignored, TWO),
    (foreign_updates_are_not_looked_for, CROWD),
    (an_unreadable_reply_is_sent_again, ONE),
    (a_reset_counts_as_not_sent, ONE),
    (nothing_is_due_after_a_restart, ALL),
    (a_due_timer_is_left_due, ONE),
    (the_lane_does_not_rest, TWO),
    (unmoved_is_not_dispatched_whenever_it_was_read, ONE),
    (a_second_event_is_dropped, TWO),
    (an_event_told_twice_is_believed, TWO),
    (an_event_alone_confirms_what_was_not_accepted, DROPPED),
    (a_refused_one_is_forgotten_at_once, ONE),
]


@pytest.mark.parametrize(("plant", "world"), FAULTS, ids=[plant.__name__ for plant, _ in FAULTS])
def test_the_net_catches(plant: Callable[[Patch], None], world: Any, monkeypatch: Patch) -> None:
    plant(monkeypatch)
    with pytest.raises(Broken) as caught:
        explore(world, most=60_000)
    assert caught.value.story, "the schedule that shows it is told"
