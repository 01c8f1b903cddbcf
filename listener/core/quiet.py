"""The quiet that the upstream asked for (rule 6), as it follows from what the journal keeps."""

from __future__ import annotations

from collections.abc import Sequence

from .evidence import PostResult
from .names import Millis, PostKind
from .policy import Policy
from .submission import Attempt, Submission


def wait_ms(attempts: Sequence[Attempt], result: PostResult, policy: Policy) -> int:
    """How long an update rests whose last attempt was not sent, or throttled: for what was asked
    for, or longer with each such end in a row."""
    if result.retry_after_ms is not None:
        asked = min(result.retry_after_ms, policy.retry_after_cap_ms)
        return max(asked, policy.backoff_first_ms)
    tries = 0
    for attempt in reversed(attempts):
        if attempt.possibly_sent:
            break
        tries += 1
    return policy.backoff_ms(tries)


def asked_ms(attempts: Sequence[Attempt], policy: Policy) -> int | None:
    """For how long nothing is to be sent to any lane since the end of the last attempt. None: it
    asked for no quiet."""
    result = attempts[-1].result if attempts else None
    if result is None:
        return None
    if result.kind is PostKind.THROTTLED:
        return wait_ms(attempts, result, policy)
    if result.kind is PostKind.POSSIBLY_SENT and result.retry_after_ms is not None:
        return min(result.retry_after_ms, policy.retry_after_cap_ms)
    return None


def quiet_until_ms(submission: Submission, policy: Policy) -> Millis | None:
    """Until when; None where its last attempt asked for no quiet. That of an earlier one was over
    before the last began."""
    asked = asked_ms(submission.attempts, policy)
    ended = submission.attempts[-1].ended_ms if asked is not None else None
    return None if asked is None or ended is None else Millis(ended + asked)
