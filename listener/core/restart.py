"""A new process finds its lanes (rule 14)."""

from __future__ import annotations

from dataclasses import replace

from .draft import Draft
from .evidence import PostResult
from .names import Millis, PostKind, State
from .sending import doubt
from .standing import open_submissions, possibly_sent
from .submission import Attempt, Submission

CRASHED = PostResult(kind=PostKind.POSSIBLY_SENT, detail="crashed_while_sending")


def restart(draft: Draft) -> None:
    """Hold every timer against the new clock, and take what was being sent as possibly sent.

    The old run's clock may have been another: a settle period is begun anew, so that a clock set
    forward between two runs cannot end it; deadlines come no later than they would for an
    attempt that ended now, so that one set back cannot put them off for ever.
    """
    for submission in tuple(open_submissions(draft.lane)):
        _restart_one(draft, _on_new_clock(submission, draft.at_ms))
    lane = draft.lane
    if lane.rest_until_ms is not None:
        until = draft.after(draft.policy.settle_ms)
        draft.lane = replace(lane, rest_until_ms=until, review_ms=until)
    elif lane.review_ms is not None:
        draft.lane = replace(lane, review_ms=draft.at_ms)


def _on_new_clock(submission: Submission, now_ms: Millis) -> Submission:
    """No attempt of the past may seem to lie in the future: readings are held against its end."""
    attempts = tuple(_not_after(attempt, now_ms) for attempt in submission.attempts)
    if attempts == submission.attempts:
        return submission
    return replace(submission, attempts=attempts)


def _not_after(attempt: Attempt, now_ms: Millis) -> Attempt:
    ended = attempt.ended_ms
    return replace(
        attempt,
        began_ms=min(attempt.began_ms, now_ms),
        ended_ms=None if ended is None else min(ended, now_ms),
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
        cap = draft.after(policy.backoff_cap_ms)
        submission = replace(submission, not_before_ms=min(submission.not_before_ms, cap))
    draft.put(submission)


def _clamp(value: Millis | None, low: int, high: int) -> Millis | None:
    return None if value is None else Millis(min(max(value, low), max(low, high)))
