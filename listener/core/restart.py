"""A new process finds its lanes (rule 14)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .draft import Draft
from .evidence import PostResult, Reading
from .names import Millis, PostKind, State
from .quiet import asked_ms, quiet_until_ms
from .sending import doubt
from .standing import possibly_sent
from .submission import Attempt, Lane, Submission

CRASHED = PostResult(kind=PostKind.POSSIBLY_SENT, detail="crashed_while_sending")


def restart(draft: Draft) -> None:
    """Hold every timer against the new clock, and take what was being sent as possibly sent.

    The old run's clock may have been another: a settle period is begun anew, so that a clock set
    forward between two runs cannot end it; deadlines come no later than they would for an
    attempt that ended now, so that one set back cannot put them off for ever. Enquiries are counted
    anew: what they met under earlier runs must not put off the next by their long waits.
    """
    clock = _Clock(draft.at_ms, _deaf_since(draft))
    for submission in draft.lane.submissions:
        known = _on_new_clock(submission, clock)
        _hold_again(draft, known)
        if submission.state is State.CLOSED:
            draft.put(known)
        else:
            _restart_one(draft, known)
    lane = _lane_on_new_clock(draft.lane, clock)
    draft.lane = lane
    if lane.rest_until_ms is not None:
        until = draft.after(draft.policy.settle_ms)
        draft.lane = replace(lane, rest_until_ms=until, review_ms=until, reviews=0)
    elif lane.review_ms is not None:
        draft.lane = replace(lane, review_ms=draft.at_ms, reviews=0)


@dataclass(frozen=True, slots=True)
class _Clock:
    """What seems to lie after ``now_ms`` was before the clock was set: it was at ``past_ms`` at the
    latest. That is before we were deaf, for what happened then may have been followed by an event
    that nobody heard."""

    now_ms: Millis
    past_ms: Millis

    def past(self, moment: Millis) -> Millis:
        return moment if moment <= self.now_ms else self.past_ms


def _deaf_since(draft: Draft) -> Millis:
    """Since when we have been deaf at this start; now, if that is not so."""
    starts = [gap.start_ms for gap in draft.hearing.gaps if gap.end_ms is None]
    return min(draft.at_ms, *starts) if starts else draft.at_ms


def _on_new_clock(submission: Submission, clock: _Clock) -> Submission:
    """Nothing of the past may seem to lie in the future: readings are held against an attempt's
    end, and an older submission must not be remembered longer than a younger one."""
    attempts = tuple(_not_after(attempt, clock) for attempt in submission.attempts)
    return replace(
        submission,
        attempts=attempts,
        reading=_read_before(submission.reading, clock),
        closed_ms=_past(submission.closed_ms, clock),
    )


def _lane_on_new_clock(lane: Lane, clock: _Clock) -> Lane:
    return replace(
        lane,
        last_seen=_read_before(lane.last_seen, clock),
        foreign_ms=_past(lane.foreign_ms, clock),
    )


def _past(moment: Millis | None, clock: _Clock) -> Millis | None:
    return None if moment is None else clock.past(moment)


def _read_before(reading: Reading | None, clock: _Clock) -> Reading | None:
    """A reading of a later hour than now is older than whatever happens from now on."""
    if reading is None or reading.read_ms < clock.now_ms:
        return reading
    return replace(reading, read_ms=Millis(clock.now_ms - 1))


def _not_after(attempt: Attempt, clock: _Clock) -> Attempt:
    return replace(
        attempt,
        began_ms=clock.past(attempt.began_ms),
        ended_ms=_past(attempt.ended_ms, clock),
    )


def _restart_one(draft: Draft, submission: Submission) -> None:
    policy = draft.policy
    if submission.state is State.SENDING:
        last = replace(submission.attempts[-1], ended_ms=draft.at_ms, crashed=True, result=CRASHED)
        doubt(draft, replace(submission, attempts=(*submission.attempts[:-1], last)))
        return
    if possibly_sent(submission):
        soonest = draft.after(policy.settle_ms)
        latest = draft.after(policy.confirm_timeout_ms)
        deadline = submission.deadline_ms
        submission = replace(
            submission,
            deadline_ms=None if deadline is None else min(max(deadline, draft.at_ms), latest),
            settle_ms=None if submission.settle_ms is None else soonest,
            give_up_ms=_clamp(
                submission.give_up_ms,
                soonest + policy.confirm_timeout_ms,
                draft.at_ms + policy.give_up_after_ms,
            ),
            enquire_ms=None if submission.state is State.QUEUED else draft.at_ms,
            enquiries=0,
        )
    else:
        submission = replace(
            submission,
            deliver_by_ms=_clamp(
                submission.deliver_by_ms,
                draft.at_ms + policy.confirm_timeout_ms,
                draft.at_ms + policy.deliver_within_ms,
            ),
        )
    if submission.not_before_ms is not None:
        longest = max(policy.backoff_cap_ms, asked_ms(submission.attempts, policy) or 0)
        cap = draft.after(longest)
        submission = replace(submission, not_before_ms=min(submission.not_before_ms, cap))
    draft.put(submission)


def _hold_again(draft: Draft, submission: Submission) -> None:
    """The quiet that an earlier run was asked for lasts on, though no longer than from now."""
    asked = asked_ms(submission.attempts, draft.policy)
    until = quiet_until_ms(submission, draft.policy)
    if asked is not None and until is not None and until > draft.at_ms:
        draft.hold_until(min(until, draft.after(asked)), restarted=True)


def _clamp(value: Millis | None, low: int, high: int) -> Millis | None:
    return None if value is None else Millis(min(max(value, low), max(low, high)))
