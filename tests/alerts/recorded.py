"""Recordings, read again at the pace of the world: what took a second took a minute out there.

Times that follow from the settings, which were sixty times as short, are stretched with it; what
the machine itself took (a commit, a delay of the loop) is as it was.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from .stage import SPEED

FOLDER = Path(__file__).resolve().parent / "recordings"
STRETCHED = {
    *("deaf_ms", "oldest_wait_ms", "paused_ms", "last_frame_age_ms", "last_event_age_ms"),
    *("duration_ms", "queued_ms", "post_ms", "confirm_ms", "total_ms"),
}


def log(name: str) -> tuple[list[tuple[int, dict[str, Any]]], int]:
    """(milliseconds from the beginning, fields) of each line, and when it ended."""
    head, *lines = gzip.decompress((FOLDER / f"{name}.log.gz").read_bytes()).decode().splitlines()
    told = json.loads(head)
    read = [_read(json.loads(line)) for line in lines]
    # By the daemon's clock, which may be ahead of the recorder's.
    first = read[0][0]
    until = _stretched(max(told["until"], read[-1][0]) - first)
    return [(_stretched(at - first), line) for at, line in read], until


def _stretched(seconds: float) -> int:
    return round(seconds * 1_000 * SPEED)


def _read(line: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    for field in STRETCHED & line.keys():
        line[field] *= SPEED
    return datetime.fromisoformat(line["timestamp"]).timestamp(), line


def metrics(name: str) -> dict[str, list[list[float]]]:
    """Series → [first scrape, last scrape, value] of each run of one value."""
    data = gzip.decompress((FOLDER / f"{name}.metrics.gz").read_bytes())
    found: dict[str, list[list[float]]] = json.loads(data)
    return found


def began(name: str) -> float:
    """The recorder's clock at the first scrape, Unix seconds."""
    with gzip.open(FOLDER / f"{name}.log.gz", "rt") as file:
        return float(json.loads(next(iter(file)))["began"])


def names() -> Iterator[str]:
    """Of those that are there."""
    yield from sorted(path.name.removesuffix(".log.gz") for path in FOLDER.glob("*.log.gz"))


def seconds(name: str) -> float:
    """How long it was, out there, by the recorder's clock."""
    with gzip.open(FOLDER / f"{name}.log.gz", "rt") as file:
        told = json.loads(next(iter(file)))
    return float(told["until"] - told["began"]) * SPEED
