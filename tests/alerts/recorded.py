"""Recordings, read again at the pace of the world: what took a second took a minute out there.

Times that follow from the settings, which were sixty times as short, are stretched with it; what
the machine or the upstream took (a commit, a delay of the loop, the start of a process, the time
to an event) is as it was. No
scene waits between the end of a run and the next one's start: all that lies between is the start's.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from .stage import SCRAPE_S, SPEED

FOLDER = Path(__file__).resolve().parent / "recordings"
STRETCHED = {"deaf_ms", "oldest_wait_ms", "paused_ms", "last_frame_age_ms", "last_event_age_ms"}
Pace = Callable[[float], float]
"""Unix seconds, as the recorder has them → seconds from the beginning, out there."""


@cache
def _kept(name: str) -> tuple[dict[str, float], list[tuple[float, dict[str, Any]]]]:
    """Where it begins and ends; and each line, with its time."""
    head, *lines = gzip.decompress((FOLDER / f"{name}.log.gz").read_bytes()).decode().splitlines()
    told: dict[str, float] = json.loads(head)
    read = [_read(json.loads(line)) for line in lines]
    return told, read


def _read(line: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    for field in STRETCHED & line.keys():
        line[field] *= SPEED
    return datetime.fromisoformat(line["timestamp"]).timestamp(), line


def pace(name: str) -> Pace:
    """How its time passes."""
    told, lines = _kept(name)
    began = before = told["began"]
    run, since = "", began
    starts: list[tuple[float, float]] = []
    for at, line in lines:
        if line["run_id"] != run:
            run, since = line["run_id"], before
        if line["event"] == "daemon.ready":
            starts.append((since, at))
        before = at

    def world(at: float) -> float:
        starting = sum(max(0.0, min(at, end) - min(at, start)) for start, end in starts)
        return (at - began - starting) * SPEED + starting

    return world


def log(name: str) -> tuple[list[tuple[int, dict[str, Any]]], int]:
    """(milliseconds from the beginning, fields) of each line, and when it ended."""
    told, lines = _kept(name)
    world = pace(name)
    until = max(told["until"], lines[-1][0])
    return [(round(world(at) * 1000), line) for at, line in lines], round(world(until) * 1000)


def seconds(name: str) -> float:
    """How long it was, out there."""
    return pace(name)(_kept(name)[0]["until"])


def metrics(
    name: str, wanted: Callable[[str], bool] = lambda _: True
) -> dict[str, list[tuple[float, float]]]:
    """Series → (seconds from the beginning, value) of each scrape; of those that are wanted."""
    world, began = pace(name), _kept(name)[0]["began"]
    data = gzip.decompress((FOLDER / f"{name}.metrics.gz").read_bytes())
    found: dict[str, list[list[float]]] = json.loads(data)
    return {
        series: [
            (world(began + tick * SCRAPE_S), value)
            for first, last, value in runs
            for tick in range(round(first), round(last) + 1)
        ]
        for series, runs in found.items()
        if wanted(series)
    }


def names() -> Iterator[str]:
    """Of those that are there."""
    yield from sorted(path.name.removesuffix(".log.gz") for path in FOLDER.glob("*.log.gz"))
