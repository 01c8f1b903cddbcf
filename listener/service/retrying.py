"""Sending an update again by hand: looked at first, then accepted as a submission of its own."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from listener.core import outcomes, retry
from listener.core.names import Objection, SubmissionId
from listener.core.retry import Drift
from listener.core.submission import Submission
from listener.ports.clock import Clock
from listener.ports.front import OpenFile
from listener.ports.journal import Journal, Query, StoredSubmission
from listener.ports.log import Log
from listener.ports.spool import Spool
from listener.ports.upstream import Upstream

from .intake import Accepted, Declined, Intake

NEWER = 50
"""As many of the lane's submissions are looked at, newest first."""
FORCIBLE = frozenset({Objection.EVIDENCE_IMPROVED, Objection.NEWER_UPDATE})


class _Damaged(Exception):
    """The kept file is no longer the one that was accepted."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was found. ``kept``: its file is there."""

    old: StoredSubmission
    drift: Drift
    kept: bool
    objection: Objection | None


@dataclass(frozen=True, slots=True)
class Outlook:
    """What was looked at, and what came of it: nothing for want of consent (``objection``)."""

    look: Look
    answer: Accepted | Declined | None = None
    objection: Objection | None = None


async def sent_again(journal: Journal, old: Submission) -> Submission | None:
    """The retry that counts of one that calls for a person: the first found that settles it, be it
    a retry of a retry, or else the newest. None where it was not sent again, or calls for nobody.
    """
    found: list[Submission] = []
    ids = [old.id] if old.outcome in outcomes.CALLING else []
    while ids:
        retries = await journal.submissions(Query(retry_of=ids.pop(), limit=NEWER))
        for each in (stored.submission for stored in retries):
            if each.outcome in outcomes.SETTLING:
                return each
            found.append(each)
            ids.append(each.id)
    return max(found, key=lambda each: (each.created_ms, each.id), default=None)


class Retrying:
    """Looks at a closed submission as things are now, and has its file, or another, taken again."""

    def __init__(
        self,
        journal: Journal,
        spool: Spool,
        upstream: Upstream,
        intake: Intake,
        clock: Clock,
        log: Log,
        new_request_id: Callable[[], str],
    ) -> None:
        self._journal = journal
        self._spool = spool
        self._upstream = upstream
        self._intake = intake
        self._clock = clock
        self._log = log
        self._new_request_id = new_request_id

    async def look(self, submission_id: SubmissionId, *, sent: bool) -> Look | None:
        """As things are: the lane, and the record, which is read for this where it can tell
        anything. Bounded, as each reading is. ``sent``: a file comes with it. Changes nothing."""
        old = await self._journal.submission(submission_id)
        if old is None:
            return None
        page = await self._journal.submissions(Query(code=old.code, limit=NEWER))
        newer = retry.newer_than(old.submission, [stored.submission for stored in page])
        reading = None
        if old.submission.outcome is not None and retry.worth_reading(old.submission):
            request_id = f"{self._new_request_id()}-retry"
            reading = await self._upstream.read_record(old.code, request_id=request_id)
            # An event may have come while it was read.
            old = await self._journal.submission(submission_id) or old
        drift = Drift(self._clock.now_ms(), reading, newer)
        kept = await self._spool.holds(submission_id)
        against = retry.objection(old.submission, drift)
        if against is None and not kept and not sent:
            against = Objection.FILE_GONE
        return Look(old, drift, kept, against)

    async def retry(
        self,
        submission_id: SubmissionId,
        file: OpenFile | None,
        *,
        force: bool,
        idempotency_key: str | None,
    ) -> Outlook | None:
        """Accept it again, unless something speaks against it. Raises what ``Intake.submit`` does,
        and whatever opening or reading ``file`` raises, with nothing stored."""
        look = await self.look(submission_id, sent=file is not None)
        if look is None:
            return None
        against = look.objection
        if against is not None and await self._repeats(idempotency_key):
            against = None  # It was answered before: so it is again.
        if against is not None and not (force and against in FORCIBLE):
            return Outlook(look, objection=against)
        if file is None and not look.kept:
            return Outlook(look, objection=Objection.FILE_GONE)
        try:
            answer = await self._submit(look.old, file, force, idempotency_key)
        except (FileNotFoundError, _Damaged):
            return Outlook(look, objection=Objection.FILE_GONE)
        if isinstance(answer, Declined) and answer.reason in list(Objection):
            return Outlook(look, objection=Objection(answer.reason))
        if isinstance(answer, Accepted) and not answer.repeated:
            self._tell(answer, look, against)
        return Outlook(look, answer)

    async def _repeats(self, key: str | None) -> bool:
        if key is None:
            return False
        return await self._journal.idempotency(key, self._clock.now_ms()) is not None

    async def _submit(
        self, old: StoredSubmission, file: OpenFile | None, force: bool, key: str | None
    ) -> Accepted | Declined:
        chunks, name = (self._kept(old.submission), "") if file is None else await file()
        return await self._intake.submit(
            old.code,
            chunks,
            name,
            idempotency_key=key,
            retry_of=old.submission.id,
            forced=force,
        )

    async def _kept(self, old: Submission) -> AsyncIterator[bytes]:
        """Its bytes, and then the proof that they are those that were accepted."""
        digest = hashlib.sha256()
        async for chunk in self._spool.read(old.id):
            digest.update(chunk)
            yield chunk
        if digest.hexdigest() != old.file.sha256:
            raise _Damaged

    def _tell(self, answer: Accepted, look: Look, overruled: Objection | None) -> None:
        self._log.emit(
            "submission.retried",
            submission_id=answer.submission_id,
            cv_ref=self._log.ref(look.old.code),
            retry_of=look.old.submission.id,
            movement=retry.movement(look.old.submission, look.drift).value,
            overruled=None if overruled is None else overruled.value,
        )
