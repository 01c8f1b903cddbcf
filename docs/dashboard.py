"""The Grafana dashboard, as data: rows of panels, each with its queries and what it is for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

WIDTH = 24
HEIGHT = 8
ONE = 'instance=~"$instance"'
"""Chooses the daemons that are shown."""


@dataclass(frozen=True, slots=True)
class Panel:
    """``queries``: (PromQL, legend). ``kind``: Grafana's. ``unit``: Grafana's. ``width``: of 24."""

    title: str
    about: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    stacked: bool = False
    reds: float | None = None
    """From where on a single figure is red."""


def _m(name: str, *words: str) -> str:
    return f"cv_listener_{name}{{{','.join([ONE, *words])}}}"


def _rate(name: str, by: str, *words: str) -> str:
    return f"sum by ({by}) (rate({_m(name, *words)}[$__rate_interval]))"


def _per_hour(name: str, by: str, *words: str) -> str:
    return f"sum by ({by}) (increase({_m(name, *words)}[1h]))"


def _quantile(which: float, name: str) -> tuple[str, str]:
    buckets = f"sum by (le) (rate({_m(f'{name}_bucket')}[$__rate_interval]))"
    return f"histogram_quantile({which}, {buckets})", f"p{which * 100:g}"


def _quantiles(name: str) -> tuple[tuple[str, str], ...]:
    return tuple(_quantile(which, name) for which in (0.5, 0.9, 0.99))


_CONFIRMED = _m("submissions_closed_total", 'outcome="confirmed"')
_NOT_CLOSED = _m("breaker_state", 'state=~"open|half_open"')

ROWS: dict[str, tuple[Panel, ...]] = {
    "The promise": (
        Panel(
            "Confirmed, of an hour",
            "Of the updates that closed within the hour, how many were confirmed by their event. "
            "What is not: see Outcomes.",
            (
                (
                    f"sum (increase({_CONFIRMED}[1h])) "
                    f"/ sum (increase({_m('submissions_closed_total')}[1h]))",
                    "confirmed",
                ),
            ),
            unit="percentunit", kind="stat", width=4,
        ),
        Panel(
            "Wants a person, of an hour",
            "Unconfirmed, not dispatched, rejected or undelivered. Each has a line of its own in "
            "the log that says why and what to do.",
            (
                (
                    "sum (increase("
                    + _m(
                        "submissions_closed_total",
                        'outcome=~"unconfirmed|not_dispatched|rejected|undelivered"',
                    )
                    + "[1h]))",
                    "unresolved",
                ),
            ),
            kind="stat", width=4, reds=1,
        ),
        Panel(
            "Outcomes",
            "How updates ended, by the hour. Presumed: we were deaf when their event came.",
            ((_per_hour("submissions_closed_total", "outcome"), "{{outcome}}"),),
            stacked=True,
        ),
        Panel(
            "Evidence",
            "The strongest sign of each outcome. Events from the server's memory (replayed) are as "
            "good as live ones; a record alone is less.",
            ((_per_hour("submissions_closed_total", "evidence"), "{{evidence}}"),),
            stacked=True,
        ),
        Panel(
            "Open",
            "What is not closed, by state. In doubt: possibly sent, and enquired of.",
            ((f"sum by (state) ({_m('submissions_open')})", "{{state}}"),),
            stacked=True,
        ),
        Panel(
            "Oldest wait",
            "Age of the oldest open update. cv-listener explain says what it waits for.",
            ((_m("submissions_oldest_wait_seconds"), "{{instance}}"),),
            unit="s",
        ),
        Panel(
            "Second thoughts",
            "Outcomes corrected by a later truth, events that may be another update's, refusals "
            "with an event all the same, and updates sent again. All should be rare.",
            (
                (_per_hour("submissions_corrected_total", "outcome"), "corrected: {{outcome}}"),
                (_per_hour("submissions_reattributed_total", "instance"), "reattributed"),
                (_per_hour("submissions_contradicted_total", "instance"), "contradicted"),
                (_per_hour("submissions_requeued_total", "instance"), "sent again"),
            ),
        ),
    ),
    "Hearing": (
        Panel(
            "Listening",
            "1 while we listen. What is sent while we are deaf is presumed at best.",
            ((f"min ({_m('subscription_connected')})", "listening"),),
            kind="stat", width=4,
        ),
        Panel(
            "Deaf, of a day",
            "For how long nothing could be heard, within the last day.",
            ((f"sum (increase({_m('deaf_seconds_total')}[1d]))", "deaf"),),
            unit="s", kind="stat", width=4,
        ),
        Panel(
            "Losses",
            "Subscriptions lost, by why, and tries to connect that failed, by the hour.",
            (
                (_per_hour("subscription_losses_total", "reason") + " > 0", "lost: {{reason}}"),
                (
                    _per_hour("subscription_connect_failures_total", "reason") + " > 0",
                    "failed: {{reason}}",
                ),
            ),
        ),
        Panel(
            "Gaps",
            "Times of which nothing can be replayed, by why, by the hour. What they held up is in "
            "gap.settled.",
            ((_per_hour("gaps_total", "reason") + " > 0", "{{reason}}"),),
        ),
        Panel(
            "Events",
            "What became of heard events, a second. Foreign: updates of others.",
            ((_rate("events_disposed_total", "disposition"), "{{disposition}}"),),
            unit="ops", stacked=True,
        ),
        Panel(
            "Since the last frame",
            "Anything at all over the socket, pings included. It stays below the server's ping "
            "interval while the line lives.",
            ((f"time() - {_m('last_frame_timestamp_seconds')}", "{{instance}}"),),
            unit="s",
        ),
        Panel(
            "Deaf though connected",
            "What second connections showed where the first was doubted. first_deaf: the upstream "
            "lost our subscription without a word.",
            ((_per_hour("subscription_comparisons_total", "verdict"), "{{verdict}}"),),
        ),
    ),
    "Sending": (
        Panel(
            "Attempts",
            "POSTs that ended, a second, by what is known of them.",
            ((_rate("attempts_total", "result"), "{{result}}"),),
            unit="ops", stacked=True,
        ),
        Panel(
            "Attempts that failed",
            "By how they ended, by the hour.",
            ((_per_hour("attempt_failures_total", "detail") + " > 0", "{{detail}}"),),
        ),
        Panel(
            "Under way and waiting",
            "Attempts in flight, lanes whose turn has come, readings that wait.",
            (
                (f"sum ({_m('attempts_in_flight')})", "in flight"),
                (f"sum by (queue) ({_m('queue_depth')})", "{{queue}}"),
            ),
        ),
        Panel(
            "Held up",
            "Sending paused by hand, quiet that the upstream asked for, and breakers that are not "
            "closed.",
            (
                (_m("sending_paused"), "paused"),
                (f"{_m('upstream_hold_seconds')} > bool 0", "held by the upstream"),
                (
                    f"sum by (breaker) ({_NOT_CLOSED})",
                    "breaker: {{breaker}}",
                ),
            ),
        ),
        Panel(
            "Readings of the record",
            "Enquiries by what they showed, and those that failed, by the hour.",
            (
                (_per_hour("enquiries_total", "movement"), "{{movement}}"),
                (
                    _per_hour("enquiry_failures_total", "detail") + " > 0",
                    "failed: {{detail}}",
                ),
            ),
        ),
        Panel(
            "Handlers",
            "Outcomes that each handler has not heard of yet, and its failures by the hour.",
            (
                (f"sum by (handler) ({_m('handler_waiting')})", "{{handler}} waiting"),
                (_per_hour("handler_failures_total", "handler"), "{{handler}} failed"),
                (f"sum by (handler) ({_m('handler_disabled')}) > 0", "{{handler}} disabled"),
            ),
        ),
    ),
    "Latency": (
        Panel(
            "Confirmed in",
            "From the first attempt possibly sent to the event. Beyond CV_CONFIRM_TIMEOUT an "
            "update closes without.",
            _quantiles("submission_confirm_seconds"), unit="s",
        ),
        Panel(
            "A POST took",
            "One attempt, from its first byte to the reply.",
            _quantiles("attempt_duration_seconds"), unit="s",
        ),
        Panel(
            "Waited to be sent",
            "From acceptance to the first attempt possibly sent: in line behind updates of the "
            "same code, paused, deaf, or held.",
            _quantiles("submission_queued_seconds"), unit="s",
        ),
        Panel(
            "In all",
            "From acceptance to the close.",
            _quantiles("submission_duration_seconds"), unit="s",
        ),
        Panel(
            "Confirmations, spread",
            "The same as a heat map: a second band shows a cause of its own.",
            (
                (
                    "sum by (le) (increase("
                    f"{_m('submission_confirm_seconds_bucket')}[$__rate_interval]))",
                    "{{le}}",
                ),
            ),
            unit="s", kind="heatmap", width=16,
        ),
    ),
    "Health": (
        Panel(
            "Commits",
            "A transaction of the journal, its fsync included: acceptance waits for it.",
            _quantiles("journal_commit_seconds"), unit="s",
        ),
        Panel(
            "Loop lag",
            "How late the event loop was. A function of yours that blocks it shows here.",
            _quantiles("loop_lag_seconds"), unit="s",
        ),
        Panel(
            "Room",
            "Files in the spool, their quota, and what the disk still has.",
            (
                (_m("spool_bytes"), "spool"),
                (_m("spool_quota_bytes"), "quota"),
                (_m("state_disk_free_bytes"), "free on the disk"),
            ),
            unit="bytes",
        ),
        Panel(
            "Loud lines",
            "Lines of warning and above, by event, by the hour.",
            (
                (
                    _per_hour(
                        "log_events_total", "event", 'level=~"warning|error|critical"'
                    )
                    + " > 0",
                    "{{event}}",
                ),
            ),
        ),
        Panel(
            "Lines lost",
            "Dropped because nobody read them, or held back because many were alike.",
            (
                (_per_hour("log_dropped_lines_total", "instance"), "dropped"),
                (_per_hour("log_suppressed_lines_total", "instance"), "held back"),
            ),
        ),
        Panel(
            "Runs",
            "Since when it runs, and which version. Counters begin with a run.",
            (
                (f"time() - {_m('start_time_seconds')}", "{{instance}} up"),
                (f"{_m('draining')} > 0", "{{instance}} draining"),
                (f"0 * {_m('build_info')}", "version {{version}}"),
            ),
            unit="s",
        ),
    ),
}  # fmt: skip


def dashboard() -> str:
    """The dashboard as Grafana imports it."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in ROWS.items():
        panels.append(_row(title, len(panels) + 1, top))
        top += 1
        left = 0
        for panel in row:
            if left + panel.width > WIDTH:
                left, top = 0, top + HEIGHT
            place = {"x": left, "y": top, "w": panel.width, "h": HEIGHT}
            panels.append(_panel(panel, len(panels) + 1, place))
            left += panel.width
        top += HEIGHT
    return json.dumps(_whole(panels), indent=1, ensure_ascii=False) + "\n"


def _whole(panels: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "title": "cv-listener",
        "uid": "cv-listener",
        "description": "Generated from docs/dashboard.py by `make docs`.",
        "tags": ["cv-listener"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "utc",
        "templating": {"list": [_datasource(), _instances()]},
        "panels": panels,
    }


def _datasource() -> dict[str, Any]:
    return {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "refresh": 1,
    }


def _instances() -> dict[str, Any]:
    return {
        "name": "instance",
        "label": "Daemon",
        "type": "query",
        "datasource": _SOURCE,
        "query": "label_values(cv_listener_start_time_seconds, instance)",
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def _row(title: str, number: int, top: int) -> dict[str, Any]:
    place = {"x": 0, "y": top, "w": WIDTH, "h": 1}
    return {"type": "row", "title": title, "id": number, "collapsed": False, "gridPos": place}


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    shown: dict[str, Any] = {"unit": panel.unit, "min": 0}
    if panel.kind == "timeseries":
        shown["custom"] = {
            "fillOpacity": 30 if panel.stacked else 8,
            "stacking": {"mode": "normal" if panel.stacked else "none"},
            "showPoints": "never",
        }
    if panel.reds is not None:
        steps = [{"color": "green", "value": None}, {"color": "red", "value": panel.reds}]
        shown["thresholds"] = {"mode": "absolute", "steps": steps}
    formatted = {"format": "heatmap"} if panel.kind == "heatmap" else {}
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "id": number,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": shown, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": _SOURCE,
                "expr": expr,
                "legendFormat": legend,
                **formatted,
            }
            for index, (expr, legend) in enumerate(panel.queries)
        ],
    }
