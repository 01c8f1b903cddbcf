"""An update that is asked for again while it is open: whoever asks joins it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from listener.core.names import LanePolicy, Millis
from listener.core.policy import Policy
from listener.core.standing import same_update

from .script import ACCEPTED, FILE, NOT_SENT, REFUSED, TIMED_OUT, Script, accepted, in_doubt

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


# ------------------------------------------------------------------- whose client had no last word


def owed(script: Script) -> bool:
    """Whether the closed one stands for one more of its bytes."""
    script.submit("new", join=True, owed=script.of("a"))
    assert script.decision.refusal in (None, "joined")
    return script.decision.refusal == "joined"


def test_one_that_is_owed_to_its_client_is_joined_after_its_close() -> None:
    assert owed(accepted().event())
    assert owed(in_doubt().event())


def test_not_where_another_came_after_it_open_or_closed() -> None:
    """What was asked for last must be what stands in the end."""
    assert not owed(accepted().event().at(50).submit("b", digest=OTHER))
    assert not owed(accepted().event().submit("b", digest=OTHER))
    later = accepted().event().at(50).submit("b", digest=OTHER).begin(name="b")
    assert not owed(later.end(ACCEPTED, name="b").event())
    assert owed(
        Script().submit("b", digest=OTHER).cancel("b").submit("a").begin().end(ACCEPTED).event()
    )


def test_nor_where_somebody_else_updated_it_since() -> None:
    for seconds, stands in ((0, True), (1, False)):
        script = accepted().event()
        closed_ms = script.of("a").closed_ms
        assert closed_ms is not None
        script.lane = replace(script.lane, foreign_ms=Millis(closed_ms + seconds))
        assert owed(script) == stands


def test_an_open_one_of_the_same_bytes_comes_before_it() -> None:
    script = accepted().event()
    before = script.lane.submissions[0]
    script.at(50).submit("b")
    assert script.submit("c", join=True, owed=before).decision.refusal == "joined"
    assert [s.id for s in script.lane.submissions] == ["a", "b"]


def test_one_that_has_left_its_lane_is_joined_where_nothing_came_after_it() -> None:
    before = Script().submit("a").begin()
    looked_up = before.lane.submissions[0]
    gone = before.end(REFUSED).wake()
    assert not gone.lane.submissions
    assert gone.submit("b", join=True, owed=looked_up).decision.refusal == "joined"
    newer = gone.at(50).submit("b", digest=OTHER)
    assert newer.submit("c", join=True, owed=looked_up).decision.refusal is None


def test_nor_does_what_does_not_ask_to_join() -> None:
    script = accepted().event()
    assert script.submit("b", owed=script.lane.submissions[0]).decision.refusal is None
