"""The service, as its doors see it: what the HTTP API (and whatever else lets people in) needs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from listener.core.errors import JournalFault
from listener.core.names import Attribution, Millis, Objection, Outcome, State, SubmissionId

from .event_source import Watching
from .journal import Tally
from .upstream import NoReply, RawReply
from .vitals import Liveness, Quiet, Readiness, Vitals

Public = Mapping[str, Any]
"""A submission's public JSON form (``core.view.public``): it holds ``cv_ref``, never the code."""


@dataclass(frozen=True, slots=True)
class Taken:
    """It is on disk, and this is how it stands. ``repeated``: it was before, for the idempotency
    key was used for the same code and the same bytes, or an open one was joined; nothing new was
    stored."""

    submission: Public
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Turned:
    """Turned away, and nothing was changed.

    ``reason``: ``lane_busy``, ``key_reused``, ``in_flight`` (another with the same idempotency key
    is not through yet), ``draining``, or ``starting`` (what an earlier run left is still being
    correlated).
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Forget:
    """What is to be forgotten: all of one code, by itself or by one of its submissions; or what
    closed so long ago, of every code. One of them is given."""

    code_text: str | None = field(default=None, repr=False)
    submission_id: SubmissionId | None = None
    older_than_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Forgotten:
    """``submissions``: how many are gone; where nothing was ``done``, how many would be, ``open``
    of which keep it from being done."""

    submissions: int
    open: int
    done: bool


OpenFile = Callable[[], Awaitable[tuple[AsyncIterator[bytes], str]]]
"""Begins to read a file that came with a request: its bytes, and its name."""


@dataclass(frozen=True, slots=True)
class Retry:
    """What a retry would do, and did. ``told``: what has changed since the close, in the public
    form. ``submission``: the new one, None where none was made. ``objection``: what spoke, or
    speaks, against it. ``repeated``: as in ``Taken``."""

    told: Public
    submission: Public | None
    objection: Objection | None
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Awaited:
    """How far a submission has come, for somebody who wants the upstream's reply.

    ``replied``: the upstream has had its last word: it accepted or refused, or the submission is
    closed. ``reply`` is that word, unchanged; None where there was none, or none that could be read
    whole or is kept. ``timed_out`` then says that it did not come in time, as far as is known;
    ``status`` is the HTTP status of the last answer."""

    submission: Public
    reply: RawReply | None
    replied: bool
    timed_out: bool
    status: int | None


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of a listing, newest first. ``after`` is the id to continue below, None at the end."""

    submissions: tuple[Public, ...]
    after: SubmissionId | None


@dataclass(frozen=True, slots=True)
class GapListing:
    """A page of gaps, newest first, each in its public JSON form. ``after`` is the number to
    continue below, None at the end."""

    gaps: tuple[Public, ...]
    after: int | None


@dataclass(frozen=True, slots=True)
class Filter:
    """What to list. ``before``: the id to continue below. Created at or after ``created_from_ms``,
    and before ``created_to_ms``."""

    state: State | None = None
    outcome: Outcome | None = None
    open: bool | None = None
    attribution: Attribution | None = None
    late: bool | None = None
    retry_of: SubmissionId | None = None
    needs_person: bool | None = None
    cv_ref: str | None = None
    created_from_ms: Millis | None = None
    created_to_ms: Millis | None = None
    before: SubmissionId | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Sending:
    """Whether attempts begin. ``paused_ms``: since when it is paused, None if it is not.
    ``draining``: the daemon is on its way out. ``in_flight``: attempts under way. ``quiet``:
    why nothing is sent, beside a pause; None where something is."""

    paused_ms: Millis | None
    draining: bool
    in_flight: int
    quiet: Quiet | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """In the story of all submissions: the commit, and the fact within it. Sorts by time."""

    sequence: int
    place: int = -1
    """-1: before its first."""


@dataclass(frozen=True, slots=True)
class News:
    """One fact: its place, and what is told of it. Holds no code."""

    at: Place
    event: str
    told: Mapping[str, Any]


class Front(Protocol):
    """What may be asked of the service from outside. Raises JournalFault when the journal fails."""

    async def submit(
        self,
        code_text: str,
        chunks: AsyncIterator[bytes],
        name: str,
        *,
        idempotency_key: str | None = None,
        key_since_ms: Millis | None = None,
        retry_of: SubmissionId | None = None,
        join: bool = False,
    ) -> Taken | Turned:
        """Accept one file for one code; durable when it returns ``Taken``. With ``join``, an open
        one of the same code and bytes stands for it, or for an hour after its close one whose last
        word nobody had, unless something came after it: whoever joins says by ``word_delivered`` or
        ``word_undelivered`` what became of it.

        Whatever ``chunks`` raises goes through to the caller, with nothing stored. The code is
        checked before the first chunk is asked for. Of several with one idempotency key, at once or
        within a day, one is stored. ``key_since_ms``: since when the key may have been used, for
        one that is to hold longer. Cancelling tears nothing: all is stored, or nothing.

        Raises InvalidCode, InvalidFile, SpoolFull or SpoolFault, with nothing stored.
        """
        ...

    async def submission(self, submission_id: SubmissionId) -> Public | None:
        """How it stands, None if unknown."""
        ...

    async def story(self, submission_id: SubmissionId) -> Public | None:
        """What it waits for, since when, what is usual and what comes next; of a closed one what
        its outcome means and what to do; and all that happened to it, in order. None if unknown."""
        ...

    def overhear(self) -> AbstractContextManager[Watching]:
        """Watch what is received by its shape, within the block."""
        ...

    async def submissions(self, wanted: Filter) -> Listing:
        """One page."""
        ...

    async def gaps(self, before: int | None, limit: int) -> GapListing:
        """One page; ``before``: the number to continue below."""
        ...

    async def cancel(self, submission_id: SubmissionId) -> Public | Turned | None:
        """Withdraw one (DESIGN section 3 rule 13); how it stands afterwards, None if unknown.
        Idempotent."""
        ...

    async def retry(
        self,
        submission_id: SubmissionId,
        file: OpenFile | None,
        *,
        force: bool = False,
        dry_run: bool = False,
        idempotency_key: str | None = None,
    ) -> Retry | Turned | None:
        """Accept a closed one again, as a submission of its own: with ``file``, or else with the
        file that is kept of it. Not where something speaks against it, save by ``force``; not at
        all by a ``dry_run``, which only looks. None if unknown. What is looked at is as it is now:
        the record is read for it.

        ``file`` is called once nothing speaks against it. Raises as ``submit`` does.
        """
        ...

    async def wait_closed(self, submission_id: SubmissionId, timeout_s: float) -> Public | None:
        """Wait until it is closed, ``timeout_s`` at most; how it stands then, None if unknown."""
        ...

    async def wait_reply(
        self, submission_id: SubmissionId, timeout_s: float, *, until_closed: bool = False
    ) -> Awaited | None:
        """Wait until the upstream has had its last word on it, or it is closed (for that alone with
        ``until_closed``), ``timeout_s`` at most; how far it is then, None if unknown."""
        ...

    async def word_delivered(self, submission_id: SubmissionId) -> None:
        """Who waited for the last word on it, or for whatever there was, has it."""
        ...

    async def word_undelivered(self, submission_id: SubmissionId) -> None:
        """Nobody had the last word on it. Durable when it returns."""
        ...

    async def fetch_record(self, code_text: str) -> RawReply | NoReply:
        """What the upstream answers to a GET of the record, unread. Raises InvalidCode."""
        ...

    def sending(self) -> Sending:
        """Whether attempts begin."""
        ...

    async def forget(self, wanted: Forget, *, dry_run: bool = False) -> Forgotten | Turned | None:
        """Delete what is kept: rows, and the files with them. None: no such submission. Raises
        InvalidCode, or SpoolFault where a file cannot be deleted. Idempotent."""
        ...

    async def pause(self) -> Sending:
        """Begin no further attempt, and go on accepting; a restart changes nothing of it. On disk
        when it returns. Idempotent, as its opposite is."""
        ...

    async def resume(self) -> Sending:
        """Let attempts begin again."""
        ...

    def drain(self) -> Sending:
        """Accept nothing more, end what is under way, then end the daemon, as SIGTERM does.
        Returns at once. Idempotent."""
        ...

    async def readiness(self) -> Readiness:
        """Look at all that acceptance needs. Bounded in time; never raises."""
        ...

    async def alive(self) -> Liveness:
        """Whether loop and journal live: for whoever ends a process in which they do not (a
        supervisor's watchdog, a probe). Answers within a second of the loop's own time and never
        raises. A loop that stands still does not answer: take no answer for a no.

        Not alive: the journal failed, or has answered nothing for ``journal_silent_s``, or a turn
        of the loop took longer than ``loop_lag_s`` (``service.ServicePolicy``). The journal is
        asked by a write of its own, which all share who ask within a second; so ask every few
        seconds, and the first no comes at most that much late."""
        ...

    async def vitals(self) -> Vitals:
        """How the service fares at this moment. Two reads of the journal, whatever is stored, and
        bounded in time; never raises."""
        ...

    async def news(self, after: Place, limit: int) -> list[News]:
        """What happened after that place, in order; of ``limit`` commits at most, each whole."""
        ...

    async def latest(self) -> Place:
        """The place of the last that happened."""
        ...

    async def wait_news(self, after: Place, timeout_s: float) -> None:
        """Wait until something happened after that place, ``timeout_s`` at most."""
        ...

    async def tally(self) -> Tally:
        """Counts by state and outcome."""
        ...

    def failed(self, fault: JournalFault) -> None:
        """A request met this fault: the daemon must end, even if nothing else ever meets it."""
        ...
