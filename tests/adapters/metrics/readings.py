"""Vitals as a test wants them, and a page read back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as families

from listener.adapters.metrics import Build, Counts, Machine, Metrics
from listener.core.names import BreakerState, Disposition, Millis, State
from listener.ports.journal import Tally
from listener.ports.vitals import (
    BreakerName,
    HandlerVitals,
    QueueName,
    Vitals,
)

HANDLER = "my.handlers:crm"
NOW = Millis(1_760_000_100_000)
FIGURES = Vitals(
    now_ms=NOW,
    tally=Tally({State.QUEUED: 3, State.AWAITING: 2}, {}, Millis(NOW - 90_500)),
    connected=False,
    deaf_total_ms=12_345,
    last_frame_ms=Millis(NOW - 10_000),
    last_event_ms=None,
    events_received=9,
    unlogged={Disposition.FOREIGN: 4, Disposition.MALFORMED: 1},
    connect_failures={"http_503": 2, "unreachable": 1, "of no vocabulary": 1},
    in_flight=2,
    paused=True,
    draining=False,
    held_ms=1_500,
    breakers={
        BreakerName.SENDING: BreakerState.HALF_OPEN,
        BreakerName.READINGS: BreakerState.CLOSED,
    },
    queues={QueueName.EAR: 5, QueueName.SENDING: 6, QueueName.ENQUIRIES: 7},
    handlers={"log": HandlerVitals(0, 0, False), HANDLER: HandlerVitals(8, 3, True)},
    spool_bytes=4_096,
)
MACHINE = Machine(1, 2, 3, 1 << 30, None)

Read = dict[str, dict[tuple[str, ...], float]]


class Rig:
    """Metrics over vitals that a test can change."""

    def __init__(self, folder: Path, **changed: Any) -> None:
        self.vitals = replace(FIGURES, **changed)
        self.counts = Counts()
        self.asked = 0
        self.metrics = Metrics(
            self._look, lambda: MACHINE, self.counts, folder, Build("1.2.3", "3.11.9")
        )

    async def _look(self) -> Vitals:
        self.asked += 1
        return self.vitals

    async def read(self) -> Read:
        body, _ = await self.metrics.scrape("")
        return samples(parsed(body.decode()))


def parsed(text: str, *, openly: bool = False) -> list[Metric]:
    if openly:
        return list(open_families(text))  # type: ignore[no-untyped-call]  # the library's, untyped
    return list(families(text))


def samples(found: list[Metric]) -> Read:
    """Every sample by its name, each by its labels' values in the order of their names."""
    read: Read = {}
    for family in found:
        for sample in family.samples:
            words = tuple(value for _, value in sorted(sample.labels.items()))
            read.setdefault(sample.name.removeprefix("cv_listener_"), {})[words] = sample.value
    return read
