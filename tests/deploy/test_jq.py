"""Each recipe for jq, on a recorded log, against the same reckoned here."""

from __future__ import annotations

import gzip
import json
import re
import statistics
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from listener.core.catalogue import CATALOGUE
from tests.alerts.recorded import FOLDER
from tests.tools import program
from tests.tree import ROOT

RECIPES = sorted((ROOT / "deploy" / "jq").glob("*.jq"))


def log(name: str) -> str:
    text = gzip.decompress((FOLDER / f"{name}.log.gz").read_bytes()).decode()
    return text.partition("\n")[2] + "no line of ours\n{torn\n"


def lines(name: str, event: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in log(name).splitlines() if line.startswith('{"')]
    return [line for line in found if line["event"] == event]


def run(recipe: str, name: str, more: str = "", **args: str) -> list[Any]:
    given = [part for key, value in args.items() for part in ("--arg", key, value)]
    path = ROOT / "deploy" / "jq" / f"{recipe}.jq"
    done = subprocess.run(
        [program("jq"), "-nRcf", path, *given],
        input=log(name) + more,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_outcomes() -> None:
    expected = Counter(line["outcome"] for line in lines("codes_unknown", "submission.closed"))
    found = run("outcomes", "codes_unknown")
    assert {row["outcome"]: row["count"] for row in found} == expected
    one = lines("codes_unknown", "submission.closed")[0] | {"event": "submission.corrected"}
    newer = {"outcome": "confirmed", "submission_version": 99, "confirm_ms": 7}
    corrected = json.dumps(one | newer)
    told = {row["outcome"]: row["count"] for row in run("outcomes", "codes_unknown", corrected)}
    assert told == expected - Counter([one["outcome"]]) + Counter(["confirmed"])
    assert run("latency", "codes_unknown", corrected)[0]["count"] == told["confirmed"]
    assert sum(row["percent"] for row in found) == pytest.approx(100, abs=0.5)


def test_unresolved() -> None:
    (row,) = run("unresolved", "event_lost")
    assert row["outcome"] == "unconfirmed" and row["hint"] and row["reason"]
    assert {row["outcome"] for row in run("unresolved", "codes_unknown")} == {"rejected"}
    assert run("unresolved", "healthy") == []
    one = lines("event_lost", "submission.closed")[0]
    between = one | {"submission_id": "b", "retry_of": row["submission_id"]}
    again = one | {"submission_id": "c", "retry_of": "b", "outcome": "confirmed"}
    more = [json.dumps(between | {"outcome": "rejected"}), json.dumps(again)]
    left = {row["submission_id"] for row in run("unresolved", "event_lost", more[0])}
    assert left == {row["submission_id"], "b"}
    assert run("unresolved", "event_lost", "\n".join(more)) == []


def test_one_submission_and_one_cv() -> None:
    (row,) = run("unresolved", "event_lost")
    story = run("submission", "event_lost", id=row["submission_id"])
    told = [line["event"] for line in story]
    assert told[0] == "submission.accepted" and "submission.closed" in told
    same = run("cv", "event_lost", ref=row["cv_ref"])
    assert {line["submission_id"] for line in same} == {row["submission_id"]}


def test_latency_and_the_slowest() -> None:
    took = [line["confirm_ms"] for line in lines("healthy", "submission.closed")]
    (row,) = run("latency", "healthy")
    assert row["count"] == len(took)
    assert row["most"] == max(took)
    assert row["p50"] == pytest.approx(statistics.median_low(took), abs=5)
    slowest = run("slowest", "healthy")
    assert [one["confirm_ms"] for one in slowest] == sorted(took, reverse=True)[:10]
    one = lines("healthy", "submission.closed")[0] | {"event": "submission.corrected"}
    late = json.dumps(one | {"submission_version": 99, "confirm_ms": 40_000})
    assert run("slowest", "healthy", late)[0]["confirm_ms"] == 40_000


def test_deaf() -> None:
    restored = lines("socket_flaps", "subscription.restored")
    told = {"since": "2026-11-26T07:01:15.545Z", "until": "2026-11-26T07:01:20.406Z"}
    found = run("deaf", "socket_flaps", json.dumps({"event": "subscription.restored"} | told))
    last = found.pop()
    assert told.items() <= last.items(), "and not when it was found out"
    assert [row["deaf_ms"] for row in found] == [line["duration_ms"] for line in restored]


def test_attempts() -> None:
    found = run("attempts", "upstream_throttles")
    assert sum(row["count"] for row in found) == len(lines("upstream_throttles", "attempt.ended"))
    assert "throttled" in {row["result"] for row in found}


def test_loud() -> None:
    found = {row["event"]: row for row in run("loud", "socket_flaps")}
    assert found["subscription.lost"]["count"] == len(lines("socket_flaps", "subscription.lost"))
    assert found["subscription.lost"]["hint"]
    grave = {"event": "submission.closed", "level": "error", "timestamp": "2026", "hint": "grave"}
    light = grave | {"level": "warning", "timestamp": "2027", "hint": "light"}
    told = run("loud", "healthy", "\n".join(map(json.dumps, (grave, grave, light, light, light))))
    assert [(row["level"], row["count"], row["hint"]) for row in told[:2]] == [
        ("error", 2, "grave"),
        ("warning", 3, "light"),
    ]


def test_beats() -> None:
    head, *rows = run("beats", "healthy")
    assert len(rows) == len(lines("healthy", "daemon.heartbeat"))
    assert head.split("\t")[0] == "timestamp"
    assert all(len(row.split("\t")) == len(head.split("\t")) for row in rows)


def test_runs() -> None:
    assert [row["ended"] for row in run("runs", "healthy")] == [
        "in order",
        "killed, or still running",
    ]
    broken = run("runs", "journal_broken")
    assert broken[0]["ended"] == "failed" and broken[0]["error"]


def test_every_recipe_says_what_it_is_for_and_is_tried_and_told_of() -> None:
    tried, told = Path(__file__).read_text(), (ROOT / "deploy" / "README.md").read_text()
    assert RECIPES
    for path in RECIPES:
        text = path.read_text()
        assert text.startswith("# ")
        assert f'run("{path.stem}"' in tried
        assert f"jq/{path.name}" in told
        named = re.findall(r'"([a-z]+\.[a-z_]+)"', text)
        assert set(named) <= set(CATALOGUE), named
