"""Updates whose client never had the last word on them."""

from __future__ import annotations

from collections.abc import Mapping

from listener.core.names import CvCode, Outcome, SubmissionId
from listener.core.submission import Submission
from listener.ports.clock import Clock
from listener.ports.journal import OWED_NOTES, Journal, Query

KEPT_MS = 3_600_000
"""After the close: for so long the same sent again is taken for a client that asks once more."""
LONGEST_OPEN_MS = 26 * KEPT_MS
"""A mark that is older is of no use any more."""
MOST = 4096
NEWEST = 8
"""Of one code: as many as are looked at."""


class Owed:
    """Who waits for a last word is owed it until it was delivered. Kept in memory from the
    acceptance on, and on disk once it is known that it could not be delivered: a client that hears
    nothing, or of a 504, asks again, mostly after the close.

    What an earlier run left without a last word is owed too: whoever waited for it is gone."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._begun_ms = clock.now_ms()
        self._owed: dict[SubmissionId, int] = {}
        self._on_disk: set[SubmissionId] = set()
        self._had: dict[SubmissionId, None] = {}

    async def recover(self, notes: Mapping[str, str]) -> None:
        """What the notes of earlier runs say."""
        for name, marked in notes.items():
            if name.startswith(OWED_NOTES):
                submission_id = SubmissionId(name.removeprefix(OWED_NOTES))
                self._owed.setdefault(submission_id, int(marked))
                self._on_disk.add(submission_id)
        await self._forget_the_oldest()

    def waits(self, submission_id: SubmissionId) -> None:
        """Somebody waits for its last word from now on."""
        self._had.pop(submission_id, None)
        self._owed[submission_id] = self._clock.now_ms()

    async def undelivered(self, submission_id: SubmissionId) -> None:
        """One who waited did not have it; nor did another, since. On disk when this returns."""
        if submission_id in self._had:
            return
        now = self._owed[submission_id] = self._clock.now_ms()
        self._on_disk.add(submission_id)
        await self._journal.set_note(OWED_NOTES + submission_id, str(now))
        await self._forget_the_oldest()

    async def delivered(self, submission_id: SubmissionId) -> None:
        """Somebody had it: the same sent again is a new update."""
        self._had[submission_id] = None
        while len(self._had) > MOST:
            del self._had[next(iter(self._had))]
        await self._settle(submission_id)

    async def same_again(self, code: CvCode, sha256: str) -> Submission | None:
        """The newest update of these bytes that is still owed to somebody."""
        now = self._clock.now_ms()
        if not self._owed and now > self._begun_ms + LONGEST_OPEN_MS:
            return None
        for stored in await self._journal.submissions(Query(code=code, limit=NEWEST)):
            submission = stored.submission
            if submission.file.sha256 == sha256 and self._is_owed(submission, now):
                return submission
        return None

    def _is_owed(self, submission: Submission, now: int) -> bool:
        closed_ms, said_ms = submission.closed_ms, submission.accepted_ms or submission.closed_ms
        if closed_ms is not None and now > closed_ms + KEPT_MS:
            return False
        if submission.outcome is Outcome.UNDELIVERED:
            return False  # It was never sent: asked for again, it is.
        if submission.id in self._owed:
            return True
        left_over = submission.created_ms < self._begun_ms
        unsaid = said_ms is None or said_ms >= self._begun_ms
        return left_over and unsaid and submission.id not in self._had

    async def _settle(self, submission_id: SubmissionId) -> None:
        self._owed.pop(submission_id, None)
        if submission_id in self._on_disk:
            self._on_disk.discard(submission_id)
            await self._journal.set_note(OWED_NOTES + submission_id, None)

    async def _forget_the_oldest(self) -> None:
        long_ago = self._clock.now_ms() - LONGEST_OPEN_MS
        old = [name for name, marked in self._owed.items() if marked < long_ago]
        for submission_id in old or list(self._owed)[: len(self._owed) - MOST]:
            await self._settle(submission_id)
