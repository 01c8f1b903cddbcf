"""Heard events: whose each one is (rules 2, 3, 4, 9)."""

from __future__ import annotations

from dataclasses import replace

from .draft import Draft
from .evidence import Heard
from .facts import ContradictionSeen
from .names import Attribution, Disposition, Outcome, State
from .standing import (
    accepted,
    baseline_of,
    in_late_window,
    known_moved,
    known_to_the_upstream,
    owner_candidate,
    possibly_sent,
    refused,
)
from .submission import Submission


def correlate(draft: Draft, heard: Heard) -> None:
    """Find the owner of one event. One that a submission keeps changes nothing if given again;
    the others cannot be, for their disposition is committed with the lane."""
    if _known(draft, heard):
        return
    owner = owner_candidate(draft.lane)
    if owner is None:
        correlate_closed(draft, heard)
    elif owner.state is State.SENDING:
        draft.put(replace(owner, held=(*owner.held, heard)))
        draft.dispose(heard, Disposition.HELD, owner.id)
    else:
        apply_event(draft, owner, heard)


def _known(draft: Draft, heard: Heard) -> bool:
    for submission in draft.lane.submissions:
        own = () if submission.heard is None else (submission.heard,)
        if any(h.seq == heard.seq for h in (*submission.held, *submission.candidates, *own)):
            return True
    return False


def apply_event(draft: Draft, owner: Submission, heard: Heard) -> Submission:
    """Give an event to the open, possibly sent submission that can own it."""
    if owner.contradicted:
        draft.dispose(heard, Disposition.CONTRADICTION, owner.id)
        return draft.put(
            replace(owner, candidates=(*owner.candidates, heard), enquire_ms=draft.at_ms)
        )
    if not _doubtful(draft, owner, heard):
        draft.dispose(heard, Disposition.CONFIRMED, owner.id)
        return draft.close(owner, Outcome.CONFIRMED, attribution=Attribution.EXCLUSIVE, heard=heard)
    if accepted(owner) and _incomparable(owner):
        return confirm_candidate(draft, replace(owner, candidates=(*owner.candidates, heard)))
    draft.dispose(heard, Disposition.CANDIDATE, owner.id)
    return draft.put(replace(owner, candidates=(*owner.candidates, heard), enquire_ms=draft.at_ms))


def _doubtful(draft: Draft, owner: Submission, heard: Heard) -> bool:
    """Whether the record must speak for it, too: the event may be another's; or nothing says that
    this one was applied, and there is another that the upstream may be telling of."""
    if draft.attribution_for(owner, heard) is Attribution.CONTENDED:
        return True
    if accepted(owner) or _incomparable(owner):
        return False
    return known_to_the_upstream(draft.lane, owner)


def _incomparable(submission: Submission) -> bool:
    baseline = baseline_of(submission)
    return baseline is None or not baseline.known


def confirm_candidate(draft: Draft, owner: Submission) -> Submission:
    """The record speaks for it too (or can never speak): confirmed, though perhaps by another's
    event. The first candidate is taken for its own. The others may be an earlier submission's,
    which is unresolved still; where there is none, they are duplicates."""
    first, *others = owner.candidates
    draft.dispose(first, Disposition.CONFIRMED, owner.id)
    whose = draft.attribution_for(owner, first)
    closed = draft.close(owner, Outcome.CONFIRMED, attribution=whose, heard=first)
    for other in others:
        correlate_closed(draft, other)
    return draft.get(closed.id) or closed


def apply_held(draft: Draft, owner: Submission) -> Submission:
    """The attempt is over and was possibly sent: what was heard meanwhile is correlated now."""
    held = owner.held
    current = draft.put(replace(owner, held=()))
    for heard in held:
        if current.state is State.CLOSED:
            correlate_closed(draft, heard)
            current = draft.get(current.id) or current
        else:
            current = apply_event(draft, current, heard)
    return current


def disown_held(draft: Draft, owner: Submission) -> Submission:
    """The attempt was not applied, nor any before it: what was heard meanwhile is an earlier
    submission's that is unresolved, or somebody else's."""
    held = owner.held
    current = draft.put(replace(owner, held=()))
    for heard in held:
        correlate_closed(draft, heard)
    return current


def doubt_held(draft: Draft, owner: Submission) -> Submission:
    """What was heard meanwhile speaks for an attempt that is said not to have been applied: the
    record decides, and not the event alone."""
    for heard in owner.held:
        draft.dispose(heard, Disposition.CANDIDATE, owner.id)
    candidates = (*owner.candidates, *owner.held)
    return draft.put(replace(owner, held=(), candidates=candidates))


def may_be_earlier(draft: Draft, owner: Submission) -> bool:
    """Whether an event heard while ``owner`` was sending may be owed to a closed one."""
    return any(s.id != owner.id and s.outcome is not Outcome.CONFIRMED for s in _within(draft))


def pass_on(draft: Draft, closed: Submission) -> None:
    """It closed with several events that may be its own: it keeps one, and the others may be an
    older one's."""
    others = closed.candidates[1:]
    if not others or closed.contradicted:
        return
    draft.put(replace(closed, candidates=closed.candidates[:1]))
    for heard in others:
        correlate_closed(draft, heard)


def contradict(draft: Draft, owner: Submission) -> Submission:
    """Refused, and yet an event was heard: recorded, enquired, never sent again (rule 3)."""
    for heard in owner.held:
        draft.dispose(heard, Disposition.CONTRADICTION, owner.id)
    _tell_contradiction(draft, owner)
    return draft.put(
        replace(
            owner,
            contradicted=True,
            never_resend=True,
            candidates=(*owner.candidates, *owner.held),
            held=(),
            enquire_ms=draft.at_ms,
        )
    )


def _foreign(draft: Draft, heard: Heard) -> None:
    draft.dispose(heard, Disposition.FOREIGN, None)
    draft.lane = replace(draft.lane, foreign_ms=draft.at_ms)


def _within(draft: Draft) -> list[Submission]:
    """Closed submissions that an event may still belong to, in order of acceptance."""
    return [
        s
        for s in draft.lane.submissions
        if s.state is State.CLOSED
        and possibly_sent(s)
        and in_late_window(s, draft.at_ms, draft.policy)
    ]


def correlate_closed(draft: Draft, heard: Heard) -> None:
    """Nothing open can own it: a late event, a duplicate, or somebody else's."""
    within = _within(draft)
    waiting = [s for s in within if s.outcome is not Outcome.CONFIRMED]
    if waiting:
        # The newest that no other event was kept for: two events are hardly of one update.
        free = [s for s in waiting if not s.candidates] or waiting
        _late(draft, free[-1], heard)
        return
    newest = next(
        (s for s in reversed(draft.lane.submissions) if s in within or _just_refused(s)), None
    )
    if newest is None:
        _foreign(draft, heard)
    elif newest in within:
        draft.dispose(heard, Disposition.DUPLICATE, newest.id)
        draft.contend(newest)
    else:
        _contradict_closed(draft, newest, heard)


def _just_refused(submission: Submission) -> bool:
    """Closed as it was refused: the lane forgets it a settle period later."""
    closed = submission.state is State.CLOSED
    return closed and refused(submission) and not possibly_sent(submission)


def _contradict_closed(draft: Draft, owner: Submission, heard: Heard) -> None:
    """Refused, and heard of only then: it ends as it would had the event come before the answer."""
    draft.dispose(heard, Disposition.CONTRADICTION, owner.id)
    file_kept = owner.keep_file_until_ms
    known = replace(
        owner, contradicted=True, never_resend=True, candidates=(*owner.candidates, heard)
    )
    if not owner.contradicted:
        _tell_contradiction(draft, owner)
        draft.correct(known, Outcome.UNCONFIRMED, "refused_but_heard")
        # Its file went when it closed: no correction brings that back.
        known = replace(draft.get(owner.id) or known, keep_file_until_ms=file_kept)
    draft.put(known)
    draft.lane = replace(draft.lane, review_ms=draft.at_ms)


def _tell_contradiction(draft: Draft, owner: Submission) -> None:
    last = owner.attempts[-1].result
    detail = "" if last is None else last.detail
    draft.facts.append(ContradictionSeen(at_ms=draft.at_ms, submission_id=owner.id, detail=detail))


def _late(draft: Draft, owner: Submission, heard: Heard) -> None:
    """A late event for a closed, unconfirmed submission. No contradicted one: none of its attempts
    was possibly sent, so it is forgotten at its close."""
    contested = _doubtful(draft, owner, heard)
    moved = known_moved(draft.lane, owner)
    silent = accepted(owner) and _incomparable(owner)
    if contested and not moved and not silent:
        draft.dispose(heard, Disposition.CANDIDATE, owner.id)
        draft.put(replace(owner, candidates=(*owner.candidates, heard)))
        draft.lane = replace(draft.lane, review_ms=draft.at_ms)
        return
    correct_by_event(draft, owner, heard)


def correct_by_event(draft: Draft, owner: Submission, heard: Heard) -> None:
    """Correct a closed submission to ``confirmed``: late, but heard. Other candidates of it may be
    an older one's."""
    attribution = draft.attribution_for(owner, heard)
    draft.dispose(heard, Disposition.CORRECTED, owner.id)
    draft.correct(owner, Outcome.CONFIRMED, "late_event", attribution, heard)
    for other in owner.candidates:
        if other.seq != heard.seq:
            correlate_closed(draft, other)
