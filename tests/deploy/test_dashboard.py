"""The dashboard: each panel says what it is for, and asks for metrics that exist, in PromQL."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from listener.adapters.metrics.table import GROUPS
from tests.alerts.queries import strange
from tests.tools import program
from tests.tree import ROOT

DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "cv-listener.json").read_text())
PANELS: list[dict[str, Any]] = [one for one in DASHBOARD["panels"] if one["type"] != "row"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_says_what_it_is_for_and_asks_for_what_exists(panel: dict[str, Any]) -> None:
    assert len(panel["description"]) > 20
    assert panel["datasource"]["uid"] == "${datasource}"
    for target in panel["targets"]:
        assert strange(target["expr"]) == []
        assert target["legendFormat"]
        assert 'instance=~"$instance"' in target["expr"]


def test_promtool_can_read_every_query(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": _filled(query)}
        for number, query in enumerate(QUERIES)
    ]
    path = tmp_path / "queries.json"
    path.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run(
        [program("promtool"), "check", "rules", path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _filled(query: str) -> str:
    """As Grafana does it."""
    return query.replace("$__rate_interval", "1m").replace("$instance", ".*")


def test_every_metric_but_the_few_that_speak_through_others_is_shown() -> None:
    names = {spec.full_name for specs in GROUPS.values() for spec in specs}
    shown = {name for name in names if any(name in query for query in QUERIES)}
    assert names - shown == {
        *("cv_listener_submissions_accepted_total", "cv_listener_attempts_declined_total"),
        *("cv_listener_upstream_holds_total", "cv_listener_breaker_opened_total"),
        *("cv_listener_subscription_reconnects_total", "cv_listener_events_received_total"),
        *("cv_listener_last_event_timestamp_seconds", "cv_listener_event_streams"),
        "cv_listener_journal_answers",
    }


def test_panels_lie_side_by_side() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
