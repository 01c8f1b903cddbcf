"""What kind of value each field of the log has: its type, its unit, and its words where they are
few. Which field means what: ``log_fields``."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from .names import (
    Attribution,
    BreakerState,
    Comparison,
    Disposition,
    FileKind,
    GapReason,
    Movement,
    Objection,
    Outcome,
    PostKind,
    State,
    Verdict,
)
from .reasons import PROBLEM


class Kind(StrEnum):
    """A type, with its unit."""

    TEXT = "text"
    WORD = "word"
    FLAG = "true or false"
    COUNT = "count"
    BYTES = "bytes"
    MILLIS = "milliseconds"
    MILLIS_PART = "milliseconds, with a fraction"
    SECONDS = "seconds, with a fraction"
    MOMENT = "RFC 3339, UTC"
    ID = "UUID"
    REF = "cv_ and 12 hex digits"
    NUMBER_OR_TEXT = "number or text"
    WORDS = "list of words"
    COUNTS = "counts by word"
    TEXTS = "texts by name"


_K = Kind
_BY_KIND: Mapping[Kind, tuple[str, ...]] = {
    _K.TEXT: (
        *("service", "version", "run_id", "replica", "event", "upstream_status", "status"),
        *("enhance_status", "error", "hint", "runbook", "trace", "listens_for", "handler"),
        "heard_event",
        *("library", "message", "host", "url", "state_dir", "python", "catalogue_miss"),
        *("trace_id", "span_id"),
    ),
    _K.WORD: (
        *("level", "state", "outcome", "outcome_before", "attribution", "reason", "last_reason"),
        *("overruled", "enhancement", "analysis", "kind", "result", "detail", "movement"),
        *("disposition", "problem", "transport", "gap_reason", "verdict", "worst", "error_type"),
        *("signal", "said", "breaker", "breaker_readings"),
    ),
    _K.FLAG: (
        *("late", "replayed", "baseline_known", "contended", "repeated", "recovery_offered"),
        *("recovered", "restarted", "connected", "polled", "truncated"),
    ),
    _K.COUNT: (
        *("v", "attempt", "attempts", "submission_version", "duplicates", "http_status", "seq"),
        *("failures", "touched", "watched", "lanes", "open", "count", "events", "files_swept"),
        *("events_heard", "events_foreign"),
        *("refused", "files", "retold", "submissions", "in_flight", "enquiries_waiting"),
        *("dropped_lines", "dropped", "tries", "waiting", "port", "suppressed", "asked"),
    ),
    _K.BYTES: ("size",),
    _K.MILLIS: (
        *("queued_ms", "post_ms", "confirm_ms", "total_ms", "deaf_ms", "deaf_total_ms"),
        *("duration_ms", "paused_ms", "held_ms", "oldest_wait_ms", "last_frame_age_ms"),
        *("last_event_age_ms", "loop_lag_ms"),
    ),
    _K.MILLIS_PART: ("fsync_p99_ms",),
    _K.SECONDS: ("retry_in_s",),
    _K.MOMENT: (
        *("timestamp", "retry_at", "until", "since"),
        *("created_at", "sent_at", "accepted_at", "heard_at", "closed_at"),
    ),
    _K.ID: ("submission_id", "retry_of"),
    _K.REF: ("cv_ref", "cv_ref_before"),
    _K.NUMBER_OR_TEXT: ("cv_id",),
    _K.WORDS: ("evidence", "changed", "needs_restart", "left"),
    _K.COUNTS: ("became", "open_by_state"),
    _K.TEXTS: ("settings",),
}

KINDS: Mapping[str, Kind] = {name: kind for kind, names in _BY_KIND.items() for name in names}
"""Of every field."""


def _words(vocabulary: type[StrEnum]) -> frozenset[str]:
    return frozenset(word.value for word in vocabulary)


VOCABULARY: Mapping[str, frozenset[str]] = {
    "level": frozenset({"debug", "info", "warning", "error", "critical"}),
    "state": _words(State),
    "outcome": _words(Outcome),
    "outcome_before": _words(Outcome),
    "worst": _words(Outcome),
    "became": _words(Outcome),
    "open_by_state": _words(State),
    "attribution": _words(Attribution),
    "overruled": _words(Objection),
    "enhancement": _words(Verdict),
    "analysis": _words(Verdict),
    "kind": _words(FileKind),
    "result": _words(PostKind),
    "movement": _words(Movement),
    "disposition": _words(Disposition),
    "problem": frozenset(PROBLEM),
    "transport": frozenset({"websocket", "polling"}),
    "gap_reason": _words(GapReason),
    "verdict": _words(Comparison),
    "said": frozenset({"not_updated", "status_error"}),
    "breaker": _words(BreakerState),
    "breaker_readings": _words(BreakerState),
}
"""The words that a field can have, where they are few; of counts, what is counted by."""
