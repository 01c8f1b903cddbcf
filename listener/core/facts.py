"""What was decided, in the past tense: the journal's rows, and the log's lines, are these.

``event`` is the name in the log's catalogue. One fact = one log event. Facts hold no cv_code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .names import (
    Attribution,
    Disposition,
    Millis,
    Movement,
    Outcome,
    PostKind,
    State,
    SubmissionId,
)


@dataclass(frozen=True, slots=True)
class Fact:
    """Base: when, and of which submission (None: of the lane)."""

    event: ClassVar[str] = ""
    at_ms: Millis
    submission_id: SubmissionId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionAccepted(Fact):
    """Intake took it: from this commit on it cannot be lost."""

    event: ClassVar[str] = "submission.accepted"
    size: int
    kind: str
    retry_of: SubmissionId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptBegan(Fact):
    """Committed before the first byte leaves."""

    event: ClassVar[str] = "attempt.began"
    attempt: int
    baseline_known: bool
    contended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFinished(Fact):
    """One POST ended. ``retry_at``: when it is sent again, where that is decided already."""

    event: ClassVar[str] = "attempt.ended"
    attempt: int
    result: PostKind
    detail: str
    http_status: int | None
    state: State
    duration_ms: int
    retry_at: Millis | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingDeclined(Fact):
    """The reading right before a resend was not "unmoved", so it was not sent again (rule 8)."""

    event: ClassVar[str] = "attempt.declined"
    movement: Movement


@dataclass(frozen=True, slots=True, kw_only=True)
class EventCorrelated(Fact):
    """What became of one heard event."""

    event: ClassVar[str] = "event.correlated"
    seq: int
    disposition: Disposition
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordEnquired(Fact):
    """An enquiry of the record came back."""

    event: ClassVar[str] = "record.enquired"
    movement: Movement
    detail: str
    status: str | None
    enhance_status: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResendDecided(Fact):
    """In doubt, settled, unmoved: it may be sent again."""

    event: ClassVar[str] = "submission.requeued"
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContradictionSeen(Fact):
    """Two witnesses disagree (refused, yet an event was heard). A person should look."""

    event: ClassVar[str] = "submission.contradicted"
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionClosed(Fact):
    """The canonical line: told once, when it closes."""

    event: ClassVar[str] = "submission.closed"
    outcome: Outcome
    attribution: Attribution | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionCorrected(Fact):
    """A later truth replaced the outcome: same id, higher version."""

    event: ClassVar[str] = "submission.corrected"
    outcome_before: Outcome
    outcome: Outcome
    attribution: Attribution | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributionChanged(Fact):
    """A new version of a confirmed submission: the event may be another update's."""

    event: ClassVar[str] = "submission.reattributed"
    attribution: Attribution


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelNoted(Fact):
    """A cancel was taken, and takes effect at the attempt's end."""

    event: ClassVar[str] = "submission.cancel_requested"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneRested(Fact):
    """After an unresolved close nothing is sent to this code until then, and an enquiry."""

    event: ClassVar[str] = "lane.rested"
    until: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneReleased(Fact):
    """The rest is over."""

    event: ClassVar[str] = "lane.released"
    movement: Movement
