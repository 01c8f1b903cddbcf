"""How long the upstream takes of late: what a wait is held against."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .durations import lasting
from .names import Millis, WaitingFor
from .submission import Submission

ENOUGH = 5
"""Of fewer, nothing is said to be usual."""
RECENT_MS = 3_600_000
"""Those of the last hour alone, where there are enough of them."""


@dataclass(frozen=True, slots=True)
class Usual:
    """Of ``count`` updates confirmed since ``since_ms``, live, in time and at their first attempt:
    the middle one's time and that of nine in ten. ``event``: from sending to the event, as
    ``confirm_ms`` is; ``reply``: what the POST took. Milliseconds; None where there are fewer than
    ``ENOUGH``, for that is too little to tell."""

    count: int = 0
    since_ms: Millis | None = None
    event_p50_ms: int | None = None
    event_p90_ms: int | None = None
    reply_p50_ms: int | None = None
    reply_p90_ms: int | None = None


def usual_of(confirmed: Iterable[Submission], now_ms: int) -> Usual:
    """From confirmed submissions, in any order."""
    fit = [each for each in confirmed if _tells(each)]
    recent = [each for each in fit if (each.heard_ms or 0) >= now_ms - RECENT_MS]
    if len(recent) >= ENOUGH:
        fit = recent
    since = min((each.heard_ms for each in fit if each.heard_ms is not None), default=None)
    events = sorted((each.heard_ms or 0) - (each.sent_ms or 0) for each in fit)
    replies = sorted((each.accepted_ms or 0) - (each.sent_ms or 0) for each in fit)
    if len(fit) < ENOUGH:
        return Usual(len(fit), since)
    return Usual(
        len(fit),
        since,
        *(max(0, rank(times, part)) for times in (events, replies) for part in (50, 90)),
    )


def _tells(submission: Submission) -> bool:
    """Whether its times are the upstream's: not ours, of a second attempt or of being deaf."""
    heard = submission.heard
    return (
        heard is not None
        and not heard.replayed
        and not submission.late
        and submission.sent_ms is not None
        and submission.accepted_ms is not None
        and len(submission.attempts) == 1
    )


def rank(ascending: Sequence[int], percent: int) -> int:
    """The smallest that ``percent`` of them do not exceed. Raises IndexError for none."""
    return ascending[max(0, -(-len(ascending) * percent // 100) - 1)]


def usual_words(usual: Usual, waiting: WaitingFor | None = WaitingFor.EVENT) -> str:
    """What is usual for that wait, or that there is too little to tell."""
    reply = waiting is WaitingFor.REPLY
    half, most = (
        (usual.reply_p50_ms, usual.reply_p90_ms)
        if reply
        else (usual.event_p50_ms, usual.event_p90_ms)
    )
    if half is None or most is None:
        seen = "none was" if not usual.count else f"only {usual.count} {_were(usual.count)}"
        return f"what is usual is not known: {seen} confirmed of late"
    what = "a reply takes" if reply else "an event comes"
    after = "" if reply else " after the sending"
    return (
        f"usually {what} {lasting(half)}{after}, nine in ten within {lasting(most)}"
        f" (of the last {usual.count} confirmed)"
    )


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
