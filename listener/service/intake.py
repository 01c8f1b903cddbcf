"""Acceptance: once a submission is answered, it is on disk and will reach an outcome."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from listener.core.errors import IllegalInput, JournalFault, SpoolFault, SpoolFull
from listener.core.inputs import CancelRequested, Submit
from listener.core.names import CvCode, Millis, SubmissionId
from listener.core.standing import joined
from listener.core.submission import FileFacts, Lane, Submission
from listener.core.wire import check_code, sanitise_filename
from listener.ports.clock import Clock
from listener.ports.journal import IdempotencyKey, Journal, StoredSubmission
from listener.ports.log import Log
from listener.ports.spool import Spool

from .behind import Behind
from .engine import Engine, Moment
from .owed import Owed
from .spool_incidents import SpoolIncidents


@dataclass(frozen=True, slots=True)
class Accepted:
    """It is on disk. ``repeated``: it was before: the idempotency key was used for the same thing,
    or an open one was joined."""

    submission_id: SubmissionId
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Declined:
    """Nothing was stored. ``reason``: ``lane_busy``, ``key_reused``, ``draining``, ``in_flight``
    (another with the same idempotency key is not through yet), or, of a retry, an ``Objection``."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Asked:
    """One submission as it is asked for, its file spooled."""

    code: CvCode = field(repr=False)
    submission_id: SubmissionId
    facts: FileFacts = field(repr=False)
    key: str | None
    key_since_ms: Millis | None
    retry_of: SubmissionId | None
    join: bool
    forced: bool

    def given(self, moment: Moment, owed: Submission | None) -> Submit:
        return Submit(
            at_ms=moment.at_ms,
            hearing=moment.hearing,
            submission_id=self.submission_id,
            file=self.facts,
            retry_of=self.retry_of,
            join=self.join,
            owed=owed,
            forced=self.forced,
        )

    def fingerprint(self) -> str:
        what = f"{self.code}\0{self.facts.sha256}"
        if self.retry_of is not None:
            what += f"\0{self.retry_of}"
        return hashlib.sha256(what.encode()).hexdigest()


class Intake:
    """Takes files and codes; spools, then commits. Cancelling a caller tears nothing: what was
    begun is finished behind it, and ``fail`` is told of a fault that is met there."""

    def __init__(
        self,
        engine: Engine,
        journal: Journal,
        spool: Spool,
        clock: Clock,
        log: Log,
        new_id: Callable[[], SubmissionId],
        fail: Callable[[JournalFault], None],
        owed: Owed | None = None,
    ) -> None:
        self._engine = engine
        self._journal = journal
        self._spool = spool
        self._clock = clock
        self._log = log
        self._new_id = new_id
        self._owed = owed or Owed(journal, clock)
        self.incidents = SpoolIncidents(clock, log)
        self._behind = Behind(fail)
        self._draining = False
        self._keys: set[str | None] = set()
        """Of submissions that are being taken."""
        self._uploads = 0
        self._uploaded = asyncio.Event()

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
        forced: bool = False,
    ) -> Accepted | Declined:
        """Accept one file for one code; with ``join``, one that it only repeats stands for it: an
        open one, or a closed one whose last word nobody had. ``forced``: a retry is taken whatever
        speaks against it. ``name`` may be anything that a file system calls a file, bytes that are
        no text too: what is kept of it is sanitised.

        Raises InvalidCode, InvalidFile, SpoolFull or SpoolFault, with nothing stored.
        """
        if self._draining:
            return Declined("draining")
        code, key = check_code(code_text), idempotency_key
        if key in self._keys:
            return Declined("in_flight")
        if key is not None:
            self._keys.add(key)
        submission_id = self._new_id()
        try:
            facts = await self._take(submission_id, chunks, sanitise_filename(name))
        except BaseException:
            self._keys.discard(key)
            raise
        asked = _Asked(code, submission_id, facts, key, key_since_ms, retry_of, join, forced)
        return await self._behind.see_through(self._accept(asked))

    async def cancel(self, submission_id: SubmissionId) -> StoredSubmission | None:
        """Withdraw one submission (rule 13); as it stands afterwards, None if unknown."""
        stored = await self._journal.submission(submission_id)
        if stored is None:
            return None
        cancelling = self._engine.give(
            stored.code,
            lambda m: CancelRequested(
                at_ms=m.at_ms,
                hearing=m.hearing,
                events_pending=m.events_pending,
                submission_id=submission_id,
            ),
        )
        await self._behind.see_through(cancelling)
        return await self._journal.submission(submission_id)

    async def drain(self) -> None:
        """Take nothing new, and finish what was begun, uploads under way too."""
        self._draining = True
        while self._uploads:
            self._uploaded.clear()
            await self._uploaded.wait()
        await self._behind.finish()

    async def _take(
        self, submission_id: SubmissionId, chunks: AsyncIterator[bytes], name: str
    ) -> FileFacts:
        self._uploads += 1
        try:
            facts = await self._spool.take(submission_id, chunks, name)
        except (SpoolFull, SpoolFault) as error:
            self.incidents.refused(error)
            raise
        finally:
            self._uploads -= 1
            self._uploaded.set()
        self.incidents.taken()
        return facts

    async def _accept(self, asked: _Asked) -> Accepted | Declined:
        try:
            return await self._commit(asked)
        finally:
            self._keys.discard(asked.key)

    async def _commit(self, asked: _Asked) -> Accepted | Declined:
        record = None
        if asked.key is not None:
            fingerprint, now = asked.fingerprint(), self._clock.now_ms()
            since = now if asked.key_since_ms is None else min(now, asked.key_since_ms)
            known = await self._journal.idempotency(asked.key, since)
            if known is not None:
                await self._spool.remove(asked.submission_id)
                return _again(known, fingerprint)
            record = IdempotencyKey(asked.key, fingerprint, asked.submission_id, now)
        owed = None
        if asked.join:
            owed = await self._owed.same_again(asked.code, asked.facts.sha256)
        decision = await self._engine.give(asked.code, lambda m: asked.given(m, owed), record)
        if decision.refusal is not None:
            await self._spool.remove(asked.submission_id)
            if decision.refusal == "joined":
                return self._joined(asked, decision.lane, owed)
            # Another submission with the same key came first, by a moment.
            if decision.refusal == "key_taken" and record is not None:
                taken = await self._journal.idempotency(record.key, record.created_ms)
                if taken is not None:
                    return _again(taken, record.fingerprint)
            return Declined(decision.refusal)
        if asked.join:
            self._owed.waits(asked.submission_id)
        return Accepted(asked.submission_id)

    def _joined(self, asked: _Asked, lane: Lane, owed: Submission | None) -> Accepted:
        found = joined(lane, asked.facts, owed)
        if found is None:
            raise IllegalInput("expected the update that was joined in its lane, found none")
        self._owed.waits(found.id)
        self._log.emit(
            "submission.joined",
            submission_id=found.id,
            cv_ref=self._log.ref(asked.code),
            state=found.state,
        )
        return Accepted(found.id, repeated=True)


def _again(known: IdempotencyKey, fingerprint: str) -> Accepted | Declined:
    """The key was used before: for the same thing it is the same submission."""
    if known.fingerprint != fingerprint:
        return Declined("key_reused")
    return Accepted(known.submission_id, repeated=True)
