"""The words of the project: every closed vocabulary, in one place.

*State* says where a submission is; *outcome* says how it ended. They are never mixed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NewType

Millis = NewType("Millis", int)
"""A point in time: milliseconds since the Unix epoch, UTC. Durations are ``int``, ``*_ms``."""

CvCode = NewType("CvCode", str)
"""A validated ``cv_code``. A bearer capability: never logged. Made by ``wire.check_code``."""

SubmissionId = NewType("SubmissionId", str)
"""A UUIDv7 in its 36 character form: sorts by time of creation."""


class State(StrEnum):
    """Where a submission is. ``closed`` is left only by a correction, which keeps it closed."""

    QUEUED = "queued"
    SENDING = "sending"
    AWAITING = "awaiting"
    IN_DOUBT = "in_doubt"
    CLOSED = "closed"


class Outcome(StrEnum):
    """How a closed submission ended, as far as is known now."""

    CONFIRMED = "confirmed"
    PRESUMED = "presumed"
    UNCONFIRMED = "unconfirmed"
    NOT_DISPATCHED = "not_dispatched"
    REJECTED = "rejected"
    UNDELIVERED = "undelivered"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"


class Attribution(StrEnum):
    """Whose event or movement it was."""

    EXCLUSIVE = "exclusive"
    CONTENDED = "contended"


class UpstreamJob(StrEnum):
    """The upstream's two jobs, whose dispatch we are asked to confirm."""

    ENHANCEMENT = "enhancement"
    ANALYSIS = "analysis"


class Verdict(StrEnum):
    """What is known of one job's dispatch, strongest first."""

    CORROBORATED = "corroborated"
    INFERRED = "inferred"
    INDICATED = "indicated"
    UNKNOWN = "unknown"
    CONTRADICTED = "contradicted"


class LanePolicy(StrEnum):
    """What a second update of one ``cv_code`` does while another is open."""

    QUEUE = "queue"
    REJECT = "reject"
    COALESCE = "coalesce"


class PostKind(StrEnum):
    """What is known after a POST. Only ``NOT_SENT`` and ``THROTTLED`` may be sent again at will."""

    NOT_SENT = "not_sent"
    THROTTLED = "throttled"
    REFUSED = "refused"
    ACCEPTED = "accepted"
    POSSIBLY_SENT = "possibly_sent"


class FileKind(StrEnum):
    """The two kinds of CV file the upstream takes."""

    PDF = "pdf"
    DOCX = "docx"


class Movement(StrEnum):
    """A later reading of the record, against the baseline of the first attempt possibly sent."""

    MOVED = "moved"
    UNMOVED = "unmoved"
    INCOMPARABLE = "incomparable"
    UNKNOWN = "unknown"


class Disposition(StrEnum):
    """What became of one heard event. A row of the inbox without one is still to be correlated."""

    CONFIRMED = "confirmed"
    HELD = "held"
    CANDIDATE = "candidate"
    DUPLICATE = "duplicate"
    FOREIGN = "foreign"
    CONTRADICTION = "contradiction"
    CORRECTED = "corrected"
    MALFORMED = "malformed"


class Objection(StrEnum):
    """Why an update is not sent again by hand. The first two can be overruled."""

    EVIDENCE_IMPROVED = "evidence_improved"
    NEWER_UPDATE = "newer_update"
    STILL_OPEN = "still_open"
    FILE_GONE = "file_gone"


class GapReason(StrEnum):
    """Why there was no proven-continuous subscription."""

    STARTED = "started"
    NOT_RECOVERED = "not_recovered"
    NO_OFFSET = "no_offset"
    ADAPTER_WITHOUT_RECOVERY = "adapter_without_recovery"
    NO_RECOVERY_OFFERED = "no_recovery_offered"
    POLLING = "polling"
    OVERFLOW = "overflow"
    POISON = "poison"
    DEAF_SUBSCRIPTION = "deaf_subscription"


class WaitingFor(StrEnum):
    """What an open submission waits for. ``resume``: it could be sent, and sending is paused."""

    REPLY = "reply"
    EVENT = "event"
    EVENT_OR_RECORD = "event_or_record"
    BACKOFF = "backoff"
    SENDING = "sending"
    LANE_REST = "lane_rest"
    LANE_TURN = "lane_turn"
    RESUME = "resume"


class Gate(StrEnum):
    """What keeps whatever could be sent from being sent now, beside a pause."""

    DRAINING = "draining"
    HOLD = "hold"
    CIRCUIT = "circuit"
    LISTENING = "listening"
    PLACE = "place"


class BreakerState(StrEnum):
    """``half_open``: the pause is over, and one is let through to see."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Ahead(StrEnum):
    """What happens next to a submission."""

    REPLY = "reply"
    EVENT = "event"
    TURN = "turn"
    RESUME = "resume"
    GATE = "gate"
    ATTEMPT = "attempt"
    READING = "reading"
    RESEND = "resend"
    LISTENING = "listening"
    END = "end"
    CORRECTION = "correction"


class Comparison(StrEnum):
    """What a second connection showed of the one that was doubted."""

    FIRST_HEARS = "first_hears"
    FIRST_DEAF = "first_deaf"
    SECOND_FAILED = "second_failed"
    DISPLACED = "displaced"
