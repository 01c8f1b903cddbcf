"""A submission, its attempts, and the lane they stand in: frozen values, changed by copies."""

from __future__ import annotations

from dataclasses import dataclass

from .evidence import Heard, PostResult, Reading, UpstreamReply
from .names import Attribution, FileKind, Millis, Outcome, PostKind, State, SubmissionId


@dataclass(frozen=True, slots=True)
class FileFacts:
    """The CV file as spooled. ``sha256`` in hex; ``name`` is the submitter's, sanitised, never
    logged, and forgotten at the close."""

    sha256: str
    size: int
    kind: FileKind
    name: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One POST. ``result`` None: it is under way, or the process died in it.

    ``contended``: the baseline had moved without an update of ours, so somebody else updates too.
    """

    number: int
    began_ms: Millis
    baseline: Reading | None = None
    contended: bool = False
    ended_ms: Millis | None = None
    result: PostResult | None = None
    crashed: bool = False

    @property
    def possibly_sent(self) -> bool:
        """Whether this attempt may have been applied: all but proven otherwise. False while under
        way: only its end tells."""
        if self.crashed:
            return True
        if self.result is None:
            return False
        return self.result.kind in (PostKind.ACCEPTED, PostKind.POSSIBLY_SENT)


@dataclass(frozen=True, slots=True)
class Submission:
    """One update of one CV, from acceptance to its outcome and the corrections after it.

    Timers (all ``Millis``, None: not set): ``not_before_ms`` earliest next sending;
    ``deliver_by_ms`` end of trying while no attempt was possibly sent; ``deadline_ms`` end of
    waiting for the event; ``settle_ms`` when an unmoved record is believed; ``give_up_ms`` end of
    all waiting once an attempt was possibly sent; ``enquire_ms`` the next GET of the record.
    """

    id: SubmissionId
    created_ms: Millis
    file: FileFacts
    state: State = State.QUEUED
    outcome: Outcome | None = None
    outcome_before: Outcome | None = None
    """What the last correction replaced, at ``corrected_ms``; None: it was never corrected."""
    corrected_ms: Millis | None = None
    version: int = 1
    retry_of: SubmissionId | None = None
    attribution: Attribution | None = None
    late: bool = False
    reason: str | None = None
    attempts: tuple[Attempt, ...] = ()
    cancel_requested: bool = False
    never_resend: bool = False
    contradicted: bool = False
    held: tuple[Heard, ...] = ()
    candidates: tuple[Heard, ...] = ()
    heard: Heard | None = None
    duplicates: int = 0
    reading: Reading | None = None
    """The last known reading of the record since the first attempt possibly sent."""
    finished_jobs: tuple[str, ...] = ()
    """Jobs whose status was seen to leave ``processing`` after the first attempt: they ran."""
    failed_jobs: tuple[str, ...] = ()
    reply: UpstreamReply | None = None
    not_before_ms: Millis | None = None
    deliver_by_ms: Millis | None = None
    deadline_ms: Millis | None = None
    settle_ms: Millis | None = None
    give_up_ms: Millis | None = None
    enquire_ms: Millis | None = None
    enquiries: int = 0
    sent_ms: Millis | None = None
    accepted_ms: Millis | None = None
    heard_ms: Millis | None = None
    closed_ms: Millis | None = None
    deaf_ms: int = 0
    keep_file_until_ms: Millis | None = None
    """When its file leaves the spool; None while it is open."""


@dataclass(frozen=True, slots=True)
class Lane:
    """All that is remembered of one ``cv_code``: what is open, and what may still be corrected.

    ``submissions`` are in order of acceptance; a closed one stays while an event may still be its.
    ``rest_until_ms``: nothing is sent before it, and an enquiry ends the rest. ``review_ms``: the
    next GET on behalf of closed submissions, ``reviews`` how many there were since the last close.
    ``last_seen``: the record as last read. ``ours_since_seen``: an update of ours may have moved it
    since. ``foreign_ms``: when somebody else's update was last seen: an event that no submission of
    ours can own, or a movement of the record.
    """

    submissions: tuple[Submission, ...] = ()
    rest_until_ms: Millis | None = None
    review_ms: Millis | None = None
    reviews: int = 0
    last_seen: Reading | None = None
    ours_since_seen: bool = False
    foreign_ms: Millis | None = None
