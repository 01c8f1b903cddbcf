"""Heard events: whose each one is (rules 2, 3, 4, 9)."""

from __future__ import annotations

from dataclasses import replace

from .draft import Draft
from .evidence import Heard
from .facts import ContradictionSeen
from .names import Attribution, Disposition, Movement, Outcome, State
from .standing import (
    accepted,
    baseline_of,
    contended,
    in_late_window,
    movement_of,
    owner_candidate,
    possibly_sent,
)
from .submission import Submission


def correlate(draft: Draft, heard: Heard) -> None:
    """Find the owner of one event. One that a submission keeps changes nothing if given again;
    the others cannot be, for their disposition is committed with the lane."""
    if _known(draft, heard):
        return
    owner = owner_candidate(draft.lane)
    if owner is None:
        _correlate_closed(draft, heard)
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
    if not contended(draft.lane, owner, draft.at_ms, draft.policy):
        draft.dispose(heard, Disposition.CONFIRMED, owner.id)
        return draft.close(owner, Outcome.CONFIRMED, attribution=Attribution.EXCLUSIVE, heard=heard)
    if accepted(owner) and _incomparable(owner):
        return confirm_contended(draft, replace(owner, candidates=(*owner.candidates, heard)))
    draft.dispose(heard, Disposition.CANDIDATE, owner.id)
    return draft.put(replace(owner, candidates=(*owner.candidates, heard), enquire_ms=draft.at_ms))


def _incomparable(submission: Submission) -> bool:
    baseline = baseline_of(submission)
    return baseline is None or not baseline.known


def confirm_contended(draft: Draft, owner: Submission) -> Submission:
    """The record speaks for it too (or can never speak): confirmed, but perhaps by another's
    event. The first candidate is taken for its own, the others count as duplicates."""
    first, *others = owner.candidates
    draft.dispose(first, Disposition.CONFIRMED, owner.id)
    for other in others:
        draft.dispose(other, Disposition.DUPLICATE, owner.id)
    owner = replace(owner, duplicates=owner.duplicates + len(others))
    return draft.close(owner, Outcome.CONFIRMED, attribution=Attribution.CONTENDED, heard=first)


def apply_held(draft: Draft, owner: Submission) -> Submission:
    """The attempt is over and was possibly sent: what was heard meanwhile is correlated now."""
    held = owner.held
    current = draft.put(replace(owner, held=()))
    for heard in held:
        if current.state is State.CLOSED:
            draft.dispose(heard, Disposition.DUPLICATE, current.id)
            current = draft.contend(current)
        else:
            current = apply_event(draft, current, heard)
    return current


def disown_held(draft: Draft, owner: Submission) -> Submission:
    """The attempt was not sent, nor any before it: what was heard meanwhile is somebody else's."""
    for heard in owner.held:
        _foreign(draft, heard)
    return draft.put(replace(owner, held=()))


def contradict(draft: Draft, owner: Submission, detail: str) -> Submission:
    """Refused, and yet an event was heard: recorded, enquired, never sent again (rule 3)."""
    for heard in owner.held:
        draft.dispose(heard, Disposition.CONTRADICTION, owner.id)
    draft.facts.append(ContradictionSeen(at_ms=draft.at_ms, submission_id=owner.id, detail=detail))
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


def _correlate_closed(draft: Draft, heard: Heard) -> None:
    """Nothing open can own it: a late event, a duplicate, or somebody else's."""
    within = [
        s
        for s in draft.lane.submissions
        if s.state is State.CLOSED
        and possibly_sent(s)
        and in_late_window(s, draft.at_ms, draft.policy)
    ]
    waiting = [s for s in within if s.outcome is not Outcome.CONFIRMED]
    if waiting:
        _late(draft, waiting[-1], heard)
    elif within:
        draft.dispose(heard, Disposition.DUPLICATE, within[-1].id)
        draft.contend(within[-1])
    else:
        _foreign(draft, heard)


def _late(draft: Draft, owner: Submission, heard: Heard) -> None:
    """A late event for a closed, unconfirmed submission."""
    if owner.contradicted:
        draft.dispose(heard, Disposition.CONTRADICTION, owner.id)
        return
    contested = contended(draft.lane, owner, draft.at_ms, draft.policy)
    moved = owner.reading is not None and movement_of(owner, owner.reading) is Movement.MOVED
    if contested and not moved:
        draft.dispose(heard, Disposition.CANDIDATE, owner.id)
        draft.put(replace(owner, candidates=(*owner.candidates, heard)))
        draft.lane = replace(draft.lane, review_ms=draft.at_ms)
        return
    correct_by_event(draft, owner, heard)


def correct_by_event(draft: Draft, owner: Submission, heard: Heard) -> None:
    """Correct a closed submission to ``confirmed``: late, but heard."""
    attribution = draft.attribution_for(owner)
    draft.dispose(heard, Disposition.CORRECTED, owner.id)
    draft.correct(owner, Outcome.CONFIRMED, "late_event", attribution, heard)
