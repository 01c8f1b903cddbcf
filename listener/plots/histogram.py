"""How often a value lay where: columns over bins that grow alike, with marks at some values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from .figure import Words, frame, label, length, share, x_axis, y_axis
from .palette import Tone
from .scales import number, round_edges

HEIGHT = 132
ROW = 15
MOST_BINS = 60
MOST_MARKS = 4


@dataclass(frozen=True, slots=True)
class Bin:
    """``count`` values from ``low`` on, below ``high``; both positive."""

    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A value of its own: a percentile, a limit."""

    value: float
    text: str


def histogram(
    words: Words,
    bins: Sequence[Bin],
    *,
    shown: Callable[[float], str],
    marks: Sequence[Mark] = (),
    tone: Tone = Tone.GOOD,
) -> str:
    """``bins`` follow one another, each as wide as the others; too many are laid together.
    ``shown`` names a value of the axis."""
    bins = _few(bins)
    marks = marks[:MOST_MARKS]
    top = ROW * len(marks) + 16
    bottom = top + HEIGHT
    most = max((one.count for one in bins), default=0)
    edges = [*(one.low for one in bins), *(one.high for one in bins[-1:])]
    ticks = [(i / len(bins), shown(edge)) for i, edge in round_edges(edges)] if bins else []
    body = [*y_axis(most, number(most), top, bottom), *x_axis(ticks, bottom, bottom + 4)]
    body += _columns(bins, most, bottom, tone, shown)
    body += _marks(marks, edges, top, bottom)
    return frame(words, bottom + 20, body)


def _few(bins: Sequence[Bin]) -> Sequence[Bin]:
    together = math.ceil(len(bins) / MOST_BINS)
    if together <= 1:
        return bins
    groups = [bins[i : i + together] for i in range(0, len(bins), together)]
    return [Bin(g[0].low, g[-1].high, sum(one.count for one in g)) for g in groups]


def _columns(
    bins: Sequence[Bin], most: int, bottom: float, tone: Tone, shown: Callable[[float], str]
) -> Iterator[str]:
    width = share(0.86, len(bins))
    yield f'<g class="{tone}">'
    for place, one in enumerate(bins):
        if one.count <= 0:
            continue
        height = max(1.5, HEIGHT * one.count / most)
        told = f"{shown(one.low)} to {shown(one.high)}: {number(one.count)}"
        yield (
            f'<rect x="{share(place + 0.07, len(bins))}" y="{length(bottom - height)}" '
            f'width="{width}" height="{length(height)}" rx="1"><title>{label(told)}</title></rect>'
        )
    yield "</g>"


def _marks(
    marks: Sequence[Mark], edges: Sequence[float], top: float, bottom: float
) -> Iterator[str]:
    for row, mark in enumerate(marks):
        at = _place(mark.value, edges)
        x, y = share(at, 1), ROW * row + 11
        anchor, dx = ('"ink end"', -5) if at > 0.8 else ('"ink"', 5)
        yield (
            f'<line class="mark" x1="{x}" x2="{x}" y1="{y - 9}" y2="{length(bottom)}"/>'
            f'<text class={anchor} x="{x}" dx="{dx}" y="{y}">{label(mark.text)}</text>'
        )


def _place(value: float, edges: Sequence[float]) -> float:
    """Where on the axis, from 0 to 1: between two edges by the logarithm."""
    if not edges or value <= edges[0]:
        return 0.0
    for i, (low, high) in enumerate(pairwise(edges)):
        if value < high:
            return (i + math.log(value / low) / math.log(high / low)) / (len(edges) - 1)
    return 1.0
