"""What counts since the start: fed by what the log is told, and by who takes times."""

from __future__ import annotations

import itertools
import threading
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from listener.core.catalogue import CATALOGUE
from listener.core.reasons import ATTEMPT, OTHER, SUBSCRIPTION, known
from listener.core.view import strongest

from .table import SPECS, Kind, Spec

Words = tuple[str, ...]
"""What a sample's labels say, in the order of its metric's."""

BY_THE_LOG = (
    *("submissions_accepted_total", "submissions_closed_total", "submissions_corrected_total"),
    *("submissions_reattributed_total", "submissions_contradicted_total"),
    *("submissions_requeued_total", "attempts_total", "attempt_failures_total"),
    *("attempts_declined_total", "enquiries_total", "enquiry_failures_total"),
    *("upstream_holds_total", "breaker_opened_total", "subscription_losses_total"),
    *("subscription_reconnects_total", "subscription_comparisons_total", "gaps_total"),
    *("events_disposed_total", "log_events_total"),
)
"""Counters that are fed from events of the log, wholly or in part."""

_ONE_MORE = {
    "submission.accepted": "submissions_accepted_total",
    "submission.reattributed": "submissions_reattributed_total",
    "submission.contradicted": "submissions_contradicted_total",
    "submission.requeued": "submissions_requeued_total",
    "upstream.held": "upstream_holds_total",
}
_BY_WORD = {
    "submission.corrected": ("submissions_corrected_total", "outcome"),
    "attempt.ended": ("attempts_total", "result"),
    "attempt.declined": ("attempts_declined_total", "movement"),
    "record.enquired": ("enquiries_total", "movement"),
    "event.correlated": ("events_disposed_total", "disposition"),
    "subscription.compared": ("subscription_comparisons_total", "verdict"),
}
_OPENED = {"upstream.circuit_opened": "sending", "upstream.readings_paused": "readings"}
_LISTENING = ("subscription.established", "subscription.restored")

_TIMES = {
    "submission.closed": {
        "queued_ms": "submission_queued_seconds",
        "confirm_ms": "submission_confirm_seconds",
        "total_ms": "submission_duration_seconds",
    },
    "attempt.ended": {"duration_ms": "attempt_duration_seconds"},
}
CRASHED = "crashed_while_sending"
"""An attempt's end that was only found out: nobody knows how long it took."""


class Counts:
    """Safe from any thread. ``saw`` watches a log; ``took`` is told of each time that was taken."""

    def __init__(self) -> None:
        # What is collected while it is held may have a line to say, and be counted in its midst.
        self._lock = threading.RLock()
        self._counters = {name: dict.fromkeys(_all_words(SPECS[name]), 0) for name in BY_THE_LOG}
        self._histograms = {
            spec.name: _Histogram(spec.buckets)
            for spec in SPECS.values()
            if spec.kind is Kind.HISTOGRAM
        }

    def saw(self, event: str, fields: Mapping[str, object]) -> None:
        """One event was told to the log."""
        spec = CATALOGUE.get(event)
        level = "error" if spec is None else spec.level_of(fields).value
        self._count("log_events_total", OTHER if spec is None else event, level)
        if fields.get("repeated"):
            return  # of an earlier run, whose counts are no longer shown either
        if event in _ONE_MORE:
            self._count(_ONE_MORE[event])
        if event in _BY_WORD:
            name, field = _BY_WORD[event]
            self._count(name, _text(fields.get(field)))
        for name, words in _also(event, fields):
            self._count(name, *words)
        if fields.get("detail") != CRASHED:
            for field, name in _TIMES.get(event, {}).items():
                value = fields.get(field)
                if isinstance(value, int):
                    self.took(name, value / 1000)

    def took(self, name: str, seconds: float) -> None:
        """One time of a histogram's."""
        with self._lock:
            self._histograms[name].add(seconds)

    def counters(self) -> dict[str, dict[Words, int]]:
        """Each counter's samples, by name."""
        with self._lock:
            return {name: dict(samples) for name, samples in self._counters.items()}

    def histograms(self) -> dict[str, Distribution]:
        """Each histogram, by name."""
        with self._lock:
            return {name: one.shown() for name, one in self._histograms.items()}

    def _count(self, name: str, *words: str) -> None:
        """A word that the metric's label does not have changes nothing."""
        with self._lock:
            samples = self._counters[name]
            if words in samples:
                samples[words] += 1


def _also(event: str, fields: Mapping[str, object]) -> Iterator[tuple[str, Words]]:
    """What an event counts beside what its tables say."""
    if event == "submission.closed":
        evidence = fields.get("evidence")
        found = evidence if isinstance(evidence, list) else []
        yield "submissions_closed_total", (_text(fields.get("outcome")), strongest(found))
    elif event == "attempt.ended" and fields.get("result") != "accepted":
        yield "attempt_failures_total", (known(ATTEMPT, fields.get("detail")),)
    elif event == "record.enquired" and fields.get("detail"):
        yield "enquiry_failures_total", (known(ATTEMPT, fields.get("detail")),)
    elif event == "subscription.lost":
        yield "subscription_losses_total", (known(SUBSCRIPTION, fields.get("reason")),)
    elif event in _OPENED:
        yield "breaker_opened_total", (_OPENED[event],)
    if event == "subscription.restored":
        yield "subscription_reconnects_total", (known(SUBSCRIPTION, fields.get("reason")),)
    if event in _LISTENING and not fields.get("recovered"):
        yield "gaps_total", (_text(fields.get("gap_reason") or "not_recovered"),)


@dataclass(frozen=True, slots=True)
class Distribution:
    """``counts``: how many were at most each bound, the last one without bound."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float


class _Histogram:
    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0

    def add(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._total += value

    def shown(self) -> Distribution:
        counts = tuple(itertools.accumulate(self._counts))
        return Distribution(self._bounds, counts, self._total)


def _all_words(spec: Spec) -> Iterator[Words]:
    """Every sample that the metric can have. An event has those levels alone that it can have."""
    if spec.name == "log_events_total":
        yield OTHER, "error"
        for event, one in CATALOGUE.items():
            yield from ((event, level.value) for level in sorted(one.levels()))
        return
    yield from itertools.product(*(label.words for label in spec.labels))


def _text(word: object) -> str:
    return word if isinstance(word, str) else ""
