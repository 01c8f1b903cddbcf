"""The table: what it allows is reached, what it does not allow changes nothing or is a fault."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from listener.core import transitions
from listener.core.errors import IllegalInput
from listener.core.inputs import Input
from listener.core.names import LanePolicy, State
from listener.core.policy import Policy
from listener.core.transitions import TABLE

from .exploration.explore import explore
from .exploration.settings import EVERY, setting
from .rules.script import (
    ACCEPTED,
    NOT_SENT,
    REFUSED,
    TIMED_OUT,
    Script,
    accepted,
    in_doubt,
    unresolved,
)

Row = tuple[str | None, str, str]


def requeued() -> Script:
    """In doubt, settled and unmoved: to be sent again."""
    return in_doubt().at(31).time().read("p0")


STATES: dict[State, Callable[[], Script]] = {
    State.QUEUED: lambda: Script().submit(),
    State.SENDING: lambda: Script().submit().begin("p0"),
    State.AWAITING: accepted,
    State.IN_DOUBT: in_doubt,
    State.CLOSED: lambda: accepted().at(2).cancel(),
}

INPUTS: dict[str, Callable[[Script], Script]] = {
    "Submit": lambda script: script.submit("b"),
    "SendBegins": lambda script: script.begin("p0"),
    "AttemptEnded: accepted": lambda script: script.end(ACCEPTED),
    "AttemptEnded: not sent": lambda script: script.end(NOT_SENT),
    "AttemptEnded: refused": lambda script: script.end(REFUSED),
    "AttemptEnded: timed out": lambda script: script.end(TIMED_OUT),
    "EventHeard": lambda script: script.event(),
    "EventHeard: replayed": lambda script: script.event(replayed=True),
    "RecordRead: unmoved": lambda script: script.read("p0"),
    "RecordRead: moved": lambda script: script.read("p1"),
    "RecordRead: unknown": lambda script: script.read(None),
    "TimePassed": lambda script: script.time(),
    "GapEnded": lambda script: script.deaf().at(script.now_s + 1).listening(),
    "CancelRequested": lambda script: script.cancel(),
    "Restarted": lambda script: script.restart(),
}

MOMENTS = (0, 5, 40, 4_000, 100_000, -50)
"""Seconds from the last input to this one: at once, on the way, past each bound, and back."""


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("given", INPUTS)
@pytest.mark.parametrize("later", MOMENTS)
@pytest.mark.parametrize("pending", [False, True])
def test_every_pair(state: State, given: str, later: float, pending: bool) -> None:
    """Each input in each state: it leads where the table says, or changes nothing, or is a fault
    that changes nothing."""
    script = STATES[state]()
    assert script.state() == state
    before = script.lane
    kind = next(g for _, g in TABLE if g.__name__ == given.split(":")[0])
    allowed = TABLE.get((state, kind), frozenset())
    script.at(script.now_s + later).awaited(pending)
    ends = given.startswith("AttemptEnded") and state is not State.SENDING
    begins = given == "SendBegins" and state is State.SENDING
    if ends or begins:
        with pytest.raises(IllegalInput, match=r"^expected .*, found "):
            INPUTS[given](script)
        assert script.lane is before, "nothing was changed"
        return
    INPUTS[given](script)
    after = script.found("a")
    if after is None:
        assert state is State.CLOSED, "what is closed is forgotten once nothing can change it"
        return
    if after != next(s for s in before.submissions if s.id == "a"):
        assert after.state in allowed


@pytest.mark.parametrize("state", [s for s in State if s is not State.SENDING])
def test_an_attempt_ends_only_while_it_is_sending(state: State) -> None:
    script = STATES[state]()
    before = script.lane
    with pytest.raises(IllegalInput, match=r"^expected .*, found "):
        script.end(ACCEPTED, attempt=1)
    assert script.lane is before


def test_an_input_the_table_does_not_allow_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TABLE, _pair(State.AWAITING, "EventHeard"), frozenset())
    script = accepted()
    before = script.lane
    with pytest.raises(IllegalInput, match="EventHeard on awaiting, found closed"):
        script.event()
    assert script.lane is before


def test_a_pair_that_is_not_in_the_table_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    without = {
        pair: ends for pair, ends in TABLE.items() if pair != _pair(State.AWAITING, "EventHeard")
    }
    monkeypatch.setattr(transitions, "TABLE", without)
    with pytest.raises(IllegalInput, match=r"expected one of \[\] after EventHeard on awaiting"):
        accepted().event()


def test_a_submission_of_an_illegal_state_is_told_to_be_new(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(TABLE, _pair(None, "Submit"), frozenset())
    with pytest.raises(IllegalInput, match="after Submit on no submission, found queued"):
        Script().submit()


def _pair(state: State | None, given: str) -> tuple[State | None, type[Input]]:
    return next(pair for pair in TABLE if pair[0] is state and pair[1].__name__ == given)


# ------------------------------------------------------------------------------------ no dead rows


def contended_pair() -> Script:
    """Two events are candidates of the younger of two; the older is unresolved."""
    script = unresolved("old").at(70).submit().begin("p1").end(ACCEPTED).at(71)
    return script.event().event()


def contended_requeued() -> Script:
    """To be sent again, beside an unresolved one, and an event was heard."""
    script = unresolved("old").at(70).submit().begin("p1").at(71).end(TIMED_OUT)
    return script.at(101).time().read("p1").event()


RARE: dict[str, Callable[[], Script]] = {
    "a cancel that waits for an event, in doubt": lambda: in_doubt().awaited().cancel(),
    "a cancel that waits for an event, queued again": lambda: requeued().awaited().cancel(),
    "a cancel that waits for an event, accepted": lambda: accepted().awaited().cancel(),
    "in doubt, and an event contends": lambda: (
        unresolved("old").at(70).submit().begin("p1").at(71).end(TIMED_OUT).event()
    ),
    "a cancel in doubt": lambda: in_doubt().cancel(),
    "an event for one that is queued again": lambda: requeued().event(),
    "time for one that is queued again, which an event contends": lambda: (
        contended_requeued().time()
    ),
    "in doubt at a restart": lambda: in_doubt().restart(),
    "queued again at a restart": lambda: requeued().restart(),
    "a reading for one that is queued again, which an event contends": lambda: (
        contended_requeued().read("p2")
    ),
    "given up with two candidates": lambda: contended_pair().deaf(settled=True).at(3_670).time(),
    "a cancel with two candidates": lambda: contended_pair().cancel(),
    "an end with two held, cancelled": lambda: (
        unresolved("old").at(70).submit().begin("p1").event().event().cancel().end(ACCEPTED)
    ),
    "a crash with two held, cancelled": lambda: (
        unresolved("old").at(70).submit().begin("p1").event().event().cancel().restart()
    ),
    "a resend that is declined": lambda: requeued().begin("p1"),
    "a closed one of which it is found out that we were deaf": lambda: (
        unresolved().at(100).was_deaf(0, 90)
    ),
    "a closed one given a clock set back": lambda: unresolved().at(-100).restart(),
}


def test_every_row_is_reached() -> None:
    reached: set[Row] = explore(setting(EVERY, 1, late_faults=True)).pairs
    for play in (*RARE.values(), *_coalescing()):
        reached |= _rows(play)
    rows: set[Row] = {
        (before.value if before else None, given.__name__, after.value)
        for (before, given), afters in TABLE.items()
        for after in afters
    }
    assert reached == rows


def _coalescing() -> list[Callable[[], Script]]:
    policy = Policy(lane_policy=LanePolicy.COALESCE)
    return [lambda: Script(policy).submit("a").submit("b")]


def _rows(play: Callable[[], Script]) -> set[Row]:
    """The rows that a script's inputs took."""
    taken: set[Row] = set()
    real = Script.give

    def give(script: Script, given: Input) -> Script:
        before = {s.id: s.state.value for s in script.lane.submissions}
        real(script, given)  # type: ignore[arg-type]  # the driver gives inputs alone
        for now in script.decision.changed:
            taken.add((before.get(now.id), type(given).__name__, now.state.value))
        return script

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Script, "give", give)
        play()
    return taken
