"""How a log is played: two daemons apart, firings begin and end, memory is bounded; the command."""

from __future__ import annotations

import gzip
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from listener.cli import exits
from listener.report import alerts as played
from listener.report.alerts import AlertPlay
from tests.cli.terminal import cli

from .recorded import FOLDER

M = 60_000


def beat(**fields: Any) -> dict[str, Any]:
    return {"event": "daemon.heartbeat", "replica": "a", "deaf_ms": 0, **fields}


def shown(play: AlertPlay) -> list[tuple[str, str, int, int | None]]:
    return [(one.alert.name, one.replica, one.began_ms, one.ended_ms) for one in play.firings()]


def test_two_daemons_alert_apart() -> None:
    play = AlertPlay()
    lost = {"event": "subscription.lost"}
    for number in range(4):
        play.line(M + number, lost | {"replica": "a"})
        play.line(M + number, lost | {"replica": "b"})
    assert shown(play) == []
    play.line(2 * M, lost | {"replica": "b"})
    assert shown(play) == [("GapsFrequent", "b", 2 * M, None)]


def test_what_holds_fires_once_and_ends_when_its_time_is_over() -> None:
    play = AlertPlay()
    for minute in range(1, 10):
        play.line(minute * M, {"event": "log.dropped", "replica": "a"})
    play.until(60 * M)
    ((name, _, began, ended),) = shown(play)
    assert (name, began, play.counts) == ("LogDropped", M, {"LogDropped": 1})
    assert ended is not None and 24 * M <= ended <= 25 * M


def test_silence_counts_from_the_last_sign_and_is_over_with_the_next() -> None:
    play = AlertPlay()
    play.line(M, beat())
    play.line(9 * M, beat())
    play.until(13 * M)
    assert shown(play) == [("DaemonSilent", "a", 6 * M, 9 * M)]


def test_a_burst_after_a_quiet_time_is_given_the_time_to_be_confirmed() -> None:
    accepted = {"event": "attempt.ended", "replica": "a", "result": "accepted"}
    confirmed = {"event": "submission.closed", "replica": "a", "outcome": "confirmed"}
    play = AlertPlay()
    for number in range(16):
        play.line(M + number, accepted)
    play.line(2 * M, confirmed)
    play.until(20 * M)
    assert shown(play) == []
    for number in range(16):
        play.line(30 * M + number, accepted)
    play.line(40 * M, confirmed)
    ((name, _, began, ended),) = shown(play)
    assert (name, ended) == ("ConfirmationsStopped", 40 * M)
    assert 32 * M <= began <= 33 * M


def test_a_figure_must_stay_high_all_the_time() -> None:
    play = AlertPlay()
    for minute in range(1, 10):
        play.line(minute * M, beat(loop_lag_ms=700 if minute != 4 else 20))
    assert shown(play) == []
    play.line(10 * M, beat(loop_lag_ms=700))
    assert shown(play) == [("LoopLags", "a", 10 * M, None)]
    play.line(11 * M, beat(loop_lag_ms=None))
    assert shown(play) == [("LoopLags", "a", 10 * M, 11 * M)]


def test_the_incident_of_one_handler_is_not_ended_by_another_s() -> None:
    play = AlertPlay()
    play.line(M, {"event": "handler.failed", "replica": "a", "handler": "webhook"})
    play.line(2 * M, {"event": "handler.recovered", "replica": "a", "handler": "chat"})
    play.until(17 * M)
    assert shown(play) == [("HandlerFails", "a", 16 * M, None)]
    play.line(18 * M, {"event": "daemon.started", "replica": "a"})
    assert shown(play) == [("HandlerFails", "a", 16 * M, 18 * M)]


def test_lines_of_any_shape_and_any_number_of_daemons_are_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(played, "KEPT", 3)
    play = AlertPlay()
    for number in range(3 * played.REPLICAS):
        play.line(M, {"event": "log.dropped", "replica": f"one-{number}"})
        play.line(M, {"event": "submission.closed", "outcome": ["odd"], "replica": {}})
        play.line(M, {"event": "handler.failed", "handler": [{}], "replica": None})
        play.line(M, beat(deaf_ms="long", loop_lag_ms=True))
    assert play.counts["LogDropped"] == played.REPLICAS - 3
    assert len(play.firings()) == 3


async def test_the_command_tells_what_would_have_fired_and_ends_with_it(tmp_path: Path) -> None:
    log = tmp_path / "daemon.log"
    log.write_bytes(gzip.decompress((FOLDER / "event_lost.log.gz").read_bytes()))
    ended = await cli(tmp_path, "report", "daemon.log", "--alerts")
    assert ended.status == exits.ALERTED, ended.err
    assert "TICKET  Unresolved, 1 time" in ended.out
    assert "docs/alerts.md#unresolved" in ended.out
    assert max(map(len, ended.out.splitlines())) <= 80
    last = json.loads(log.read_text().splitlines()[-1])["timestamp"]
    until = (datetime.fromisoformat(last) + timedelta(minutes=30)).isoformat()
    ended = await cli(tmp_path, "report", "daemon.log", "--alerts", "--json", "--until", until)
    assert ended.status == exits.ALERTED
    told = {one["name"]: one for one in json.loads(ended.out)["alerts"]}
    assert set(told) == {"DaemonSilent", "Unresolved"}
    (firing,) = told["Unresolved"]["firings"]
    assert firing["ended_ms"] - firing["began_ms"] == pytest.approx(15 * M, abs=M)


async def test_a_log_in_which_all_is_well_ends_with_0(tmp_path: Path) -> None:
    log = tmp_path / "daemon.log"
    log.write_bytes(gzip.decompress((FOLDER / "healthy.log.gz").read_bytes()))
    ended = await cli(tmp_path, "report", "daemon.log", "--alerts")
    assert (ended.status, ended.err) == (0, "")
    assert "no alert would have fired" in ended.out
