"""Recorded metrics as tests of promtool: played at the pace of the world, once each, whole."""

from __future__ import annotations

import json
import re

from listener.core.alerts import ALERTS

from .recorded import Pace, metrics, pace, seconds
from .stage import SCRAPE_S, SPEED

STEP_S = round(SCRAPE_S * SPEED)
"""From one scrape to the next, out there."""
LATE = 8
"""Steps from one scrape to the next that are still none that failed: it waited, at most."""
WAITS = {
    "cv_listener_submissions_oldest_wait_seconds",
    "cv_listener_deaf_seconds_total",
    "cv_listener_upstream_hold_seconds",
}
"""Figures that grow with the time that passes."""
MOMENTS = re.compile(r"cv_listener_\w+_timestamp_seconds|cv_listener_start_time_seconds")
_ASKED = {
    name
    for alert in ALERTS
    if alert.metrics is not None
    for name in re.findall(r"cv_listener_\w+", alert.metrics.expr)
}
_EVENTS = {
    event
    for alert in ALERTS
    if alert.metrics is not None
    for words in re.findall(r'event=~?"([^"]+)"', alert.metrics.expr)
    for event in words.split("|")
}


def _values(samples: list[tuple[float, float]], ends: int, stretch: Pace) -> str:
    """In promtool's notation. What is not scraped any more is stale at once, as it is to a
    Prometheus whose scrape failed or did not find it; one or two that came late are none."""
    found = {round(at / STEP_S): f"{stretch(value):.12g}" for at, value in samples}
    words = ["_"] * ends
    last = None
    for step in range(ends):
        if step in found:
            if last is not None and step - last <= LATE:
                words[last + 1 : step] = [found[last]] * (step - last - 1)
            words[step], last = found[step], step
        elif last is not None and step == last + 1:
            words[step] = "stale"
    return " ".join(words)


def _up(samples: list[tuple[float, float]], ends: int) -> str:
    """Whether it answered, as Prometheus itself notes it of a target that it knows."""
    found = sorted({round(at / STEP_S) for at, _ in samples if round(at / STEP_S) < ends})
    words = ["_" if step < found[0] else "0" for step in range(ends)]
    for step, after in zip(found, [*found[1:], found[-1] + 1], strict=True):
        words[step:after] = ["1" if after - step <= LATE else "0"] * (after - step)
        words[step] = "1"
    return " ".join(words)


def _wanted(series: str) -> bool:
    name = series.partition("{")[0]
    if name not in _ASKED:
        return False
    event = re.search(r'event="([^"]*)"', series)
    return name != "cv_listener_log_events_total" or (event is not None and event[1] in _EVENTS)


def _labelled(series: str) -> str:
    """As a Prometheus keeps it."""
    name, _, labels = series.partition("{")
    labels = labels.rstrip("}")
    own = 'instance="recorded:8600",job="cv-listener"'
    return f"{name}{{{','.join(filter(None, [labels, own]))}}}"


def _stretch(name: str, world: Pace) -> Pace:
    if name in WAITS:
        return lambda value: value * SPEED
    if MOMENTS.match(name):
        return world
    return lambda value: value


def unit_test(name: str, rules: str, alerts: set[str]) -> str:
    """A file for promtool: at the end of the recording ``alerts`` have fired, and no others."""
    world, until_s = pace(name), seconds(name)
    ends, recorded = round(until_s / STEP_S), metrics(name, _wanted)
    series = [
        {
            "series": _labelled(one),
            "values": _values(samples, ends, _stretch(one.partition("{")[0], world)),
        }
        for one, samples in recorded.items()
    ]
    answered = recorded["cv_listener_start_time_seconds"]
    series.append({"series": _labelled("up"), "values": _up(answered, ends)})
    fired = 'count by (alertname) (count_over_time(ALERTS{alertstate="firing"}[30d])) > bool 0'
    expected = [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in sorted(alerts)]
    # JSON is YAML, and is written a hundred times as fast.
    return json.dumps(
        {
            "rule_files": [rules],
            "evaluation_interval": f"{STEP_S}s",
            "tests": [
                {
                    "interval": f"{STEP_S}s",
                    "input_series": series,
                    "promql_expr_test": [
                        {
                            "expr": fired,
                            "eval_time": f"{round(until_s)}s",
                            "exp_samples": expected,
                        }
                    ],
                }
            ],
        }
    )
