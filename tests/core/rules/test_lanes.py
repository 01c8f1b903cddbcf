"""Rule 1: one update of a lane at a time, what the others do, and the rest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from listener.core.effects import Announce, Dispatch, Enquire, ReleaseFile
from listener.core.errors import IllegalInput
from listener.core.facts import LaneRested, SubmissionAccepted, SubmissionClosed
from listener.core.names import LanePolicy
from listener.core.policy import Policy

from .script import ACCEPTED, NOT_SENT, REFUSED, TIMED_OUT, Script, accepted, in_doubt, unresolved

REJECT = Policy(lane_policy=LanePolicy.REJECT)
COALESCE = Policy(lane_policy=LanePolicy.COALESCE)


def test_what_is_accepted_is_told_and_offered() -> None:
    script = Script().submit("a", retry_of="z")
    assert script.state() == "queued"
    (fact,) = script.fact(SubmissionAccepted)
    assert (fact.size, fact.kind, fact.retry_of) == (1234, "pdf", "z")
    (offer,) = script.effect(Dispatch)
    assert (offer.submission_id, offer.not_before_ms) == ("a", script.now)


def test_an_id_is_accepted_once() -> None:
    with pytest.raises(IllegalInput, match=r"^expected .*, found "):
        Script().submit("a").submit("a")


def test_queue_lets_the_second_wait_for_the_first() -> None:
    script = accepted("a").submit("b")
    assert (script.state("a"), script.state("b")) == ("awaiting", "queued")
    assert script.begin(name="b").decision.refusal == "not_sendable"
    script.event()
    assert script.end_of("a") == "confirmed exclusive"
    assert [offer.submission_id for offer in script.effect(Dispatch)] == ["b"]
    assert script.begin("p1", "b").state("b") == "sending"


def test_they_are_sent_in_order_of_acceptance() -> None:
    script = Script().submit("a").submit("b")
    assert script.begin(name="b").decision.refusal == "not_sendable"
    assert script.begin(name="a").state("a") == "sending"


@pytest.mark.parametrize("first", ["queued", "sending", "awaiting", "in_doubt"])
def test_reject_refuses_while_one_is_open(first: str) -> None:
    script = {
        "queued": lambda: Script(REJECT).submit("a"),
        "sending": lambda: Script(REJECT).submit("a").begin(),
        "awaiting": lambda: accepted(policy=REJECT),
        "in_doubt": lambda: in_doubt(policy=REJECT),
    }[first]()
    assert script.state() == first
    script.submit("b")
    assert script.decision.refusal == "lane_busy"
    assert [s.id for s in script.lane.submissions] == ["a"]
    assert not script.decision.facts


def test_reject_takes_the_next_once_the_first_is_closed() -> None:
    assert accepted(policy=REJECT).event().submit("b").decision.refusal is None


def test_coalesce_replaces_what_was_never_possibly_sent() -> None:
    script = Script(COALESCE).submit("a").submit("b")
    assert script.end_of("a") == "superseded"
    assert script.of("a").reason == "newer_update"
    assert script.fact(SubmissionClosed)[0].submission_id == "a"
    assert script.state("b") == "queued"


def test_coalesce_replaces_one_whose_attempt_was_not_sent() -> None:
    script = Script(COALESCE).submit("a").begin().end(NOT_SENT).submit("b")
    assert script.end_of("a") == "superseded"


@pytest.mark.parametrize("state", ["sending", "awaiting", "in_doubt"])
def test_coalesce_leaves_what_is_in_flight(state: str) -> None:
    script = {
        "sending": lambda: Script(COALESCE).submit("a").begin(),
        "awaiting": lambda: accepted(policy=COALESCE),
        "in_doubt": lambda: in_doubt(policy=COALESCE),
    }[state]()
    script.submit("b").submit("c")
    assert (script.state("a"), script.end_of("b"), script.state("c")) == (
        state,
        "superseded",
        "queued",
    )


def test_coalesce_leaves_one_that_waits_to_be_sent_again() -> None:
    script = in_doubt(policy=COALESCE).at(31).time().read("p0")
    assert script.state("a") == "queued"
    assert script.submit("b").state("a") == "queued"
    assert script.begin(name="b").decision.refusal == "not_sendable"


def test_an_unresolved_close_lets_the_lane_rest_a_settle_period() -> None:
    script = accepted().submit("b").at(31).time().read("p1")
    assert script.end_of("a") == "unconfirmed"
    assert script.fact(LaneRested)[0].until == script.now + 30_000
    assert not script.effect(Dispatch)
    assert script.begin(name="b").decision.refusal == "not_sendable"
    assert script.due_s == 61


def test_an_enquiry_ends_the_rest() -> None:
    script = accepted().submit("b").at(31).time().read("p1")
    script.wake()
    assert script.effect(Enquire)
    assert script.begin(name="b").decision.refusal == "not_sendable"
    script.read("p1")
    assert "lane.released" in script.told
    assert [offer.submission_id for offer in script.effect(Dispatch)] == ["b"]


def test_a_failed_enquiry_does_not_end_it_and_is_made_again() -> None:
    script = accepted().submit("b").at(31).time().read("p1").wake().read(None)
    assert script.lane.rest_until_ms is not None
    assert script.due_s == 62
    assert script.wake().effect(Enquire)
    script.read("p1")
    assert script.lane.rest_until_ms is None


def test_a_rest_ends_in_the_end_even_if_no_enquiry_succeeds() -> None:
    script = accepted().submit("b").at(31).time().read("p1")
    for _ in range(200):
        if script.lane.rest_until_ms is None:
            break
        script.wake()
        if script.effect(Enquire):
            script.read(None)
    assert script.lane.rest_until_ms is None
    assert script.now_s <= 31 + 3600 + 120


def test_a_reading_from_before_the_rests_end_does_not_end_it() -> None:
    script = accepted().submit("b").at(31).time().read("p1")
    script.at(61).time().read("p1", began=60.5)
    assert script.lane.rest_until_ms is not None
    assert script.due_s is not None


def test_without_readings_the_rest_ends_with_the_settle_period() -> None:
    script = Script(Policy(baseline=False)).submit("a").begin_blind().at(1).end(ACCEPTED)
    script.at(31).time()
    assert script.end_of() == "unconfirmed"
    assert script.of().reason == "listened_no_baseline"
    script.wake()
    assert script.now_s == 61
    assert script.lane.rest_until_ms is None


@pytest.mark.parametrize("end", ["exclusive", "rejected", "cancelled"])
def test_a_resolved_close_needs_no_rest(end: str) -> None:
    script = {
        "exclusive": lambda: accepted().event(),
        "rejected": lambda: Script().submit("a").begin().end(REFUSED),
        "cancelled": lambda: Script().submit("a").cancel(),
    }[end]()
    assert script.state() == "closed"
    assert script.lane.rest_until_ms is None


def test_a_contended_confirmation_rests_unless_the_record_moved() -> None:
    script = unresolved("old").at(70).submit().begin(None).end(ACCEPTED).event()
    assert script.end_of() == "confirmed contended"
    assert script.lane.rest_until_ms is not None
    script = unresolved("old").at(70).submit().begin("p1").end(ACCEPTED).event().read("p2")
    assert script.end_of() == "confirmed contended"
    assert script.lane.rest_until_ms is None, "nothing of it can come any more but an event"


def test_it_rests_where_the_attempt_was_not_accepted() -> None:
    script = unresolved("old").at(70).submit().begin("p1").end(TIMED_OUT).event().read("p2")
    assert script.end_of() == "confirmed contended"
    assert script.lane.rest_until_ms is not None


def test_a_close_announces_and_says_how_long_the_file_is_kept() -> None:
    script = accepted().event()
    assert script.effect(Announce)[0].version == script.of().version
    (release,) = script.effect(ReleaseFile)
    assert release.at_ms == script.now == script.of().keep_file_until_ms
    assert script.of().file.name == ""


@pytest.mark.parametrize(("path", "kept"), [("p1", True), ("p0", True)])
def test_the_file_of_an_unresolved_one_is_kept_for_a_retry(path: str, kept: bool) -> None:
    script = accepted().at(31).time().read(path)
    until = script.of().keep_file_until_ms
    assert until is not None
    assert (until == script.now + Policy().keep_unresolved_ms) is kept


def test_the_file_of_an_undelivered_one_is_kept_and_of_a_presumed_one_is_not() -> None:
    short = replace(Policy(), deliver_within_ms=5_000)
    script = Script(short).submit().at(5).time()
    assert script.end_of() == "undelivered"
    assert script.of().keep_file_until_ms == script.now + short.keep_unresolved_ms
    presumed = accepted().at(2).deaf().at(3).listening().at(31).time().read("p1")
    assert presumed.end_of() == "presumed exclusive"
    assert presumed.of().keep_file_until_ms == presumed.now
