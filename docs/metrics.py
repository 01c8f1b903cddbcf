"""The page of metrics: written from the table that ``/metrics`` is made of."""

from __future__ import annotations

from listener.adapters.metrics.table import GROUPS, Kind, Label, Spec

SHOWN = 12
"""Words of a label; where there are more, the page says where they stand."""
ELSEWHERE = {
    "detail": "a word of [attempts, readings](log-events.md#how-an-attempt-or-a-reading-ended)",
    "reason": "a word of [lost subscriptions](log-events.md#why-there-is-no-subscription)",
    "event": "[the catalogue](log-events.md)'s",
}

INTRODUCTION = """\
<!-- Generated from listener/adapters/metrics/table.py by `make docs`: change that, not
this page. -->

# Metrics

`GET /metrics` shows them in Prometheus's text format, or as OpenMetrics to whoever asks for that
(`Accept`). Where the daemon listens on this machine alone it wants no token; otherwise a `read`
one, unless `CV_METRICS_OPEN` says otherwise. A target that is a name, as here, must be one of
`CV_INTAKE_HOSTS` (421 otherwise); an address need not.

```yaml
scrape_configs:
  - job_name: cv-listener
    authorization: {credentials_file: /etc/prometheus/cv-listener.token}
    static_configs: [{targets: ["cv-listener.example:8600"]}]
```

Counters begin with the process. They are fed from what the log is told, line by line, whatever
`CV_LOG_LEVEL` lets through, so that metrics and log never differ; what no line tells of, and what
is so at this moment, is looked up at each scrape. A canonical line that is told again after a crash
(`repeated`) counts nothing. Durations are seconds, sizes bytes.

A label says one of the words that stand here, and nothing that anybody else chose: no code, no
`cv_ref`, no id. Metrics with such labels are there from the start, at 0. Beside these there are
the `process_…` metrics that every Prometheus client has: CPU, memory, open files.
"""


def page() -> str:
    """Each group's metrics, with type, labels and meaning."""
    return "\n".join([INTRODUCTION, *(_group(title, specs) for title, specs in GROUPS.items())])


def _group(title: str, specs: tuple[Spec, ...]) -> str:
    head = f"## {title}\n\n| metric | type | labels | means |\n|---|---|---|---|"
    return "\n".join([head, *(_row(spec) for spec in specs), ""])


def _row(spec: Spec) -> str:
    labels = "; ".join(_label(label) for label in spec.labels)
    meaning = spec.meaning
    if spec.kind is Kind.HISTOGRAM:
        meaning += f" Buckets up to {', '.join(f'{bound:g}' for bound in spec.buckets)} s."
    return f"| `{spec.full_name}` | {spec.kind.value} | {labels} | {meaning} |"


def _label(label: Label) -> str:
    if label.from_settings:
        return f"`{label.name}`: a name in CV_OUTCOME_HANDLERS or CV_EVENT_HANDLERS"
    if not label.words:
        return f"`{label.name}`"
    if len(label.words) > SHOWN:
        return f"`{label.name}`: {ELSEWHERE[label.name]}"
    return f"`{label.name}`: {', '.join(label.words)}"
