"""What a submission waits for, since when, and what happens next: in sentences. Pure.

Every word of the vocabularies has its sentence: ``tests/core/test_explain.py`` asks for each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from .durations import clock, lasting, since, when
from .names import Ahead, Gate, Millis, State, WaitingFor
from .outcomes import ending
from .policy import Policy
from .standing import (
    last_end_ms,
    may_resend,
    open_submissions,
    possibly_sent,
    sent_attempts,
    unresolved,
)
from .submission import Lane, Submission
from .usual import Usual, usual_words


@dataclass(frozen=True, slots=True)
class Around:
    """What stands around a submission now. ``gate``: what keeps whatever could be sent from being
    sent, until ``gate_ms`` where that is known. ``readings_ms``: no record is read before, for
    readings failed. ``deaf_since_ms``, ``paused_since_ms``: None where we listen, and send."""

    now_ms: Millis
    waiting: WaitingFor | None
    lane: Lane = field(default_factory=Lane)
    policy: Policy = field(default_factory=Policy)
    usual: Usual = field(default_factory=Usual)
    deaf_since_ms: Millis | None = None
    paused_since_ms: Millis | None = None
    gate: Gate | None = None
    gate_ms: Millis | None = None
    readings_ms: Millis | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """Something that is to come. ``at_ms`` None: it is not known when."""

    ahead: Ahead
    words: str
    at_ms: Millis | None = None


WAITS: Mapping[WaitingFor, str] = {
    WaitingFor.REPLY: "It is being sent, and waits for the upstream's reply",
    WaitingFor.EVENT: "The upstream has accepted it, and it waits for its event",
    WaitingFor.EVENT_OR_RECORD: "It may have been applied, and waits for its event, or for the "
    "record to tell",
    WaitingFor.BACKOFF: "It was not taken, and waits for its next attempt",
    WaitingFor.SENDING: "It is ready, and waits to be sent",
    WaitingFor.LANE_REST: "It waits while its CV rests, for an earlier update of it is not "
    "resolved",
    WaitingFor.LANE_TURN: "It waits for its turn behind an earlier update of the same CV",
    WaitingFor.RESUME: "It is ready, and waits for sending to be resumed",
}
"""What an open submission waits for."""

GATES: Mapping[Gate, str] = {
    Gate.DRAINING: "the daemon is about to end: it is sent after the next start",
    Gate.HOLD: "the upstream asked for quiet, and is sent one by one after that: sending goes on",
    Gate.CIRCUIT: "the upstream failed several times in a row: before the rest, one attempt is "
    "tried",
    Gate.LISTENING: "we are deaf, and an update sent now could not be heard: it is sent once we "
    "listen, or anyway",
    Gate.PLACE: "as many attempts are under way as CV_MAX_IN_FLIGHT allows",
}
"""What keeps whatever could be sent from being sent. The last words are of what ends that, and take
its time behind them."""
NOTHING_YET = (
    "nothing is concluded before we listen again, or have been deaf for so long that nothing can "
    "be replayed"
)


def waits_since_ms(submission: Submission, around: Around) -> Millis:
    """When what it waits for began to be waited for."""
    at = submission.created_ms
    if submission.attempts:
        at = Millis(last_end_ms(submission))
    if around.waiting is WaitingFor.RESUME and around.paused_since_ms is not None:
        return Millis(max(at, around.paused_since_ms))
    return at


def explanation(submission: Submission, around: Around) -> str:
    """One sentence: of an open one what it waits for, since when, what is usual and what happens
    next; of a closed one how it ended and how that is known."""
    if around.waiting is None or submission.state is State.CLOSED:
        return ending(submission, around.now_ms)
    now = around.now_ms
    said = [f"{WAITS[around.waiting]}, {since(waits_since_ms(submission, around), now)}"]
    if submission.cancel_requested:
        said.append("it is being withdrawn, which takes effect when this is over")
    if around.deaf_since_ms is not None and submission.attempts:
        said.append(f"we are deaf {since(around.deaf_since_ms, now)}, and hear no event meanwhile")
    said.append(usual_words(around.usual, around.waiting))
    steps = steps_ahead(submission, around)
    if steps:
        said.append(step_words(steps[0], now))
    return "; ".join(said) + "."


def step_words(step: Step, now_ms: int) -> str:
    """With when, where that is known. What is due comes now."""
    if step.at_ms is None:
        return step.words
    due = when(max(step.at_ms, now_ms), now_ms)
    return f"{step.words} {due}" if step.ahead is Ahead.GATE else f"{due} {step.words}"


def steps_ahead(submission: Submission, around: Around) -> tuple[Step, ...]:
    """What is to come, in order as far as that is known. Of a closed one: until when a later truth
    can still correct it."""
    waiting = around.waiting
    if waiting is None:
        return tuple(_after_the_close(submission, around))
    steps: list[Step] = []
    match waiting:
        case WaitingFor.REPLY:
            steps += _reply(submission, around)
        case WaitingFor.EVENT:
            steps += _event(submission, around)
        case WaitingFor.EVENT_OR_RECORD:
            steps += _doubt(submission, around)
        case WaitingFor.BACKOFF:
            steps.append(Step(Ahead.ATTEMPT, "it is sent again", submission.not_before_ms))
        case WaitingFor.SENDING:
            steps += _sending(around)
        case WaitingFor.LANE_REST:
            steps += _rest(around)
        case WaitingFor.LANE_TURN:
            steps += _turn(submission, around)
        case WaitingFor.RESUME:
            steps.append(Step(Ahead.RESUME, "nothing is sent before `cv-listener resume`"))
    return (*steps, *_bound(submission, around))


def _reply(submission: Submission, around: Around) -> Iterator[Step]:
    wait = lasting(around.policy.confirm_timeout_ms)
    if submission.held:
        yield Step(Ahead.EVENT, "its event was heard already, and counts once the attempt ends")
    yield Step(
        Ahead.REPLY,
        f"once it is accepted, we wait {wait} for its event; without a reply it is listened for "
        "and enquired of",
    )


def _event(submission: Submission, around: Around) -> Iterator[Step]:
    if around.deaf_since_ms is not None:
        yield Step(Ahead.LISTENING, NOTHING_YET)
    if submission.candidates:
        yield _reading(
            submission, around, "the record is read: an event came that may be another update's"
        )
    elif submission.enquire_ms is not None:
        last = submission.deadline_ms is None or submission.enquire_ms >= submission.deadline_ms
        last = last and around.deaf_since_ms is None
        what = "the record is read, if no event has come"
        yield _reading(submission, around, f"{what}, and decides how it ends" if last else what)


def _doubt(submission: Submission, around: Around) -> Iterator[Step]:
    if around.deaf_since_ms is not None:
        yield Step(Ahead.LISTENING, NOTHING_YET)
    yield _reading(submission, around, "the record is read, if no event has come")
    settle = submission.settle_ms
    if settle is None:
        return
    if not may_resend(submission, around.now_ms, around.policy):
        yield Step(
            Ahead.END, "the record, or the lack of its word, ends it: it is not sent again", settle
        )
    elif around.policy.baseline:
        used = f"{len(sent_attempts(submission))} of {around.policy.max_attempts}"
        words = "and later a record that has not moved lets it be sent again"
        yield Step(Ahead.RESEND, f"{words} ({used} attempts that count are used)", settle)


def _reading(submission: Submission, around: Around, words: str) -> Step:
    at = submission.enquire_ms
    if not around.policy.baseline:
        return Step(Ahead.END, "it ends, if no event has come: no record is read (CV_BASELINE)", at)
    paused = around.readings_ms
    if paused is not None and (at is None or paused > at):
        return Step(Ahead.READING, f"{words}; readings failed in a row, and all pause", paused)
    return Step(Ahead.READING, words, at)


def _sending(around: Around) -> Iterator[Step]:
    if around.gate is not None:
        yield Step(Ahead.GATE, GATES[around.gate], around.gate_ms)
    else:
        yield Step(Ahead.ATTEMPT, "it is sent as soon as its turn among all comes")


def _rest(around: Around) -> Iterator[Step]:
    until = around.lane.review_ms or around.lane.rest_until_ms
    yield Step(Ahead.READING, "the record is read, which ends the rest, and it is sent", until)


def _turn(submission: Submission, around: Around) -> Iterator[Step]:
    ahead = [each for each in open_submissions(around.lane) if each.id < submission.id]
    before = next((each for each in open_submissions(around.lane)), None)
    if before is None or before.id == submission.id:
        yield Step(Ahead.TURN, "it is sent once the update of its CV that is under way has ended")
        return
    count, state = max(1, len(ahead)), before.state.value.replace("_", " ")
    behind = f"{count} update{'s' if count > 1 else ''} of its CV"
    yield Step(Ahead.TURN, f"it is sent after {behind}: the first is {before.id} ({state})")


def _bound(submission: Submission, around: Around) -> Iterator[Step]:
    if possibly_sent(submission):
        if submission.give_up_ms is not None:
            words = "it ends in any case, with what is known then"
            yield Step(Ahead.END, words, submission.give_up_ms)
    elif submission.state is State.QUEUED and submission.deliver_by_ms is not None:
        words = "it ends as undelivered, if no attempt was possibly sent"
        yield Step(Ahead.END, words, submission.deliver_by_ms)


def _after_the_close(submission: Submission, around: Around) -> Iterator[Step]:
    closed = submission.closed_ms
    if closed is None or not unresolved(submission, around.now_ms, around.policy):
        return
    until = Millis(closed + around.policy.late_window_ms)
    words = f"until {clock(until, around.now_ms)} a late event, or the record, may still correct it"
    yield Step(Ahead.CORRECTION, words)
