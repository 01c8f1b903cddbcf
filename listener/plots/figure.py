"""What every plot shares: its frame with accessible words, and texts that are safe in a page."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_NAME = re.compile(r"[a-z][a-z0-9-]*")
LABEL_BYTES = 60
"""Of one text in a plot, as it is written."""
WORDS_BYTES = 700


@dataclass(frozen=True, slots=True)
class Words:
    """``name``: unlike any other plot's on the page, of ``a-z0-9-``. ``title`` and ``description``
    are what a screen reader says: the latter tells in numbers what the plot shows."""

    name: str
    title: str
    description: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError("expected a plot's name of a-z, 0-9 and '-'")


def harmless(text: str) -> str:
    """Without what steers a terminal, turns a text around or may not stand in XML: each such
    character is written as its escape."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in text
    )


def escaped(text: object, most_bytes: int | None = None) -> str:
    """As it may stand in HTML or SVG, in a text or in an attribute between double quotes; cut where
    it would take more than so many bytes."""
    if most_bytes is None:
        return html.escape(harmless(str(text)))
    whole = html.escape(harmless(str(text)[: most_bytes + 1]))
    if len(whole.encode()) <= most_bytes:
        return whole
    found, left = [], most_bytes - 3
    for c in harmless(str(text)[:most_bytes]):
        written = html.escape(c)
        left -= len(written.encode())
        if left < 0:
            break
        found.append(written)
    return "".join(found) + "…"


def label(text: object) -> str:
    """A text in a plot, short enough for its budget."""
    return escaped(text, LABEL_BYTES)


def share(part: float, whole: float) -> str:
    """``12.5%``, between 0 and 100; of nothing it is 0."""
    ratio = part / whole if whole > 0 else 0.0
    return f"{_short(100 * min(1.0, max(0.0, ratio)))}%"


def _short(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def length(value: float) -> str:
    """A length in pixels, as short as it goes."""
    return _short(value)


def frame(words: Words, height: float, body: Iterable[str]) -> str:
    """The plot: as wide as where it stands, ``height`` pixels high."""
    name = words.name
    return (
        f'<svg class="plot" role="img" aria-labelledby="{name}-t {name}-d" width="100%" '
        f'height="{length(height)}" xmlns="http://www.w3.org/2000/svg">'
        f'<title id="{name}-t">{escaped(words.title, WORDS_BYTES)}</title>'
        f'<desc id="{name}-d">{escaped(words.description, WORDS_BYTES)}</desc>{"".join(body)}</svg>'
    )


def x_axis(ticks: Sequence[tuple[float, str]], top: float, bottom: float) -> Iterable[str]:
    """Lines and labels at shares (0 to 1) of the width. Of many labels every other is left out
    where there is little room; the outermost lean inwards."""
    fine = len(ticks) > 4
    for number, (at, text) in enumerate(ticks):
        x = share(at, 1)
        hidden = " fine" if fine and number % 2 else ""
        lean = ' class="end{}"' if at > 0.94 else ' class="mid{}"' if at > 0.04 else ' class="{}"'
        yield (
            f'<line class="grid" x1="{x}" x2="{x}" y1="{length(top)}" y2="{length(bottom)}"/>'
            f'<text{lean.format(hidden)} x="{x}" y="{length(bottom + 15)}">{label(text)}</text>'
        )


def y_axis(most: float, text: str, top: float, bottom: float) -> Iterable[str]:
    """Two lines, at the top and half-way, and what the upper one stands for."""
    for y in (top, (top + bottom) / 2, bottom):
        yield (f'<line class="grid" x1="0" x2="100%" y1="{length(y)}" y2="{length(y)}"/>')
    if most > 0:
        yield f'<text x="0" y="{length(top - 4)}">{label(text)}</text>'
