"""The report in a terminal: eighty columns, block characters, with colour or without."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from listener.plots import Row, Tone, duration, harmless, number, tone_of

from . import blocks, figures
from .account import Account
from .endings import Case
from .incidents import KINDS
from .moments import clock, day_clock, span_of
from .remarks import (
    advice,
    attempt_notes,
    deaf_in_words,
    empty,
    ended,
    outcome_notes,
    plural,
    remarks,
    since_then,
    size,
)
from .signs import Loud
from .sketch import Sketch

WIDTH = 80
LABEL = 24
PLOT = 52
INSTANCES = 12
STYLES = {
    Tone.GOOD: "green",
    Tone.UNSURE: "yellow",
    Tone.BAD: "red",
    Tone.QUIET: "bright_black",
    Tone.PLAIN: "blue",
}
LEVELS = {"warning": "yellow", "error": "red", "critical": "bold red"}
WAYS = 10
"""An attempt can end in so many that are shown, the most frequent."""
REASONS = 3
LEAST_OF_ALL = 8
"""Warnings that are shown with what to do; the others by their names."""


def show(account: Account, out: TextIO) -> None:
    """Write all of it. Nothing that stands in the log steers the terminal."""
    console = Console(file=out, highlight=False, emoji=False, markup=False, soft_wrap=False)
    if console.width > WIDTH or not console.is_terminal:
        console.width = WIDTH
    with console.capture() as drawn:
        for part in _parts(account):
            console.print(part)
    for line in drawn.get().splitlines():
        out.write(line.rstrip() + "\n")
    out.flush()


def _parts(account: Account) -> Iterator[RenderableType]:
    yield from _heading(account)
    if not account.tally.ours - account.tally.outside:
        return
    yield from _outcomes(account)
    yield from _latency(account)
    yield from _timeline(account)
    yield from _attempts(account)
    yield from _cases(account)
    yield from _open(account)
    yield from _runs(account)
    yield from _warnings(account)


def text(value: object, style: str = "") -> Text:
    """Safe on a terminal, whatever it is."""
    return Text(harmless(str(value)), style)


def _section(title: str, note: str = "") -> RenderableType:
    line = Text(title, "bold")
    if note:
        apart = "   " if len(title) + len(note) + 3 <= WIDTH else "\n  "
        line.append(apart + harmless(note), "not bold bright_black")
    return Padding(line, (1, 0, 0, 0))


def _table(*columns: tuple[str, str], header: bool = True) -> Table:
    table = Table(
        box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=header,
        header_style="bright_black",
    )  # fmt: skip
    table.add_column("", width=0)
    for heading, justify in columns:
        right = justify == "right"
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    return table


# ------------------------------------------------------------------------------------- heading


def _heading(account: Account) -> Iterator[RenderableType]:
    tally = account.tally
    yield Text("cv-listener report", "bold")
    start, end = figures.period(account)
    if tally.first_ms is None:
        yield text(empty(account), "yellow")
    else:
        yield text(f"{span_of(start, end)} UTC ({duration(end - start)})")
    parts = [
        f"{number(tally.lines)} lines",
        size(tally.bytes),
        plural(tally.files, "file"),
        plural(len(account.runs.all()) + account.runs.more, "run"),
    ]
    yield text(" · ".join(parts), "bright_black")
    for said in remarks(account):
        yield text(f"! {said}", "yellow")


# ------------------------------------------------------------------------------------ outcomes


def _outcomes(account: Account) -> Iterator[RenderableType]:
    endings = account.endings
    closed = figures.closed(account)
    yield _section(
        "Outcomes", f"{number(closed)} closed, {number(endings.accepted)} accepted in this log"
    )
    table = _table(("", ""), ("", "right"), ("", "right"), ("", ""), header=False)
    for row in figures.outcomes(account):
        style = STYLES[tone_of(row.outcome)]
        bar = Text(blocks.bar(row.share, 34), style)
        share = f"{100 * row.share:.1f} %"
        table.add_row("", text(row.outcome, style), number(row.count), share, bar)
    yield table
    notes = list(outcome_notes(account))
    if notes:
        yield Group(*(text(f"  {note}", "bright_black") for note in notes))
    known = figures.evidence(account)
    if known:
        yield _section("How it is known")
        table = _table(("", ""), ("", "right"), ("", ""), header=False)
        for outcome, evidence, n in known[:8]:
            table.add_row("", text(outcome), number(n), text(evidence.replace("_", " ")))
        yield table


# ------------------------------------------------------------------------------------- latency


def _latency(account: Account) -> Iterator[RenderableType]:
    confirm = account.endings.confirm
    yield _section("Confirmation latency", "from the first byte sent to the event heard")
    if not confirm.count:
        yield text("  nothing was confirmed", "bright_black")
    else:
        marks = [(name, confirm.quantile(q) or 0.0) for name, q in QUANTILES]
        told = "   ".join(f"{name} {duration(value)}" for name, value in marks)
        yield text(f"  {told}   most {duration(confirm.most)}")
        for line in blocks.columns(figures.bins(confirm), PLOT + LABEL - 8):
            yield text(f"  {line}", "green")
    table = _table(("where the time goes", ""), *((name, "right") for name in _HEADS))
    for name, sketch in figures.spans_of_time(account):
        table.add_row("", text(name), *_quantiles(sketch))
    yield Padding(table, (1, 0, 0, 0))


QUANTILES = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))
_HEADS = ("count", *(name for name, _ in QUANTILES), "most")


def _quantiles(sketch: Sketch) -> list[str]:
    if not sketch.count:
        return ["0", "", "", "", ""]
    values = [duration(sketch.quantile(q) or 0.0) for _, q in QUANTILES]
    return [number(sketch.count), *values, duration(sketch.most)]


# ------------------------------------------------------------------------------------ timeline


def _timeline(account: Account) -> Iterator[RenderableType]:
    start, end = figures.period(account)
    found = figures.deaf(account)
    missed = sum(len(each.missed) for each in found)
    yield _section("Timeline", deaf_in_words(account) if missed else "never deaf")
    closes = account.endings.by_time.over(start, end)
    every = [sum(filter(None, row)) for row in zip(*closes.columns[1:], strict=True)]
    cells = blocks.spread(every, closes.start_ms, closes.end_ms, start, end, PLOT)
    spark = blocks.spark(cells)
    table = _table(("", ""), ("", ""), header=False)
    table.columns[1].width = LABEL
    table.columns[2].no_wrap = True
    table.add_row("", text("closed over time"), Text(spark, "green"))
    for lane in figures.lanes(account):
        table.add_row("", *_lane(lane, start, end))
    table.add_row("", "", text(blocks.axis(clock(start, end), clock(end, start), PLOT)))
    yield table


def _lane(lane: Row, start: int, end: int) -> tuple[Text, Text]:
    label = text(lane.label)
    label.append(f"\n{harmless(lane.note)}", "bright_black")
    drawn = Text()
    for mark, tone in blocks.lane(lane.spans, start, end, PLOT):
        drawn.append(mark, "bright_black" if tone is None else STYLES[tone])
    return label, drawn


# -------------------------------------------------------------------------------------- tables


def _attempts(account: Account) -> Iterator[RenderableType]:
    attempts = account.attempts
    tried = ", ".join(f"{number(n)} with {tries}" for tries, n in figures.tries(account))
    yield _section("Attempts", f"of those closed: {tried}" if tried else "")
    table = _table(("result", ""), ("detail", ""), ("HTTP", "right"), ("count", "right"))
    ways = attempts.ways.most_common()
    for (result, detail, status), n in ways[:WAYS]:
        table.add_row(
            "", text(result), text(detail.replace("_", " ")), str(status or ""), number(n)
        )
    if rest := ways[WAYS:]:
        table.add_row("", f"{len(rest)} other ways", "", "", number(sum(n for _, n in rest)))
    yield table
    for note in attempt_notes(account):
        yield text(f"  {note}", "bright_black")


def _cases(account: Account) -> Iterator[RenderableType]:
    calling = account.endings.doubtful()
    if calling:
        yield _section("These call for a person", "the last ones; cv-listener show ID")
        table = _table(("submission", ""), ("outcome", ""), ("reason", ""))
        for case in calling[:10]:
            style = STYLES[tone_of(case.outcome)]
            reason = text(case.reason.replace("_", " "))
            table.add_row("", text(case.submission_id), text(case.outcome, style), reason)
        yield table
    slowest = account.endings.slowest()
    if slowest:
        yield _section("Slowest", "from acceptance to the close")
        table = _table(("submission", ""), ("outcome", ""), ("took", "right"), ("heard", "right"))
        for case in slowest[:6]:
            table.add_row("", *_slow(case))
        yield table


def _slow(case: Case) -> tuple[Text, Text, str, str]:
    style = STYLES[tone_of(case.outcome)]
    heard = "" if case.confirm_ms is None else duration(case.confirm_ms)
    took = duration(case.total_ms or 0)
    return text(case.submission_id), text(case.outcome, style), took, heard


def _open(account: Account) -> Iterator[RenderableType]:
    waiting = account.endings.open
    yield _section("Open at the end", f"{number(len(waiting))} accepted in this log and not closed")
    for name, at_ms, ref in figures.oldest(account, 5):
        yield text(f"  {name}  {ref}  since {day_clock(at_ms)}")
    for beat in list(account.pulse.last.values())[:INSTANCES]:
        states = ", ".join(f"{n} {state}" for state, n in beat.open_by_state.items()) or "none"
        oldest = "" if beat.oldest_wait_ms is None else f", oldest {duration(beat.oldest_wait_ms)}"
        said = "listening" if beat.connected else f"deaf for {duration(beat.deaf_ms)}"
        yield text(f"  {beat.replica}, at its last heartbeat, {day_clock(beat.at_ms)}: {said};")
        yield text(f"    {states} open{oldest}{since_then(account, beat)}")


def _runs(account: Account) -> Iterator[RenderableType]:
    counted = [(kind.name, n) for kind in KINDS if (n := account.incidents.number(kind))]
    if counted:
        yield _section("Incidents")
        table = _table(("what", ""), ("times", "right"), ("longest", "right"), ("why", ""))
        for name, n in counted:
            some = [one for one in account.incidents.all() if one.kind.name == name]
            longest = max((one.lasted_ms(account.tally.last_ms or 0) for one in some), default=0)
            whys = list(dict.fromkeys(one.why.replace("_", " ") for one in some if one.why))
            more = f", and {len(whys) - REASONS} more" if len(whys) > REASONS else ""
            why = text(", ".join(whys[:REASONS]) + more)
            table.add_row("", text(name), number(n), duration(longest), why)
        yield table
    runs = account.runs.all()
    if len(runs) > 1 or any(run.ended != "stopped" for run in runs):
        yield _section("Runs of the daemon")
        table = _table(("run", ""), ("from", ""), ("to", ""), ("ended", ""))
        for run in runs[-INSTANCES:]:
            table.add_row(
                "", text(run.run_id), day_clock(run.first_ms), day_clock(run.last_ms),
                ended(account, run.run_id),
            )  # fmt: skip
        yield table


def _warnings(account: Account) -> Iterator[RenderableType]:
    loudest = account.signs.loudest()
    if not loudest:
        yield _section("Warnings", "none")
        return
    total = sum(loud.count for loud in loudest)
    yield _section("Warnings and above", f"{number(total)} lines of {account.signs.kinds} events")
    for loud in loudest[:LEAST_OF_ALL]:
        yield from _loud(loud)
    rest = loudest[LEAST_OF_ALL:]
    if rest:
        names = ", ".join(f"{loud.event} ({loud.level}, {number(loud.count)})" for loud in rest)
        yield Padding(text(f"also {names}", "bright_black"), (0, 0, 0, 2))


def _loud(loud: Loud) -> Iterator[RenderableType]:
    line = Text("  ")
    line.append(f"{harmless(loud.level):<9}", LEVELS.get(loud.level, ""))
    line.append(f"{harmless(loud.event):<30}", "bold")
    line.append(f"{number(loud.count):>7}", "")
    line.append(f"   last {day_clock(loud.last_ms)}", "bright_black")
    yield line
    for told in advice(loud):
        yield Padding(text(f"→ {told}", "cyan"), (0, 0, 0, 4))
