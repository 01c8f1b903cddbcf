"""What ``submit --once`` keeps, in a journal of its own below the state folder."""

from __future__ import annotations

from pathlib import Path

from listener.core.errors import JournalFault, JournalLocked, SpoolFault
from listener.core.names import CvCode, State, SubmissionId
from listener.ports.front import Forgotten
from listener.ports.journal import Query

from .journal_sqlite import SqliteJournal

PAGE = 500


class KeptByOnce:
    """``folder``: that journal's, which need not be there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def forget(self, code: CvCode, *, dry_run: bool) -> Forgotten:
        """All that it keeps of one code. Nothing while one is open, or a call is under way: that
        counts as one that is open. Raises SpoolFault where it cannot be had, or not deleted."""
        path = self._folder / "journal.db"
        try:
            if not path.exists():
                return Forgotten(0, 0, done=not dry_run)
            journal = await SqliteJournal.open(path)
            try:
                return await self._forget(journal, code, dry_run)
            finally:
                await journal.close()
        except JournalLocked:
            return Forgotten(1, 1, done=False)
        except (JournalFault, OSError) as error:
            told = error.strerror if isinstance(error, OSError) else "a journal that fails"
            raise SpoolFault(
                "expected to delete what 'submit --once' kept, found that it cannot be had"
                f" ({told or type(error).__name__}): see to CV_STATE_DIR/once, then ask again"
            ) from error

    async def _forget(self, journal: SqliteJournal, code: CvCode, dry_run: bool) -> Forgotten:
        lane = (await journal.load_lane(code)).lane
        still_open = sum(s.state is not State.CLOSED for s in lane.submissions)
        ids: list[SubmissionId] = []
        query = Query(code=code, limit=PAGE)
        while page := await journal.submissions(query):
            ids += [stored.submission.id for stored in page]
            query = Query(code=code, limit=PAGE, before=ids[-1])
        if dry_run or still_open:
            return Forgotten(len(ids), still_open, done=False)
        for submission_id in ids:
            (self._folder / "spool" / submission_id).unlink(missing_ok=True)
        await journal.forget(code)
        return Forgotten(len(ids), 0, done=True)
