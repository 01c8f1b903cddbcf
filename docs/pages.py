"""``python -m docs.pages``: writes the papers that are generated from the source (`make docs`).

``PAGES`` names them all; ``tests/test_papers.py`` fails on one that is stale. A page is a function
without arguments that returns the whole text, the same text each time.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from docs import (
    alert_rules,
    configuration,
    dashboard,
    decision_list,
    faults,
    log_events,
    metrics,
    proof,
    state_machine,
)

ROOT = Path(__file__).resolve().parent.parent

PAGES: dict[str, Callable[[], str]] = {
    "deploy/alerts/loki-rules.yaml": alert_rules.loki_rules,
    "deploy/alerts/prometheus-rules.yaml": alert_rules.prometheus_rules,
    "deploy/grafana/cv-listener.json": dashboard.dashboard,
    "docs/alerts.md": alert_rules.page,
    ".env.example": configuration.env_example,
    "docs/configuration.md": configuration.page,
    "docs/decisions/README.md": decision_list.page,
    "docs/faults.md": faults.page,
    "docs/log-events.md": log_events.page,
    "docs/metrics.md": metrics.page,
    "docs/proof.md": proof.page,
    "docs/state-machine.md": state_machine.page,
}
"""Path from the root → what writes it."""


def stale() -> list[str]:
    """The pages that are not what their source says now, absent ones included."""
    return [
        name
        for name, write in PAGES.items()
        if not (ROOT / name).is_file() or (ROOT / name).read_text(encoding="utf-8") != write()
    ]


def main() -> None:
    for name in stale():
        (ROOT / name).write_text(PAGES[name](), encoding="utf-8")
        print(f"wrote {name}")


if __name__ == "__main__":
    main()
