"""What is written: data on stdout, for people in 80 columns or for programs as JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

WIDTH = 80

STYLES = {
    "confirmed": "green",
    "presumed": "yellow",
    "unconfirmed": "red",
    "not_dispatched": "red",
    "rejected": "red",
    "undelivered": "red",
    "cancelled": "dim",
    "superseded": "dim",
}
"""Of outcomes; a state has none."""


def write_line(text: str) -> None:
    """One line, out at once: a reader that is gone is noticed here, and nowhere else."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def write_json(value: object) -> None:
    """One object, on one line, in ASCII: nothing in it can steer a terminal."""
    write_line(json.dumps(value))


def _write_table(table: Table, *, least: int = 0) -> None:
    """In 80 columns at most, in colour where stdout is a terminal that has some. ``least``: so many
    also where the terminal has fewer: it folds the lines itself, and an id stays whole."""
    from rich.console import Console

    console = Console(highlight=False, emoji=False, markup=False)
    if console.width > WIDTH or not console.is_terminal:
        console.width = WIDTH
    console.width = max(least, console.width)
    with console.capture() as drawn:
        console.print(table)
    for line in drawn.get().splitlines():
        write_line(line.rstrip())


def plain(value: object) -> str:
    """As it may stand on a terminal: a control character, which could steer it, is escaped."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(value)
    )


def styled(text: str, style: str) -> str:
    """In colour, where stdout is a terminal that has some. ``text`` is plain already."""
    codes = {"dim": "2", "bold": "1", "green": "32", "yellow": "33", "red": "31"}
    code = codes.get(style)
    if code is None or not sys.stdout.isatty():
        return text
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{code}m{text}\x1b[0m"


def moment(at: str | None, *, short: bool = False) -> str:
    """``2026-01-31 12:00:00.000``, UTC, or ``01-31 12:00``."""
    if at is None:
        return ""
    text = plain(at).replace("T", " ").removesuffix("Z")
    return text[5:16] if short else text


def word(shown: Mapping[str, Any]) -> str:
    """The one word that says most: the outcome, or the state while it is open."""
    return plain(shown["outcome"] or shown["state"])


def write_rows(submissions: Iterable[Mapping[str, Any]]) -> int:
    """One line each: id, cv_ref, outcome or state, when. Returns how many."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for heading, width in (("id", 36), ("cv_ref", 15), ("outcome/state", 14), ("UTC", 11)):
        table.add_column(heading, width=width, no_wrap=True)
    count = 0
    for shown in submissions:
        count += 1
        table.add_row(
            plain(shown["id"]),
            plain(shown["cv_ref"]),
            Text(word(shown), STYLES.get(word(shown), "")),
            moment(shown["created_at"], short=True),
        )
    if count:
        _write_table(table, least=WIDTH)
    return count


def write_gaps(gaps: Iterable[Mapping[str, Any]]) -> int:
    """One row each: since when, for how long, why, what it touched and what became of that.
    Returns how many."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for heading, width in (("since (UTC)", 14), ("lasted", 10), ("reason", 19), ("touched", 7)):
        table.add_column(heading, width=width, no_wrap=True)
    table.add_column("what became of them", overflow="fold")
    count = 0
    for shown in gaps:
        count += 1
        words = {**shown["became"], "open": shown["open"]}
        told = [Text(f"{n} {plain(name)}", STYLES.get(name, "")) for name, n in words.items() if n]
        table.add_row(
            moment(shown["start_at"], short=True) + moment(shown["start_at"])[16:19],
            _lasted(shown),
            plain(shown["reason"]),
            plain(shown["touched"]),
            Text(", ").join(told),
        )
    if count:
        _write_table(table)
    return count


def _lasted(shown: Mapping[str, Any]) -> str:
    """``0.52 s``, or hours, minutes and seconds; an ellipsis while it lasts."""
    ms = int(shown["duration_ms"])
    seconds = ms // 1000
    text = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    if seconds < 10:
        text = f"{ms / 1000:.2f} s"
    return text if shown["end_at"] else text + " …"


def write_one(shown: Mapping[str, Any]) -> None:
    """All that is known of one submission, a line a thing."""
    write_pairs(_things(shown))


def write_pairs(pairs: Iterable[tuple[str, str, str]]) -> None:
    """Aligned lines of (name, value, style of the value); a long value wraps below itself."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for name, value, style in pairs:
        table.add_row(plain(name), Text(plain(value), style))
    _write_table(table)


def write_paragraph(text: str) -> None:
    """Broken between words, in 80 columns at most."""
    from textwrap import wrap

    for line in wrap(plain(text), WIDTH, break_on_hyphens=False):
        write_line(line)


def write_story(moments: Iterable[tuple[str, int | None, str, str]]) -> None:
    """Lines of (when, milliseconds since the first, in words, style of the words)."""
    from rich.table import Table
    from rich.text import Text

    from listener.core.durations import lasting

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right", style="dim")
    table.add_column(overflow="fold")
    day = ""
    for at, after, words, style in moments:
        shown = moment(at)
        if shown[:10] != day:
            day = shown[:10]
            table.add_row(Text(f"{day} UTC", "dim"), "", "")
        later = "" if after is None else f"{'-' if after < 0 else '+'}{lasting(abs(after))}"
        table.add_row(shown[11:], later, Text(plain(words), style))
    _write_table(table)


def write_settings(settings: Iterable[tuple[str, str, str, str]]) -> None:
    """Settings as (group, name, value, where from), a heading a group."""
    from rich.table import Table
    from rich.text import Text

    rows = list(settings)
    names, sources = (max(len(row[at]) for row in rows) for at in (1, 3))
    # As wide in each group as in all; a heading has a line of its own, and widens none of it.
    values = max(10, min(max(len(plain(row[2])) for row in rows), WIDTH - names - sources - 4))
    for group, of_group in groupby(rows, key=lambda row: row[0]):
        write_line(styled(plain(group), "bold"))
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
        table.add_column(no_wrap=True, width=names)
        table.add_column(overflow="fold", width=values)
        table.add_column(no_wrap=True, style="dim", width=sources)
        for _, name, value, source in of_group:
            style = "dim" if source == "default" else ""
            table.add_row(plain(name), Text(plain(value) or "none", style), source)
        _write_table(table)


def _things(shown: Mapping[str, Any]) -> Iterable[tuple[str, str, str]]:
    outcome = shown["outcome"]
    yield "submission", shown["id"], "bold"
    yield "cv_ref", shown["cv_ref"], ""
    yield "state", shown["state"], ""
    if outcome is not None:
        notes = [shown["attribution"], "late" if shown["late"] else None]
        noted = ", ".join(str(note) for note in notes if note)
        yield "outcome", f"{outcome} ({noted})" if noted else outcome, STYLES.get(outcome, "")
    if shown["reason"]:
        yield "reason", shown["reason"], ""
    if shown["waiting_for"]:
        yield "waits for", shown["waiting_for"].replace("_", " "), ""
    for job, found in shown["dispatch"].items():
        evidence = ", ".join(found["evidence"]).replace("_", " ")
        yield job, found["verdict"] + (f" ({evidence})" if evidence else ""), ""
    upstream = {k: v for k, v in (shown["upstream"] or {}).items() if v is not None}
    if upstream:
        yield "upstream", ", ".join(f"{name} {value}" for name, value in upstream.items()), ""
    yield "attempts", shown["attempts"], ""
    for name in ("deaf_ms", "duplicates", "retry_of"):
        if shown[name]:
            yield name.replace("_ms", " ms").replace("_", " "), shown[name], ""
    if again := shown.get("retried_by"):
        yield "retried by", f"{again['id']} ({again['outcome'] or again['state']})", ""
    for name in ("created", "sent", "accepted", "heard", "closed"):
        if shown[f"{name}_at"]:
            yield name, moment(shown[f"{name}_at"]) + " UTC", ""
    if outcome is None and shown["deadline_at"]:
        yield "deadline", moment(shown["deadline_at"]) + " UTC", ""


def write_findings(findings: Iterable[tuple[str, str, str, str]]) -> None:
    """One of (verdict, check, what was found, what to do) a row; what to do stands below."""
    from rich.table import Table
    from rich.text import Text

    styles = {"ok": "green", "warn": "yellow", "fail": "red"}
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for verdict, check, found, advice in findings:
        table.add_row(Text(verdict, styles[verdict]), check, plain(found))
        if advice:
            table.add_row("", "", Text("→ " + plain(advice), "dim"))
    _write_table(table)
