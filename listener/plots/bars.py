"""Amounts side by side: a bar a row, its label above it, so that it fits any width."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .figure import Words, frame, label, length, share
from .palette import Tone
from .scales import number

ROW = 34
MOST_ROWS = 24


@dataclass(frozen=True, slots=True)
class Bar:
    """``shown``: what stands at its end; without it, the value."""

    label: str
    value: float
    tone: Tone = Tone.PLAIN
    shown: str | None = None


def bars(words: Words, rows: Sequence[Bar], *, whole: float | None = None) -> str:
    """Each bar's length against ``whole``, or else the greatest. Of very many rows the last are
    told as one."""
    rows = _few(rows)
    whole = max((row.value for row in rows), default=0) if whole is None else whole
    return frame(words, max(1, ROW * len(rows) - 8), _rows(rows, whole))


def _few(rows: Sequence[Bar]) -> Sequence[Bar]:
    if len(rows) <= MOST_ROWS:
        return rows
    rest = rows[MOST_ROWS - 1 :]
    others = Bar(f"{len(rest)} others", sum(row.value for row in rest), Tone.QUIET)
    return [*rows[: MOST_ROWS - 1], others]


def _rows(rows: Sequence[Bar], whole: float) -> Iterator[str]:
    for place, row in enumerate(rows):
        y = ROW * place
        value = number(row.value) if row.shown is None else row.shown
        yield (
            f'<text class="ink" x="0" y="{y + 11}">{label(row.label)}</text>'
            f'<text class="ink end" x="100%" y="{y + 11}">{label(value)}</text>'
            f'<rect class="lane" x="0" y="{y + 17}" width="100%" height="7" rx="3.5"/>'
        )
        if row.value > 0:
            width = share(max(row.value, whole * 0.004), whole)
            yield (
                f'<rect class="{row.tone}" x="0" y="{length(y + 17)}" width="{width}" '
                'height="7" rx="3.5"/>'
            )
