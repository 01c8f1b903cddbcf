"""What the metrics must say for an alert to fire, as Prometheus is asked."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measured:
    """PromQL over the metrics' names, true where the alert fires, for ``for_s``."""

    expr: str
    for_s: int = 0


def closed_share(outcome: str) -> Measured:
    """A fifth of those that closed within the hour, of five or more."""
    total = "sum without (outcome, evidence) (increase(cv_listener_submissions_closed_total[1h]))"
    part = (
        "sum without (outcome, evidence) "
        f'(increase(cv_listener_submissions_closed_total{{outcome="{outcome}"}}[1h]))'
    )
    return Measured(f"{part} / {total} >= 0.2 and {total} >= 4.5")


def told(events: str, within: str = "15m", least: float = 0) -> Measured:
    """Lines of an event, or of any of some with a bar between, counted by the log itself."""
    match = "=~" if "|" in events else "="
    said = f'increase(cv_listener_log_events_total{{event{match}"{events}"}}[{within}])'
    return Measured(f"sum without (event, level) ({said}) > {least:g}")
