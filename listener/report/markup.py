"""HTML, escaped: the only place that makes tags for the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from listener.plots import Tone, escaped

LONGEST_TEXT = 2_000


class Html(str):
    """Text that is HTML already. Everything else is escaped."""

    __slots__ = ()


def html(value: object) -> str:
    """As it may stand in the page."""
    return value if isinstance(value, Html) else escaped(value, LONGEST_TEXT)


def tag(name: str, *content: object, css: str = "", **attributes: str) -> Html:
    """``<name class="css" …>content</name>``. An attribute's underscores are hyphens."""
    given = ({"class": css} if css else {}) | attributes
    told = "".join(f' {key.replace("_", "-")}="{escaped(v)}"' for key, v in given.items())
    return Html(f"<{name}{told}>{''.join(map(html, content))}</{name}>")


def joined(parts: Iterable[object]) -> Html:
    """One after another."""
    return Html("".join(map(html, parts)))


@dataclass(frozen=True, slots=True)
class Column:
    """``css``: ``n`` a number, ``m`` an id, ``w`` text that may be broken, ``r`` a few
    words that may be."""

    heading: str
    css: str = ""


def table(caption: str, columns: Sequence[Column], rows: Iterable[Sequence[object]]) -> Html:
    """A table with its caption, that scrolls by itself where it is too wide; the first of each row
    is its heading. Nothing at all without rows."""
    body = []
    for row in rows:
        cells = [
            tag("td" if place else "th", cell, css=column.css, **({} if place else _ROW))
            for place, (column, cell) in enumerate(zip(columns, row, strict=True))
        ]
        body.append(tag("tr", *cells))
    if not body:
        return Html("")
    css = [column.css if column.css == "n" else "" for column in columns]
    head = [
        tag("th", column.heading, css=one, scope="col")
        for column, one in zip(columns, css, strict=True)
    ]
    whole = tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", *head)),
        tag("tbody", *body),
    )
    return tag("div", whole, css="scroll", tabindex="0", role="region", aria_label=caption)


_ROW = {"scope": "row"}


def notes(said: Iterable[str]) -> Html:
    """A list; nothing without any."""
    items = [tag("li", one) for one in said]
    return tag("ul", *items, css="notes") if items else Html("")


def toned(word: str, tone: Tone) -> Html:
    """A word with a dot in its tone before it."""
    return joined([tag("span", css=f"dot {tone}", aria_hidden="true"), word])


def section(name: str, title: str, sub: str, *content: object, half: bool = False) -> Html:
    """A part of the page, that can be linked to."""
    return tag(
        "section",
        tag("h2", title, id=f"{name}-h"),
        tag("p", sub, css="sub") if sub else Html(""),
        *content,
        css="half" if half else "",
        id=name,
        aria_labelledby=f"{name}-h",
    )
