"""A gap has its end: what it may have swallowed, and what is known of it now (rule 10)."""

from __future__ import annotations

from dataclasses import replace

from .draft import Draft
from .enquiry import RECORD_WORDS, judge, last_sent
from .names import Movement, Outcome, State
from .standing import (
    deaf_in_window,
    first_sent,
    in_late_window,
    known_moved,
    open_submissions,
    owner_candidate,
)
from .submission import Submission


def gap_ended(draft: Draft) -> None:
    """What is open is asked of the record, and so is the last one that closed without its event.
    Those that closed in the belief that we listened are judged again."""
    for submission in tuple(open_submissions(draft.lane)):
        waits = submission.state in (State.AWAITING, State.IN_DOUBT)
        if waits and deaf_in_window(submission, draft.hearing, draft.at_ms):
            draft.put(replace(submission, enquire_ms=draft.at_ms))
    for submission in draft.lane.submissions:
        if _believed_to_listen(draft, submission):
            _judge_again(draft, submission)
    _review_last(draft)


def _believed_to_listen(draft: Draft, submission: Submission) -> bool:
    """Whether it was closed as one whose event we would have heard, and we were deaf: that a
    connection was dead, or heard nothing, is known only later."""
    first = first_sent(submission)
    return (
        first is not None
        and submission.closed_ms is not None
        and submission.outcome in (Outcome.UNCONFIRMED, Outcome.NOT_DISPATCHED)
        and _said(submission) is not None
        and in_late_window(submission, draft.at_ms, draft.policy)
        and draft.hearing.deaf_within(first.began_ms, submission.closed_ms)
    )


def _said(submission: Submission) -> Movement | None:
    """What its reason says of the record, where it says that we listened."""
    return _LISTENED.get(submission.reason or "")


_LISTENED = {f"listened_{word}": moved for moved, word in RECORD_WORDS.items()} | {
    "record_unmoved": Movement.UNMOVED
}


def _judge_again(draft: Draft, submission: Submission) -> None:
    """By what was read of it at the time: a younger update may have moved the record since."""
    moved = _said(submission) or Movement.UNKNOWN
    if known_moved(draft.lane, submission):
        moved = Movement.MOVED
    outcome, reason = judge(draft, submission, moved, draft.at_ms)
    attribution = draft.attribution_for(submission) if outcome is Outcome.PRESUMED else None
    draft.correct(submission, outcome, reason, attribution)


def _review_last(draft: Draft) -> None:
    subject = last_sent(draft)
    if (
        subject is not None
        and owner_candidate(draft.lane) is None
        and subject.outcome is not Outcome.CONFIRMED
        and in_late_window(subject, draft.at_ms, draft.policy)
    ):
        due = draft.lane.rest_until_ms or draft.at_ms
        draft.lane = replace(draft.lane, review_ms=max(due, draft.at_ms))
