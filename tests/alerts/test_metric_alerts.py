"""On the metrics of each recorded fault its alert fires in Prometheus's own rule engine, and no
other."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from listener.core.alerts import ALERTS
from tests.tools import program
from tests.tree import ROOT

from .promtool import unit_test
from .recorded import metrics
from .scenes import SCENES

RULES = ROOT / "deploy" / "alerts" / "prometheus-rules.yaml"
SEEN = {alert.name for alert in ALERTS if alert.metrics is not None}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What promtool says of each scene: all of them in one run of it."""
    folder = tmp_path_factory.mktemp("promtool")
    for name, scene in SCENES.items():
        alerts = SEEN & {scene.alert, *scene.consequences}
        text = unit_test(name, str(RULES), alerts)
        (folder / f"{name}.yaml").write_text(text)
    files = [str(folder / f"{name}.yaml") for name in SCENES]
    done = subprocess.run(
        [program("promtool"), "test", "rules", *files],
        # In one stream, so that each verdict stays with its file.
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
        check=False,
    )
    said = re.split(r"^Unit Testing:\s+", done.stdout, flags=re.M)[1:]
    return {Path(part.split("\n", 1)[0].strip()).stem: part for part in said}


@pytest.mark.parametrize("name", SCENES)
def test_the_metrics_of_a_fault_raise_its_alert_and_no_other(
    judged: dict[str, str], name: str
) -> None:
    assert metrics(name)
    assert "SUCCESS" in judged[name], judged[name]


def test_of_several_daemons_the_one_that_is_gone_is_missed(tmp_path: Path) -> None:
    """Killed, or stopped for good; a target that is itself no more, a pod's, is not waited for."""
    started, up = "cv_listener_start_time_seconds", "up"
    series = [
        (started, "stays", "5x120"),
        (up, "stays", "1x120"),
        (started, "killed", "5x20 stale"),
        (up, "killed", "1x20 0x99"),
        (started, "moved", "5x20 stale"),
        (up, "moved", "1x20 stale"),
        (up, "strange", "0x120"),
    ]
    alerts = [
        {
            "exp_labels": {"severity": "page", "job": "cv", "instance": "killed"},
            "exp_annotations": words_of("DaemonSilent"),
        }
    ]
    test = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": f'{name}{{job="cv",instance="{of}"}}', "values": values}
                    for name, of, values in series
                ],
                "alert_rule_test": [
                    {"eval_time": at, "alertname": "DaemonSilent", "exp_alerts": expected}
                    for at, expected in (("20m", []), ("27m", alerts), ("119m", alerts))
                ],
            }
        ],
    }
    (tmp_path / "test.yaml").write_text(json.dumps(test))
    asked = [program("promtool"), "test", "rules", str(tmp_path / "test.yaml")]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def words_of(name: str) -> dict[str, str]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    (rule,) = (rule for rule in groups[0]["rules"] if rule["alert"] == name)
    found: dict[str, str] = rule["annotations"]
    return found
