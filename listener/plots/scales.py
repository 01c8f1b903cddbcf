"""Numbers, durations and times in words, and where an axis is labelled."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
_STEPS = (
    *(1, 2, 5, 10, 20, 50, 100, 200, 500),
    *(SECOND * n for n in (1, 2, 5, 10, 15, 30)),
    *(MINUTE * n for n in (1, 2, 5, 10, 15, 30)),
    *(HOUR * n for n in (1, 2, 3, 6, 12)),
    *(DAY * n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)),
)
MOST_TICKS = 6
_LAST_MS = 253_402_300_799_999
"""The end of the year 9999: no calendar goes beyond."""


def number(value: float) -> str:
    """``1,234``; beyond six digits ``1.2 M``."""
    for unit, name in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if abs(value) >= unit:
            return f"{value / unit:.1f} {name}"
    whole = abs(value - round(value)) < 1e-9
    return f"{round(value):,}" if whole else f"{value:,.1f}"


def duration(ms: float) -> str:
    """``512 ms``, ``2.35 s``, ``12.3 s``, ``4 min 05 s``, ``3 h 05 min``, ``2 d 03 h``."""
    if ms < SECOND:
        return f"{round(ms)} ms"
    if ms < MINUTE:
        return f"{ms / SECOND:.2f} s" if ms < 10 * SECOND else f"{ms / SECOND:.1f} s"
    if (seconds := round(ms / SECOND)) < 3_600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    if (minutes := round(ms / MINUTE)) < 1_440:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = round(ms / HOUR)
    return f"{hours // 24:,} d {hours % 24:02d} h"


def brief(ms: float) -> str:
    """A round duration, at an axis: ``500 ms``, ``2 s``, ``1.5 min``, ``2 h``."""
    for unit, name in ((HOUR, "h"), (MINUTE, "min"), (SECOND, "s")):
        if ms >= unit:
            return f"{ms / unit:.3g} {name}"
    return f"{ms:.3g} ms"


def moment(at_ms: float) -> datetime:
    """In UTC; what lies outside the calendar is its end."""
    return datetime.fromtimestamp(min(max(at_ms, 0), _LAST_MS) / 1000, UTC)


def time_ticks(start_ms: float, end_ms: float, most: int = MOST_TICKS) -> list[tuple[float, str]]:
    """(share of the width, label) at round moments, UTC. A day is named where it begins."""
    span = end_ms - start_ms
    if not span > 0:
        return [(0.0, f"{moment(start_ms):%H:%M:%S}")]
    step = next((s for s in _STEPS if span / s <= most), _STEPS[-1])
    first = math.ceil(start_ms / step) * step
    count = min(most + 1, int((end_ms - first) // step) + 1)
    at = [first + step * n for n in range(count)]
    return [((one - start_ms) / span, _named(one, step)) for one in at]


def _named(at_ms: float, step: int) -> str:
    when = moment(at_ms)
    if step >= DAY:
        return f"{when:%Y-%m-%d}" if step > 30 * DAY else f"{when:%m-%d}"
    if at_ms % DAY == 0:
        return f"{when:%m-%d}"
    if step < SECOND:
        return f"{when:%H:%M:%S}.{when.microsecond // 1000:03d}"
    return f"{when:%H:%M:%S}" if step < MINUTE else f"{when:%H:%M}"


def log_edges(low: float, high: float) -> list[float]:
    """Edges of bins that grow alike, ten to a power of ten, from at or below ``low`` to at or above
    ``high``, both positive; two at least. Among them are 1, 2 and 5 times each power of ten: within
    three in a thousand they are such steps, and stand there as round numbers."""
    first = math.floor(math.log10(low) * 10 + 1e-9)
    last = max(first + 1, math.ceil(math.log10(high) * 10 - 1e-9))
    if _edge(first) > low:
        first -= 1
    if _edge(last) < high:
        last += 1
    return [_edge(step) for step in range(first, last + 1)]


def _edge(step: int) -> float:
    power, part = divmod(step, 10)
    return float(_ROUND.get(part, 10 ** (part / 10))) * 10.0**power


_ROUND = {0: 1, 3: 2, 7: 5}


def round_edges(edges: Sequence[float], most: int = MOST_TICKS) -> Iterator[tuple[int, float]]:
    """(its place, the edge) of those that are worth a label: powers of ten, and 2 and 5 times them
    where there is room."""
    for factors in ((1, 2, 5), (1, 5), (1,)):
        found = [(i, edge) for i, edge in enumerate(edges) if _leading(edge) in factors]
        if len(found) <= most:
            break
    every = max(1, math.ceil(len(found) / most))
    yield from found[::every]


def _leading(edge: float) -> int:
    """1, 2 or 5 where that, times a power of ten, is the edge; otherwise 0."""
    if edge <= 0:
        return 0
    power = math.floor(math.log10(edge) + 1e-9)
    digit = edge / 10.0**power
    return next((d for d in (1, 2, 5) if abs(digit - d) < 1e-6), 0)
