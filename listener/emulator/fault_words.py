"""What each named fault does, in a few words: `cv-listener emulate --list-faults`."""

from __future__ import annotations

from collections.abc import Mapping

FAULT_WORDS: Mapping[str, str] = {
    "late_reply": "applied; the reply comes 3 s late",
    "late_event": "applied; the event comes 3 s late",
    "event_first": "the event is out before the reply begins",
    "no_event": "applied and dispatched; no event",
    "two_events": "applied once; two events",
    "error_before": "500; not applied",
    "error_after": "applied; then 500",
    "error_late": "500; applied half a second after it",
    "reset_mid_body": "the connection is reset while the file is sent; not applied",
    "reset_before": "the file is read, then a reset; not applied",
    "reset_after": "applied; then a reset in place of the reply",
    "reset_late": "a reset; applied half a second after it",
    "close_before": "the connection is closed without a reply; not applied",
    "close_after": "applied; then closed without a reply",
    "hang_before": "no reply until the client leaves; not applied",
    "hang_after": "applied; no reply until the client leaves",
    "throttled": "429, Retry-After: 1; not applied",
    "unavailable": "503, Retry-After: 1; not applied",
    "not_found": "404, as for an unknown code; not applied",
    "status_error": "200, with status: error in the body; not applied",
    "unreadable": "applied; a 200 that is no JSON",
    "redirect": "307; not applied",
    "truncated_reply": "applied; the reply is cut off half-way",
    "slow_reply": "applied; the reply comes a byte at a time",
    "foreign_before": "somebody else's update of the same CV, right before",
    "foreign_after": "somebody else's update of the same CV, right after",
    "hostile_event": "applied; the event's payload is hostile",
    "hostile_chaff": "applied; five hostile events before its own",
    "job_failed": "applied; the enhancement job fails",
    "not_dispatched": "accepted with 200, and nothing done: no jobs, no event",
    "half_dispatched": "applied; the enhancement job alone is dispatched, and no event",
    "get_late": "a reading of the record takes 3 s",
    "get_error": "a reading ends with 500",
    "get_reset": "a reading ends with a reset",
    "get_hang": "a reading has no answer until the client leaves",
    "get_throttled": "a reading ends with 429, Retry-After: 1",
    "get_not_found": "a reading ends with 404",
    "get_unreadable": "a reading ends with a 200 that is no JSON",
    "get_without_path": "a reading lacks cv_path, by which an update is known",
}
"""By name, in the order of ``plan.FAULTS``."""
