"""The alerts agree with what there is: events, fields, words, metrics and pages."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from listener.core.alarms import Absent, Counted, Lines, Share, Stays, Unended, Without
from listener.core.alerts import ALERTS, Alert
from listener.core.catalogue import CATALOGUE
from listener.core.names import Outcome, PostKind
from listener.core.reasons import SUBSCRIPTION
from tests.tools import program
from tests.tree import ROOT

from .queries import strange

LOKI = ROOT / "deploy" / "alerts" / "loki-rules.yaml"
PROMETHEUS = ROOT / "deploy" / "alerts" / "prometheus-rules.yaml"
WORDS: dict[str, set[str]] = {
    "outcome": {*Outcome},
    "result": {*PostKind},
    "reason": {*SUBSCRIPTION},
}


def lines_of(alert: Alert) -> Iterator[Lines]:
    """Every kind of line that its condition speaks of."""
    match alert.log:
        case Counted(lines, _, _):
            yield from lines
        case Share(lines, of, _, _, _):
            yield from (lines, of)
        case Without(lines, _, expected, _, _):
            yield from (lines, expected)
        case Stays(event, field, least, _):
            yield Lines(event, at_least=(field, least))
        case Unended(begins, ends, _, _):
            yield begins
            yield from map(Lines, ends)
        case Absent(event, _):
            yield Lines(event)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_speaks_of_events_fields_words_and_metrics_that_exist(alert: Alert) -> None:
    assert alert.log is not None or alert.metrics is not None
    assert not alert.see or alert.see in CATALOGUE
    for lines in lines_of(alert):
        fields = CATALOGUE[lines.event].fields
        for name, words in lines.where:
            assert name in fields
            assert set(words) <= WORDS[name]
        assert lines.at_least is None or lines.at_least[0] in fields
    if isinstance(alert.log, Unended) and alert.log.by:
        assert alert.log.by in CATALOGUE[alert.log.begins.event].fields
    if alert.metrics is not None:
        assert strange(alert.metrics.expr) == []


def test_names_are_given_once() -> None:
    names = [alert.name for alert in ALERTS]
    assert len(names) == len(set(names))


def test_a_query_of_what_is_not_there_is_found_out() -> None:
    assert strange("cv_listener_nothing_total > 0")
    assert strange('cv_listener_attempts_total{outcome="accepted"}')
    assert strange('cv_listener_attempts_total{result=~"accepted|lost"}')
    assert strange("cv_listener_loop_lag_seconds")
    assert strange('cv_listener_attempts_total{result=~"accepted|refused"}') == []


@pytest.mark.parametrize(
    ("path", "names"),
    [
        (LOKI, [alert.name for alert in ALERTS if alert.log]),
        (PROMETHEUS, [alert.name for alert in ALERTS if alert.metrics]),
    ],
    ids=["loki", "prometheus"],
)
def test_the_rules_hold_each_alert(path: Path, names: list[str]) -> None:
    (group,) = yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    assert [rule["alert"] for rule in group["rules"]] == names
    for rule in group["rules"]:
        assert rule["expr"].count("(") == rule["expr"].count(")")
        assert rule["expr"].count("`") % 2 == 0
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        headings = (ROOT / page).read_text().splitlines()
        assert f"## {rule['alert']}" in headings and anchor == rule["alert"].lower()


def test_promtool_takes_the_rules() -> None:
    done = subprocess.run(
        [program("promtool"), "check", "rules", PROMETHEUS],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
