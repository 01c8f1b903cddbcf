"""The alert rules and their page: written from ``listener/core/alerts.py``, the one source."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import assert_never

from listener.core.alarms import Absent, Condition, Counted, Lines, Share, Stays, Unended, Without
from listener.core.alerts import ALERTS, Alert
from listener.core.catalogue import CATALOGUE

STREAM = '{service="cv-listener"}'
"""What Loki is asked for. Whoever labels the daemon's log otherwise replaces it."""

H = 3_600
BACK = "6h"
"""How far back a beginning is looked for."""

HEAD = """\
# Generated from listener/core/alerts.py by `make docs`: change that, not this file.
"""

LOKI_HEAD = f"""{HEAD}\
# For Loki's ruler. The log's stream is {STREAM}: replace that where yours is
# labelled otherwise. A line is the daemon's own, one JSON object: where a collector wraps it, it is
# to be unwrapped first.
"""

PAGE = """\
<!-- Generated from listener/core/alerts.py by `make docs`: change that, not this page. -->

# Alerts

One source, three forms: [rules for Loki](../deploy/alerts/loki-rules.yaml), on the log;
[rules for Prometheus](../deploy/alerts/prometheus-rules.yaml), on [the metrics](metrics.md); and
`cv-listener report LOGFILE --alerts`, which says of a log that is there already what would have
fired, and when. Log and metrics tell the same, so one of the two is enough; what only one of them
can show is marked. A **page** is for now, a *ticket* for daylight.

Each was tried on recordings of the real daemon: on that of its fault it fires, on those of all
other faults it does not (`tests/alerts`). Where one fault justly raises two, the table there says
why. The thresholds suit the default settings and a few updates a minute or more; change them in
the source, and `make docs` writes all three anew.
"""


def page() -> str:
    """What each means, when it fires, and what to do."""
    return "\n".join([PAGE, *(_section(alert) for alert in ALERTS)])


def _section(alert: Alert) -> str:
    severity = "**page**" if alert.severity == "page" else "*ticket*"
    see = f" More: [{alert.see}](log-events.md#{_anchor(alert.see)})." if alert.see else ""
    parts = [f"## {alert.name}\n", f"A {severity}. {alert.meaning}\n"]
    parts.append(f"What to do: {alert.what_to_do}{see}\n")
    if alert.log is None:
        parts.append("On the metrics alone: no line of the log shows it.\n")
    else:
        parts.append(f"In the log: {said(alert.log)}.\n")
    if alert.metrics is None:
        parts.append("On the log alone: no scrape comes in time.\n")
    return "\n".join(parts)


def _anchor(event: str) -> str:
    return event.replace(".", "")


def said(condition: Condition) -> str:
    """A condition in words."""
    match condition:
        case Counted(lines, least, within):
            some = " or ".join(map(_lines_said, lines))
            return f"{some}, {least} or more in {_time(within)}"
        case Share(lines, of, least, among, within):
            return (
                f"{_lines_said(lines)}, {least:.0%} or more of {_lines_said(of)} in "
                f"{_time(within)}, where there were {among} or more"
            )
        case Without(lines, least, expected, within, lasting):
            return (
                f"{_lines_said(lines)}, {least} or more in {_time(within)}, and no "
                f"{_lines_said(expected)}, for {_time(lasting)}"
            )
        case Stays(event, field, least, lasting):
            always = f" in each for {_time(lasting)}" if lasting else ""
            return f"`{event}` with `{field}` of {least:g} or more{always}"
        case Unended(begins, ends, lasting, _):
            some = " or ".join(f"`{end}`" for end in ends)
            return f"{_lines_said(begins)} without {some} for {_time(lasting)}"
        case Absent(event, lasting):
            return f"no `{event}` for {_time(lasting)}"
        case _:
            assert_never(condition)


def _lines_said(lines: Lines) -> str:
    with_words = [f"`{name}` {' or '.join(words)}" for name, words in lines.where]
    if lines.at_least is not None:
        with_words.append(f"`{lines.at_least[0]}` of {lines.at_least[1]:g} or more")
    return f"`{lines.event}`" + (f" with {' and '.join(with_words)}" if with_words else "")


def loki_rules() -> str:
    """For Loki's ruler."""
    return LOKI_HEAD + "\n".join(_group("cv-listener-log", _loki(), 60))


def prometheus_rules() -> str:
    """For Prometheus."""
    return HEAD + "\n".join(_group("cv-listener", _prometheus(), 15))


def _loki() -> Iterator[tuple[Alert, str, int]]:
    for alert in ALERTS:
        if alert.log is not None:
            yield alert, *logql(alert.log)


def _prometheus() -> Iterator[tuple[Alert, str, int]]:
    for alert in ALERTS:
        if alert.metrics is not None:
            yield alert, alert.metrics.expr, alert.metrics.for_s


def _group(name: str, rules: Iterator[tuple[Alert, str, int]], every_s: int) -> Iterator[str]:
    yield f"groups:\n  - name: {name}\n    interval: {every_s}s\n    rules:"
    for alert, expr, for_s in rules:
        # JSON's texts are YAML's.
        yield f"      - alert: {alert.name}\n        expr: {_text(expr)}\n        for: {for_s}s"
        yield f"        labels:\n          severity: {alert.severity}"
        yield f"        annotations:\n          summary: {_text(alert.meaning)}"
        yield f"          description: {_text(alert.what_to_do)}"
        yield f"          runbook: {_text(f'docs/alerts.md#{alert.name.lower()}')}"
    yield ""


def _text(words: str) -> str:
    return json.dumps(words, ensure_ascii=False)


def logql(condition: Condition) -> tuple[str, int]:
    """The condition as a query, and for how long it must hold, in seconds."""
    match condition:
        case Counted(lines, least, within):
            counts = [_count(one, within) for one in lines]
            return " or ".join(f"({count} >= {least})" for count in counts), 0
        case Share(lines, of, least, among, within):
            part, whole = _count(lines, within), _count(of, within)
            return f"({part} / {whole} >= {least:g}) and ({whole} >= {among})", 0
        case Without(lines, least, expected, within, lasting):
            count, missing = _count(lines, within), _count(expected, within)
            return f"({count} >= {least}) unless {missing}", lasting
        case Stays(event, field, least, lasting):
            picked = f"{_picked(Lines(event), field)} | unwrap {field}"
            # The newest beat's: of the last two minutes there is one.
            return f"last_over_time({picked} [2m]) by (replica) >= {least:g}", lasting
        case Unended(begins, ends, lasting, by):
            return _unended(begins, ends, by), lasting
        case Absent(event, lasting):
            none = f"absent_over_time({_picked(Lines(event))} [{_time(lasting)}])"
            # Where another daemon writes on, the one that is silent is known by its last hour.
            one = f"{_count(Lines(event), H)} unless {_count(Lines(event), lasting)}"
            return f"{none} or ({one})", 0
        case _:
            assert_never(condition)


def _time(seconds: int) -> str:
    return f"{seconds // 3_600}h" if seconds % 3_600 == 0 else f"{seconds // 60}m"


def _unended(begins: Lines, ends: tuple[str, ...], by: str) -> str:
    """The newest beginning, unless an end is newer: of its own kind, or one that is of all."""
    alike = tuple(end for end in ends if by and by in CATALOGUE[end].fields)
    of_all = tuple(end for end in ends if end not in alike)
    labels = ("replica", by) if by else ("replica",)
    newest = _when((begins.event,), labels)
    query = newest
    if alike:
        query += f" unless ({newest} <= on ({', '.join(labels)}) {_when(alike, labels)})"
    if of_all:
        last = _when(of_all, ("replica",))
        query += f" unless ({newest} <= on (replica) group_left () {last})"
    return query


def _when(events: tuple[str, ...], labels: tuple[str, ...]) -> str:
    """When any of these last was, in Unix seconds."""
    some = "|".join(map(re.escape, events))
    told = f"{STREAM} |~ `{some}` | {_json('event', *labels)} | event=~`{some}`"
    stamped = "label_format at=`{{ __timestamp__ | unixEpoch }}`"
    return f"max_over_time({told} | {stamped} | unwrap at [{BACK}]) by ({', '.join(labels)})"


def _json(*fields: str) -> str:
    """These fields alone: each further one would make a series of its own of each value."""
    return "json " + ", ".join(f'{name}="{name}"' for name in dict.fromkeys(fields))


def _picked(lines: Lines, *fields: str) -> str:
    names = [name for name, _ in lines.where]
    words = "".join(f' | {name}=~"{"|".join(found)}"' for name, found in lines.where)
    if lines.at_least is not None:
        names.append(lines.at_least[0])
        words += f" | {lines.at_least[0]}>={lines.at_least[1]:g}"
    read = _json("event", "replica", *names, *fields)
    return f'{STREAM} |= `"{lines.event}"` | {read} | event="{lines.event}"{words}'


def _count(lines: Lines, within: int) -> str:
    return f"sum by (replica) (count_over_time({_picked(lines)} [{_time(within)}]))"
