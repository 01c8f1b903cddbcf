"""What lasts: which events begin it, which end it, and what the last line says of it, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Incident:
    """``ends`` say how long it lasted (``duration_ms``), and in ``counts`` how much it held up or
    how often it failed."""

    begins: tuple[str, ...]
    ends: tuple[str, ...]
    counts: tuple[str, ...]


SUBSCRIPTION = Incident(
    ("subscription.lost", "subscription.failed", "subscription.refused"),
    ("subscription.restored", "subscription.established"),
    ("failures",),
)
DOUBT = Incident(("subscription.doubted",), ("subscription.compared",), ("submissions",))
QUIET = Incident(("upstream.held",), ("upstream.released",), ("asked", "waiting"))
CIRCUIT = Incident(("upstream.circuit_opened",), ("upstream.circuit_closed",), ("failures",))
READINGS = Incident(
    ("upstream.readings_paused",),
    ("upstream.readings_resumed",),
    ("failures", "enquiries_waiting"),
)
PAUSE = Incident(("sending.paused",), ("sending.resumed",), ("waiting",))
SPOOL = Incident(("spool.filled", "spool.failed"), ("spool.restored",), ("refused",))
WATCH = Incident(("watch.failed",), ("watch.restored",), ("failures",))
HANDLER = Incident(("handler.failed", "handler.disabled"), ("handler.recovered",), ("failures",))

INCIDENTS: tuple[Incident, ...] = (
    *(SUBSCRIPTION, DOUBT, QUIET, CIRCUIT, READINGS),
    *(PAUSE, SPOOL, WATCH, HANDLER),
)
"""All there are."""

ALONE: Mapping[str, str] = {
    "upstream.credentials_failed": "of one request; its attempt tells what follows",
    "upstream.adapter_failed": "of one request; its attempt tells what follows",
    "intake.request_failed": "of one request",
    "loop.failed": "of one task; what is like it is counted (suppressed)",
    "daemon.failed": "the last line there is; the next start is its end",
    "settings.reload_failed": "of one command",
    "watch.file_refused": "of one file, which is set aside",
    "watch.file_failed": "of one file, which is tried again with the others",
    "spool.delete_failed": "of one file, which is tried again with the others",
    "attempt.declined": "of one submission, whose close tells the rest",
    "lane.rested": "of one code; lane.released ends it",
}
"""Events that sound like the beginning of something that lasts, and why none is told of its end."""
