"""What stands of one submission and its lane, asked directly where no schedule asks it alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from listener.core.policy import Policy
from listener.core.standing import (
    baseline_of,
    contended,
    due_ms,
    first_sent,
    forget_ms,
    head,
    in_flight,
    last_end_ms,
    next_enquiry_ms,
    owner_candidate,
    sendable,
)

from .script import NOT_SENT, TIMED_OUT, Script, accepted, in_doubt, unresolved

POLICY = Policy()


def test_the_attempt_under_way_is_the_first_if_none_before_it_was_sent() -> None:
    script = Script().submit().begin("p0").end(NOT_SENT).at(5).begin("p1")
    first = first_sent(script.of())
    assert first is not None and first.number == 2
    baseline = baseline_of(script.of())
    assert baseline is not None and baseline.path_digest == "p1"
    assert last_end_ms(script.of()) == script.now, "it began now, and goes on"
    assert last_end_ms(script.at(7).end(TIMED_OUT).of()) == script.now


def test_an_attempt_that_was_not_sent_is_none() -> None:
    script = Script().submit().begin("p0").end(NOT_SENT)
    assert first_sent(script.of()) is None
    assert baseline_of(script.of()) is None


def test_what_was_never_sent_owns_nothing_for_sure() -> None:
    script = Script().submit()
    assert contended(script.lane, script.of(), script.now, POLICY) is True


def test_a_contended_attempt_contends_whatever_else_is_remembered() -> None:
    script = accepted()
    plain = script.of()
    assert not contended(script.lane, plain, script.now, POLICY)
    marked = replace(plain, attempts=(replace(plain.attempts[0], contended=True),))
    assert contended(script.lane, marked, script.now, POLICY) is True


def test_in_doubt_the_record_is_read_at_each_mark_and_when_settled_and_at_the_deadline() -> None:
    policy = Policy(settle_ms=40_000, confirm_timeout_ms=50_000)
    script = in_doubt(policy=policy)
    marks = []
    now = script.now
    for _ in range(5):
        now = next_enquiry_ms(script.of(), now, policy)
        marks.append((now - script.now) // 1000)
    assert marks == [2, 5, 15, 40, 50]
    assert next_enquiry_ms(script.of(), now, policy) == now + policy.backoff_ms(1)


def test_accepted_it_is_read_at_the_deadline_alone_and_then_with_backoff() -> None:
    script = accepted()
    assert next_enquiry_ms(script.of(), script.now, POLICY) == script.now + 30_000
    late = replace(script.of(), enquiries=3)
    assert next_enquiry_ms(late, script.now + 30_000, POLICY) == script.now + 30_000 + 8_000


def test_a_candidate_makes_it_be_read_with_backoff_before_the_deadline() -> None:
    script = unresolved("old").at(70).submit().begin("p1").end(TIMED_OUT).event()
    assert script.of().candidates
    waits = [
        next_enquiry_ms(replace(script.of(), enquiries=count), script.now, POLICY) - script.now
        for count in range(6)
    ]
    assert waits == [1_000, 2_000, 2_000, 2_000, 2_000, 2_000], "the mark at 2 s comes first"


# --------------------------------------------------------------------------------- who, and when


def test_in_flight_and_to_be_sent_there_is_one_at_most() -> None:
    script = Script().submit("a").submit("b")
    assert in_flight(script.lane) is None and owner_candidate(script.lane) is None
    assert head(script.lane) == script.of("a") == sendable(script.lane, script.now)
    script.begin("p0", "a")
    assert in_flight(script.lane) == script.of("a") == owner_candidate(script.lane)
    assert head(script.lane) is None is sendable(script.lane, script.now)
    script.end(NOT_SENT, "a")
    assert in_flight(script.lane) is None and owner_candidate(script.lane) is None
    assert head(script.lane) == script.of("a")
    assert sendable(script.lane, script.now + 999) is None
    assert sendable(script.lane, script.now + 1_000) == script.of("a")


def test_one_to_be_sent_again_owns_events_before_younger_ones() -> None:
    script = in_doubt().submit("b").at(31).time().read("p0")
    assert in_flight(script.lane) is None
    assert owner_candidate(script.lane) == script.of("a") == head(script.lane)
    cancelled = replace(script.lane.submissions[0], cancel_requested=True)
    lane = replace(script.lane, submissions=(cancelled, *script.lane.submissions[1:]))
    assert sendable(lane, script.now) is None
    assert sendable(replace(script.lane, rest_until_ms=script.now), script.now) is None


def test_a_lane_with_nothing_in_it_is_due_never() -> None:
    assert Script().due_s is None
    assert unresolved().due_s == 31 + 86_400, "when it is forgotten"


@pytest.mark.parametrize(
    ("play", "due_s"),
    [
        (lambda: Script().submit(), 86_400),
        (lambda: Script().submit().begin("p0"), None),
        (lambda: Script().submit().begin("p0").end(NOT_SENT), 1),
        (lambda: Script().submit().begin("p0").end(NOT_SENT).at(1), 86_400),
        (lambda: accepted(), 31),
        (lambda: in_doubt(), 3),
        (lambda: in_doubt().at(31).time().read("p0"), 3_601),
        (lambda: in_doubt().at(31).time().read("p0").awaited().cancel(), 31.001),
        (lambda: accepted().at(31).time().read("p1"), 61),
        (lambda: unresolved("old").at(86_425).submit().begin("p1").end(TIMED_OUT), 86_427),
        (lambda: unresolved("old").at(86_430).submit().begin("p1").end(TIMED_OUT), 86_431),
    ],
)
def test_when_a_lane_wants_to_be_told_of_time(
    play: Callable[[], Script], due_s: float | None
) -> None:
    assert play().due_s == due_s


def test_a_review_is_due_before_the_rest_it_belongs_to_or_without_one() -> None:
    script = accepted().at(31).time().read("p1")
    reviewed = replace(script.lane, review_ms=script.after(5))
    assert due_ms(reviewed, script.now, POLICY) == script.after(5)
    resting = replace(script.lane, review_ms=None)
    assert due_ms(resting, script.now, POLICY) == script.after(30)
    busy = accepted()
    waits = replace(busy.lane, review_ms=busy.now, rest_until_ms=busy.now)
    assert due_ms(waits, busy.now, POLICY) == busy.after(30), "not while one is in flight"


def test_what_was_never_sent_is_forgotten_at_its_close() -> None:
    script = Script().submit()
    assert forget_ms(script.of(), POLICY) is None
    script.at(3).cancel()
    assert forget_ms(script.of(), POLICY) == script.now
    script = accepted().at(2).cancel()
    assert forget_ms(script.of(), POLICY) == script.now + 86_400_000
