"""Streams of events from the daemon, read over its restarts."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import httpx

from . import exits
from .daemon import BACK_S, Daemon

QUIET_S = 45.0
"""Three signs of life missed: the daemon is gone, or what stands between."""
AGAIN_S = 0.5


class Told(NamedTuple):
    """One event of a stream. ``at``: where to go on after it; empty where it is not kept."""

    at: str
    name: str
    fields: dict[str, Any]


def follow(
    daemon: Daemon, path: str, query: Mapping[str, str], after: str | None = None
) -> Iterator[Told]:
    """For ever: a daemon that goes away is waited for, and asked to go on after the last.

    Raises CommandFailed where none answers at first, or none comes back; where the stream can go
    on after a place, its hint says from where.
    """
    gone_since: float | None = None
    answered = False
    while True:
        given = {**query, **({} if after is None else {"after": after})}
        try:
            with daemon.stream(path, given, QUIET_S) as lines:
                gone_since, answered = None, True
                for told in _read(lines):
                    after = told.at or after
                    yield told
        except httpx.TransportError as error:
            now = time.monotonic()
            gone_since = gone_since or now
            if not answered:
                raise daemon.absent(error) from None
            daemon.look_again()
            if now - gone_since > BACK_S:
                hint = "" if after is None else f"go on later with --after {after}"
                raise exits.CommandFailed(
                    exits.UNAVAILABLE,
                    f"the daemon at {daemon.shown} went away ({type(error).__name__})",
                    hint or "start it: cv-listener run",
                ) from None
        time.sleep(AGAIN_S)


def _read(lines: Iterator[str]) -> Iterator[Told]:
    at, name, data = "", "", ""
    for line in lines:
        if line.startswith("id: "):
            at = line[4:]
        elif line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            data = line[6:]
        elif not line and data:
            yield Told(at, name, json.loads(data))
            name = data = ""
