"""An update that is asked for again while it is open: whoever asks joins it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from listener.core.names import LanePolicy
from listener.core.policy import Policy
from listener.core.standing import same_update

from .script import ACCEPTED, FILE, NOT_SENT, TIMED_OUT, Script, accepted, in_doubt

OTHER = "cd" * 32


def joined(script: Script) -> str | None:
    """Which one stands for it, once one of the usual bytes has come again."""
    before = script.lane
    script.submit("new", join=True)
    taken = script.decision.refusal is None
    assert (script.decision.refusal in (None, "joined")) and taken == (script.lane != before)
    found = same_update(before, FILE)
    assert taken == (found is None)
    if not taken:
        assert script.decision.lane == before and not script.decision.changed
        assert not script.decision.facts
    return None if found is None else found.id


STATES: dict[str, Callable[[], Script]] = {
    "queued": lambda: Script().submit("a"),
    "sending": lambda: Script().submit("a").begin(),
    "awaiting": accepted,
    "in_doubt": in_doubt,
    "requeued": lambda: Script().submit("a").begin().end(NOT_SENT),
}


@pytest.mark.parametrize("state", STATES)
def test_the_same_again_joins_the_one_that_is_open(state: str) -> None:
    assert joined(STATES[state]()) == "a"


def test_other_bytes_do_not() -> None:
    assert joined(Script().submit("a", digest=OTHER)) is None


def test_nor_does_what_does_not_ask_to() -> None:
    script = Script().submit("a").submit("b")
    assert [s.id for s in script.lane.submissions] == ["a", "b"]


def test_what_is_closed_is_not_joined() -> None:
    assert joined(accepted().event()) is None


def test_nor_what_is_being_withdrawn() -> None:
    assert joined(Script().submit("a").begin().cancel()) is None


def test_one_that_was_not_answered_is_joined_though_others_came_after_it() -> None:
    """Two who try again and again while nothing gets through must not pile up updates."""
    assert joined(Script().submit("a").submit("b", digest=OTHER)) == "a"
    assert joined(Script().submit("a").begin().submit("b", digest=OTHER)) == "a"
    assert joined(Script().submit("a").begin().end(TIMED_OUT).submit("b", digest=OTHER)) == "a"


def test_one_that_was_taken_is_not_joined_where_another_came_after_it() -> None:
    """First, second, first again: the first must be what stands in the end."""
    assert joined(accepted().submit("b", digest=OTHER)) is None
    again = accepted().submit("b", digest=OTHER).submit("c")
    assert joined(again) == "c"


def test_the_last_one_is_joined_though_it_was_taken() -> None:
    assert joined(accepted()) == "a"


def test_the_newest_of_several_is_joined() -> None:
    script = Script().submit("a").begin().end(ACCEPTED).submit("b").submit("c")
    assert joined(script) == "c"


@pytest.mark.parametrize("policy", [LanePolicy.REJECT, LanePolicy.COALESCE])
def test_joining_comes_before_the_lanes_policy(policy: LanePolicy) -> None:
    assert joined(Script(Policy(lane_policy=policy)).submit("a")) == "a"


def test_what_joins_nothing_is_treated_by_the_lanes_policy() -> None:
    script = Script(Policy(lane_policy=LanePolicy.REJECT)).submit("a", digest=OTHER)
    script.submit("b", join=True)
    assert script.decision.refusal == "lane_busy"
