"""An update that is sent again by hand: what speaks against it, and what overrules that."""

from __future__ import annotations

import dataclasses

import pytest

from listener.core.evidence import Reading
from listener.core.names import Millis, Movement, Objection, Outcome, SubmissionId
from listener.core.policy import Policy
from listener.core.retry import (
    Drift,
    evidence,
    movement,
    newer_than,
    objection,
    objection_in,
    shown,
    worth_reading,
)
from listener.core.submission import Submission

from .script import ACCEPTED, NOT_SENT, REFUSED, START, TIMED_OUT, Script, accepted, unresolved

NOW = Millis(START + 100_000)


def reading(path: str | None, *, known: bool = True) -> Reading:
    return Reading(NOW, known, "" if known else "read_timeout", path_digest=path)


def closed_unconfirmed(path: str = "p0") -> Script:
    """In doubt, out of attempts, the record as it was: unconfirmed."""
    script = Script(Policy(max_attempts=1)).submit("a").begin("p0").at(1).end(TIMED_OUT)
    while script.state() != "closed":
        script.wake().read(path)
    assert script.end_of() == "unconfirmed"
    return script


def test_what_ended_without_a_sign_may_be_sent_again() -> None:
    script = closed_unconfirmed()
    old = script.of()
    assert worth_reading(old)
    for path, moved in (("p0", Movement.UNMOVED), (None, Movement.INCOMPARABLE)):
        drift = Drift(NOW, reading(path))
        assert movement(old, drift) is moved
        assert evidence(old, drift) == []
        assert objection(old, drift) is None
    unknown = Drift(NOW, reading(None, known=False))
    assert (movement(old, unknown), objection(old, unknown)) == (Movement.UNKNOWN, None)
    script.submit("b", retry_of="a")
    assert script.decision.refusal is None
    assert script.of("b").retry_of == "a"


def test_a_record_that_moved_speaks_against_it() -> None:
    old = closed_unconfirmed().of()
    drift = Drift(NOW, reading("p1"))
    assert movement(old, drift) is Movement.MOVED
    assert evidence(old, drift) == ["record_moved"]
    assert objection(old, drift) is Objection.EVIDENCE_IMPROVED


def test_but_not_where_a_newer_update_of_ours_may_have_moved_it() -> None:
    old = closed_unconfirmed().of()
    newer = accepted("b").event().of("b")
    drift = Drift(NOW, reading("p1"), (newer,))
    assert evidence(old, drift) == []
    assert objection(old, drift) is Objection.NEWER_UPDATE
    never_sent = Script().submit("c").cancel("c").of("c")
    assert evidence(old, Drift(NOW, reading("p1"), (never_sent,))) == ["record_moved"]


@pytest.mark.parametrize("outcome", [Outcome.CONFIRMED, Outcome.PRESUMED])
def test_an_outcome_that_says_applied_speaks_against_it(outcome: Outcome) -> None:
    old = dataclasses.replace(closed_unconfirmed().of(), outcome=outcome)
    assert evidence(old, Drift(NOW)) == [outcome.value]
    assert evidence(old, Drift(NOW, reading("p1"))) == [outcome.value, "record_moved"]
    assert objection(old, Drift(NOW)) is Objection.EVIDENCE_IMPROVED


@pytest.mark.parametrize(
    "outcome",
    sorted(set(Outcome) - {Outcome.CONFIRMED, Outcome.PRESUMED}),
)
def test_any_other_does_not(outcome: Outcome) -> None:
    old = dataclasses.replace(closed_unconfirmed().of(), outcome=outcome)
    assert objection(old, Drift(NOW)) is None


def test_one_that_is_open_is_not_sent_again() -> None:
    for script in (Script().submit("a"), accepted(), closed_unconfirmed().submit("b")):
        last = script.lane.submissions[-1]
        assert objection(last, Drift(NOW)) is Objection.STILL_OPEN


def test_only_what_was_possibly_sent_from_a_known_baseline_is_read_for() -> None:
    assert not worth_reading(Script().submit("a").cancel().of())
    assert not worth_reading(Script().submit("a").begin().end(REFUSED).of())
    assert not worth_reading(Script().submit("a").begin(None).end(ACCEPTED).of())
    assert not worth_reading(Script().submit("a").begin_blind().end(ACCEPTED).of())
    assert worth_reading(accepted().of())


def test_newer_ones_that_were_never_sent_speak_against_nothing() -> None:
    old = closed_unconfirmed().of()
    withdrawn = Script().submit("b").cancel("b").of("b")
    refused = Script().submit("c").begin(name="c").end(REFUSED, "c").of("c")
    assert objection(old, Drift(NOW, None, (withdrawn, refused))) is None
    waits = Script().submit("d").of("d")
    assert objection(old, Drift(NOW, None, (withdrawn, waits))) is Objection.NEWER_UPDATE
    doubtful = dataclasses.replace(old, id=withdrawn.id)
    assert objection(old, Drift(NOW, None, (doubtful,))) is Objection.NEWER_UPDATE


def test_newer_is_what_came_after() -> None:
    rows = [Script().submit(name).of(name) for name in "cba"]
    assert [s.id for s in newer_than(rows[1], rows)] == ["c"]
    later = dataclasses.replace(rows[1], created_ms=Millis(rows[1].created_ms + 1))
    assert [s.id for s in newer_than(rows[0], [later])] == ["b"], "its upload was the slower one"
    assert not newer_than(later, rows)


# ------------------------------------------------------------------- at the moment of acceptance


def refused(script: Script, name: str, retry_of: str) -> str | None:
    """Why this retry is not taken; the lane is then as it was."""
    before = script.lane
    script.submit(name, retry_of=retry_of)
    against = objection_in(before, SubmissionId(retry_of), script.now)
    assert script.decision.refusal == against
    if against is not None:
        assert script.lane == before
        assert not script.decision.facts
    return against


def test_two_retries_at_once_are_one() -> None:
    script = closed_unconfirmed().submit("b", retry_of="a")
    assert refused(script, "c", "a") == "newer_update"


def test_an_event_that_came_meanwhile_speaks_against_it() -> None:
    script = closed_unconfirmed().event()
    assert script.end_of().startswith("confirmed")
    assert refused(script, "b", "a") == "evidence_improved"
    script.submit("c", retry_of="a", forced=True)
    assert script.decision.refusal is None


def test_force_takes_it_whatever_is_newer() -> None:
    script = closed_unconfirmed().submit("b")
    assert refused(script, "c", "a") == "newer_update"
    script.submit("c", retry_of="a", forced=True)
    assert script.decision.refusal is None


def test_of_one_that_the_lane_forgot_the_newer_ones_still_speak() -> None:
    script = unresolved("a")
    script.submit("b").begin(name="b").end(REFUSED, "b").wake()
    assert "b" not in [s.id for s in script.lane.submissions]
    assert refused(script, "c", "b") is None, "a is older than b"
    script.submit("d").cancel("d")
    assert refused(script, "e", "b") == "newer_update", "c is open"


def test_newer_is_what_the_lane_took_later_whatever_its_id() -> None:
    """Ids are given as uploads begin, and by a clock that may be set back."""
    script = unresolved("b").submit("a")
    assert refused(script, "c", "b") == "newer_update"


def test_what_is_no_retry_is_asked_nothing() -> None:
    script = closed_unconfirmed().submit("b").submit("c")
    assert script.decision.refusal is None


# --------------------------------------------------------------------------------------- as shown


def test_what_is_shown_of_it() -> None:
    old = closed_unconfirmed().of()
    newer = Script().at(7).submit("b", retry_of="a").cancel("b").of("b")
    assert old.closed_ms is not None
    at = Millis(old.closed_ms + 5_000)
    seen = Reading(at, True, path_digest="p1", status="processing", enhance_status="draft")
    assert shown(old, Drift(at, seen, (newer,))) == {
        "at": shown(old, Drift(at))["at"],
        "closed_ms_ago": 5_000,
        "record": "moved",
        "status": "processing",
        "enhance_status": "draft",
        "evidence": ["record_moved"],
        "newer": [
            {
                "id": "b",
                "state": "closed",
                "outcome": "cancelled",
                "retry_of": "a",
                "created_at": "2023-11-14T22:13:27.000Z",
            }
        ],
    }
    blind = shown(old, Drift(Millis(old.closed_ms - 1)))
    assert (blind["record"], blind["status"], blind["closed_ms_ago"]) == ("incomparable", None, 0)
    failed = shown(old, Drift(at, Reading(at, False, "read_timeout")))
    assert (failed["record"], failed["status"], failed["enhance_status"]) == ("unknown", None, None)


def test_of_an_open_one_it_is_not_said_how_long_ago_it_closed() -> None:
    waits = Script().submit("a").submit("b")
    told = shown(waits.of("a"), Drift(NOW, newer=(waits.of("b"),)))
    assert (told["closed_ms_ago"], told["newer"][0]["outcome"]) == (None, None)


def test_never_sent_is_incomparable_and_may_be_sent_again() -> None:
    script = Script().submit("a").begin().end(NOT_SENT).cancel()
    old: Submission = script.of()
    assert objection(old, Drift(NOW, reading("p9"))) is None
