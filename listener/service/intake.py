"""Acceptance: once a submission is answered, it is on disk and will reach an outcome."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from listener.core.errors import IllegalInput, JournalFault, SpoolFault, SpoolFull
from listener.core.inputs import CancelRequested, Submit
from listener.core.names import CvCode, SubmissionId
from listener.core.standing import same_update
from listener.core.submission import FileFacts, Lane
from listener.core.wire import check_code
from listener.ports.clock import Clock
from listener.ports.journal import IdempotencyKey, Journal, StoredSubmission
from listener.ports.log import Log
from listener.ports.spool import Spool

from .behind import Behind
from .engine import Engine, Moment
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
    (another with the same idempotency key is not through yet)."""

    reason: str


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
    ) -> None:
        self._engine = engine
        self._journal = journal
        self._spool = spool
        self._clock = clock
        self._log = log
        self._new_id = new_id
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
        retry_of: SubmissionId | None = None,
        join: bool = False,
    ) -> Accepted | Declined:
        """Accept one file for one code; with ``join``, an open one that it only repeats stands for
        it.

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
            facts = await self._take(submission_id, chunks, name)
        except BaseException:
            self._keys.discard(key)
            raise
        accepting = self._accept(code, submission_id, facts, key, retry_of, join)
        return await self._behind.see_through(accepting)

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

    async def _accept(
        self,
        code: CvCode,
        submission_id: SubmissionId,
        facts: FileFacts,
        key: str | None,
        retry_of: SubmissionId | None,
        join: bool,
    ) -> Accepted | Declined:
        try:
            return await self._commit(code, submission_id, facts, key, retry_of, join)
        finally:
            self._keys.discard(key)

    async def _commit(
        self,
        code: CvCode,
        submission_id: SubmissionId,
        facts: FileFacts,
        key: str | None,
        retry_of: SubmissionId | None,
        join: bool,
    ) -> Accepted | Declined:
        record = None
        if key is not None:
            fingerprint, now = _fingerprint(code, facts, retry_of), self._clock.now_ms()
            known = await self._journal.idempotency(key, now)
            if known is not None:
                await self._spool.remove(submission_id)
                return _again(known, fingerprint)
            record = IdempotencyKey(key, fingerprint, submission_id, now)

        def make(moment: Moment) -> Submit:
            return Submit(
                at_ms=moment.at_ms,
                hearing=moment.hearing,
                submission_id=submission_id,
                file=facts,
                retry_of=retry_of,
                join=join,
            )

        decision = await self._engine.give(code, make, record)
        if decision.refusal is not None:
            await self._spool.remove(submission_id)
            if decision.refusal == "joined":
                return self._joined(code, decision.lane, facts)
            # Another submission with the same key came first, by a moment.
            if decision.refusal == "key_taken" and record is not None:
                taken = await self._journal.idempotency(record.key, record.created_ms)
                if taken is not None:
                    return _again(taken, record.fingerprint)
            return Declined(decision.refusal)
        return Accepted(submission_id)

    def _joined(self, code: CvCode, lane: Lane, facts: FileFacts) -> Accepted:
        found = same_update(lane, facts)
        if found is None:
            raise IllegalInput("expected the update that was joined in its lane, found none")
        self._log.emit(
            "submission.joined",
            submission_id=found.id,
            cv_ref=self._log.ref(code),
            state=found.state,
        )
        return Accepted(found.id, repeated=True)


def _again(known: IdempotencyKey, fingerprint: str) -> Accepted | Declined:
    """The key was used before: for the same thing it is the same submission."""
    if known.fingerprint != fingerprint:
        return Declined("key_reused")
    return Accepted(known.submission_id, repeated=True)


def _fingerprint(code: CvCode, facts: FileFacts, retry_of: SubmissionId | None) -> str:
    what = f"{code}\0{facts.sha256}" + ("" if retry_of is None else f"\0{retry_of}")
    return hashlib.sha256(what.encode()).hexdigest()
