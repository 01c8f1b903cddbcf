"""What is said of a submission: every word of every vocabulary has its sentence."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import pytest

from listener.core import facts, outcomes, story
from listener.core.evidence import Gap, Heard
from listener.core.explain import (
    GATES,
    NOTHING_YET,
    WAITS,
    Around,
    explanation,
    step_words,
    steps_ahead,
    waits_since_ms,
)
from listener.core.facts import Fact
from listener.core.names import (
    Attribution,
    Disposition,
    GapReason,
    Gate,
    Millis,
    Movement,
    Outcome,
    PostKind,
    State,
    WaitingFor,
)
from listener.core.policy import Policy
from listener.core.reasons import ATTEMPT, CLOSE, SUBSCRIPTION
from listener.core.submission import Submission
from listener.core.usual import ENOUGH, Usual, rank, usual_of, usual_words
from listener.core.view import waiting_for

from .script import (
    ACCEPTED,
    NOT_SENT,
    START,
    TIMED_OUT,
    UNREADABLE,
    Script,
    accepted,
    in_doubt,
    unresolved,
)


def around(script: Script, name: str = "a", **more: Any) -> Around:
    """What stands around it now, as its lane says, and more."""
    waiting = waiting_for(script.of(name), script.lane, script.now)
    values = {"waiting": waiting, "lane": script.lane, "policy": script.policy}
    return Around(now_ms=script.now, **(values | more))


def said(script: Script, name: str = "a", **more: Any) -> str:
    return explanation(script.of(name), around(script, name, **more))


def steps(script: Script, name: str = "a", **more: Any) -> list[tuple[str, str]]:
    there = around(script, name, **more)
    return [
        (s.ahead.value, step_words(s, there.now_ms)) for s in steps_ahead(script.of(name), there)
    ]


def waiting(word: WaitingFor) -> Script:
    """A lane whose submission ``a`` waits for it, at two seconds."""
    match word:
        case WaitingFor.REPLY:
            script = Script().submit().begin()
        case WaitingFor.EVENT:
            script = accepted()
        case WaitingFor.EVENT_OR_RECORD:
            script = in_doubt()
        case WaitingFor.BACKOFF:
            script = Script().submit().begin().at(1.5).end(NOT_SENT)
        case WaitingFor.SENDING | WaitingFor.RESUME:
            script = Script().submit()
        case WaitingFor.LANE_REST:
            script = accepted("old").wake().read("p1").submit()
            return script.at(33)
        case WaitingFor.LANE_TURN:
            script = accepted("_old").submit()
    return script.at(2)


@pytest.mark.parametrize("word", WaitingFor)
def test_every_wait_is_told_with_since_when_what_is_usual_and_what_comes(word: WaitingFor) -> None:
    script = waiting(word)
    found = around(script)
    if word is WaitingFor.RESUME:
        found = around(script, waiting=word, paused_since_ms=Millis(script.now - 500))
    assert found.waiting is word
    text = explanation(script.of(), found)
    assert text.startswith(WAITS[word])
    assert re.search(r", for [0-9.]+ s \(since 22:13:\d\d UTC\); ", text), text
    assert "what is usual is not known: none was confirmed of late" in text
    assert len(text.split("; ")) >= 3, "and what comes next"
    assert text.endswith(".")
    assert waits_since_ms(script.of(), found) <= script.now


def test_since_when_it_waits() -> None:
    assert waits_since_ms(accepted().of(), around(accepted())) == START + 1_000
    fresh = Script().submit().at(5)
    assert waits_since_ms(fresh.of(), around(fresh)) == START
    paused = around(fresh, waiting=WaitingFor.RESUME, paused_since_ms=fresh.after(-2))
    assert waits_since_ms(fresh.of(), paused) == START + 3_000


@pytest.mark.parametrize("gate", Gate)
def test_what_keeps_all_from_being_sent_is_told(gate: Gate) -> None:
    script = Script().submit().at(2)
    assert steps(script, gate=gate)[0] == ("gate", GATES[gate])
    until = steps(script, gate=gate, gate_ms=script.after(30))[0][1]
    assert until == f"{GATES[gate]} at 22:13:52 UTC (in 30 s)"
    assert steps(script)[0][0] == "attempt"


def test_what_comes_next_of_an_accepted_one() -> None:
    script = accepted().at(2)
    assert steps(script) == [
        ("reading", "at 22:13:51 UTC (in 29 s) the record is read, if no event has come, and "
         "decides how it ends"),
        ("end", "at 23:13:21 UTC (in 59 min 59 s) it ends in any case, with what is known then"),
    ]  # fmt: skip
    deaf = said(script, deaf_since_ms=script.after(-0.5))
    assert "we are deaf for 0.50 s (since 22:13:21 UTC), and hear no event meanwhile" in deaf
    assert deaf.endswith(f"{NOTHING_YET}.")
    told = " ".join(words for _, words in steps(script, deaf_since_ms=script.after(-0.5)))
    assert "decides" not in told, "nothing is concluded"
    paused = steps(script, readings_ms=script.after(40))[0][1]
    assert paused.startswith("at 22:14:02 UTC (in 40 s)")
    assert paused.endswith("readings failed in a row, and all pause")
    held = Script(Policy(baseline=False)).submit().begin_blind().at(1).end(ACCEPTED).at(2)
    assert steps(held)[0][0] == "end"


def test_an_event_that_may_be_anothers_is_looked_at() -> None:
    script = unresolved().submit("a").begin("p1", "a").at(70).end(ACCEPTED).event()
    assert script.state() == "awaiting", "it is contended, and the record is to tell"
    assert "an event came that may be another update's" in steps(script)[0][1]
    assert steps(script)[0][1].startswith("now "), "what is due is not in the past"


def test_what_comes_next_of_one_in_doubt() -> None:
    script = in_doubt().at(2)
    assert [word for word, _ in steps(script)] == ["reading", "resend", "end"]
    assert "(1 of 3 attempts that count are used)" in steps(script)[1][1]
    once = Script().submit().begin().at(1).end(UNREADABLE).at(2)
    assert [word for word, _ in steps(once)] == ["reading", "end", "end"]
    assert "it is not sent again" in steps(once)[1][1]


def test_a_queue_says_how_long_it_is_and_who_is_first() -> None:
    script = accepted("0").submit("1").submit("2").submit("3").at(2)
    assert steps(script, "3")[0][1] == (
        "it is sent after 3 updates of its CV: the first is 0 (awaiting)"
    )
    assert "after 1 update of its CV" in steps(script, "1")[0][1]
    assert steps(script, "1")[-1][1].endswith(
        "ends as undelivered, if no attempt was possibly sent"
    )


def test_what_was_heard_or_withdrawn_during_the_sending_is_told() -> None:
    script = Script().submit().begin().event().cancel().at(2)
    assert steps(script)[0][0] == "event"
    assert "it is being withdrawn" in said(script)


def test_how_a_closed_one_ended_and_until_when_that_can_change() -> None:
    script = accepted().at(1.27).event()
    assert said(script) == (
        "It ended as confirmed; its event was heard 1.2 s after it was sent; it took 1.2 s in all,"
        " and ended 0 s ago."
    )
    assert steps(script) == []
    replayed = accepted().at(2).event(replayed=True)
    assert "was heard (replayed by the server after a break) 2.0 s after" in said(replayed)
    lost = accepted().wake().read("p1")
    assert lost.end_of() == "unconfirmed"
    [(ahead, words)] = steps(lost)
    assert ahead == "correction"
    assert words.startswith("until 2023-11-15 22:13:51 UTC a late event")
    assert "reason listened_record_moved" in said(lost)
    late = said(lost.at(40).event())
    assert "It ended as confirmed; its event was heard 40 s" in late
    assert "before that it was taken for unconfirmed" in late


# ------------------------------------------------------------------------------------------ usual


def confirmed(seconds: float, heard_ms: int, **more: Any) -> Submission:
    """One that was confirmed so long after it was sent, its reply 100 ms after that."""
    script = accepted().event()
    heard = Heard(1, Millis(heard_ms))
    values: dict[str, Any] = {
        "heard": heard,
        "heard_ms": Millis(heard_ms),
        "sent_ms": Millis(heard_ms - round(seconds * 1000)),
        "accepted_ms": Millis(heard_ms - round(seconds * 1000) + 100),
    }
    return dataclasses.replace(script.of(), **(values | more))


def test_what_is_usual_is_told_from_how_many() -> None:
    ten = [confirmed(n, START + n) for n in range(1, 11)]
    usual = usual_of(ten, START)
    assert (usual.count, usual.since_ms) == (10, START + 1)
    assert (usual.event_p50_ms, usual.event_p90_ms) == (5_000, 9_000)
    assert (usual.reply_p50_ms, usual.reply_p90_ms) == (100, 100)
    assert usual_words(usual) == (
        "usually an event comes 5.0 s after the sending, nine in ten within 9.0 s (of the last 10"
        " confirmed)"
    )
    assert usual_words(usual, WaitingFor.REPLY).startswith("usually a reply takes 0.10 s, nine")


def test_too_little_to_tell_is_said_plainly() -> None:
    few = usual_of([confirmed(1, START)] * (ENOUGH - 1), START)
    assert (few.count, few.event_p50_ms) == (4, None)
    assert usual_words(few) == "what is usual is not known: only 4 were confirmed of late"
    assert usual_words(usual_of([confirmed(1, START)], START)).endswith(
        "only 1 was confirmed of late"
    )
    assert usual_words(Usual()).endswith("none was confirmed of late")
    assert usual_of([confirmed(1, START)] * ENOUGH, START).event_p50_ms == 1_000


def test_what_is_not_the_upstreams_time_does_not_count() -> None:
    good = confirmed(1, START)
    twice = dataclasses.replace(good, attempts=good.attempts * 2)
    wrong = [
        twice,
        confirmed(9, START, late=True),
        confirmed(9, START, heard=Heard(1, Millis(START), replayed=True)),
        confirmed(9, START, heard=None),
        confirmed(9, START, accepted_ms=None),
    ]
    assert usual_of(wrong, START).count == 0


def test_the_last_hour_counts_alone_where_it_is_enough() -> None:
    old = [confirmed(9, START - 4_000_000)] * 20
    new = [confirmed(1, START)] * ENOUGH
    assert usual_of([*old, *new], START).event_p90_ms == 1_000
    assert usual_of([*old, *new[1:]], START).count == 24


def test_a_rank_is_one_of_them() -> None:
    assert [rank([1, 2, 3], percent) for percent in (0, 33, 34, 50, 90, 100)] == [1, 1, 2, 2, 3, 3]
    assert rank([7], 90) == 7


# ---------------------------------------------------------------------------------- the whole story


def test_every_word_has_its_words() -> None:
    whole: list[tuple[type[StrEnum], Mapping[Any, str]]] = [
        (WaitingFor, WAITS),
        (Gate, GATES),
        (Outcome, outcomes.MEANS),
        (Outcome, outcomes.TO_DO),
        (PostKind, story.RESULTS),
        (State, story.STATES),
        (Movement, story.MOVEMENTS),
        (Disposition, story.DISPOSITIONS),
    ]
    for words, texts in whole:
        assert set(words) == set(texts), words
        assert len(set(texts.values())) == len(texts), "none says the same as another"


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_with_every_reason_says_what_it_means_and_what_to_do(
    outcome: Outcome,
) -> None:
    for reason in (None, *CLOSE, *ATTEMPT, "http_418"):
        for owner in (None, *Attribution):
            one = dataclasses.replace(
                accepted().event().of(), outcome=outcome, reason=reason, attribution=owner
            )
            assert outcomes.means(one).startswith(outcomes.MEANS[outcome])
            assert outcomes.means(one).endswith(".")
            assert outcomes.what_to_do(one).endswith((".", "?"))
            assert outcomes.ending(one, START).endswith(" ago.")
            assert reason is None or f"reason {reason}" in outcomes.ending(one, START)
    assert outcomes.means(accepted().of()) == outcomes.what_to_do(accepted().of()) == ""
    assert outcomes.ending(accepted().of(), START) == ""


def every_fact() -> dict[str, type[Fact]]:
    kinds = [each for each in vars(facts).values() if isinstance(each, type)]
    return {each.event: each for each in kinds if issubclass(each, Fact) and each is not Fact}


def test_every_fact_is_told() -> None:
    assert set(story.TOLD) == set(every_fact())


VALUES: dict[str, list[Any]] = {
    "at_ms": [START],
    "submission_id": ["a"],
    "size": [7],
    "kind": ["pdf"],
    "retry_of": [None, "b"],
    "attempt": [1],
    "attempts": [1],
    "baseline_known": [True, False],
    "contended": [True, False],
    "result": list(PostKind),
    "detail": ["", *ATTEMPT, "http_418"],
    "http_status": [None, 200],
    "state": list(State),
    "duration_ms": [5],
    "retry_at": [None, START + 1_000],
    "movement": list(Movement),
    "seq": [1],
    "disposition": list(Disposition),
    "replayed": [True, False],
    "status": ["processing", None],
    "enhance_status": ["ABC/123 <x>"],
    "outcome": list(Outcome),
    "outcome_before": list(Outcome),
    "attribution": [None, *Attribution],
    "reason": [None, *CLOSE, *ATTEMPT],
    "until": [START],
}


@pytest.mark.parametrize("event", sorted(every_fact()))
def test_every_fact_is_told_in_words_whatever_stands_in_it(event: str) -> None:
    names = [field.name for field in dataclasses.fields(every_fact()[event])]
    usual = {name: VALUES[name][0] for name in names}
    for name in names:
        for value in VALUES[name]:
            fact = usual | {name: value}
            # A journal leaves out what is None.
            for given in (fact, {key: each for key, each in fact.items() if each is not None}):
                text = story.fact_words(event, given)
                assert text not in ("", event), (name, value)
                assert "None" not in text, text
                assert "ABC" not in text


def test_a_fact_of_another_version_is_told_by_its_name() -> None:
    assert story.fact_words("submission.moved", {}) == "submission.moved"
    assert story.fact_words("attempt.ended", {"result": "of no vocabulary"}) == "attempt.ended"


def test_a_story_is_told_in_order_and_without_the_upstreams_own_words() -> None:
    script = in_doubt().at(3).read("p0")
    told = [
        story.fact_shown(fact.at_ms, fact.event, dataclasses.asdict(fact)) for fact in script.facts
    ]
    assert told[0]["words"] == "accepted: a pdf of 1234 bytes"
    assert told[2]["words"] == (
        "attempt 1 ended after 1.0 s: it may have been applied: read_timeout (No reply came in"
        " time); its event is waited for, and the record enquired of"
    )
    assert told[2]["at"] == "2023-11-14T22:13:21.000Z"
    assert (told[2]["result"], told[2]["attempt"]) == ("possibly_sent", 1)
    assert not any({"status", "enhance_status", "submission_id"} & set(one) for one in told)


def test_an_attempt_says_when_the_next_one_is() -> None:
    script = Script().submit().begin().end(NOT_SENT)
    fact = script.fact(facts.AttemptFinished)[0]
    words = story.fact_words(fact.event, dataclasses.asdict(fact))
    assert words.endswith("connect_refused (Nobody listens at that address and port); it is sent"
                          " again in 1.0 s")  # fmt: skip
    assert story.fact_words(
        "attempt.ended", dataclasses.asdict(accepted().fact(facts.AttemptFinished)[0])
    ) == "attempt 1 ended after 1.0 s: accepted (HTTP 200); its event is waited for"  # fmt: skip


@pytest.mark.parametrize("reason", [*GapReason, *SUBSCRIPTION, "of no vocabulary"])
def test_a_gap_says_how_long_and_why(reason: str) -> None:
    over = story.gap_shown(Gap(Millis(START), Millis(START + 3_000), reason), START + 9_000)
    assert over["words"].startswith("deaf for 3.0 s")
    assert (over["event"], over["until"]) == ("gap", "2023-11-14T22:13:23.000Z")
    assert (reason in over["words"]) == (reason != "of no vocabulary")
    lasts = story.gap_shown(Gap(Millis(START), None, reason), START + 9_000)
    assert lasts["words"].startswith("deaf for 9.0 s, until now")
    assert lasts["until"] is None


def test_gaps_that_touch_a_time() -> None:
    gaps = [Gap(Millis(1), Millis(2)), Gap(Millis(4), Millis(6)), Gap(Millis(9), None)]
    assert story.touching(gaps, 2, 4) == gaps[:2]
    assert story.touching(gaps, 3, 3) == []
    assert story.touching(gaps, 7, 9) == gaps[2:]


def test_in_doubt_is_said_of_what_timed_out() -> None:
    assert TIMED_OUT.detail in story.fact_words(
        "attempt.ended", dataclasses.asdict(in_doubt().fact(facts.AttemptFinished)[0])
    )
