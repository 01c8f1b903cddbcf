"""Questions about submissions and lanes: what stands, what is owed, what is due. All pure."""

from __future__ import annotations

from collections.abc import Iterator

from .evidence import Heard, Hearing, Reading, compare, newly_processing
from .names import Attribution, Millis, Movement, Outcome, PostKind, State
from .policy import Policy
from .quiet import quiet_until_ms
from .submission import Attempt, FileFacts, Lane, Submission

UNRESOLVED_OUTCOMES = frozenset({Outcome.UNCONFIRMED, Outcome.NOT_DISPATCHED, Outcome.UNDELIVERED})
"""Outcomes after which somebody may want to send the file again."""

IN_FLIGHT = frozenset({State.SENDING, State.AWAITING, State.IN_DOUBT})


def sent_attempts(submission: Submission) -> list[Attempt]:
    """The attempts possibly sent."""
    return [attempt for attempt in submission.attempts if attempt.possibly_sent]


def possibly_sent(submission: Submission) -> bool:
    """Whether any attempt that ended may have been applied."""
    return any(attempt.possibly_sent for attempt in submission.attempts)


def first_sent(submission: Submission) -> Attempt | None:
    """The first attempt possibly sent, or the one under way if none before it was."""
    for attempt in submission.attempts:
        if attempt.possibly_sent or (attempt.result is None and not attempt.crashed):
            return attempt
    return None


def last_end_ms(submission: Submission) -> int:
    """When the last attempt ended (or began, if it is under way)."""
    last = submission.attempts[-1]
    return last.began_ms if last.ended_ms is None else last.ended_ms


def accepted(submission: Submission) -> bool:
    """Whether the upstream said that it took an attempt."""
    return submission.accepted_ms is not None


def refused(submission: Submission) -> bool:
    """Whether the upstream's answer to its last attempt was a refusal."""
    last = submission.attempts[-1] if submission.attempts else None
    return last is not None and last.result is not None and last.result.kind is PostKind.REFUSED


def baseline_of(submission: Submission) -> Reading | None:
    """What later readings are held against."""
    attempt = first_sent(submission)
    return None if attempt is None else attempt.baseline


def movement_of(submission: Submission, reading: Reading) -> Movement:
    """``compare`` for this submission. A reading that began before the last attempt's end cannot
    say "unmoved" of it: that is unknown."""
    moved = compare(baseline_of(submission), reading)
    if moved is Movement.UNMOVED and reading.read_ms < last_end_ms(submission):
        return Movement.UNKNOWN
    return moved


def movement_now(submission: Submission, reading: Reading) -> Movement:
    """``movement_of`` a reading that has just come. A cache's may be older than the first attempt,
    and then it cannot say "moved" either: it is how the record was before its baseline."""
    first = first_sent(submission)
    moved = movement_of(submission, reading)
    if moved is Movement.MOVED and first is not None and reading.read_ms < first.began_ms:
        return Movement.UNKNOWN
    return moved


def known_moved(lane: Lane, submission: Submission) -> bool:
    """Whether a reading said "moved" of it before a younger update of ours could move the record:
    an enquiry of its own, or the baseline of the next."""
    readings = [submission.reading]
    younger = False
    for other in lane.submissions:
        if younger and possibly_sent(other):
            readings.append(baseline_of(other))
            break
        younger = younger or other.id == submission.id
    return any(
        reading is not None and movement_of(submission, reading) is Movement.MOVED
        for reading in readings
    )


def settled(submission: Submission) -> bool:
    """Whether no further event is owed to it: confirmed as its own, from one attempt alone."""
    return (
        submission.outcome is Outcome.CONFIRMED
        and submission.attribution is Attribution.EXCLUSIVE
        and len(sent_attempts(submission)) == 1
    )


def unresolved(submission: Submission, at_ms: int, policy: Policy) -> bool:
    """Closed, possibly sent, within its late window, and an event may still come for it."""
    return (
        submission.state is State.CLOSED
        and possibly_sent(submission)
        and not settled(submission)
        and in_late_window(submission, at_ms, policy)
    )


def in_late_window(submission: Submission, at_ms: int, policy: Policy) -> bool:
    """Whether a closed submission can still be corrected."""
    return submission.closed_ms is not None and (
        at_ms <= submission.closed_ms + policy.late_window_ms
    )


def foreign_update_seen(lane: Lane, reading: Reading | None) -> bool:
    """Whether the record moved since it was last seen, and no update of ours can have moved it."""
    seen = lane.last_seen
    if seen is None or reading is None or not reading.known or lane.ours_since_seen:
        return False
    both = seen.path_digest is not None and reading.path_digest is not None
    return (both and seen.path_digest != reading.path_digest) or newly_processing(seen, reading)


def contended(lane: Lane, submission: Submission, at_ms: int, policy: Policy) -> bool:
    """Whether an event or a movement may be somebody else's (rules 2, 5).

    An unresolved submission of the lane, a foreign event not long before its first attempt or
    since, or a baseline that somebody else had moved.
    """
    first = first_sent(submission)
    if first is None:
        return True
    if lane.foreign_ms is not None and lane.foreign_ms >= first.began_ms - policy.settle_ms:
        return True
    if any(attempt.contended for attempt in submission.attempts):
        return True
    return any(
        other.id != submission.id and unresolved(other, at_ms, policy) for other in lane.submissions
    )


def told_again(
    lane: Lane, submission: Submission, heard: Heard, hearing: Hearing, at_ms: int, policy: Policy
) -> bool:
    """Whether an event may be an earlier update's that was told a second time (rule 4): one was
    confirmed less than a settle period before the first attempt, or since; or one was confirmed at
    all, and we connected since that moment: who connects may be told of what has been.
    """
    first = first_sent(submission)
    if first is None:
        return True
    since = first.began_ms - policy.settle_ms
    ear = hearing.if_recovered() if heard.replayed else hearing
    anew = ear.deaf_within(since, at_ms)
    return any(
        other.id != submission.id
        and other.outcome is Outcome.CONFIRMED
        and (anew or (other.heard_ms is not None and other.heard_ms >= since))
        for other in lane.submissions
    )


def known_to_the_upstream(lane: Lane, submission: Submission) -> bool:
    """Whether another update of the lane was confirmed, or refused a moment ago: the upstream could
    have an event to tell that is not this one's."""
    return any(
        other.id != submission.id and other.outcome in (Outcome.CONFIRMED, Outcome.REJECTED)
        for other in lane.submissions
    )


def borne_out(submission: Submission) -> bool:
    """Whether a confirmed one surely was applied, and once: accepted from one attempt, and the
    record moved. Nothing of it can come any more but an event."""
    reading = submission.reading
    return (
        submission.outcome is Outcome.CONFIRMED
        and accepted(submission)
        and len(sent_attempts(submission)) == 1
        and reading is not None
        and movement_of(submission, reading) is Movement.MOVED
    )


def deaf_in_window(submission: Submission, hearing: Hearing, at_ms: int) -> bool:
    """Whether we were deaf at any time since its first attempt possibly sent began."""
    first = first_sent(submission)
    return first is not None and hearing.deaf_within(first.began_ms, at_ms)


def awaits_reading(lane: Lane) -> bool:
    """Whether a reading of the record would say anything of the lane as it stands: of the open
    submission that was possibly sent, unless it is on its way again; or else of a closed one."""
    owner = owner_candidate(lane)
    if owner is None:
        return lane.review_ms is not None
    return owner.state in (State.AWAITING, State.IN_DOUBT)


def holds_up_sending(lane: Lane) -> bool:
    """Whether an update waits to be sent, or to be sent again, until the record was read."""
    return any(s.state in (State.QUEUED, State.IN_DOUBT) for s in open_submissions(lane))


def open_submissions(lane: Lane) -> Iterator[Submission]:
    """Those not closed, in order of acceptance."""
    return (s for s in lane.submissions if s.state is not State.CLOSED)


def same_update(lane: Lane, file: FileFacts) -> Submission | None:
    """The open update that one of these bytes only repeats, the newest of several.

    Not one that is being withdrawn; nor one that the upstream has taken already where others have
    come after it, for these would be the last, and not what was asked for last.
    """
    waiting = tuple(open_submissions(lane))
    for place, submission in reversed(list(enumerate(waiting, 1))):
        if submission.file.sha256 != file.sha256 or submission.cancel_requested:
            continue
        if place == len(waiting) or not accepted(submission):
            return submission
    return None


def joined(lane: Lane, file: FileFacts, owed: Submission | None) -> Submission | None:
    """What stands for an update that asks to join: an open one of the same bytes, or else the
    closed one that is still owed to its client, where nothing came after it."""
    found = same_update(lane, file)
    if found is not None or owed is None:
        return found
    now = next((one for one in lane.submissions if one.id == owed.id), owed)
    return now if stands_last(lane, now) else None


def stands_last(lane: Lane, submission: Submission) -> bool:
    """Whether nothing came after it, as far as the lane remembers: neither another update of ours,
    nor, after its close, somebody else's."""
    newest = lane.submissions[-1] if lane.submissions else submission
    if newest.id != submission.id and newest.created_ms >= submission.created_ms:
        return False
    foreign, closed = lane.foreign_ms, submission.closed_ms
    return foreign is None or closed is None or foreign <= closed


def in_flight(lane: Lane) -> Submission | None:
    """The one update of the lane that is in flight: at most one is (rule 1)."""
    for submission in open_submissions(lane):
        if submission.state in IN_FLIGHT:
            return submission
    return None


def owner_candidate(lane: Lane) -> Submission | None:
    """The open submission an event can belong to: in flight, or queued again after an attempt
    possibly sent (rule 2)."""
    flying = in_flight(lane)
    if flying is not None:
        return flying
    for submission in open_submissions(lane):
        if possibly_sent(submission):
            return submission
    return None


def head(lane: Lane) -> Submission | None:
    """The next to be sent, if nothing is in flight: one to be resent goes before younger ones."""
    if in_flight(lane) is not None:
        return None
    return next(open_submissions(lane), None)


def sendable(lane: Lane, at_ms: int) -> Submission | None:
    """The head, if it may be sent now as far as the lane knows."""
    first = head(lane)
    if first is None or lane.rest_until_ms is not None or first.cancel_requested:
        return None
    if first.not_before_ms is not None and first.not_before_ms > at_ms:
        return None
    return first


def may_resend(submission: Submission, at_ms: int, policy: Policy) -> bool:
    """Whether rule 8 allows one more attempt, once the record is known to be unmoved."""
    return (
        not submission.never_resend
        and not submission.cancel_requested
        and not submission.contradicted
        and len(sent_attempts(submission)) < policy.max_attempts
        and (submission.give_up_ms is None or at_ms < submission.give_up_ms)
    )


def next_enquiry_ms(submission: Submission, at_ms: int, policy: Policy) -> Millis:
    """When the record is to be read next for an open submission possibly sent."""
    end = last_end_ms(submission)
    marks: list[int] = []
    if submission.state is State.IN_DOUBT:
        marks += [end + offset for offset in policy.enquiries_ms]
        if submission.settle_ms is not None:
            marks.append(submission.settle_ms)
    if submission.deadline_ms is not None:
        marks.append(submission.deadline_ms)
    backoff = at_ms + policy.backoff_ms(submission.enquiries + 1)
    future = [mark for mark in marks if mark > at_ms]
    soonest = min(future, default=backoff)
    if submission.candidates:
        soonest = min(soonest, backoff)
    return Millis(soonest)


def forget_ms(submission: Submission, policy: Policy) -> int | None:
    """When a closed submission leaves its lane: nothing can change it after that. None: open."""
    if submission.closed_ms is None:
        return None
    if possibly_sent(submission):
        return submission.closed_ms + policy.late_window_ms
    # Whatever it was told, an event soon after would contradict that. And until it is over a
    # restart learns of the quiet from it.
    until = submission.closed_ms + (policy.settle_ms if refused(submission) else 0)
    return max(until, quiet_until_ms(submission, policy) or 0)


def due_ms(lane: Lane, at_ms: int, policy: Policy) -> Millis | None:
    """When the lane wants :class:`TimePassed` next. What is due already is not said again for a
    queued head: the dispatcher was told of it by an effect."""
    times: list[int | None] = []
    if in_flight(lane) is None:
        times.append(lane.rest_until_ms if lane.review_ms is None else lane.review_ms)
    for submission in lane.submissions:
        if submission.state is State.CLOSED:
            forget = forget_ms(submission, policy)
            times.append(forget)
        elif submission.state is State.QUEUED:
            if submission.not_before_ms is not None and submission.not_before_ms > at_ms:
                times.append(submission.not_before_ms)
            sent = possibly_sent(submission)
            times.append(submission.give_up_ms if sent else submission.deliver_by_ms)
            if submission.enquire_ms is not None:
                times.append(submission.enquire_ms)
        elif submission.state is not State.SENDING:
            times += [submission.enquire_ms, submission.give_up_ms]
    set_times = [time for time in times if time is not None]
    return Millis(min(set_times)) if set_times else None
