"""From acceptance to an attempt's end (rules 1, 5, 6, 8, 13)."""

from __future__ import annotations

from dataclasses import replace

from .correlation import (
    apply_held,
    contradict,
    disown_held,
    doubt_held,
    may_be_earlier,
    pass_on,
)
from .draft import Draft
from .effects import Post
from .errors import IllegalInput
from .evidence import PostResult, Reading
from .facts import (
    AttemptBegan,
    AttemptFinished,
    CancelNoted,
    SendingDeclined,
    SubmissionAccepted,
)
from .inputs import AttemptEnded, CancelRequested, SendBegins, Submit
from .names import LanePolicy, Millis, Movement, Outcome, PostKind, State
from .quiet import asked_ms, wait_ms
from .retry import objection_in
from .standing import (
    foreign_update_seen,
    joined,
    movement_now,
    next_enquiry_ms,
    open_submissions,
    possibly_sent,
    sendable,
)
from .submission import Attempt, Lane, Submission


def submit(draft: Draft, given: Submit) -> str | None:
    """Take a new update into the lane, or refuse it by the lane's policy (a slug)."""
    if draft.get(given.submission_id) is not None:
        raise IllegalInput("expected a new submission id, found one the lane already has")
    if given.join and joined(draft.lane, given.file, given.owed) is not None:
        return "joined"
    if given.retry_of is not None and not given.forced:
        against = objection_in(draft.lane, given.retry_of, draft.at_ms)
        if against is not None:
            return against.value
    policy = draft.policy
    if policy.lane_policy is LanePolicy.REJECT and any(open_submissions(draft.lane)):
        return "lane_busy"
    draft.facts.append(
        SubmissionAccepted(
            at_ms=draft.at_ms,
            submission_id=given.submission_id,
            size=given.file.size,
            kind=given.file.kind,
            retry_of=given.retry_of,
        )
    )
    if policy.lane_policy is LanePolicy.COALESCE:
        for older in tuple(open_submissions(draft.lane)):
            if older.state is State.QUEUED and not possibly_sent(older):
                draft.close(older, Outcome.SUPERSEDED, reason="newer_update")
    draft.put(
        Submission(
            id=given.submission_id,
            created_ms=draft.at_ms,
            file=given.file,
            retry_of=given.retry_of,
            deliver_by_ms=draft.after(policy.deliver_within_ms),
        )
    )
    return None


def begin(draft: Draft, given: SendBegins) -> str | None:
    """Commit to one attempt, or decline (a slug): the world may have changed while waiting."""
    submission = draft.get(given.submission_id)
    if submission is None:
        return "forgotten"
    if submission.state is State.SENDING:
        raise IllegalInput("expected a queued submission, found one that is being sent")
    if given.events_pending:
        return "events_pending"
    ready = sendable(draft.lane, draft.at_ms)
    if ready is None or ready.id != submission.id:
        return "not_sendable"
    if possibly_sent(submission):
        return _resend(draft, submission, given.baseline)
    if submission.deliver_by_ms is not None and draft.at_ms >= submission.deliver_by_ms:
        return "too_late"
    foreign = [ms for ms in (draft.lane.foreign_ms, given.foreign_ms) if ms is not None]
    draft.lane = replace(draft.lane, foreign_ms=max(foreign, default=None))
    _start(draft, submission, given.baseline)
    return None


def _resend(draft: Draft, submission: Submission, reading: Reading | None) -> str | None:
    """The enquiry immediately before a resend: anything but "unmoved" and it is not sent. A cache's
    may be older than the settle period's end, which says nothing."""
    moved = Movement.UNKNOWN if reading is None else movement_now(submission, reading)
    settle_ms = submission.settle_ms
    if reading is not None and settle_ms is not None and reading.read_ms < settle_ms:
        moved = Movement.UNKNOWN
    gave_up = submission.give_up_ms is not None and draft.at_ms >= submission.give_up_ms
    if moved is Movement.UNMOVED and draft.hearing.settled and not gave_up:
        _start(draft, submission, reading)
        return None
    draft.facts.append(
        SendingDeclined(at_ms=draft.at_ms, submission_id=submission.id, movement=moved)
    )
    back = replace(submission, state=State.IN_DOUBT, enquiries=submission.enquiries + 1)
    draft.put(replace(back, enquire_ms=next_enquiry_ms(back, draft.at_ms, draft.policy)))
    return "not_unmoved"


def _of_now(lane: Lane, baseline: Reading | None) -> Reading | None:
    """A baseline that is older than an update of ours (a cache's) shows the record without it, and
    would let that one's movement pass for the next one's: it is none."""
    if baseline is None or not baseline.known:
        return baseline
    ends = [
        attempt.ended_ms or attempt.began_ms
        for submission in lane.submissions
        for attempt in submission.attempts
        if attempt.possibly_sent
    ]
    if all(end_ms <= baseline.read_ms for end_ms in ends):
        return baseline
    return Reading(read_ms=baseline.read_ms, known=False, detail="older_than_updates")


def _start(draft: Draft, submission: Submission, baseline: Reading | None) -> None:
    baseline = _of_now(draft.lane, baseline)
    foreign = foreign_update_seen(draft.lane, baseline)
    attempt = Attempt(
        number=len(submission.attempts) + 1,
        began_ms=draft.at_ms,
        baseline=baseline,
        contended=foreign,
    )
    known = baseline is not None and baseline.known
    draft.lane = replace(
        draft.lane,
        last_seen=baseline if known else draft.lane.last_seen,
        ours_since_seen=True,
        foreign_ms=draft.at_ms if foreign else draft.lane.foreign_ms,
    )
    draft.put(
        replace(
            submission,
            state=State.SENDING,
            attempts=(*submission.attempts, attempt),
            sent_ms=submission.sent_ms if possibly_sent(submission) else draft.at_ms,
            not_before_ms=None,
            enquire_ms=None,
            enquiries=0,
        )
    )
    draft.facts.append(
        AttemptBegan(
            at_ms=draft.at_ms,
            submission_id=submission.id,
            attempt=attempt.number,
            baseline_known=known,
            contended=attempt.contended,
        )
    )
    draft.effects.append(Post(submission.id, attempt.number))


def end(draft: Draft, given: AttemptEnded) -> None:
    """One POST is over: its result decides."""
    submission = draft.get(given.submission_id)
    if submission is None or submission.state is not State.SENDING:
        raise IllegalInput("expected the end of an attempt under way, found none under way")
    attempt = submission.attempts[-1]
    if attempt.number != given.attempt:
        raise IllegalInput("expected the end of the last attempt, found another's")
    over = replace(
        submission,
        attempts=(
            *submission.attempts[:-1],
            replace(attempt, ended_ms=draft.at_ms, result=given.result),
        ),
    )
    told = len(draft.facts)
    settle_attempt(draft, over, given.result)
    after = draft.get(submission.id) or over
    # The line of the attempt comes before what followed from it, and says what it is taken for.
    result = after.attempts[-1].result or given.result
    draft.facts.insert(told, _finished(draft, attempt, result, after))


def _finished(
    draft: Draft, attempt: Attempt, result: PostResult, after: Submission
) -> AttemptFinished:
    return AttemptFinished(
        at_ms=draft.at_ms,
        submission_id=after.id,
        attempt=attempt.number,
        result=result.kind,
        detail=result.detail,
        http_status=result.http_status,
        state=after.state,
        duration_ms=draft.at_ms - attempt.began_ms,
        retry_at=after.not_before_ms,
    )


def settle_attempt(draft: Draft, over: Submission, result: PostResult) -> None:
    """Rule 6: from a result to a state."""
    match result.kind:
        case PostKind.NOT_SENT | PostKind.THROTTLED:
            _unsent(draft, over, result)
        case PostKind.REFUSED:
            _refused(draft, over, result)
        case PostKind.ACCEPTED:
            _accepted(draft, over, result)
        case PostKind.POSSIBLY_SENT:
            if result.retry_after_ms is not None:
                draft.hold_all(asked_ms(over.attempts, draft.policy) or 0)
            doubt(draft, replace(over, never_resend=over.never_resend or not result.resendable))


def _unsent(draft: Draft, over: Submission, result: PostResult) -> None:
    if _claimed_unsent(result) and over.held and not may_be_earlier(draft, over):
        _doubt_claim(draft, over, result)
        return
    wait = wait_ms(over.attempts, result, draft.policy)
    if result.kind is PostKind.THROTTLED:
        draft.hold_all(wait)
    if not result.resendable:
        _never_sent(draft, over, result)
        return
    queued = replace(over, state=State.QUEUED, not_before_ms=draft.after(wait))
    if possibly_sent(queued):
        queued = apply_held(draft, queued)
        close_if_cancelled(draft, queued)
        return
    queued = disown_held(draft, queued)
    draft.lane = replace(draft.lane, ours_since_seen=_ours_outstanding(draft.lane))
    if queued.cancel_requested:
        draft.close(queued, Outcome.CANCELLED, reason="cancelled")


def _claimed_unsent(result: PostResult) -> bool:
    """Whether it was answered, and only what the operator says of such answers makes it unsent."""
    return result.kind is PostKind.NOT_SENT and result.http_status is not None


def _doubt_claim(draft: Draft, over: Submission, result: PostResult) -> None:
    """An event was heard during it: it may have been applied after all, and the record is read."""
    last = replace(over.attempts[-1], result=replace(result, kind=PostKind.POSSIBLY_SENT))
    doubted = replace(over, attempts=(*over.attempts[:-1], last))
    doubt(draft, doubt_held(draft, doubted))
    after = draft.get(over.id)
    if after is not None and after.state is State.IN_DOUBT:
        draft.put(replace(after, enquire_ms=draft.at_ms))


def _never_sent(draft: Draft, over: Submission, result: PostResult) -> None:
    """Nothing was sent, and nothing can be (the file is lost): a person is needed."""
    if possibly_sent(over):
        doubt(draft, replace(over, never_resend=True))
        return
    over = disown_held(draft, over)
    draft.lane = replace(draft.lane, ours_since_seen=_ours_outstanding(draft.lane))
    draft.close(over, Outcome.UNDELIVERED, reason=result.detail)


def _ours_outstanding(lane: Lane) -> bool:
    """Whether an earlier update of ours may still have moved the record since it was last seen."""
    seen = lane.last_seen
    return seen is None or any(
        attempt.possibly_sent and (attempt.ended_ms or attempt.began_ms) >= seen.read_ms
        for submission in lane.submissions
        for attempt in submission.attempts
    )


def _refused(draft: Draft, over: Submission, result: PostResult) -> None:
    if possibly_sent(over):
        doubt(draft, replace(over, never_resend=True))
    elif over.held and not may_be_earlier(draft, over):
        doubt(draft, contradict(draft, over))
    else:
        over = disown_held(draft, over)
        draft.lane = replace(draft.lane, ours_since_seen=_ours_outstanding(draft.lane))
        draft.close(over, Outcome.REJECTED, reason=result.detail)


def _accepted(draft: Draft, over: Submission, result: PostResult) -> None:
    policy = draft.policy
    waiting = replace(
        over,
        state=State.AWAITING,
        accepted_ms=draft.at_ms,
        reply=result.reply,
        deadline_ms=draft.after(policy.confirm_timeout_ms),
        give_up_ms=over.give_up_ms or draft.after(policy.give_up_after_ms),
    )
    _wait(draft, waiting)


def doubt(draft: Draft, over: Submission) -> None:
    """The attempt may have been applied: wait for the event, and enquire (rule 8)."""
    policy = draft.policy
    waiting = replace(
        over,
        state=State.IN_DOUBT,
        settle_ms=draft.after(policy.settle_ms),
        deadline_ms=draft.after(policy.confirm_timeout_ms),
        give_up_ms=over.give_up_ms or draft.after(policy.give_up_after_ms),
    )
    _wait(draft, waiting)


def _wait(draft: Draft, waiting: Submission) -> None:
    if not waiting.contradicted:
        waiting = replace(waiting, enquire_ms=next_enquiry_ms(waiting, draft.at_ms, draft.policy))
    close_if_cancelled(draft, apply_held(draft, draft.put(waiting)))


def close_if_cancelled(draft: Draft, submission: Submission) -> bool:
    """A cancel after an attempt possibly sent stops the watching, no more (rule 13)."""
    if submission.cancel_requested and submission.state is not State.CLOSED:
        pass_on(draft, draft.close(submission, Outcome.UNCONFIRMED, reason="cancelled"))
        return True
    return False


def cancel(draft: Draft, given: CancelRequested) -> None:
    """Withdraw a submission. During ``sending`` it takes effect at the attempt's end."""
    submission = draft.get(given.submission_id)
    if submission is None or submission.state is State.CLOSED or submission.cancel_requested:
        return
    if submission.state is State.QUEUED and not possibly_sent(submission):
        draft.close(submission, Outcome.CANCELLED, reason="cancelled")
        return
    draft.facts.append(CancelNoted(at_ms=draft.at_ms, submission_id=submission.id))
    noted = draft.put(replace(submission, cancel_requested=True))
    if submission.state is State.SENDING:
        return
    if given.events_pending:
        draft.put(replace(noted, enquire_ms=Millis(draft.at_ms + 1)))
        return
    close_if_cancelled(draft, noted)
