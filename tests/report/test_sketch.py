"""Much in little: within the stated error, bounded, and the same in any order."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.report.sketch import ERROR, GREATEST, Raster, Sketch, Top, union_ms

VALUES = st.lists(
    st.one_of(st.integers(0, 2_000), st.integers(0, GREATEST)), min_size=1, max_size=200
)


def sketch(values: list[int]) -> Sketch:
    found = Sketch()
    for value in values:
        found.add(value)
    return found


def told(found: Sketch) -> tuple[object, ...]:
    exact = (found.count, found.total, found.least, found.most)
    return (*exact, list(found.values()))


@given(VALUES, st.floats(0, 1))
def test_a_quantile_lies_within_the_error_of_the_value_of_its_rank(
    values: list[int], q: float
) -> None:
    true = sorted(values)[max(1, math.ceil(q * len(values))) - 1]
    found = sketch(values).quantile(q)
    assert found is not None
    assert abs(found - true) <= ERROR * true * (1 + 1e-9)


@given(VALUES, st.integers(0, 200), st.randoms(use_true_random=False))
def test_merged_in_any_order_it_is_the_same(
    values: list[int], cut: int, chance: random.Random
) -> None:
    whole = sketch(values)
    shuffled = values[:]
    chance.shuffle(shuffled)
    one, other = sketch(shuffled[:cut]), sketch(shuffled[cut:])
    other.merge(one)
    assert told(other) == told(whole)
    one.merge(sketch(shuffled[cut:]))
    assert told(one) == told(whole)


def test_nothing_has_no_quantile() -> None:
    assert Sketch().quantile(0.5) is None
    empty = Sketch()
    empty.merge(Sketch())
    assert told(empty) == (0, 0, 0, 0, [])


def test_it_is_bounded_whatever_it_is_given() -> None:
    found = sketch([round(1.001**n) for n in range(40_000)] + [-5, 10**30])
    assert len(list(found.values())) <= 1_400
    assert (found.least, found.most) == (0, GREATEST)


@given(st.lists(st.integers(0, 50), max_size=60), st.randoms(use_true_random=False))
def test_the_greatest_are_the_same_in_any_order(values: list[int], chance: random.Random) -> None:
    named = [(value, f"{n:03d}") for n, value in enumerate(values)]
    chance.shuffle(named)
    top: Top[str] = Top(5)
    for value, name in named + named:
        top.add(value, name, name)
    assert top.greatest() == [name for _, name in sorted(named, reverse=True)[:5]]


@given(
    st.lists(st.tuples(st.integers(0, 10**9), st.integers(1, 9)), min_size=1, max_size=60),
    st.randoms(use_true_random=False),
)
def test_amounts_over_time_are_all_there_in_few_steps_in_any_order(
    given_: list[tuple[int, int]], chance: random.Random
) -> None:
    rasters = []
    for _ in range(2):
        raster = Raster(2, most=10)
        for at_ms, amount in given_:
            raster.add(at_ms, 1, amount)
        low, high = min(given_)[0], max(given_)[0]
        over = raster.over(low, high)
        assert over.start_ms <= low <= high < over.end_ms
        assert len(over.columns[1]) == (over.end_ms - over.start_ms) // over.step_ms <= 20
        assert sum(filter(None, over.columns[1])) == sum(amount for _, amount in given_)
        assert not any(over.columns[0])
        rasters.append(over)
        chance.shuffle(given_)
    assert rasters[0] == rasters[1]


def test_the_greatest_amount_of_each_step() -> None:
    raster = Raster(1, merge=max)
    for at_ms, amount in ((0, 3), (10, 7), (20, 5), (5_000, 1)):
        raster.add(at_ms, 0, amount)
    assert raster.over(0, 5_000).columns == [[7, None, None, None, None, 1]]


def test_a_long_time_with_few_amounts_has_no_more_steps_for_that() -> None:
    raster = Raster(1, most=10)
    raster.add(5_000, 0)
    over = raster.over(0, 10**12)
    assert len(over.columns[0]) <= 20
    assert sum(filter(None, over.columns[0])) == 1


@pytest.mark.parametrize(
    ("spans", "ms"),
    [([], 0), ([(0, 5), (3, 9)], 9), ([(0, 9), (3, 5)], 9), ([(0, 2), (8, 9)], 3), ([(5, 1)], 0)],
)
def test_the_union_of_spans(spans: list[tuple[int, int]], ms: int) -> None:
    assert union_ms(iter(spans)) == ms
