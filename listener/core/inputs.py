"""What can happen to a lane. Every input says when (``at_ms``) and what the ear knows then."""

from __future__ import annotations

from dataclasses import dataclass

from .evidence import Heard, Hearing, PostResult, Reading
from .names import Millis, SubmissionId
from .submission import FileFacts, Submission


@dataclass(frozen=True, slots=True)
class Input:
    """Base. ``events_pending``: an event of this code was received and is not correlated yet, so
    nothing may close or be sent (rule 12)."""

    at_ms: Millis
    hearing: Hearing
    events_pending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit(Input):
    """A new update was spooled and asks for acceptance. Its id must be new to the lane. ``join``:
    if it only repeats one that is open (``standing.same_update``), it is not to be taken.
    ``owed``: the update of the same bytes whose client never had the last word, as it was a moment
    ago; it stands for this one too, though it is closed (``standing.stands_last``).
    ``forced``: it is taken though something speaks against this retry (``retry.objection``)."""

    submission_id: SubmissionId
    file: FileFacts
    retry_of: SubmissionId | None = None
    join: bool = False
    owed: Submission | None = None
    forced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SendBegins(Input):
    """The dispatcher has waited for all it must wait for and is about to send. ``baseline`` is the
    record as read right before (None: readings are off). ``foreign_ms``: when an event of the code
    was last heard that was nobody's here, as far as that is remembered beside the lane, which may
    not have been one then. The core may decline."""

    submission_id: SubmissionId
    baseline: Reading | None
    foreign_ms: Millis | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnded(Input):
    """The POST of one attempt is over."""

    submission_id: SubmissionId
    attempt: int
    result: PostResult


@dataclass(frozen=True, slots=True, kw_only=True)
class EventHeard(Input):
    """An event of this code was journaled and is to be correlated."""

    heard: Heard


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRead(Input):
    """An enquiry that the lane asked for came back. ``reading.known`` False is "unknown"."""

    reading: Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class TimePassed(Input):
    """The lane's ``due_ms`` has come. Harmless at any other time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GapEnded(Input):
    """We listen again and what happened in the gap will not be replayed (rule 10)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested(Input):
    """The submitter withdraws one submission (rule 13). Idempotent."""

    submission_id: SubmissionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarted(Input):
    """The process has started and found this lane in the journal. Comes before any other input but
    the correlation of undisposed events. Timers are held against the new clock, for the old run's
    clock may have been another."""
