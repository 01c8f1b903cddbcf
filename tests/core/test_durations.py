"""Times as people read them."""

from __future__ import annotations

import pytest

from listener.core.durations import clock, lasting, since, when

NOW = 1_700_000_000_000


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (1, "0.01 s"),
        (270, "0.27 s"),
        (999, "1.00 s"),
        (1_000, "1.0 s"),
        (9_999, "9.9 s"),
        (10_000, "10 s"),
        (59_999, "59 s"),
        (60_000, "1 min 00 s"),
        (3_599_999, "59 min 59 s"),
        (3_600_000, "1 h 00 min"),
        (86_399_999, "23 h 59 min"),
        (86_400_000, "1 d 0 h"),
        (273_600_000, "3 d 4 h"),
    ],
)
def test_a_duration_has_two_figures_that_matter(ms: int, text: str) -> None:
    assert lasting(ms) == text


def test_a_moment_far_away_has_its_date() -> None:
    assert clock(NOW, NOW) == "22:13:20 UTC"
    assert clock(NOW + 43_200_000 - 1, NOW) == "10:13:19 UTC"
    assert clock(NOW + 43_200_000, NOW) == "2023-11-15 10:13:20 UTC"
    assert clock(NOW - 43_200_000, NOW) == "2023-11-14 10:13:20 UTC"


def test_a_moment_stands_with_its_distance() -> None:
    assert since(NOW - 12_000, NOW) == "for 12 s (since 22:13:08 UTC)"
    assert when(NOW + 17_000, NOW) == "at 22:13:37 UTC (in 17 s)"
    assert when(NOW - 17_000, NOW) == "at 22:13:03 UTC (17 s ago)"
    assert when(NOW + 499, NOW) == when(NOW - 499, NOW) == "now"
    assert when(NOW + 500, NOW) != "now"
