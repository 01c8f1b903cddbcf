"""Readings held against one another, and the time spent deaf."""

from __future__ import annotations

import pytest

from listener.core.evidence import Gap, Hearing, Reading, compare, newly_processing
from listener.core.names import Millis, Movement, UpstreamJob


def reading(path: str | None, status: str | None = None, enhance: str | None = None) -> Reading:
    return Reading(Millis(1), known=True, path_digest=path, status=status, enhance_status=enhance)


UNREAD = Reading(Millis(1), known=False, detail="read_timeout")


@pytest.mark.parametrize(
    ("baseline", "later", "movement"),
    [
        (None, reading("p1", "processing"), Movement.INCOMPARABLE),
        (None, UNREAD, Movement.INCOMPARABLE),
        (UNREAD, reading("p1"), Movement.INCOMPARABLE),
        (reading("p0"), UNREAD, Movement.UNKNOWN),
        (reading("p0"), reading("p1"), Movement.MOVED),
        (reading("p0"), reading("p0"), Movement.UNMOVED),
        (reading("p0"), reading(None), Movement.INCOMPARABLE),
        (reading(None), reading("p0"), Movement.INCOMPARABLE),
        (reading(None), reading(None), Movement.INCOMPARABLE),
        (reading("p0", "ready"), reading("p0", "processing"), Movement.MOVED),
        (reading("p0", None, "ready"), reading("p0", None, "processing"), Movement.MOVED),
        (reading(None, "ready"), reading(None, "processing"), Movement.MOVED),
        (reading("p0", "processing"), reading("p0", "processing"), Movement.UNMOVED),
        (reading("p0", "processing"), reading("p0", "ready"), Movement.UNMOVED),
        (reading("p0"), reading("p0", "processing"), Movement.UNMOVED),
    ],
)
def test_a_later_reading_is_held_against_the_baseline(
    baseline: Reading | None, later: Reading, movement: Movement
) -> None:
    assert compare(baseline, later) is movement


@pytest.mark.parametrize(
    ("before", "after", "newly"),
    [
        ("ready", "processing", True),
        ("processing", "processing", False),
        ("ready", "ready", False),
        ("ready", "draft", False),
        ("processing", "ready", False),
        (None, "processing", False),
        ("ready", None, False),
    ],
)
def test_either_status_can_become_processing(
    before: str | None, after: str | None, newly: bool
) -> None:
    assert newly_processing(reading(None, before), reading(None, after)) is newly
    assert newly_processing(reading(None, None, before), reading(None, None, after)) is newly


def test_each_job_has_its_own_word() -> None:
    words = reading(None, "s", "e")
    assert words.job_status(UpstreamJob.ENHANCEMENT) == "e"
    assert words.job_status(UpstreamJob.ANALYSIS) == "s"


# ------------------------------------------------------------------------------------------- deaf


def deaf(*gaps: tuple[int, int | None]) -> Hearing:
    return Hearing(
        listening=True,
        gaps=tuple(Gap(Millis(start), None if end is None else Millis(end)) for start, end in gaps),
    )


@pytest.mark.parametrize(
    ("gaps", "covered"),
    [
        ([], 0),
        ([(0, 10)], 0),
        ([(0, 12)], 2),
        ([(12, 15)], 3),
        ([(18, 25)], 2),
        ([(20, 25)], 0),
        ([(5, 30)], 10),
        ([(15, None)], 5),
        ([(25, None)], 0),
        ([(11, 12), (14, 16), (19, None)], 4),
    ],
)
def test_deaf_time_is_what_gaps_cover_of_the_window(
    gaps: list[tuple[int, int | None]], covered: int
) -> None:
    assert deaf(*gaps).deaf_ms(10, 20) == covered


@pytest.mark.parametrize(
    ("gap", "touches"),
    [
        ((0, 9), False),
        ((0, 10), True),
        ((10, 10), True),
        ((15, 15), True),
        ((20, 25), True),
        ((21, 25), False),
        ((20, None), True),
        ((21, None), False),
        ((0, None), True),
    ],
)
def test_a_gap_that_touches_the_window_makes_it_deaf(
    gap: tuple[int, int | None], touches: bool
) -> None:
    assert deaf(gap).deaf_within(10, 20) is touches
    assert deaf((0, 1), gap).deaf_within(10, 20) is touches, "whichever gap it is"


def test_if_recovered_the_open_gap_alone_is_none() -> None:
    assert deaf((1, 2), (3, None)).if_recovered() == deaf((1, 2))
    silent = Hearing(listening=False, settled=False, gaps=(Gap(Millis(3)),))
    assert silent.if_recovered() == Hearing(listening=False, settled=False)
