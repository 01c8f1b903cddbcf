"""The journal: all that must survive. Everything else can be derived from it.

A store is a journal if it passes ``tests/contract/test_journal.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from listener.core.evidence import Gap, Heard
from listener.core.facts import Fact
from listener.core.names import (
    Attribution,
    CvCode,
    Disposition,
    Millis,
    Outcome,
    State,
    SubmissionId,
)
from listener.core.submission import Lane, Submission

from .event_source import Resume
from .gaps import GapAccount, GapRow
from .inbound import InboundJournal
from .reaction import Reactions
from .upstream import RawReply


@dataclass(frozen=True, slots=True)
class LaneRow:
    """A lane as stored. ``version`` 0: it is not stored (yet)."""

    code: CvCode
    lane: Lane
    version: int


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on a lane until ``until_ms``; ``token`` grows with every claim of it."""

    code: CvCode
    owner: str
    token: int
    until_ms: Millis


KEY_KEPT_MS = 86_400_000
"""A submitter's key stands for what it was used for so long; then it may be used anew."""


PAUSED_NOTE, RESTORED_NOTE = "paused_ms", "restored_from_ms"
"""Notes: since when nothing is sent; and of when the backup is that this journal was restored
from, until sending is resumed."""
OWED_NOTES = "owed:"
"""Begins the notes of updates whose last word could not be delivered, by id; since when."""


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A submitter's key. ``fingerprint`` is a digest of what was submitted with it."""

    key: str
    fingerprint: str
    submission_id: SubmissionId
    created_ms: Millis


@dataclass(frozen=True, slots=True)
class StoredReply:
    """The upstream's reply to the last attempt of an open submission that was answered."""

    submission_id: SubmissionId
    attempt: int
    reply: RawReply


@dataclass(frozen=True, slots=True)
class LaneCommit:
    """All that one decision changes, in one transaction.

    Applied only if the stored version of the lane is ``expected_version`` (0: not stored), and, if
    ``claim`` is given, that claim is still the newest, and the key of ``idempotency``, if given, is
    not taken. ``lane`` None removes the lane row; its closed submissions stay for listing.
    ``changed`` are written whole, all else of the lane stands as it was. ``facts`` make one row.
    ``dispositions`` mark inbox rows, by seq. ``idempotency`` is stored with it. ``refs``: from now
    on the code is found by these too, as long as a submission of it is stored.
    ``reply`` takes the place of an earlier one of its submission, which must be among the
    ``changed``; with the commit that closes a submission its reply goes, or is not stored at all.
    ``due_ms``: when the lane next wants attention (None: never). ``reactions`` are the
    (submission, version) pairs to be announced: to the log, and to the outcome handlers.
    """

    code: CvCode
    expected_version: int
    lane: Lane | None
    due_ms: Millis | None
    changed: tuple[Submission, ...] = ()
    facts: tuple[Fact, ...] = ()
    dispositions: tuple[tuple[int, Disposition], ...] = ()
    idempotency: IdempotencyKey | None = None
    refs: tuple[str, ...] = ()
    reactions: tuple[tuple[SubmissionId, int], ...] = ()
    claim: Claim | None = None
    reply: StoredReply | None = None


@dataclass(frozen=True, slots=True)
class FirstLook:
    """What a start asks for first: every stored lane, every note by its name, and how many events
    wait for each function of ``ports.inbound``."""

    lanes: list[CvCode]
    notes: dict[str, str]
    inbound: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InboxRow:
    """One heard event on disk. ``code`` None: malformed, kept for the count, disposed at once."""

    heard: Heard
    code: CvCode | None
    payload: str
    disposition: Disposition | None = None


@dataclass(frozen=True, slots=True)
class StoredSubmission:
    """A submission with the code of its lane."""

    code: CvCode
    submission: Submission


@dataclass(frozen=True, slots=True)
class ToldFact:
    """One fact of a submission. ``sequence``: of its commit; ``place``: within that, from 0.
    ``body``: the fact as JSON."""

    sequence: int
    place: int
    at_ms: Millis
    event: str
    submission_id: SubmissionId
    code: CvCode
    body: str


@dataclass(frozen=True, slots=True)
class Query:
    """Filters of a listing, newest first; ``before`` is the id to continue below. ``ref``: of the
    codes that were stored with this ref. Created at or after ``created_from_ms``, and before
    ``created_to_ms``. ``needs_person``: those of ``outcomes.CALLING`` of which no retry, nor one of
    that, ended as ``outcomes.SETTLING``; or all others."""

    state: State | None = None
    outcome: Outcome | None = None
    code: CvCode | None = None
    ref: str | None = None
    open: bool | None = None
    attribution: Attribution | None = None
    late: bool | None = None
    retry_of: SubmissionId | None = None
    needs_person: bool | None = None
    created_from_ms: Millis | None = None
    created_to_ms: Millis | None = None
    before: SubmissionId | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts over all that is stored."""

    open_by_state: dict[State, int] = field(default_factory=dict)
    closed_by_outcome: dict[Outcome, int] = field(default_factory=dict)
    oldest_open_ms: Millis | None = None


class Journal(Reactions, InboundJournal, Protocol):
    """Durable when awaited: every write returns after its fsync. One writer, group commit.

    Raises JournalFault when the store fails (the daemon must then stop), never for a stale write.
    """

    async def load_lane(self, code: CvCode) -> LaneRow:
        """The lane with its remembered submissions; an empty one with version 0 if unknown."""
        ...

    async def commit(self, commit: LaneCommit) -> int | None:
        """Apply; the new version of the lane, or None if it was stale and nothing was changed.

        A version is one above the last, and never given twice to a lane, not even to one that was
        removed and came back. Raises ValueError, changing nothing, for text that is not UTF-8."""
        ...

    async def due_lanes(self, now_ms: Millis, limit: int) -> list[CvCode]:
        """Lanes whose ``due_ms`` has come, oldest first."""
        ...

    async def next_due_ms(self) -> Millis | None:
        """The earliest ``due_ms`` stored."""
        ...

    async def lanes(self) -> list[CvCode]:
        """Every stored lane."""
        ...

    async def first_look(self) -> FirstLook:
        """As they stand at one moment (for the walk at start)."""
        ...

    async def claim_lane(
        self, code: CvCode, owner: str, now_ms: Millis, until_ms: Millis
    ) -> Claim | None:
        """Claim for ``owner``; None while another owner's claim is not past. Renewing one's own is
        allowed and gives a new token. A claim of a lane that is not stored yet is allowed."""
        ...

    async def release_lane(self, claim: Claim) -> None:
        """Give a claim back. Idempotent; a superseded one releases nothing."""
        ...

    async def append_events(self, rows: Sequence[InboxRow], resume: Resume | None = None) -> None:
        """Store heard events, in order, and the recovery cursor if given, in one transaction.
        A seq that is stored already is left as it is. Raises ValueError, changing nothing, for text
        that is not UTF-8."""
        ...

    async def undisposed(self) -> list[InboxRow]:
        """Inbox rows without a disposition, by seq."""
        ...

    async def highest_seq(self) -> int:
        """The highest seq in inbox and submissions, 0 if none. What is purged or forgotten counts
        on: no number is given twice."""
        ...

    async def resume_cursor(self) -> Resume:
        """The last stored recovery cursor."""
        ...

    async def store_resume(self, resume: Resume) -> None:
        """Replace the recovery cursor."""
        ...

    async def mark_alive(self, at_ms: Millis) -> None:
        """We listened until then: where a gap begins if this process dies."""
        ...

    async def last_alive_ms(self) -> Millis | None:
        """The last mark, None if there never was one."""
        ...

    async def open_gap(self, gap: Gap) -> None:
        """Store a gap that begins. One is open at most; while one is, this changes nothing."""
        ...

    async def close_gap(self, end_ms: Millis, reason: str) -> Gap | None:
        """End the open gap, with its reason; the gap, or None if none was open."""
        ...

    async def drop_gap(self) -> None:
        """Forget the open gap: the connection was proven continuous."""
        ...

    async def gaps_since(self, since_ms: Millis) -> list[Gap]:
        """Gaps that end after ``since_ms`` (or are open), by start."""
        ...

    async def gaps(self, before: int | None, limit: int) -> list[GapRow]:
        """A page, newest first; ``before`` is the number to continue below."""
        ...

    async def gap_account(self, gap: Gap) -> GapAccount:
        """What an interval has touched, as the submissions stand. An open gap reaches to this
        day."""
        ...

    async def ripe_gaps(self, limit: int) -> list[GapRow]:
        """Gaps that have ended and are not settled, and touched nothing that is still open, oldest
        first. Nothing but the correction of an outcome changes their accounts any more."""
        ...

    async def settle_gaps(self, rows: Sequence[GapRow], at_ms: Millis) -> None:
        """Store each row's account, once: from now on it stands, whatever is corrected, purged or
        forgotten. Idempotent; one that is settled already, or gone, is left as it is."""
        ...

    async def submission(self, submission_id: SubmissionId) -> StoredSubmission | None:
        """One submission, open or closed."""
        ...

    async def submissions(self, query: Query) -> list[StoredSubmission]:
        """A page, newest first."""
        ...

    async def facts_of(self, submission_id: SubmissionId) -> list[tuple[Millis, str, str]]:
        """Its story in order: (at_ms, event, JSON of the fact)."""
        ...

    async def facts_after(self, sequence: int, limit: int) -> list[ToldFact]:
        """The facts of submissions, of up to ``limit`` commits with a higher sequence, in the order
        of the commits; of one commit all. What was purged or forgotten is not among them."""
        ...

    async def last_sequence(self) -> int:
        """The sequence of the last commit that had any; 0 if there never was one. It never falls,
        not by a purge either."""
        ...

    async def codes(self, after: CvCode | None, limit: int) -> list[CvCode]:
        """Codes that submissions are stored of: a page, in the order of their text, above
        ``after``."""
        ...

    async def add_refs(self, refs: Sequence[tuple[str, CvCode]]) -> None:
        """Let codes be found by these refs too. One of which no submission is stored is left out.
        Idempotent."""
        ...

    async def idempotency(self, key: str, now_ms: Millis) -> IdempotencyKey | None:
        """What a key was used for, less than ``KEY_KEPT_MS`` ago."""
        ...

    async def reply(self, submission_id: SubmissionId) -> StoredReply | None:
        """The reply kept of an open submission, if it had any."""
        ...

    async def tally(self) -> Tally:
        """Counts by state and outcome."""
        ...

    async def files_due(self, now_ms: Millis, limit: int) -> list[SubmissionId]:
        """Closed submissions whose ``keep_file_until_ms`` has come (their close, where it is None)
        and whose file was not yet marked gone, oldest first."""
        ...

    async def files_kept(self) -> list[SubmissionId]:
        """Submissions whose file may be there: open ones, and closed ones not marked gone."""
        ...

    async def files_gone(self, ids: Sequence[SubmissionId]) -> None:
        """Mark their files as deleted. Idempotent."""
        ...

    async def purge(self, closed_before_ms: Millis) -> int:
        """Delete closed submissions that no lane remembers and whose file is marked gone, with
        their facts, reactions and idempotency keys, disposed inbox rows and settled gaps: all older
        than that. Returns how many submissions."""
        ...

    async def purgeable(self, closed_before_ms: Millis) -> int:
        """How many submissions ``purge`` would delete."""
        ...

    async def forget(self, code: CvCode) -> int:
        """Delete all that is kept of one code, open or not, and every inbound event that holds it,
        save the files: they are the caller's to remove, before it. Returns how many
        submissions."""
        ...

    async def note(self, name: str) -> str | None:
        """What was noted under this name, None if nothing is."""
        ...

    async def set_note(self, name: str, value: str | None) -> None:
        """Note it, in place of what was; None removes it. It must hold nothing of a CV, for neither
        ``purge`` nor ``forget`` touches it."""
        ...

    async def prove(self) -> None:
        """Return once all that was given before is on disk, and something new behind it: whoever
        writes lives, and the store takes what is written. Changes nothing that can be asked for."""
        ...

    def commit_p99_ms(self) -> float | None:
        """The 99th percentile of recent commit times."""
        ...

    async def close(self) -> None:
        """Finish what is queued, then close. Idempotent."""
        ...
