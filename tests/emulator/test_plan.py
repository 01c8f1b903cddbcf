"""Plans and odds, as headers, flags and JSON give them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.core.wire import read_event
from listener.emulator.faultbook import ANY_CODE, FaultBook, Odds, read_odds
from listener.emulator.payloads import event_body, hostile_bodies
from listener.emulator.plan import FAULTS, Plan, PlanInvalid, fault, read_header, read_plan

CODE = "Cv9E#nH4$xTz8!pY2aW^mK6rL"


def test_a_header_begins_with_a_fault_and_changes_fields_of_it() -> None:
    plan = read_header("fault=error_after; times=2;event_first=yes ;payload=wrapped; omit=a,b")
    assert (plan.name, plan.answer, plan.apply) == ("error_after", "error", "before")
    assert (plan.times, plan.event_first, plan.payload) == (2, True, "wrapped")
    assert plan.omit == ("a", "b")


@pytest.mark.parametrize(
    "given",
    [
        {"fault": "no_such"},
        {"no_such": 1},
        {"answer": "shout"},
        {"times": 0},
        {"times": "many"},
        {"times": True},
        {"times": 1.5},
        {"event_first": "perhaps"},
        {"event_delay_ms": -2},
        {"event_delay_ms": 10**9},
        {"status": 99},
        {"omit": 7},
        {"name": 7},
        {"read_body": False},
    ],
)
def test_what_is_no_plan_says_what_was_expected(given: dict[str, object]) -> None:
    with pytest.raises(PlanInvalid, match="expected"):
        read_plan(given)


def test_a_header_without_pairs_is_no_plan() -> None:
    with pytest.raises(PlanInvalid, match="key=value"):
        read_header("reset_after")


@pytest.mark.parametrize(
    ("text", "odds"),
    [("no_event=5%", Odds(0.05)), ("no_event=0.5", Odds(0.5)), ("no_event=x3", Odds(first=3))],
)
def test_a_flag_is_a_chance_or_a_count(text: str, odds: Odds) -> None:
    assert read_odds(text) == ("no_event", odds)


@pytest.mark.parametrize(
    "text", ["no_event", "no_event=", "no_event=x", "no_event=x-1", "no_event=120%", "nothing=1"]
)
def test_what_is_no_flag_says_what_was_expected(text: str) -> None:
    with pytest.raises(PlanInvalid, match="expected"):
        read_odds(text)


def test_plans_of_a_code_queue_up_and_one_for_any_code_comes_after_them() -> None:
    book = FaultBook({}, seed=0)
    book.queue(ANY_CODE, fault("throttled"))
    book.queue("a", fault("no_event", times=2))
    book.queue("a", fault("get_error"))
    book.queue("a", fault("reset_after"))
    assert book.take("get", "a").name == "get_error"
    names = [book.take("post", "a").name for _ in range(5)]
    assert names == ["no_event", "no_event", "reset_after", "throttled", "none"]
    assert book.take("get", "b") == Plan(on="get")


def test_counts_strike_first_and_each_kind_of_request_has_its_own() -> None:
    book = FaultBook({"no_event": Odds(first=2), "get_error": Odds(first=1)}, seed=0)
    assert [book.take("post", "a").name for _ in range(3)] == ["no_event", "no_event", "none"]
    assert [book.take("get", "a").name for _ in range(2)] == ["get_error", "none"]


def test_a_seed_reproduces_and_a_chance_is_kept_to() -> None:
    odds = {"no_event": Odds(0.2), "reset_after": Odds(0.1), "get_error": Odds(0.9)}

    def drawn(seed: int) -> list[str]:
        book = FaultBook(odds, seed)
        return [book.take("post", "a").name for _ in range(2000)]

    assert drawn(7) == drawn(7) != drawn(8)
    assert 300 < drawn(7).count("no_event") < 500
    assert 130 < drawn(7).count("reset_after") < 270
    assert drawn(7).count("get_error") == 0


def test_clear_begins_the_draw_anew() -> None:
    book = FaultBook({"no_event": Odds(0.5), "two_events": Odds(first=1)}, seed=3)
    book.queue("a", fault("throttled"))
    first = [book.take("post", "b").name for _ in range(50)]
    book.clear()
    assert book.queued() == 0
    assert [book.take("post", "b").name for _ in range(50)] == first


@given(st.sampled_from(sorted(FAULTS)), st.integers(1, 99))
def test_every_fault_may_be_asked_for_by_name(name: str, times: int) -> None:
    plan = read_plan({"fault": name, "times": times})
    assert (plan.name, plan.times) == (name, times)


RECORD: dict[str, object] = {
    "cv_code": CODE,
    "cv_id": 456,
    "application_id": None,
    "cv_path": "cvs/1.pdf",
    "cv_data": {"name": "Ada"},
    "status": "processing",
    "cv_enhance_status": "processing",
}


@pytest.mark.parametrize("shape", ["plain", "wrapped", "minimal", "full", "reply"])
def test_a_careful_reader_finds_the_code_in_each_shape(shape: str) -> None:
    assert read_event([event_body(shape, RECORD, 0)]).code == CODE


def test_a_careful_reader_finds_it_in_no_hostile_body() -> None:
    bodies = hostile_bodies(CODE)
    assert [turn for turn, body in enumerate(bodies) if read_event([body]).code == CODE] == []
    assert event_body("hostile", RECORD, len(bodies) + 3) == bodies[3]
