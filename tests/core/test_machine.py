"""Anything in any order: inputs that no model thought of, under policies that nobody set.

Where the exploration knows the truth and goes everywhere, this knows none and goes anywhere: any
delay, any reading, any policy, several updates of one lane, readings and events from nowhere.
"""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from listener.core.evidence import Gap, Heard, Hearing, PostResult, Reading
from listener.core.facts import SubmissionClosed
from listener.core.inputs import (
    AttemptEnded,
    CancelRequested,
    EventHeard,
    GapEnded,
    RecordRead,
    Restarted,
    SendBegins,
    Submit,
    TimePassed,
)
from listener.core.names import LanePolicy, Millis, PostKind, State, SubmissionId
from listener.core.policy import Policy
from listener.core.standing import due_ms, head, in_flight
from listener.core.submission import Lane
from listener.core.transitions import Given, decide
from listener.core.view import canonical, public

from .exploration.promises import of_step
from .exploration.world import FILE, Setting

MOST_CELLS = 36
"""Of the 45 pairs of state and input, so many are met at least by two hundred lives."""

START_MS = 1_700_000_000_000

durations = st.sampled_from([0, 1, 200, 5_000, 29_999, 30_000, 60_000, 3_600_000, 90_000_000])
policies = st.builds(
    Policy,
    confirm_timeout_ms=st.sampled_from([1, 10_000, 30_000]),
    settle_ms=st.sampled_from([1, 10_000, 30_000, 60_000]),
    give_up_after_ms=st.sampled_from([1_000, 100_000, 3_600_000]),
    deliver_within_ms=st.sampled_from([1_000, 86_400_000]),
    late_window_ms=st.sampled_from([1_000, 3_600_000, 86_400_000]),
    lane_policy=st.sampled_from(LanePolicy),
    max_attempts=st.integers(1, 3),
    enquiries_ms=st.sampled_from([(), (2_000, 5_000, 15_000), (0,)]),
    baseline=st.sampled_from([True, True, True, False]),
    backoff_first_ms=st.sampled_from([1, 1_000]),
    backoff_cap_ms=st.sampled_from([1_000, 60_000]),
)
words = st.sampled_from([None, "ready", "processing", "failed"])
results = st.builds(
    PostResult,
    kind=st.sampled_from(PostKind),
    detail=st.just("drawn"),
    http_status=st.sampled_from([None, 200, 404, 503]),
    retry_after_ms=st.sampled_from([None, None, 0, 7_000]),
) | st.just(PostResult(PostKind.POSSIBLY_SENT, "unreadable", 200, resendable=False))


class LaneMachine(RuleBasedStateMachine):
    """One lane. Every step is held against all promises that need no truth. ``met``: which states
    were given which inputs, in all lives."""

    met: ClassVar[set[tuple[State, type[Given]]]] = set()

    def __init__(self) -> None:
        super().__init__()
        self.lane = Lane()
        self.now = START_MS
        self.seq = 0
        self.count = 0
        self.hearing = Hearing(listening=True)
        self.policy = Policy()
        self.told: set[str] = set()

    @initialize(policy=policies)
    def under(self, policy: Policy) -> None:
        self.policy = policy

    def give(self, given: Given) -> None:
        self.met.update((submission.state, type(given)) for submission in self.lane.submissions)
        decision = decide(self.lane, given, self.policy)
        of_step(self.lane, Setting((), 0, policy=self.policy), given, decision)
        for fact in decision.facts:
            assert fact.at_ms == given.at_ms
            if isinstance(fact, SubmissionClosed):
                assert fact.submission_id not in self.told, "one canonical line"
                self.told.add(str(fact.submission_id))
        for submission in decision.changed:
            assert public(submission, "cv_ref", decision.lane, given.at_ms)["id"] == submission.id
            assert canonical(submission)["attempts"] == len(submission.attempts)
        self.lane = decision.lane

    def moment(self, pending: bool = False) -> tuple[Any, ...]:
        return Millis(self.now), self.hearing, pending

    def reading(self, age_ms: int, path: str | None, status: str | None, other: str | None) -> Any:
        if path == "failed":
            return Reading(Millis(self.now - age_ms), known=False, detail="drawn")
        return Reading(Millis(self.now - age_ms), True, "", path, status, other)

    @rule(delay=durations)
    def later(self, delay: int) -> None:
        self.now += delay

    @rule()
    def submit(self) -> None:
        self.count += 1
        name = SubmissionId(f"s{self.count}")
        self.give(Submit(*self.moment(), submission_id=name, file=FILE))

    @precondition(lambda self: head(self.lane) is not None)
    @rule(
        pending=st.booleans(),
        path=st.sampled_from(["p0", "p0", "p1", None, "failed"]),
        status=words,
        other=words,
    )
    def begin(self, pending: bool, path: str | None, status: str | None, other: str | None) -> None:
        first = head(self.lane)
        assert first is not None
        baseline = self.reading(0, path, status, other) if self.policy.baseline else None
        given = SendBegins(*self.moment(pending), submission_id=first.id, baseline=baseline)
        self.give(given)

    @precondition(lambda self: head(self.lane) is not None)
    @rule(path=st.sampled_from(["p0", "p0", "p1"]))
    def send(self, path: str) -> None:
        """As it mostly goes: at a time when it may, and nothing is pending."""
        first = head(self.lane)
        assert first is not None
        rest = self.lane.rest_until_ms or 0
        self.now = max(self.now, first.not_before_ms or 0, rest)
        self.begin(pending=False, path=path, status="ready", other="ready")

    @precondition(lambda self: _sending(self.lane) is not None)
    @rule(kind=st.sampled_from([PostKind.ACCEPTED, PostKind.POSSIBLY_SENT]))
    def sent(self, kind: PostKind) -> None:
        """As it mostly ends."""
        self.end(PostResult(kind, "drawn", 200), pending=False)

    @precondition(lambda self: _sending(self.lane) is not None)
    @rule(result=results, pending=st.booleans())
    def end(self, result: PostResult, pending: bool) -> None:
        sending = _sending(self.lane)
        assert sending is not None
        self.give(
            AttemptEnded(
                *self.moment(pending),
                submission_id=sending.id,
                attempt=len(sending.attempts),
                result=result,
            )
        )

    @rule(replayed=st.booleans())
    def event(self, replayed: bool) -> None:
        self.seq += 1
        heard = Heard(self.seq, Millis(self.now), replayed)
        self.give(EventHeard(*self.moment(), heard=heard))

    @rule(
        age=st.sampled_from([0, 1, 40_000]),
        path=st.sampled_from(["p0", "p1", "p2", None, "failed"]),
        status=words,
        other=words,
        pending=st.booleans(),
    )
    def read(
        self, age: int, path: str | None, status: str | None, other: str | None, pending: bool
    ) -> None:
        reading = self.reading(age, path, status, other)
        self.give(RecordRead(*self.moment(pending), reading=reading))

    @rule(pending=st.booleans())
    def time(self, pending: bool) -> None:
        self.give(TimePassed(*self.moment(pending)))

    @rule(pending=st.booleans())
    def wake(self, pending: bool) -> None:
        due = due_ms(self.lane, Millis(self.now), self.policy)
        self.now = max(self.now, due or 0)
        self.give(TimePassed(*self.moment(pending)))

    @precondition(lambda self: self.count > 0)
    @rule(which=st.integers(0, 3), pending=st.booleans())
    def cancel(self, which: int, pending: bool) -> None:
        name = SubmissionId(f"s{max(1, self.count - which)}")
        self.give(CancelRequested(*self.moment(pending), submission_id=name))

    @rule(jump=st.sampled_from([0, 0, 1_000, 10_000_000, -10_000_000]))
    def restart(self, jump: int) -> None:
        self.now += jump
        self._go_deaf()
        self.give(Restarted(*self.moment()))

    @precondition(lambda self: self.hearing.listening)
    @rule()
    def deafen(self) -> None:
        self._go_deaf()

    def _go_deaf(self) -> None:
        gaps = self.hearing.gaps
        if self.hearing.listening:
            gaps = (*gaps, Gap(Millis(self.now)))
        self.hearing = Hearing(listening=False, settled=False, gaps=gaps[-4:])

    @precondition(lambda self: not self.hearing.listening)
    @rule(how=st.sampled_from(["recovered", "gap", "deaf for long"]))
    def listen(self, how: str) -> None:
        *past, gap = self.hearing.gaps
        if how == "deaf for long":
            self.hearing = Hearing(listening=False, gaps=self.hearing.gaps)
        elif how == "recovered":
            self.hearing = Hearing(listening=True, gaps=tuple(past))
        else:
            ended = Gap(gap.start_ms, Millis(self.now))
            self.hearing = Hearing(listening=True, gaps=(*past, ended))
            self.give(GapEnded(*self.moment()))

    def teardown(self) -> None:
        """From wherever it got to: time, and a record that cannot be read, close all."""
        self.hearing = Hearing(listening=True, gaps=self.hearing.gaps[:-1])
        for _ in range(3_000):
            sending = _sending(self.lane)
            if sending is not None:
                result = PostResult(PostKind.POSSIBLY_SENT, "read_timeout")
                number = len(sending.attempts)
                self.give(
                    AttemptEnded(
                        *self.moment(), submission_id=sending.id, attempt=number, result=result
                    )
                )
            if all(s.state is State.CLOSED for s in self.lane.submissions):
                return
            due = due_ms(self.lane, Millis(self.now), self.policy)
            assert due is not None, "open, and nothing is due"
            self.now = max(self.now, due)
            self.give(TimePassed(*self.moment()))
        raise AssertionError("time alone did not close all")


def _sending(lane: Lane) -> Any:
    flying = in_flight(lane)
    return flying if flying is not None and flying.state is State.SENDING else None


def _play(examples: int) -> None:
    run_state_machine_as_test(
        LaneMachine, settings=settings(max_examples=examples, stateful_step_count=50)
    )


def test_any_inputs_in_any_order() -> None:
    LaneMachine.met.clear()
    _play(200)
    assert {state for state, _ in LaneMachine.met} == set(State)
    assert len(LaneMachine.met) >= MOST_CELLS


@pytest.mark.prove
def test_more_inputs_in_any_order() -> None:
    """As many as the profile says: 500, and 20,000 with ``--hypothesis-profile=long``."""
    _play(max(500, settings().max_examples))
