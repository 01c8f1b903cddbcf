"""How submissions ended: each once, by the newest word on it, in whatever order the lines come."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.report import figures
from listener.report.endings import KINDS, Endings, Lately
from listener.report.reading import Window

from .script import ID, NOON, accepted, account, closed, corrected, reattributed

Told = list[tuple[str, int, int, int]]


def told(lines: list[bytes], window: Window | None = None) -> Told:
    """(outcome, count, late, contended)."""
    rows = figures.outcomes(account(lines, window))
    return [(row.outcome, row.count, row.late, row.contended) for row in rows]


def test_each_close_counts_by_its_outcome() -> None:
    lines = [accepted(n) for n in range(5)]
    lines += [closed(0, "confirmed"), closed(1, "confirmed", attribution="contended")]
    lines += [closed(2, "unconfirmed", reason="listened_record_moved"), closed(3, "superseded")]
    found = account(lines)
    assert told(lines) == [
        ("confirmed", 2, 0, 1),
        ("unconfirmed", 1, 0, 0),
        ("superseded", 1, 0, 0),
    ]
    assert found.endings.accepted == 5
    assert list(found.endings.open) == [ID.format(4)]
    assert figures.evidence(found) == [("confirmed", "event", 2)]


def test_what_was_accepted_before_the_log_closes_in_it() -> None:
    assert told([closed(1, "confirmed")]) == [("confirmed", 1, 0, 0)]


def test_a_close_that_is_told_again_counts_once() -> None:
    lines = [closed(1, "confirmed"), closed(1, "confirmed", at_s=60, repeated=True)]
    found = account(lines)
    assert told(lines) == [("confirmed", 1, 0, 0)]
    assert found.endings.repeats == 1
    assert found.endings.confirm.count == found.endings.total.count == 1


def test_a_close_whose_first_line_a_crash_took_counts_by_the_second() -> None:
    assert told([accepted(1), closed(1, "confirmed", repeated=True)]) == [("confirmed", 1, 0, 0)]


def test_what_was_sent_again_and_is_settled_calls_for_nobody() -> None:
    lines = [
        closed(1, "unconfirmed", reason="listened_record_moved"),
        closed(2, "not_dispatched", retry_of=ID.format(1)),
        closed(3, "rejected", at_s=3),
        closed(4, "cancelled", at_s=4, retry_of=ID.format(3)),
    ]

    def calling(*more: bytes) -> tuple[list[str], int]:
        endings = account([*lines, *more]).endings
        return sorted(case.submission_id[-1] for case in endings.doubtful()), endings.sent_again()

    assert calling() == (["1", "2", "3"], 0)
    assert calling(closed(5, "presumed", retry_of=ID.format(2))) == (["3"], 2)
    late = corrected(5, "unconfirmed", "confirmed", retry_of=ID.format(2))
    assert calling(closed(5, "unconfirmed", retry_of=ID.format(2)), late) == (["3"], 2)


def test_a_correction_replaces_the_outcome() -> None:
    first = closed(1, "unconfirmed", reason="listened_record_moved")
    lines = [first, corrected(1, "unconfirmed", "confirmed")]
    found = account(lines)
    assert told(lines) == [("confirmed", 1, 1, 0)]
    assert found.endings.corrections == {("unconfirmed", "confirmed"): 1}
    assert found.endings.confirm.count == 1
    assert found.endings.doubtful() == []
    (case,) = found.endings.slowest()
    assert (case.outcome, case.reason, case.confirm_ms) == ("confirmed", "", 250)


def test_told_again_after_its_correction_the_correction_holds() -> None:
    """A crash can take the line of a correction; the close is then told again as corrected."""
    first = closed(1, "unconfirmed", version=5)
    again = closed(1, "confirmed", at_s=99, version=7, late=True, repeated=True)
    old = closed(1, "unconfirmed", at_s=99, version=5, repeated=True)
    late = corrected(1, "unconfirmed", "confirmed", version=7)
    for lines in ([first, again], [first, late, again], [first, late, old], [old, late, first]):
        assert told(lines) == [("confirmed", 1, 1, 0)]


def test_corrected_in_the_decision_that_closed_it() -> None:
    lines = [
        closed(1, "unconfirmed", version=5),
        corrected(1, "unconfirmed", "confirmed", version=5),
    ]
    assert told(lines) == told(lines[::-1]) == [("confirmed", 1, 1, 0)]


@pytest.mark.parametrize("version", [7, None])
def test_another_attribution(version: int | None) -> None:
    lines = [closed(1, "confirmed"), reattributed(1, version=version)]
    assert told(lines) == [("confirmed", 1, 0, 1)]


def test_a_correction_that_is_newer_than_the_attribution_has_its_own() -> None:
    lines = [
        closed(1, "confirmed", version=4),
        reattributed(1, version=5),
        corrected(1, "confirmed", "confirmed", version=6, attribution="exclusive"),
    ]
    assert told(lines) == [("confirmed", 1, 1, 0)]


def test_corrected_in_the_log_and_closed_before_it() -> None:
    found = account([corrected(1, "unconfirmed", "confirmed"), closed(2, "confirmed")])
    assert figures.closed(found) == 1
    assert sum(found.endings.elsewhere().values()) == 1
    assert found.endings.confirm.count == 1


def test_of_a_window_what_closes_in_it() -> None:
    lines = [
        closed(1, "unconfirmed", at_s=1),
        closed(2, "unconfirmed", at_s=5),
        closed(3, "confirmed", at_s=9),
        corrected(1, "unconfirmed", "confirmed", at_s=6),
        corrected(2, "unconfirmed", "presumed", at_s=7),
        corrected(2, "presumed", "confirmed", at_s=20, version=9),
    ]
    assert told(lines, Window(NOON + 5_000, NOON + 9_000)) == [("presumed", 1, 0, 0)]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["confirmed", "unconfirmed", "rejected"]),
            st.booleans(),
            st.booleans(),
            st.integers(0, 2),
        ),
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_the_order_of_the_lines_says_nothing(
    lives: list[tuple[str, bool, bool, int]], chance: random.Random
) -> None:
    lines, true = [], Counter[tuple[str, bool]]()
    for number, (outcome, late, contended, repeats) in enumerate(lives):
        lines += [accepted(number), closed(number, outcome)]
        last, version = closed(number, outcome, at_s=80, repeated=True), 4
        if late and outcome == "unconfirmed":
            lines.append(corrected(number, outcome, "confirmed"))
            outcome, version = "confirmed", 6
            last = closed(number, "confirmed", at_s=80, version=6, late=True, repeated=True)
        if contended and outcome == "confirmed":
            lines.append(reattributed(number, version=version + 1))
        lines += [last] * repeats
        true[outcome, contended and outcome == "confirmed"] += 1
    chance.shuffle(lines)
    found = account(lines)
    seen = Counter[tuple[str, bool]]()
    for ending, n in found.endings.endings().items():
        seen[ending.outcome, ending.attribution == "contended"] += n
    assert seen == true
    assert found.endings.open == {}
    assert not found.endings.elsewhere()
    assert found.endings.confirm.count == sum(n for (o, _), n in true.items() if o == "confirmed")
    assert found.endings.accepted == found.endings.total.count == len(lives)


def test_what_is_remembered_is_bounded_and_what_was_forgotten_is_told() -> None:
    found = account([])
    found.endings = Endings(remembered=10)
    lines = [closed(n, "unconfirmed") for n in range(35)]
    lines += [corrected(n, "unconfirmed", "confirmed") for n in (0, 34)]
    from listener.report.account import give

    from .script import sources

    give(sources(b"\n".join(lines)), Window(), [found.endings])
    assert found.endings.forgotten > 0
    assert [(row.outcome, row.count) for row in figures.outcomes(found)] == [
        ("confirmed", 1),
        ("unconfirmed", 34),
    ]
    assert sum(found.endings.elsewhere().values()) == 1


@given(st.integers(1, 20), st.lists(st.integers(0, 40), max_size=150))
def test_at_least_the_last_so_many_are_remembered_and_at_most_twice_that(
    least: int, names: list[int]
) -> None:
    memory: Lately[int] = Lately(least)
    for place, name in enumerate(names):
        memory.put(str(name), place)
        recent = list(dict.fromkeys(reversed(names[: place + 1])))[:least]
        newest = {one: len(names[: place + 1]) - 1 - names[place::-1].index(one) for one in recent}
        assert {one: memory.get(str(one)) for one in recent} == newest
        assert sum(memory.get(str(one)) is not None for one in range(41)) <= 2 * least


def test_a_flood_of_ways_to_end_keeps_their_outcomes_apart() -> None:
    lines = [closed(n, "rejected", reason=f"r{n}") for n in range(KINDS + 500)]
    found = account(lines)
    assert figures.closed(found) == KINDS + 500
    assert len(found.endings.endings()) <= KINDS + 1
