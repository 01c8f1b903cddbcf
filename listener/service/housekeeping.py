"""What must go when its time has come: files of closed submissions, and old rows."""

from __future__ import annotations

import asyncio

from listener.core.names import Millis, SubmissionId
from listener.ports.clock import Clock
from listener.ports.journal import Journal
from listener.ports.log import Log
from listener.ports.spool import Orphans, Spool

BATCH = 256
SWEEP_S = 5.0
PURGE_EVERY_MS = 3_600_000
DAY_MS = 86_400_000


class Housekeeping:
    """Deletes files soon after their submission closes, and rows after the retention time.

    The journal says what is due, so a crash between a close and its deletion leaves nothing. Files
    set aside at a start go after ``keep_orphans_ms``.
    """

    def __init__(
        self,
        journal: Journal,
        spool: Spool,
        clock: Clock,
        log: Log,
        *,
        retention_days: int,
        orphans: Orphans | None = None,
        keep_orphans_ms: int = DAY_MS,
    ) -> None:
        self._journal = journal
        self._spool = spool
        self._clock = clock
        self._log = log
        self._retention_ms = retention_days * DAY_MS
        self._orphans = orphans
        self._keep_orphans_ms = keep_orphans_ms
        self._due = asyncio.Event()
        self._stuck: set[SubmissionId] = set()

    def release(self, at_ms: Millis) -> None:
        """A file is no longer needed after ``at_ms``."""
        if at_ms <= self._clock.now_ms():
            self._due.set()

    async def recover(self) -> int:
        """Clear the spool of what the journal has no use for; returns how many files."""
        await self.sweep()
        keep = await self._journal.files_kept()
        try:
            left = await self._spool.sweep(keep)
            if left:
                self._log.emit("spool.swept", files=left)
            if self._orphans is not None:
                await self._look_through(self._orphans)
        except OSError as error:
            self._tell_stuck(error)
            return 0
        return left

    async def _look_through(self, orphans: Orphans) -> None:
        """Of what was set aside, delete what the journal knows to be closed: its deletion did not
        outlive a power cut."""
        waiting = 0
        for name in await orphans.orphans():
            if await self._journal.submission(name) is None:
                waiting += 1
            else:
                await orphans.remove_orphan(name)
        if waiting:
            self._log.emit("spool.orphaned", files=waiting)
        await self._expire(orphans)

    async def _expire(self, orphans: Orphans) -> None:
        gone = await orphans.expire_orphans(Millis(self._clock.now_ms() - self._keep_orphans_ms))
        if gone:
            self._log.emit("spool.orphans_deleted", files=gone)

    async def run(self) -> None:
        """Delete what is due until cancelled."""
        purged_ms = self._clock.now_ms()
        while True:
            self._due.clear()
            await self.sweep()
            if self._clock.now_ms() - purged_ms >= PURGE_EVERY_MS:
                purged_ms = self._clock.now_ms()
                await self._purge()
            try:
                async with asyncio.timeout(SWEEP_S):
                    await self._due.wait()
            except TimeoutError:
                pass

    async def sweep(self) -> None:
        """Delete every file whose time has come."""
        while ids := await self._journal.files_due(self._clock.now_ms(), BATCH):
            gone = [submission_id for submission_id in ids if await self._removed(submission_id)]
            await self._journal.files_gone(gone)
            if len(gone) < len(ids):
                return

    async def _removed(self, submission_id: SubmissionId) -> bool:
        """Delete one file; one that cannot be deleted is told of once, and tried again later."""
        try:
            await self._spool.remove(submission_id)
        except OSError as error:
            if submission_id not in self._stuck:
                self._stuck.add(submission_id)
                self._tell_stuck(error, submission_id)
            return False
        self._stuck.discard(submission_id)
        return True

    async def _purge(self) -> None:
        before = Millis(self._clock.now_ms() - self._retention_ms)
        purged = await self._journal.purge(before)
        if purged:
            self._log.emit("retention.purged", submissions=purged)
        if self._orphans is not None:
            try:
                await self._expire(self._orphans)
            except OSError as error:
                self._tell_stuck(error)

    def _tell_stuck(self, error: OSError, submission_id: SubmissionId | None = None) -> None:
        self._log.emit(
            "spool.delete_failed",
            submission_id=submission_id,
            error_type=type(error).__name__,
            error=error.strerror,
        )
