"""What the heartbeats tell: what is open, and how well the daemon lives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from listener.core.names import State

from .reading import Line
from .sketch import Raster
from .values import count, measure, word

REPLICAS = 50
COLUMNS = ("open", "oldest_wait_ms", "fsync_p99_ms", "loop_lag_ms")


@dataclass(slots=True)
class Beat:
    """The last one of a replica."""

    at_ms: int
    replica: str
    open_by_state: dict[str, int]
    oldest_wait_ms: int | None
    connected: bool
    deaf_ms: int
    dropped_lines: int

    @property
    def open(self) -> int:
        return sum(self.open_by_state.values())


class Pulse:
    """Takes the heartbeats. ``by_time``: the greatest of each of ``COLUMNS``."""

    def __init__(self) -> None:
        self.last: dict[str, Beat] = {}
        self.by_time = Raster(len(COLUMNS), merge=max)
        self.most: dict[str, float] = {}

    def takes(self) -> Mapping[str, Callable[[Line], None]]:
        """By event."""
        return {"daemon.heartbeat": self._beat}

    def _beat(self, line: Line) -> None:
        fields = line.fields
        given = fields.get("open_by_state")
        states = given if isinstance(given, dict) else {}
        beat = Beat(
            line.at_ms,
            word(fields, "replica"),
            {state.value: n for state in State if (n := count(states, state.value))},
            count(fields, "oldest_wait_ms"),
            fields.get("connected") is True,
            count(fields, "deaf_ms") or 0,
            count(fields, "dropped_lines") or 0,
        )
        before = self.last.get(beat.replica)
        newer = len(self.last) < REPLICAS if before is None else before.at_ms <= beat.at_ms
        if newer:
            self.last[beat.replica] = beat
        self._measure(line.at_ms, 0, float(beat.open))
        for column, name in enumerate(COLUMNS[1:], 1):
            value = measure(fields, name)
            if value is not None:
                self._measure(line.at_ms, column, value)

    def _measure(self, at_ms: int, column: int, value: float) -> None:
        self.by_time.add(at_ms, column, value)
        name = COLUMNS[column]
        self.most[name] = max(self.most.get(name, 0.0), value)
