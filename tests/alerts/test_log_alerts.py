"""On the log of each recorded fault its alert fires, and no other."""

from __future__ import annotations

import pytest

from listener.core.alerts import ALERTS
from listener.report.alerts import AlertPlay

from .recorded import log, names
from .scenes import SCENES

SEEN = {alert.name for alert in ALERTS if alert.log is not None}


def test_each_alert_has_its_fault_and_each_fault_its_recording() -> None:
    assert {scene.alert for scene in SCENES.values()} - {None} == {alert.name for alert in ALERTS}
    assert set(names()) == set(SCENES)


@pytest.mark.parametrize("name", SCENES)
def test_the_log_of_a_fault_raises_its_alert_and_no_other(name: str) -> None:
    lines, until = log(name)
    play = AlertPlay()
    for at_ms, line in lines:
        play.line(at_ms, line)
    play.until(until)
    scene = SCENES[name]
    expected = {scene.alert, *scene.consequences} & SEEN
    assert set(play.counts) == expected
