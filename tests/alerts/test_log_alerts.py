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


def test_of_several_daemons_in_one_log_the_one_that_is_gone_is_missed() -> None:
    killed, until = log("daemon_killed")
    other = [(at, line | {"replica": "other"}) for at, line in log("healthy")[0]]
    # Its beats go on until the end, and after it.
    beat = next(line for _, line in reversed(other) if line["event"] == "daemon.heartbeat")
    other += [(at, beat) for at in range(other[-1][0], until + 600_000, 30_000)]
    play = AlertPlay()
    for at_ms, line in sorted([*killed, *other], key=lambda told: told[0]):
        play.line(at_ms, line)
    play.until(until)
    assert set(play.counts) == {"DaemonSilent"}
