"""Plots of block characters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

from listener.plots import Bin, Span, Tone, brief, number, round_edges

HEIGHT = 6
_EIGHTHS = " ▁▂▃▄▅▆▇█"
_PARTS = " ▏▎▍▌▋▊▉█"


def bar(share: float, width: int) -> str:
    """A bar of that share of the width; what is there at all can be seen."""
    eighths = round(min(1.0, max(0.0, share)) * width * 8)
    if share > 0:
        eighths = max(1, eighths)
    return "█" * (eighths // 8) + _PARTS[eighths % 8].strip()


def spark(values: Sequence[float]) -> str:
    """One line, as high as the values."""
    most = max(values, default=0)
    if most <= 0:
        return "·" * len(values)
    return "".join(
        "·" if value <= 0 else _EIGHTHS[max(1, math.ceil(8 * value / most))] for value in values
    )


def spread(
    values: Sequence[float], start: float, end: float, low: float, high: float, width: int
) -> list[float]:
    """Amounts of equal steps from ``start`` to ``end`` over the cells from ``low`` to ``high``."""
    cells = [0.0] * width
    step = (end - start) / len(values) if values else 0.0
    for place, value in enumerate(values):
        middle = start + step * (place + 0.5)
        share = (middle - low) / (high - low) if high > low else 0.0
        cells[min(width - 1, max(0, int(share * width)))] += value
    return cells


def columns(bins: Sequence[Bin], width: int) -> list[str]:
    """A histogram: its columns, its axis, and what stands below that."""
    if not bins:
        return []
    each = max(1, min(4, width // len(bins)))
    most = max(one.count for one in bins)
    gutter = len(number(most)) + 1
    lines = []
    for row in range(HEIGHT, 0, -1):
        cells = []
        for one in bins:
            eighths = 8 * HEIGHT * one.count / most - 8 * (row - 1)
            least = 1 if row == 1 and one.count else 0
            mark = _EIGHTHS[min(8, max(least, math.floor(eighths)))]
            cells.append(mark * each if each < 3 else mark * (each - 1) + " ")
        head = number(most) if row == HEIGHT else ""
        lines.append(f"{head:>{gutter - 1}} {''.join(cells)}".rstrip())
    labels = [" "] * (each * len(bins) + 12)
    edges = [*(one.low for one in bins), bins[-1].high]
    free = 0
    for place, edge in round_edges(edges):
        name, at = brief(edge), each * place
        if at >= free:
            labels[at : at + len(name)] = name
            free = at + len(name) + 1
    rule = "─" * (each * len(bins))
    below = "".join(labels).rstrip()
    return [*lines, f"{'':>{gutter}}{rule}", f"{'':>{gutter}}{below}"]


def lane(
    spans: Sequence[Span], start: float, end: float, width: int
) -> list[tuple[str, Tone | None]]:
    """(marks, tone) from left to right: a lane of the timeline, with what lasted drawn on it."""
    cells: list[Tone | None] = [None] * width
    whole = max(1.0, end - start)
    for span in spans:
        until = end if span.end_ms is None else span.end_ms
        first = int(width * (span.start_ms - start) / whole)
        last = math.ceil(width * (until - start) / whole)
        for place in range(max(0, min(width - 1, first)), min(width, max(last, first + 1))):
            cells[place] = span.tone
    return [
        (("·" if tone is None else "█") * len(list(some)), tone) for tone, some in groupby(cells)
    ]


def axis(left: str, right: str, width: int) -> str:
    """What stands at both ends."""
    return left + right.rjust(width - len(left))
