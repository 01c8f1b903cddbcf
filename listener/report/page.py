"""The report as one page of HTML: nothing outside of it is loaded, and no script is in it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from importlib.resources import files

from listener.core.outcomes import CALLING
from listener.plots import STYLE, duration, number

from . import figures
from .account import Account
from .markup import Html, joined, tag
from .moments import span_of
from .parts import PARTS
from .remarks import empty, remarks


def page(account: Account) -> str:
    """The whole document. Whatever stood in the log is text in it, and nothing else."""
    style = STYLE + files(__package__).joinpath("page.css").read_text("utf-8").replace("\n", "")
    title = "cv-listener report"
    head = joined(
        [
            Html('<meta charset="utf-8">'),
            Html(f'<meta http-equiv="Content-Security-Policy" content="{_policy(style)}">'),
            Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            Html('<meta name="referrer" content="no-referrer">'),
            tag("title", f"{title}: {_when(account)}"),
            Html(f"<style>{style}</style>"),
        ]
    )
    parts = [(name, heading, made) for name, heading, make in PARTS if (made := make(account))]
    there = account.tally.first_ms is not None
    body = joined(
        [
            tag(
                "header",
                tag("h1", title),
                tag("p", _when(account), css="faint"),
                _nav(parts) if there else Html(""),
                _tiles(account) if there else Html(""),
                _remarks(account),
            ),
            tag("main", *(made for _, _, made in parts)) if there else Html(""),
            tag("footer", _read(account)),
        ]
    )
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def _policy(style: str) -> str:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _when(account: Account) -> str:
    if account.tally.first_ms is None:
        return empty(account)
    start, end = figures.period(account)
    return f"{span_of(start, end)} UTC, {duration(end - start)}"


def _nav(parts: list[tuple[str, str, Html]]) -> Html:
    links = [tag("li", tag("a", heading, href=f"#{name}")) for name, heading, _ in parts]
    return tag("nav", tag("ul", *links), aria_label="Parts of this report")


def _tiles(account: Account) -> Html:
    return tag("dl", *(_tile(*one) for one in _facts(account)), css="tiles")


def _tile(name: str, value: str, note: str) -> Html:
    small = tag("small", note) if note else ""
    return tag("div", tag("dt", name), tag("dd", value, small), css="tile")


def _facts(account: Account) -> Iterator[tuple[str, str, str]]:
    rows = {row.outcome: row for row in figures.outcomes(account)}
    closed = figures.closed(account)
    yield "closed", number(closed), f"{number(account.endings.accepted)} accepted"
    good = rows.get("confirmed")
    share = f"{100 * good.share:.2f} %" if good else "0 %"
    yield "confirmed", share if closed else "–", number(good.count if good else 0)
    confirm = account.endings.confirm
    if confirm.count:
        slow = f"p99 {duration(confirm.quantile(0.99) or 0)}"
        yield "median to confirm", duration(confirm.quantile(0.5) or 0), slow
    calling = sum(row.count for row in rows.values() if row.outcome in CALLING)
    again = account.endings.sent_again()
    note = f"{number(again)} others sent again since" if again else "not confirmed, not presumed"
    yield "call for a person", number(calling - again), note
    found = figures.deaf(account)
    missed = sum(each.missed_ms for each in found)
    times = sum(len(each.missed) for each in found)
    yield "deaf", duration(missed) if times else "never", f"{number(times)} ×" if times else ""
    yield "open at the end", number(len(account.endings.open)), ""


def _remarks(account: Account) -> Html:
    said = list(remarks(account))
    return tag("ul", *(tag("li", one) for one in said), css="remarks") if said else Html("")


def _read(account: Account) -> Html:
    tally = account.tally
    words = (
        f"Told by the log alone: {number(tally.lines)} lines in {number(tally.files)} files. Times "
        "are UTC. Percentiles lie within 1 % of a value of their rank; all counts are exact."
    )
    return tag("p", words)
