"""On the metrics of each recorded fault its alert fires in Prometheus's own rule engine, and no
other."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

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
