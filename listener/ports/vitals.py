"""How the service fares at one moment, for whoever watches it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from listener.core.names import BreakerState, Disposition, Gate, Millis

from .journal import Tally


class BreakerName(StrEnum):
    """The breakers towards the upstream: that of sending, and that of reading records."""

    SENDING = "sending"
    READINGS = "readings"


class QueueName(StrEnum):
    """What waits in memory: signals of the socket, lanes to be sent, readings of records."""

    EAR = "ear"
    SENDING = "sending"
    ENQUIRIES = "enquiries"


@dataclass(frozen=True, slots=True)
class Quiet:
    """Why nothing is sent at all, beside a pause by hand, and until when: None where that is not
    known."""

    why: Gate
    until_ms: Millis | None


@dataclass(frozen=True, slots=True)
class HandlerVitals:
    """``waiting``: outcomes or events it has not heard of yet, None where the journal did not say.
    ``failures``: calls that failed since the start."""

    waiting: int | None
    failures: int
    disabled: bool


@dataclass(frozen=True, slots=True)
class Vitals:
    """Points in time are the service's own clock's, ``now_ms`` too. What counts, counts since the
    start. ``tally`` None: the journal did not answer in time. ``deaf_total_ms`` includes the
    present deafness, and never falls. ``unlogged``: dispositions that no line tells of, each
    counted. ``connect_failures``: by reason."""

    now_ms: Millis
    tally: Tally | None
    connected: bool
    deaf_total_ms: int
    last_frame_ms: Millis | None
    last_event_ms: Millis | None
    events_received: int
    unlogged: Mapping[Disposition, int]
    connect_failures: Mapping[str, int]
    in_flight: int
    paused: bool
    draining: bool
    held_ms: int
    breakers: Mapping[BreakerName, BreakerState]
    queues: Mapping[QueueName, int]
    handlers: Mapping[str, HandlerVitals]
    spool_bytes: int


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. ``required``: without it, the whole does not hold."""

    name: str
    ok: bool
    required: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether submissions are accepted now, and why not."""

    checks: tuple[Check, ...]

    @property
    def ready(self) -> bool:
        """Whether all that is required holds."""
        return not self.failing

    @property
    def failing(self) -> tuple[Check, ...]:
        """What is required, and does not hold."""
        return tuple(check for check in self.checks if check.required and not check.ok)


@dataclass(frozen=True, slots=True)
class Liveness:
    """Whether the process can still do its work, or should be ended and started anew."""

    checks: tuple[Check, ...]

    @property
    def alive(self) -> bool:
        """Whether all holds."""
        return not self.failing

    @property
    def failing(self) -> tuple[Check, ...]:
        """What does not hold."""
        return tuple(check for check in self.checks if not check.ok)
