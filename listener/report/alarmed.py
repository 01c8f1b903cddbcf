"""Which alerts a log would have raised, told: in a terminal, or for programs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from listener.core.alerts import Alert
from listener.plots import duration, harmless

from .alerts import AlertPlay, Firing
from .moments import day_clock, span_of
from .reading import Tally
from .remarks import plural

WIDTH = 80
SHOWN = 5
"""Of one alert so many firings are shown, the last ones."""


def as_json(play: AlertPlay, tally: Tally) -> dict[str, Any]:
    """Times are milliseconds since the Unix epoch; ``ended_ms`` None: it holds at the end."""
    return {
        "version": 1,
        "period": {"first_ms": tally.first_ms, "last_ms": tally.last_ms},
        "alerts": [
            {
                "name": alert.name,
                "severity": alert.severity,
                "count": play.counts[alert.name],
                "meaning": alert.meaning,
                "what_to_do": alert.what_to_do,
                "runbook": runbook(alert),
                "firings": [
                    {
                        "replica": one.replica,
                        "began_ms": one.began_ms,
                        "ended_ms": one.ended_ms,
                    }
                    for one in firings
                ],
            }
            for alert, firings in _by_alert(play)
        ],
    }


def runbook(alert: Alert) -> str:
    """Where it is written what to do about an alert, from the root of the source."""
    return f"docs/alerts.md#{alert.name.lower()}"


def text(play: AlertPlay, tally: Tally, end_ms: int) -> Iterator[str]:
    """Line by line, eighty columns. Nothing that stands in the log steers the terminal."""
    if tally.first_ms is None:
        yield "No line of the daemon's, as JSON, was found."
        return
    yield f"From {span_of(tally.first_ms, end_ms)} UTC:"
    found = list(_by_alert(play))
    if not found:
        yield "no alert would have fired."
    for alert, firings in found:
        yield ""
        yield f"{alert.severity.upper()}  {alert.name}, {plural(play.counts[alert.name], 'time')}"
        yield from _wrapped(alert.meaning)
        for one in firings[-SHOWN:]:
            yield f"    {_firing(one, end_ms)}"
        yield from _wrapped(f"To do: {alert.what_to_do} ({runbook(alert)})")


def _firing(one: Firing, end_ms: int) -> str:
    where = f" ({harmless(one.replica)})" if one.replica else ""
    if one.ended_ms is None:
        lasted = duration(max(0, end_ms - one.began_ms))
        return f"{day_clock(one.began_ms)}, still so at the end, {lasted} later{where}"
    return f"{day_clock(one.began_ms)}, for {duration(one.ended_ms - one.began_ms)}{where}"


def _wrapped(words: str) -> list[str]:
    return textwrap.wrap(
        words, WIDTH, initial_indent="  ", subsequent_indent="  ", break_long_words=False
    )


def _by_alert(play: AlertPlay) -> Iterator[tuple[Alert, list[Firing]]]:
    """Pages first, then in the order of the first firing."""
    grouped: dict[str, tuple[Alert, list[Firing]]] = {}
    for one in play.firings():
        grouped.setdefault(one.alert.name, (one.alert, []))[1].append(one)
    yield from sorted(grouped.values(), key=lambda found: found[0].severity)
