"""Readings of the record, and what time alone decides (rules 8-12)."""

from __future__ import annotations

from dataclasses import replace

from .correlation import confirm_candidate, correct_by_event, pass_on
from .draft import Draft
from .effects import Doubt, Enquire
from .evidence import FAILED_WORDS, PROCESSING, Reading
from .facts import LaneReleased, RecordEnquired, ResendDecided
from .inputs import RecordRead, TimePassed
from .names import Attribution, Millis, Movement, Outcome, State, UpstreamJob
from .sending import close_if_cancelled
from .standing import (
    accepted,
    deaf_in_window,
    first_sent,
    foreign_update_seen,
    in_flight,
    in_late_window,
    last_end_ms,
    may_resend,
    movement_now,
    movement_of,
    next_enquiry_ms,
    owner_candidate,
    possibly_sent,
    unresolved,
)
from .submission import Submission

ENQUIRY_LOST_MS = 60_000
"""An enquiry that did not come back by then is asked again: no enquiry is waited for for ever."""

HEARD_NOTHING = "listened_record_moved"
"""The reason of an ``unconfirmed`` that makes the subscription doubtful."""

RECHECK_MS = 250
"""How soon to look again where an event of the lane still awaits correlation."""


def read(draft: Draft, given: RecordRead) -> None:
    """An enquiry came back: for the submission that waits, or on behalf of closed ones."""
    owner = owner_candidate(draft.lane)
    sending = owner is not None and owner.state is State.SENDING
    if given.reading.known and not sending:
        _see(draft, given.reading)
    if owner is None:
        _review(draft, given)
    elif not sending:
        _read_open(draft, owner, given)


def _see(draft: Draft, reading: Reading) -> None:
    """Remember the record as last seen, and whether an update of ours may still move it."""
    lane = draft.lane
    if lane.last_seen is not None and reading.read_ms < lane.last_seen.read_ms:
        return
    ours = lane.ours_since_seen and any(
        movement_of(s, reading) is not Movement.MOVED
        for s in lane.submissions
        if possibly_sent(s) and (s.state is not State.CLOSED or unresolved_here(draft, s))
    )
    # Seen by an enquiry, it is not seen by the next baseline: it must be remembered here.
    foreign_ms = draft.at_ms if foreign_update_seen(lane, reading) else lane.foreign_ms
    draft.lane = replace(lane, last_seen=reading, ours_since_seen=ours, foreign_ms=foreign_ms)


def unresolved_here(draft: Draft, submission: Submission) -> bool:
    """``unresolved`` at the draft's moment."""
    return unresolved(submission, draft.at_ms, draft.policy)


def _with_reading(submission: Submission, reading: Reading) -> Submission:
    """Keep a known reading and what it says of each job's end."""
    # A refused attempt that was heard of all the same is enquired of too: the first of any kind.
    first = first_sent(submission) or submission.attempts[0]
    if not reading.known or reading.read_ms < first.began_ms:
        return submission
    finished, failed = set(submission.finished_jobs), set(submission.failed_jobs)
    before = submission.reading
    for job in UpstreamJob:
        word = reading.job_status(job)
        if before is None or word is None or before.job_status(job) != PROCESSING:
            continue
        if word != PROCESSING:
            finished.add(job.value)
        if word in FAILED_WORDS:
            failed.add(job.value)
    return replace(
        submission,
        reading=reading,
        finished_jobs=tuple(sorted(finished)),
        failed_jobs=tuple(sorted(failed)),
    )


def _enquired(draft: Draft, submission: Submission, reading: Reading, moved: Movement) -> None:
    draft.facts.append(
        RecordEnquired(
            at_ms=draft.at_ms,
            submission_id=submission.id,
            movement=moved,
            detail=reading.detail,
            status=reading.status,
            enhance_status=reading.enhance_status,
        )
    )


def _read_open(draft: Draft, owner: Submission, given: RecordRead) -> None:
    moved = movement_now(owner, given.reading)
    asked = replace(_with_reading(owner, given.reading), enquiries=owner.enquiries + 1)
    queued = owner.state is State.QUEUED
    after = None if queued else next_enquiry_ms(asked, draft.at_ms, draft.policy)
    asked = replace(asked, enquire_ms=after)
    draft.put(asked)
    _enquired(draft, asked, given.reading, moved)
    if not given.events_pending:
        _decide(draft, asked, moved, given.reading.read_ms)


def _decide(draft: Draft, owner: Submission, moved: Movement, read_ms: int) -> None:
    """What a reading (or the lack of any) decides for an open, possibly sent submission."""
    if not draft.hearing.settled:
        return
    if _spoken_for(owner, moved):
        confirm_candidate(draft, owner)
    elif owner.state is State.IN_DOUBT:
        _decide_doubt(draft, owner, moved, read_ms)
    elif owner.state is State.AWAITING and _deadline_read(owner, read_ms):
        _conclude_heard(draft, owner, moved, read_ms)


def _spoken_for(owner: Submission, moved: Movement) -> bool:
    """Whether a contended event counts: the record moved too, or can never tell and it was
    accepted."""
    if not owner.candidates or owner.contradicted:
        return False
    return moved is Movement.MOVED or (moved is Movement.INCOMPARABLE and accepted(owner))


def _deadline_read(owner: Submission, read_ms: int) -> bool:
    return owner.deadline_ms is not None and read_ms >= owner.deadline_ms


def _decide_doubt(draft: Draft, owner: Submission, moved: Movement, read_ms: int) -> None:
    """Rule 8. Only a reading that began after the settle period counts."""
    if owner.settle_ms is None or read_ms < owner.settle_ms:
        return
    if moved is Movement.UNKNOWN:
        return
    if moved is Movement.UNMOVED and may_resend(owner, draft.at_ms, draft.policy):
        draft.put(replace(owner, state=State.QUEUED, not_before_ms=draft.at_ms, enquire_ms=None))
        draft.facts.append(
            ResendDecided(at_ms=draft.at_ms, submission_id=owner.id, attempts=len(owner.attempts))
        )
        return
    if _deadline_read(owner, read_ms):
        _conclude_heard(draft, owner, moved, read_ms)


def _conclude_heard(draft: Draft, owner: Submission, moved: Movement, read_ms: int) -> None:
    """Close, but not while we are deaf: what was missed may still be replayed."""
    if draft.hearing.listening:
        conclude(draft, owner, moved, read_ms)


def conclude(draft: Draft, owner: Submission, moved: Movement, read_ms: int) -> None:
    """Close for good reasons or for lack of any: no event was heard in time."""
    if _spoken_for(owner, moved):
        confirm_candidate(draft, owner)
        return
    outcome, reason = judge(draft, owner, moved, read_ms)
    attribution = draft.attribution_for(owner) if outcome is Outcome.PRESUMED else None
    first = first_sent(owner)
    if reason == HEARD_NOTHING and first is not None:
        draft.effects.append(Doubt(since_ms=first.began_ms))
    pass_on(draft, draft.close(owner, outcome, reason, attribution))


def judge(draft: Draft, owner: Submission, moved: Movement, read_ms: int) -> tuple[Outcome, str]:
    """The outcome of a possibly sent submission whose event was not heard, and why."""
    deaf = deaf_in_window(owner, draft.hearing, draft.at_ms)
    if owner.contradicted:
        return Outcome.UNCONFIRMED, "refused_but_heard"
    if moved is Movement.MOVED and deaf:
        return Outcome.PRESUMED, "record_moved_while_deaf"
    settled_after = last_end_ms(owner) + draft.policy.settle_ms
    if accepted(owner) and not deaf and moved is Movement.UNMOVED and read_ms >= settled_after:
        return Outcome.NOT_DISPATCHED, "record_unmoved"
    ear = "deaf" if deaf else "listened"
    return Outcome.UNCONFIRMED, f"{ear}_{RECORD_WORDS[moved]}"


RECORD_WORDS = {
    Movement.MOVED: "record_moved",
    Movement.UNMOVED: "record_unmoved",
    Movement.INCOMPARABLE: "no_baseline",
    Movement.UNKNOWN: "record_unknown",
}


def pass_time(draft: Draft, given: TimePassed) -> None:
    """Do what has come due."""
    for submission in tuple(draft.lane.submissions):
        if submission.state is State.QUEUED and not possibly_sent(submission):
            _deliver_by(draft, submission)
        elif submission.state not in (State.CLOSED, State.SENDING):
            _wait_on(draft, submission, given)
    _rest_due(draft, given)


def _deliver_by(draft: Draft, submission: Submission) -> None:
    if submission.deliver_by_ms is not None and draft.at_ms >= submission.deliver_by_ms:
        last = submission.attempts[-1].result if submission.attempts else None
        draft.close(submission, Outcome.UNDELIVERED, reason=last.detail if last else "never_sent")


def _wait_on(draft: Draft, owner: Submission, given: TimePassed) -> None:
    """An open submission possibly sent: give up, or enquire."""
    due = owner.enquire_ms is not None and draft.at_ms >= owner.enquire_ms
    gave_up = owner.give_up_ms is not None and draft.at_ms >= owner.give_up_ms
    if not (due or gave_up):
        return
    if given.events_pending:
        # At most one wait for each look: the queue drains within milliseconds, or we are stopping.
        soon = draft.after(RECHECK_MS)
        give_up = soon if gave_up else owner.give_up_ms
        draft.put(replace(owner, enquire_ms=soon, give_up_ms=give_up))
        return
    if close_if_cancelled(draft, owner):
        return
    if gave_up:
        _give_up(draft, owner)
    elif not draft.hearing.settled:
        later = draft.after(draft.policy.backoff_ms(owner.enquiries + 1))
        draft.put(replace(owner, enquire_ms=later, enquiries=owner.enquiries + 1))
    elif owner.state is State.QUEUED:
        draft.put(replace(owner, enquire_ms=None))
    elif draft.policy.baseline:
        draft.put(replace(owner, enquire_ms=draft.after(ENQUIRY_LOST_MS)))
        draft.effects.append(Enquire())
    else:
        looked = replace(owner, enquiries=owner.enquiries + 1)
        after = next_enquiry_ms(looked, draft.at_ms, draft.policy)
        looked = draft.put(replace(looked, enquire_ms=after))
        _decide(draft, looked, Movement.INCOMPARABLE, draft.at_ms)


def _give_up(draft: Draft, owner: Submission) -> None:
    """The bound on all waiting. The last reading known, if any since the last attempt, counts."""
    reading = owner.reading
    if reading is None or reading.read_ms < last_end_ms(owner):
        conclude(draft, owner, Movement.UNKNOWN, draft.at_ms)
    else:
        conclude(draft, owner, movement_of(owner, reading), reading.read_ms)


def _rest_due(draft: Draft, given: TimePassed) -> None:
    lane = draft.lane
    review, rest = lane.review_ms, lane.rest_until_ms
    due = review if review is not None else rest
    if due is None or draft.at_ms < due or in_flight(lane) is not None:
        return
    if owner_candidate(lane) is not None:
        # A lane with an open one possibly sent never rests; its own enquiries take its turn.
        draft.lane = replace(lane, review_ms=None)
    elif given.events_pending or not draft.hearing.settled:
        wait = RECHECK_MS if given.events_pending else draft.policy.backoff_ms(lane.reviews + 1)
        deafness = 0 if given.events_pending else 1
        if _review_given_up(draft):
            _release(draft, Movement.UNKNOWN)
            return
        draft.lane = replace(lane, review_ms=draft.after(wait), reviews=lane.reviews + deafness)
    elif draft.policy.baseline:
        draft.lane = replace(lane, review_ms=draft.after(ENQUIRY_LOST_MS))
        draft.effects.append(Enquire())
    else:
        _release(draft, Movement.INCOMPARABLE)


def last_sent(draft: Draft) -> Submission | None:
    """The newest closed submission possibly sent, or heard of though refused: only of it does the
    record speak."""
    for submission in reversed(draft.lane.submissions):
        if possibly_sent(submission) or submission.contradicted:
            return submission if submission.state is State.CLOSED else None
    return None


def _review(draft: Draft, given: RecordRead) -> None:
    """A reading while nothing is in flight: it may correct the last outcome, and ends the rest."""
    subject = last_sent(draft)
    lane = draft.lane
    if subject is None:
        _release(draft, Movement.INCOMPARABLE)
        return
    moved = movement_now(subject, given.reading)
    _enquired(draft, subject, given.reading, moved)
    if given.events_pending or not draft.hearing.settled:
        draft.lane = replace(lane, review_ms=draft.after(RECHECK_MS))
        return
    if moved is Movement.UNKNOWN and not _review_given_up(draft):
        wait = draft.after(draft.policy.backoff_ms(lane.reviews + 1))
        draft.lane = replace(lane, review_ms=wait, reviews=lane.reviews + 1)
        return
    subject = draft.put(_with_reading(subject, given.reading))
    if in_late_window(subject, draft.at_ms, draft.policy):
        _correct_by_record(draft, subject, moved, given.reading.read_ms)
    if lane.rest_until_ms is None or given.reading.read_ms >= lane.rest_until_ms:
        _release(draft, moved)
    elif draft.lane.review_ms is not None:
        draft.lane = replace(draft.lane, review_ms=lane.rest_until_ms)


def _review_given_up(draft: Draft) -> bool:
    subject = last_sent(draft)
    if subject is None or subject.closed_ms is None:
        return True
    return draft.at_ms >= subject.closed_ms + draft.policy.give_up_after_ms


def _release(draft: Draft, moved: Movement) -> None:
    if draft.lane.rest_until_ms is not None:
        draft.facts.append(LaneReleased(at_ms=draft.at_ms, submission_id=None, movement=moved))
    draft.lane = replace(draft.lane, rest_until_ms=None, review_ms=None, reviews=0)


def _correct_by_record(draft: Draft, subject: Submission, moved: Movement, read_ms: Millis) -> None:
    if subject.outcome is Outcome.CONFIRMED or subject.contradicted:
        return
    if subject.candidates and moved is Movement.MOVED:
        correct_by_event(draft, subject, subject.candidates[0])
        return
    if moved in (Movement.UNKNOWN, Movement.INCOMPARABLE):
        return
    outcome, reason = judge(draft, subject, moved, read_ms)
    if outcome is subject.outcome:
        return
    if subject.outcome is Outcome.NOT_DISPATCHED and moved is Movement.UNMOVED:
        # It was judged while we listened; to have been deaf since then takes nothing from it.
        return
    if subject.outcome is Outcome.PRESUMED and moved is not Movement.UNMOVED:
        return
    attribution: Attribution | None = None
    if outcome is Outcome.PRESUMED:
        attribution = draft.attribution_for(subject)
    draft.correct(subject, outcome, reason, attribution)
