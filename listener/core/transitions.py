"""The state machine.

Theory
======
A *lane* is all that is remembered of one ``cv_code``. Inputs change lanes, one at a time, through
``decide``; nothing else does. A decision is a pure function of the lane, the input (which says what
time it is and what the ear knows) and the policy. It returns the new lane, the facts (what was
decided, in the past tense: they are logged) and the effects (what is to be done about it). The
interpreter commits the lane with the facts, and only then performs the effects; so a crash between
any two steps leaves a lane from which everything still owed can be derived again.

Three kinds of knowledge meet here, and none is ever taken for another:

1. what the HTTP exchange proves: sent or not, accepted or not (``sending``);
2. what was heard, and whose it can be (``correlation``);
3. what the record says, held against how it was before we sent (``enquiry``).

``TABLE`` says which states an input may lead to from each state, for the submission that changes. A
pair that is not in the table cannot happen; an input that would make it happen raises
``IllegalInput`` and changes nothing. The rules that choose between the states of a row are
the three rooms' matter; the table is what the documentation's diagram is drawn from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from .correlation import correlate
from .draft import Draft
from .effects import Dispatch, Effect
from .enquiry import pass_time, read
from .errors import IllegalInput
from .facts import Fact
from .gaps import gap_ended
from .inputs import (
    AttemptEnded,
    CancelRequested,
    EventHeard,
    GapEnded,
    Input,
    RecordRead,
    Restarted,
    SendBegins,
    Submit,
    TimePassed,
)
from .names import Disposition, State
from .policy import Policy
from .restart import restart
from .sending import begin, cancel, end, submit
from .standing import forget_ms, sendable
from .submission import Lane, Submission

Given = (
    Submit
    | SendBegins
    | AttemptEnded
    | EventHeard
    | RecordRead
    | TimePassed
    | GapEnded
    | CancelRequested
    | Restarted
)

_Q, _S, _A, _D, _C = State.QUEUED, State.SENDING, State.AWAITING, State.IN_DOUBT, State.CLOSED

TABLE: dict[tuple[State | None, type[Input]], frozenset[State]] = {
    (None, Submit): frozenset({_Q}),
    (_Q, Submit): frozenset({_C}),
    (_Q, SendBegins): frozenset({_S, _D}),
    (_S, AttemptEnded): frozenset({_Q, _A, _D, _C}),
    (_C, AttemptEnded): frozenset({_C}),
    (_Q, EventHeard): frozenset({_Q, _C}),
    (_S, EventHeard): frozenset({_S}),
    (_A, EventHeard): frozenset({_A, _C}),
    (_D, EventHeard): frozenset({_D, _C}),
    (_C, EventHeard): frozenset({_C}),
    (_Q, RecordRead): frozenset({_Q, _C}),
    (_A, RecordRead): frozenset({_A, _C}),
    (_D, RecordRead): frozenset({_D, _Q, _C}),
    (_C, RecordRead): frozenset({_C}),
    (_Q, TimePassed): frozenset({_Q, _C}),
    (_A, TimePassed): frozenset({_A, _C}),
    (_D, TimePassed): frozenset({_D, _C}),
    (_C, TimePassed): frozenset({_C}),
    (_A, GapEnded): frozenset({_A}),
    (_D, GapEnded): frozenset({_D}),
    (_C, GapEnded): frozenset({_C}),
    (_Q, CancelRequested): frozenset({_Q, _C}),
    (_S, CancelRequested): frozenset({_S}),
    (_A, CancelRequested): frozenset({_A, _C}),
    (_D, CancelRequested): frozenset({_D, _C}),
    (_C, CancelRequested): frozenset({_C}),
    (_Q, Restarted): frozenset({_Q}),
    (_S, Restarted): frozenset({_D, _C}),
    (_A, Restarted): frozenset({_A}),
    (_D, Restarted): frozenset({_D}),
    (_C, Restarted): frozenset({_C}),
}
"""(state before, input) → the states it may be in afterwards. Only submissions that change are held
against it; a pair that is missing changes no submission."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What one input led to. ``changed``: the submissions that differ, with their new version, also
    those that the lane no longer remembers. ``refusal`` is a slug where the input was declined as a
    value: ``Submit`` by the lane's policy or because it repeats one (``joined``), ``SendBegins`` by
    what happened meanwhile."""

    lane: Lane
    changed: tuple[Submission, ...] = ()
    facts: tuple[Fact, ...] = ()
    effects: tuple[Effect, ...] = ()
    dispositions: tuple[tuple[int, Disposition], ...] = ()
    refusal: str | None = None


def decide(lane: Lane, given: Given, policy: Policy) -> Decision:
    """The one function that changes a lane. Pure; raises IllegalInput for what cannot happen."""
    draft = Draft(lane, given.at_ms, given.hearing, policy)
    refusal = _dispatch(draft, given)
    changed = _number_versions(draft, lane, type(given))
    _forget(draft)
    ready = sendable(draft.lane, draft.at_ms)
    if ready is not None and not isinstance(given, SendBegins):
        draft.effects.append(Dispatch(ready.id, ready.not_before_ms or draft.at_ms))
    return Decision(
        lane=draft.lane,
        changed=changed,
        facts=tuple(draft.facts),
        effects=tuple(draft.effects),
        dispositions=tuple(draft.dispositions),
        refusal=refusal,
    )


def _dispatch(draft: Draft, given: Given) -> str | None:
    match given:
        case Submit():
            return submit(draft, given)
        case SendBegins():
            return begin(draft, given)
        case AttemptEnded():
            end(draft, given)
        case EventHeard():
            correlate(draft, given.heard)
        case RecordRead():
            read(draft, given)
        case TimePassed():
            pass_time(draft, given)
        case GapEnded():
            gap_ended(draft)
        case CancelRequested():
            cancel(draft, given)
        case Restarted():
            restart(draft)
        case _:
            assert_never(given)
    return None


def _number_versions(draft: Draft, before: Lane, given: type[Input]) -> tuple[Submission, ...]:
    """Each changed submission gets one new version, and is held against the table."""
    known = {submission.id: submission for submission in before.submissions}
    rows: list[Submission] = []
    changed: list[Submission] = []
    for submission in draft.lane.submissions:
        old = known.get(submission.id)
        if old is submission or old == submission:
            rows.append(submission)
            continue
        allowed = TABLE.get((old.state if old else None, given), frozenset())
        if submission.state not in allowed:
            was = old.state if old else "no submission"
            raise IllegalInput(
                f"expected one of {sorted(allowed)} after {given.__name__} on {was}, "
                f"found {submission.state}"
            )
        latest = submission if old is None else replace(submission, version=old.version + 1)
        rows.append(latest)
        changed.append(latest)
    draft.lane = replace(draft.lane, submissions=tuple(rows))
    return tuple(changed)


def _forget(draft: Draft) -> None:
    """Drop what nothing can change any more."""
    kept = []
    for submission in draft.lane.submissions:
        forget = forget_ms(submission, draft.policy)
        if forget is None or forget > draft.at_ms:
            kept.append(submission)
    if len(kept) != len(draft.lane.submissions):
        draft.lane = replace(draft.lane, submissions=tuple(kept))
