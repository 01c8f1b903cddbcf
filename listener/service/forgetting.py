"""Forgetting: all that is kept of one code, or what closed long ago, at a person's word."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Protocol

from listener.core.errors import JournalFault, SpoolFault
from listener.core.names import CvCode, Millis, State, SubmissionId
from listener.ports.clock import Clock
from listener.ports.front import Forgotten
from listener.ports.journal import Journal, Query
from listener.ports.log import Log
from listener.ports.spool import Orphans, Spool

from .behind import Behind
from .engine import Engine

PAGE = 500


class Elsewhere(Protocol):
    """What is kept beside the journal: forgotten as the journal's is, open ones and all."""

    async def forget(self, code: CvCode, *, dry_run: bool) -> Forgotten:
        """All that it keeps of one code; nothing while one is open. Raises SpoolFault."""
        ...


class Forgetting:
    """What was begun is finished, though whoever asked be gone; ``fail`` is told of a fault that is
    met there."""

    def __init__(
        self,
        engine: Engine,
        journal: Journal,
        spool: Spool,
        orphans: Orphans | None,
        clock: Clock,
        log: Log,
        fail: Callable[[JournalFault], None],
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self._engine = engine
        self._journal = journal
        self._spool = spool
        self._orphans = orphans
        self._clock = clock
        self._log = log
        self._behind = Behind(fail)
        self._elsewhere = elsewhere

    async def code(self, code: CvCode, *, dry_run: bool) -> Forgotten:
        """Files first, then rows: a crash in between leaves rows that lead to no file, and the same
        word again finishes it. While one is open, nothing is done.

        Raises SpoolFault where a file cannot be deleted: then some are gone, and every row is
        there."""
        ids = [submission_id async for submission_id in self._ids(code)]
        if dry_run:
            lane = await self._engine.lane(code)
            still_open = sum(s.state is not State.CLOSED for s in lane.submissions)
            beside = await self._beside(code, dry_run=True)
            return Forgotten(len(ids) + beside.submissions, still_open + beside.open, done=False)
        return await self._behind.see_through(self._forget(code))

    async def older_than(self, age_ms: int, *, dry_run: bool) -> Forgotten:
        """What closed before, as the retention time would: what a late event may still belong to,
        and what keeps its file, stays."""
        before = Millis(self._clock.now_ms() - age_ms)
        if dry_run:
            return Forgotten(await self._journal.purgeable(before), 0, done=False)
        return await self._behind.see_through(self._purge(before))

    async def _forget(self, code: CvCode) -> Forgotten:
        async def erase() -> int:
            async for submission_id in self._ids(code):
                await self._remove(submission_id)
            return await self._journal.forget(code)

        beside = await self._beside(code, dry_run=True)
        if beside.open:
            return beside
        still_open, count = await self._engine.forget(code, erase)
        if still_open:
            return Forgotten(count, still_open, done=False)
        count += (await self._beside(code, dry_run=False)).submissions
        self._log.emit("submission.forgotten", submissions=count)
        return Forgotten(count, 0, done=True)

    async def _beside(self, code: CvCode, *, dry_run: bool) -> Forgotten:
        if self._elsewhere is None:
            return Forgotten(0, 0, done=not dry_run)
        return await self._elsewhere.forget(code, dry_run=dry_run)

    async def _purge(self, before: Millis) -> Forgotten:
        count = await self._journal.purge(before)
        if count:
            self._log.emit("submission.forgotten", submissions=count)
        return Forgotten(count, 0, done=True)

    async def _ids(self, code: CvCode) -> AsyncIterator[SubmissionId]:
        before: SubmissionId | None = None
        while page := await self._journal.submissions(Query(code=code, before=before, limit=PAGE)):
            for stored in page:
                yield stored.submission.id
            before = page[-1].submission.id

    async def _remove(self, submission_id: SubmissionId) -> None:
        try:
            await self._spool.remove(submission_id)
            if self._orphans is not None:
                await self._orphans.remove_orphan(submission_id)
        except OSError as error:
            raise SpoolFault(
                "expected to delete a file of the spool, found that the system refuses "
                f"({error.strerror or type(error).__name__}): see to the permissions under "
                "CV_STATE_DIR/spool, then ask again"
            ) from error
