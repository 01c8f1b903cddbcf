"""What is looked up at each scrape, as samples."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from listener.core.names import BreakerState, Millis, State
from listener.core.reasons import OTHER, SUBSCRIPTION, known
from listener.ports.journal import Tally
from listener.ports.vitals import Vitals

from .counts import Words

Samples = Mapping[Words, float]
ONE: Words = ()
"""The words of a metric without labels."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What the service does not know of. ``disk_free_bytes`` None: the disk does not say."""

    event_streams: int
    dropped_lines: int
    suppressed_lines: int
    spool_quota_bytes: int
    disk_free_bytes: int | None


def figures(vitals: Vitals, machine: Machine) -> dict[str, Samples]:
    """By the metric's name; one that nobody knows now has no samples."""
    return {**_of_service(vitals), **_of_hearing(vitals), **_of_machine(vitals, machine)}


def _of_service(vitals: Vitals) -> dict[str, Samples]:
    tally, handlers = vitals.tally, vitals.handlers
    return {
        "submissions_open": {} if tally is None else _open(tally),
        "submissions_oldest_wait_seconds": {} if tally is None else {ONE: _oldest_s(vitals, tally)},
        "attempts_in_flight": {ONE: vitals.in_flight},
        "sending_paused": {ONE: vitals.paused},
        "upstream_hold_seconds": {ONE: vitals.held_ms / 1000},
        "breaker_state": {
            (name.value, state.value): now is state
            for name, now in vitals.breakers.items()
            for state in BreakerState
        },
        "queue_depth": {(name.value,): depth for name, depth in vitals.queues.items()},
        "handler_waiting": {
            (name,): one.waiting for name, one in handlers.items() if one.waiting is not None
        },
        "handler_failures_total": {(name,): one.failures for name, one in handlers.items()},
        "handler_disabled": {(name,): one.disabled for name, one in handlers.items()},
        "journal_answers": {ONE: tally is not None},
        "spool_bytes": {ONE: vitals.spool_bytes},
        "draining": {ONE: vitals.draining},
    }


def _open(tally: Tally) -> Samples:
    states = (state for state in State if state is not State.CLOSED)
    return {(state.value,): tally.open_by_state.get(state, 0) for state in states}


def _oldest_s(vitals: Vitals, tally: Tally) -> float:
    oldest = tally.oldest_open_ms
    return 0 if oldest is None else max(0, vitals.now_ms - oldest) / 1000


def _of_hearing(vitals: Vitals) -> dict[str, Samples]:
    failures: dict[Words, float] = {(word,): 0 for word in (*SUBSCRIPTION, OTHER)}
    for reason, count in vitals.connect_failures.items():
        failures[(known(SUBSCRIPTION, reason),)] += count
    return {
        "subscription_connected": {ONE: vitals.connected},
        "deaf_seconds_total": {ONE: vitals.deaf_total_ms / 1000},
        "subscription_connect_failures_total": failures,
        "events_received_total": {ONE: vitals.events_received},
        "last_frame_timestamp_seconds": _moment(vitals.last_frame_ms, vitals.now_ms),
        "last_event_timestamp_seconds": _moment(vitals.last_event_ms, vitals.now_ms),
    }


def _moment(at_ms: Millis | None, now_ms: Millis) -> Samples:
    """By the wall's clock, which whoever reads it goes by. The service's own clock never steps."""
    return {} if at_ms is None else {ONE: time.time() - max(0, now_ms - at_ms) / 1000}


def _of_machine(vitals: Vitals, machine: Machine) -> dict[str, Samples]:
    free = machine.disk_free_bytes
    return {
        "event_streams": {ONE: machine.event_streams},
        "spool_quota_bytes": {ONE: machine.spool_quota_bytes},
        "state_disk_free_bytes": {} if free is None else {ONE: free},
        "log_dropped_lines_total": {ONE: machine.dropped_lines},
        "log_suppressed_lines_total": {ONE: machine.suppressed_lines},
    }
