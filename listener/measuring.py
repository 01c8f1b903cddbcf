"""What takes the daemon's measure, made from the settings."""

from __future__ import annotations

import platform
from collections.abc import Callable
from functools import partial

import listener
from listener.adapters.logs import StructuredLog
from listener.adapters.metrics import Build, Counts, LoopLag, Machine, Metrics
from listener.ports.front import Front
from listener.settings import Settings


class Meters:
    """What counts what this log is told, and what takes times: from before there is a service."""

    def __init__(self, log: StructuredLog) -> None:
        self.counts = Counts()
        log.watch(self.counts.saw)
        self.committed = partial(self.counts.took, "journal_commit_seconds")
        self.lag = LoopLag(partial(self.counts.took, "loop_lag_seconds"))


def measured(
    settings: Settings,
    front: Front,
    log: StructuredLog,
    meters: Meters,
    streams: Callable[[], int],
) -> Metrics:
    """What answers scrapes. ``streams``: how many follow the stream of events."""

    def machine() -> Machine:
        return Machine(
            event_streams=streams(),
            dropped_lines=log.dropped_lines(),
            suppressed_lines=log.suppressed_lines(),
            spool_quota_bytes=settings.spool_quota_bytes,
            disk_free_bytes=None,
        )

    build = Build(listener.__version__, platform.python_version())
    return Metrics(front.vitals, machine, meters.counts, settings.state_dir, build)
