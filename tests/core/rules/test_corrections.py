"""What a correction and a rest change, and what they leave."""

from __future__ import annotations

from dataclasses import replace

import pytest

from listener.core.draft import Draft
from listener.core.errors import IllegalInput
from listener.core.evidence import Hearing
from listener.core.facts import LaneRested
from listener.core.names import Millis, Outcome
from listener.core.policy import Policy
from listener.core.submission import Lane

from .script import ACCEPTED, Script, accepted, unresolved

POLICY = Policy()


def drafted(script: Script, lane: Lane | None = None) -> Draft:
    """A decision in the making, now."""
    return Draft(lane or script.lane, script.now, Hearing(listening=True), POLICY)


def test_only_what_is_closed_is_corrected() -> None:
    script = accepted()
    with pytest.raises(IllegalInput, match="expected a closed submission"):
        drafted(script).correct(script.of(), Outcome.CONFIRMED, "late_event")


def test_a_late_event_leaves_the_deaf_time_as_it_was_at_the_close() -> None:
    script = accepted().at(5).deaf().at(9).listening().at(31).time().read("p1")
    assert (script.end_of(), script.of().deaf_ms) == ("presumed exclusive", 4_000)
    script.at(40).deaf().at(50).listening().at(60).event()
    assert (script.end_of(), script.of().deaf_ms) == ("confirmed exclusive", 4_000)


def test_a_correction_by_the_record_keeps_its_candidates_and_its_file() -> None:
    script = unresolved("old").at(70).submit().begin("p1").end(ACCEPTED).at(71).event()
    script.at(100).time().read(None)
    assert script.of().reason == "listened_record_unknown"
    script.wake().read("p1")
    assert script.end_of() == "not_dispatched"
    assert [heard.seq for heard in script.of().candidates] == [1]
    assert script.of().keep_file_until_ms == script.after(86_400)


def test_a_correction_to_confirmed_lets_the_file_go() -> None:
    script = accepted().at(31).time().read("p1").at(40).event()
    assert script.of().keep_file_until_ms == script.now
    assert script.of().heard_ms == script.now


# ------------------------------------------------------------------------------------------- rest


def test_several_duplicates_at_one_moment_begin_one_rest() -> None:
    script = Script().submit().begin().event().event().event().end(ACCEPTED)
    assert script.disposed == ["confirmed", "duplicate", "duplicate"]
    assert [fact.until for fact in script.fact(LaneRested)] == [script.after(30)]


@pytest.mark.parametrize(
    ("rest_s", "review_s", "begins"),
    [(30, 30, False), (30, 0, True), (30, None, True), (None, 30, True), (20, 30, True)],
)
def test_a_rest_begins_unless_this_very_one_has(
    rest_s: float | None, review_s: float | None, begins: bool
) -> None:
    script = accepted()

    def moment(seconds: float | None) -> Millis | None:
        return None if seconds is None else script.after(seconds)

    lane = replace(script.lane, rest_until_ms=moment(rest_s), review_ms=moment(review_s), reviews=4)
    draft = drafted(script, lane)
    draft.rest()
    assert (draft.lane.rest_until_ms, draft.lane.review_ms) == (script.after(30),) * 2
    assert draft.lane.reviews == (0 if begins else 4)
    assert len(draft.facts) == begins
