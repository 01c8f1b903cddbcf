"""Amounts over time: columns that stand on one another, or lines."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .figure import Words, frame, label, share, x_axis, y_axis
from .palette import Tone
from .scales import number, time_ticks

HEIGHT = 120
TOP = 34
MOST_POINTS = 90
MOST_TRACKS = 4


@dataclass(frozen=True, slots=True)
class Track:
    """One value for each step of the axis; None: not known."""

    label: str
    values: Sequence[float | None]
    tone: Tone = Tone.PLAIN


def series(
    words: Words,
    start_ms: float,
    end_ms: float,
    tracks: Sequence[Track],
    *,
    lines: bool = False,
    shown: Callable[[float], str] = number,
) -> str:
    """The axis from ``start_ms`` to ``end_ms``, in as many steps as each track has values. Of very
    many, neighbours are taken together: added up as columns, the greatest as lines. ``shown`` names
    the greatest value. Tracks beyond the fourth are left out."""
    tracks = [_few(track, lines) for track in tracks[:MOST_TRACKS]]
    steps = max((len(track.values) for track in tracks), default=0)
    most = _most(tracks, steps, lines)
    bottom = TOP + HEIGHT
    body = [*_legend(tracks), *y_axis(most, shown(most), TOP, bottom)]
    body += x_axis(time_ticks(start_ms, end_ms), bottom, bottom + 4)
    if steps and most > 0:
        body.append(
            f'<svg x="0" y="{TOP}" width="100%" height="{HEIGHT}" viewBox="0 0 {steps} {HEIGHT}" '
            'preserveAspectRatio="none">'
        )
        body += _lines(tracks, most) if lines else _columns(tracks, steps, most)
        body.append("</svg>")
    return frame(words, bottom + 20, body)


def _few(track: Track, lines: bool) -> Track:
    together = math.ceil(len(track.values) / MOST_POINTS)
    if together <= 1:
        return track
    groups = [track.values[i : i + together] for i in range(0, len(track.values), together)]
    known = [[value for value in group if value is not None] for group in groups]
    merge: Callable[[list[float]], float] = max if lines else sum
    return Track(track.label, [merge(group) if group else None for group in known], track.tone)


def _value(track: Track, step: int) -> float:
    value = track.values[step] if step < len(track.values) else None
    return 0.0 if value is None else max(0.0, value)


def _most(tracks: Sequence[Track], steps: int, lines: bool) -> float:
    merge: Callable[[Sequence[float]], float] = max if lines else sum
    return max((merge([_value(t, step) for t in tracks]) for step in range(steps)), default=0.0)


def _legend(tracks: Sequence[Track]) -> Iterator[str]:
    for place, track in enumerate(tracks):
        x = share(place, len(tracks))
        yield (
            f'<rect class="{track.tone}" x="{x}" y="2" width="9" height="9" rx="2"/>'
            f'<text class="ink" x="{x}" dx="14" y="11">{label(track.label)}</text>'
        )


def _columns(tracks: Sequence[Track], steps: int, most: float) -> Iterator[str]:
    floor = [0.0] * steps
    for track in tracks:
        path = []
        for step in range(steps):
            if value := _value(track, step):
                low = HEIGHT * (1 - floor[step] / most)
                floor[step] += value
                high = min(low - 0.8, HEIGHT * (1 - floor[step] / most))
                path.append(f"M{step}.1 {low:.1f}V{high:.1f}h.8V{low:.1f}z")
        if path:
            yield f'<path class="{track.tone}" d="{"".join(path)}"/>'


def _lines(tracks: Sequence[Track], most: float) -> Iterator[str]:
    for track in tracks:
        path, pen = [], "M"
        for step, value in enumerate(track.values):
            if value is None:
                pen = "M"
                continue
            y = f"{HEIGHT * (1 - max(0.0, value) / most):.1f}"
            path.append(f"{pen}{step} {y}h1")
            pen = "L"
        if path:
            yield f'<path class="line {track.tone}" d="{"".join(path)}"/>'
