"""One scrape: everything looked up, and written as Prometheus wants it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, ProcessCollector
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from listener.ports.vitals import Vitals

from .counts import Counts, Distribution
from .figures import ONE, Machine, Samples, figures
from .table import SPECS, Kind, Spec

DISK_ANSWERS_S = 1.0
OPENMETRICS = "application/openmetrics-text"


@dataclass(frozen=True, slots=True)
class Build:
    """What never changes in a run."""

    version: str
    python: str


class Metrics:
    """Answers scrapes, one at a time: each costs two reads of the journal and a page of text, which
    are made in other threads, however much is open."""

    def __init__(
        self,
        vitals: Callable[[], Awaitable[Vitals]],
        machine: Callable[[], Machine],
        counts: Counts,
        folder: Path,
        build: Build,
    ) -> None:
        """``machine``: without the disk's word, which is asked for here. ``folder``: on that
        disk."""
        self._vitals = vitals
        self._machine = machine
        self._counts = counts
        self._disk = _Disk(folder)
        self._build = build
        self._started = time.time()
        self._process = ProcessCollector(registry=None)
        self._one_at_a_time = asyncio.Lock()

    async def scrape(self, accept: str) -> tuple[bytes, str]:
        """The page, and its content type. ``accept``: the header, empty where there is none.
        Bounded in time; what does not answer is absent."""
        async with self._one_at_a_time:
            vitals = await self._vitals()
            machine = replace(self._machine(), disk_free_bytes=await self._disk.free_bytes())
            page = _Page(self._samples(vitals, machine), self._counts.histograms(), self._process)
            if OPENMETRICS in accept:
                body = await asyncio.to_thread(openmetrics.generate_latest, page)
                return body, openmetrics.CONTENT_TYPE_LATEST
            return await asyncio.to_thread(generate_latest, page), CONTENT_TYPE_PLAIN_0_0_4

    def _samples(self, vitals: Vitals, machine: Machine) -> dict[str, Samples]:
        counted: dict[str, Samples] = dict(self._counts.counters())
        disposed = dict(counted["events_disposed_total"])
        for disposition, count in vitals.unlogged.items():
            disposed[(disposition.value,)] += count
        build: Samples = {(self._build.version, self._build.python): 1}
        return {
            **counted,
            "events_disposed_total": disposed,
            **figures(vitals, machine),
            "start_time_seconds": {ONE: self._started},
            "build_info": build,
        }


class _Disk:
    """A disk that hangs keeps one thread, and no scrape for long."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._asked: asyncio.Task[int | None] | None = None

    async def free_bytes(self) -> int | None:
        if self._asked is None or self._asked.done():
            self._asked = asyncio.create_task(asyncio.to_thread(_free_bytes, self._folder))
        asked = self._asked
        await asyncio.wait({asked}, timeout=DISK_ANSWERS_S)
        return asked.result() if asked.done() else None


def _free_bytes(folder: Path) -> int | None:
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


class _Page(Collector):
    """Every family, in the table's order, then the process's own."""

    def __init__(
        self,
        samples: Mapping[str, Samples],
        histograms: Mapping[str, Distribution],
        process: ProcessCollector,
    ) -> None:
        self._samples = samples
        self._histograms = histograms
        self._process = process

    def collect(self) -> Iterator[Metric]:
        for spec in SPECS.values():
            if spec.kind is Kind.HISTOGRAM:
                yield _histogram(spec, self._histograms[spec.name])
            else:
                yield _family(spec, self._samples[spec.name])
        yield from self._process.collect()


def _family(spec: Spec, samples: Samples) -> Metric:
    names = [label.name for label in spec.labels]
    if spec.kind is Kind.INFO:
        info = InfoMetricFamily(spec.full_name.removesuffix("_info"), spec.meaning, labels=[])
        for words in samples:
            info.add_metric([], dict(zip(names, words, strict=True)))
        return info
    make = CounterMetricFamily if spec.kind is Kind.COUNTER else GaugeMetricFamily
    family = make(spec.full_name, spec.meaning, labels=names)
    for words, value in samples.items():
        family.add_metric(words, float(value))
    return family


def _histogram(spec: Spec, found: Distribution) -> Metric:
    bounds = [*(f"{bound:g}" if bound < 1 else f"{bound:.1f}" for bound in found.bounds), "+Inf"]
    buckets = [(bound, float(count)) for bound, count in zip(bounds, found.counts, strict=True)]
    return HistogramMetricFamily(spec.full_name, spec.meaning, buckets, sum_value=found.total)
