"""What an outcome means, and what to do about it: in sentences. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .durations import lasting
from .names import Attribution, Outcome
from .reasons import ATTEMPT, CLOSE, Reason, find
from .submission import Submission

MEANS: Mapping[Outcome, str] = {
    Outcome.CONFIRMED: "Its event was heard: both jobs were dispatched.",
    Outcome.PRESUMED: "We were deaf in its window, and the record moved as an applied update moves "
    "it: in all likelihood both jobs were dispatched.",
    Outcome.UNCONFIRMED: "It may have been applied, and no event was heard: whether its jobs were "
    "dispatched is not known.",
    Outcome.NOT_DISPATCHED: "The upstream accepted it, and did nothing with it: we listened all "
    "the time, and its record has not moved.",
    Outcome.REJECTED: "The upstream refused it, and nothing of it was applied.",
    Outcome.UNDELIVERED: "It never reached the upstream, and its time is over.",
    Outcome.CANCELLED: "It was withdrawn before anything was sent.",
    Outcome.SUPERSEDED: "A newer update of the same CV took its place before anything was sent.",
}

TO_DO: Mapping[Outcome, str] = {
    Outcome.CONFIRMED: "Nothing.",
    Outcome.PRESUMED: "Nothing, if the evidence will do. To be sure, ask the upstream's side.",
    Outcome.UNCONFIRMED: "Ask the upstream's side, or read the record; retry it if it was not "
    "applied.",
    Outcome.NOT_DISPATCHED: "Ask the upstream's side why, then retry it.",
    Outcome.REJECTED: "Mend what was refused, and submit it again.",
    Outcome.UNDELIVERED: "See why nothing could be sent, then retry it.",
    Outcome.CANCELLED: "Nothing: somebody asked for that.",
    Outcome.SUPERSEDED: "Nothing: look at the newer one.",
}
"""Where its reason does not say better."""

CALLING = frozenset(
    {Outcome.UNCONFIRMED, Outcome.NOT_DISPATCHED, Outcome.REJECTED, Outcome.UNDELIVERED}
)
"""Outcomes that call for a person."""
SETTLING = frozenset({Outcome.CONFIRMED, Outcome.PRESUMED})
"""Outcomes of a retry, after which what it was a retry of calls for nobody any more."""

CONTENDED = (
    "Somebody else updates this CV, too, or an earlier update of it is not resolved or was "
    "confirmed just before: whose event that was is not certain."
)


def reason_of(submission: Submission) -> Reason | None:
    """Why it ended so, in words; None where its outcome says all."""
    return find(CLOSE, submission.reason) or find(ATTEMPT, submission.reason)


def what_to_do(submission: Submission, again: Submission | None = None) -> str:
    """About a closed one: by its reason, or else by its outcome. Empty while it is open. ``again``:
    the retry of it that counts."""
    if submission.outcome is None:
        return ""
    if again is not None and submission.outcome in CALLING:
        return _sent_again(again)
    reason = reason_of(submission)
    return (reason.what_to_do if reason else "") or TO_DO[submission.outcome]


def _sent_again(again: Submission) -> str:
    word = (again.outcome or again.state).value.replace("_", " ")
    if again.outcome in SETTLING:
        return f"Nothing: it was sent again as {again.id}, which is {word}."
    if again.outcome is None:
        return f"Wait for {again.id}, as which it was sent again: that is {word}."
    return f"Look at {again.id}, as which it was sent again: that ended as {word}."


def means(submission: Submission) -> str:
    """What its outcome means, and why it is that. Empty while it is open."""
    if submission.outcome is None:
        return ""
    said = [MEANS[submission.outcome]]
    if submission.attribution is Attribution.CONTENDED:
        said.append(CONTENDED)
    reason = reason_of(submission)
    if reason is not None:
        said.append(reason.meaning)
    return " ".join(said)


def ending(submission: Submission, now_ms: int) -> str:
    """How a closed one ended, how that is known, and when: one sentence."""
    outcome = submission.outcome
    if outcome is None or submission.closed_ms is None:
        return ""
    word = outcome.value.replace("_", " ")
    return "; ".join([f"It ended as {word}", *_details(submission, now_ms)]) + "."


def _details(submission: Submission, now_ms: int) -> Iterator[str]:
    closed = submission.closed_ms or 0
    heard, sent = submission.heard_ms, submission.sent_ms
    if submission.outcome is Outcome.CONFIRMED and heard is not None and sent is not None:
        how = " (replayed by the server after a break)" if _replayed(submission) else ""
        yield f"its event was heard{how} {lasting(heard - sent)} after it was sent"
    if submission.attribution is Attribution.CONTENDED:
        yield "whose event or movement that was is not certain"
    if submission.outcome_before is not None:
        before = submission.outcome_before.value.replace("_", " ")
        yield f"before that it was taken for {before}"
    if submission.reason is not None:
        yield f"reason {submission.reason}"
    if submission.deaf_ms:
        yield f"we were deaf for {lasting(submission.deaf_ms)} of its time"
    took = lasting(closed - submission.created_ms)
    yield f"it took {took} in all, and ended {lasting(now_ms - closed)} ago"


def _replayed(submission: Submission) -> bool:
    return submission.heard is not None and submission.heard.replayed
