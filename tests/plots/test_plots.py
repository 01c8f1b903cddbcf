"""Plots: sound XML whatever they are given, small, told in words, and true to their numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from listener.core.names import Outcome
from listener.plots import (
    STYLE,
    Bar,
    Bin,
    Mark,
    Row,
    Span,
    Tone,
    Track,
    Words,
    bars,
    brief,
    duration,
    histogram,
    log_edges,
    number,
    series,
    time_ticks,
    timeline,
    tone_of,
)

SVG = "{http://www.w3.org/2000/svg}"
MOST_BYTES = 15_000
HOSTILE = "</title><script>alert(1)</script>\x1b[31m\x00\u202e\"'&" + "w" * 5_000
NOON = 1_769_860_800_000
HOUR = 3_600_000


def words(text: str = "as it is") -> Words:
    return Words("plot-1", text, text)


def parsed(svg: str) -> ElementTree.Element:
    """Sound, small, and harmless under a strict Content-Security-Policy."""
    assert len(svg.encode()) < MOST_BYTES
    root = ElementTree.fromstring(svg)  # noqa: S314 - our own text, and its soundness is the test
    for node in root.iter():
        assert node.tag.removeprefix(SVG) in {
            *("svg", "title", "desc", "g", "rect", "line", "path", "text"),
        }
        assert not [name for name in node.attrib if name == "style" or name.startswith("on")]
    return root


def rects(root: ElementTree.Element, tone: Tone) -> list[ElementTree.Element]:
    found = root.findall(f".//{SVG}rect[@class='{tone}']")
    return found + root.findall(f".//{SVG}g[@class='{tone}']/{SVG}rect")


def percent(node: ElementTree.Element, name: str) -> float:
    return float(node.attrib[name].removesuffix("%"))


def a_histogram(text: str, many: int) -> str:
    edges = log_edges(1, 10**15)[: many + 1]
    bins = [Bin(a, b, i) for i, (a, b) in enumerate(pairwise(edges))]
    marks = [Mark(value, text) for value in range(many)]
    return histogram(words(text), bins, shown=lambda value: f"{value}{text}", marks=marks)


def some_bars(text: str, many: int) -> str:
    return bars(words(text), [Bar(text, 10.0**n, Tone.BAD, text) for n in range(many)])


def a_timeline(text: str, many: int) -> str:
    spans = [Span(NOON + 997 * n, NOON + 997 * n + 90, Tone.BAD, text) for n in range(many)]
    rows = [Row(text, spans, text) for _ in range(many)]
    return timeline(words(text), NOON, NOON + 1_000 * many, rows)


def a_series(text: str, many: int) -> str:
    tracks = [Track(text, [n * 1.37 + 1e6 for n in range(many)]) for _ in range(many)]
    return series(words(text), NOON, NOON + HOUR, tracks, shown=lambda value: text)


def some_lines(text: str, many: int) -> str:
    tracks = [Track(text, [n / 7 if n % 3 else None for n in range(many)]) for _ in range(many)]
    return series(words(text), NOON, NOON + HOUR, tracks, lines=True)


EACH = pytest.mark.parametrize(
    "plot", [a_histogram, some_bars, a_timeline, a_series, some_lines], ids=lambda f: f.__name__
)


@EACH
@pytest.mark.parametrize("many", [0, 1, 3, 150])
@pytest.mark.parametrize(
    "text", [HOSTILE, '"' * 500, "\U0001f600" * 500], ids=["mixed", "quotes", "wide"]
)
def test_a_plot_is_small_sound_and_harmless(
    plot: Callable[[str, int], str], many: int, text: str
) -> None:
    root = parsed(plot(text, many))
    assert not [c for text in root.itertext() for c in text if not c.isprintable()]


@EACH
def test_a_plot_tells_in_words_what_it_shows(plot: Callable[[str, int], str]) -> None:
    root = parsed(plot("so it is", 5))
    assert root.attrib["role"] == "img"
    named = root.attrib["aria-labelledby"].split()
    ids = {node.attrib["id"]: node.text for node in root.iter() if "id" in node.attrib}
    assert [ids[name] for name in named] == ["so it is", "so it is"]


def test_a_plot_that_would_share_anothers_name_badly_is_refused() -> None:
    with pytest.raises(ValueError, match="name"):
        Words('x"><script>', "", "")


@given(
    st.lists(st.tuples(st.integers(0, 2**60), st.none() | st.integers(0, 2**60)), max_size=30),
    st.integers(0, 2**60),
    st.integers(0, 2**60),
)
@settings(max_examples=60)
def test_any_times_make_a_timeline(
    spans: list[tuple[int, int | None]], start: int, end: int
) -> None:
    root = parsed(timeline(words(), start, end, [Row("a", [Span(*span) for span in spans])]))
    for drawn in rects(root, Tone.BAD):
        assert 0 <= percent(drawn, "x") <= percent(drawn, "x") + percent(drawn, "width") <= 100.01


@given(st.lists(st.none() | st.floats(-1e18, 1e18), max_size=200), st.booleans())
@settings(max_examples=60)
def test_any_amounts_make_a_series(values: list[float | None], lines: bool) -> None:
    parsed(series(words(), NOON, NOON + HOUR, [Track("a", values)] * 4, lines=lines))


def test_columns_are_as_high_as_their_counts() -> None:
    bins = [Bin(1, 2, 10), Bin(2, 5, 0), Bin(5, 10, 40)]
    drawn = rects(parsed(histogram(words(), bins, shown=str)), Tone.GOOD)
    low, high = (float(one.attrib["height"]) for one in drawn)
    assert high == pytest.approx(4 * low)
    assert [percent(one, "x") < 34 for one in drawn] == [True, False]


def test_a_mark_stands_where_its_value_lies() -> None:
    bins = [Bin(1, 10, 1), Bin(10, 100, 1)]
    root = parsed(histogram(words(), bins, shown=str, marks=[Mark(31.6227766, "p50")]))
    assert [line.attrib["x1"] for line in root.findall(f"{SVG}line[@class='mark']")] == ["75%"]


def test_bars_are_as_long_as_their_values() -> None:
    root = parsed(bars(words(), [Bar("a", 50, Tone.GOOD), Bar("b", 0), Bar("c", 25, Tone.BAD)]))
    assert [percent(one, "width") for one in rects(root, Tone.GOOD)] == [100]
    assert [percent(one, "width") for one in rects(root, Tone.BAD)] == [50]
    assert rects(root, Tone.PLAIN) == []


def test_spans_lie_where_their_time_does() -> None:
    spans = [Span(NOON, NOON + HOUR), Span(NOON + 3 * HOUR, None), Span(NOON - HOUR, NOON - 1)]
    root = parsed(timeline(words(), NOON, NOON + 4 * HOUR, [Row("deaf", spans)]))
    drawn = [(percent(one, "x"), percent(one, "width")) for one in rects(root, Tone.BAD)]
    assert drawn == [(0, 25), (75, 25)]
    assert {"12:00", "13:00", "14:00", "15:00", "16:00"} <= set(root.itertext())


def test_a_moment_can_be_seen() -> None:
    root = parsed(timeline(words(), NOON, NOON + 24 * HOUR, [Row("a", [Span(NOON, NOON + 1)])]))
    assert [percent(one, "width") for one in rects(root, Tone.BAD)] == [0.3]


def test_what_is_known_of_a_line_is_drawn_and_no_more() -> None:
    root = parsed(
        series(words(), NOON, NOON + HOUR, [Track("a", [1, 2, None, None, 2])], lines=True)
    )
    (path,) = root.findall(f".//{SVG}path")
    assert path.attrib["d"] == "M0 60.0h1L1 0.0h1M4 0.0h1"


def test_columns_stand_on_one_another() -> None:
    tracks = [Track("a", [1, 1], Tone.GOOD), Track("b", [0, 3], Tone.BAD)]
    root = parsed(series(words(), NOON, NOON + HOUR, tracks))
    found = {p.attrib["class"]: p.attrib["d"] for p in root.findall(f".//{SVG}path")}
    assert found == {
        "good": "M0.1 120.0V90.0h.8V120.0zM1.1 120.0V90.0h.8V120.0z",
        "bad": "M1.1 90.0V0.0h.8V90.0z",
    }


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 ms"),
        (512.4, "512 ms"),
        (2_345, "2.35 s"),
        (12_345, "12.3 s"),
        (245_000, "4 min 05 s"),
        (11_100_000, "3 h 05 min"),
        (183_600_000, "2 d 03 h"),
        (10**12, "11,574 d 02 h"),
    ],
)
def test_durations(ms: float, text: str) -> None:
    assert duration(ms) == text


def test_durations_at_an_axis() -> None:
    told = [brief(ms) for ms in (0.5, 20, 1_000, 1_500, 90_000, 7_200_000)]
    assert told == ["0.5 ms", "20 ms", "1 s", "1.5 s", "1.5 min", "2 h"]


def test_numbers() -> None:
    told = [number(n) for n in (0, 7, 12_345, 1_234_567, 0.25, 3e13)]
    assert told == ["0", "7", "12,345", "1.2 M", "0.2", "30.0 T"]


def test_the_axis_of_time_is_labelled_at_round_moments() -> None:
    assert [text for _, text in time_ticks(NOON, NOON + 90_000)] == [
        *("12:00:00", "12:00:15", "12:00:30", "12:00:45", "12:01:00", "12:01:15", "12:01:30"),
    ]
    over_midnight = [text for _, text in time_ticks(NOON, NOON + 24 * HOUR)]
    assert over_midnight == ["12:00", "18:00", "02-01", "06:00", "12:00"]
    assert all(0 <= at <= 1 for at, _ in time_ticks(NOON + 7, NOON + 123_456_789))


def test_the_edges_of_bins_are_round_ones_among_others() -> None:
    edges = log_edges(90, 1_100)
    assert edges[0] <= 90
    assert edges[-1] >= 1_100
    assert {100.0, 200.0, 500.0, 1_000.0} <= set(edges)
    assert edges == sorted(set(edges))


@given(st.floats(1e-3, 1e12), st.floats(1, 1e6))
def test_the_edges_of_bins_enclose_what_lies_between(low: float, factor: float) -> None:
    edges = log_edges(low, low * factor)
    assert edges[0] <= low
    assert edges[-1] >= low * factor
    assert all(1.2 < b / a < 1.3 for a, b in pairwise(edges))


def test_both_palettes_have_every_tone() -> None:
    for tone in Tone:
        assert len(re.findall(rf"--plot-{tone}:#[0-9a-f]{{6}}", STYLE)) == 2
    assert {tone_of(word) for word in Outcome} == {*Tone} - {Tone.PLAIN}
    assert tone_of("unheard of") is Tone.BAD
