"""What lasted from when to when: a lane a row over one axis of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .figure import Words, frame, label, length, share, x_axis
from .palette import Tone
from .scales import duration, moment, time_ticks

ROW = 40
MOST_ROWS = 10
MOST_SPANS = 48
"""On all lanes together: beyond, what lies close together is drawn as one."""
LEAST = 0.003
"""Of the width: a moment can be seen, too."""


@dataclass(frozen=True, slots=True)
class Span:
    """From ``start_ms`` to ``end_ms`` (since the Unix epoch); ``end_ms`` None: to the axis's end,
    it lasts. ``text``: what it was."""

    start_ms: float
    end_ms: float | None
    tone: Tone = Tone.BAD
    text: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """``note``: what stands at the right, a total."""

    label: str
    spans: Sequence[Span]
    note: str = ""


@dataclass(slots=True)
class _Drawn:
    start: float
    end: float
    tone: Tone
    text: str
    count: int = 1


def timeline(words: Words, start_ms: float, end_ms: float, rows: Sequence[Row]) -> str:
    """What lies outside of the axis is left out, or cut. Rows beyond the tenth are left out."""
    rows = rows[:MOST_ROWS]
    bottom = ROW * len(rows) + 2
    body = [*x_axis(time_ticks(start_ms, end_ms), 0, bottom)]
    for place, (row, spans) in enumerate(zip(rows, _few(rows, start_ms, end_ms), strict=True)):
        body += _row(row, spans, ROW * place, start_ms, end_ms)
    return frame(words, bottom + 20, body)


def _few(rows: Sequence[Row], start_ms: float, end_ms: float) -> list[list[_Drawn]]:
    """Each row's spans in order, so near together drawn as one that they are not too many."""
    width = max(1.0, end_ms - start_ms)
    near = width * LEAST / 4
    while True:
        found = [_joined(row.spans, start_ms, end_ms, near) for row in rows]
        if sum(map(len, found)) <= MOST_SPANS or near > width:
            return found
        near *= 2


def _joined(spans: Sequence[Span], start_ms: float, end_ms: float, near: float) -> list[_Drawn]:
    found: list[_Drawn] = []
    for span in sorted(spans, key=lambda one: one.start_ms):
        start = max(span.start_ms, start_ms)
        end = min(end_ms if span.end_ms is None else span.end_ms, end_ms)
        if end < start:
            continue
        last = found[-1] if found else None
        if last is not None and start - last.end <= near:
            last.count += 1
            last.end = max(last.end, end)
            if last.tone is not span.tone:
                last.tone = max(last.tone, span.tone, key=_gravity)
        else:
            found.append(_Drawn(start, end, span.tone, span.text))
    return found


def _gravity(tone: Tone) -> int:
    return (Tone.QUIET, Tone.PLAIN, Tone.GOOD, Tone.UNSURE, Tone.BAD).index(tone)


def _row(
    row: Row, spans: Sequence[_Drawn], y: float, start_ms: float, end_ms: float
) -> Iterator[str]:
    width = max(1.0, end_ms - start_ms)
    yield (
        f'<text class="ink" x="0" y="{length(y + 11)}">{label(row.label)}</text>'
        f'<text class="end" x="100%" y="{length(y + 11)}">{label(row.note)}</text>'
        f'<rect class="lane" x="0" y="{length(y + 17)}" width="100%" height="14" rx="2"/>'
    )
    for span in spans:
        long = max(span.end - span.start, width * LEAST)
        start = min(span.start - start_ms, width - long)
        told = f"{moment(span.start):%m-%d %H:%M:%S}, {duration(span.end - span.start)}"
        also = f", {span.count} of them" if span.count > 1 else ""
        what = f"{label(span.text)}: " if span.text and span.count == 1 else ""
        yield (
            f'<rect class="{span.tone}" x="{share(start, width)}" y="{length(y + 17)}" '
            f'width="{share(long, width)}" height="14"><title>{what}{told}{also}</title></rect>'
        )
