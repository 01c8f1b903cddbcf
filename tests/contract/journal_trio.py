"""Three journals under one hand: SQLite's, the one in memory, and the model. All answer alike."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from listener.adapters.journal_sqlite import SqliteJournal
from listener.core.names import Attribution, CvCode, Millis, Outcome, State, SubmissionId
from listener.ports.journal import Journal, Query
from tests.fakes.journal_memory import MemoryJournal

from .journal_model import JournalModel

Call = tuple[str, tuple[Any, ...]]
"""A method of the port, and its arguments."""

EVER = Millis(2**53)
LONG = 10_000


class Trio:
    """One event loop, one folder; ``close`` leaves neither. Nothing is synced to the disk: these
    journals lose no power, only their process."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._folder = TemporaryDirectory(prefix="journal-machine-")
        self._lives = 0
        self.model = JournalModel()
        self.memory = MemoryJournal()
        self.sqlite = self._runner.run(self._open(self._path()))

    def ask(self, name: str, *args: Any) -> Any:
        """What all three answer."""
        (answer,) = self.together([(name, args)])
        return answer

    def together(self, calls: Sequence[Call], unfit: Sequence[Call] = ()) -> list[Any]:
        """Given to each journal without a pause between them, so that SQLite takes them into one
        transaction. Those of ``unfit`` go in the midst: each is refused, and harms no other."""
        half = len(calls) // 2
        given = [*calls[:half], *unfit, *calls[half:]]
        answers = [getattr(self.model, name)(*args) for name, args in calls]
        for journal in (self.sqlite, self.memory):
            found = self._runner.run(_gather(journal, given))
            refused = found[half : half + len(unfit)]
            assert all(isinstance(error, ValueError) for error in refused), refused
            del found[half : half + len(unfit)]
            for call, expected, answer in zip(calls, answers, found, strict=True):
                assert answer == expected, (type(journal).__name__, call, answer)
        return answers

    def compare(
        self, codes: Sequence[CvCode], names: Sequence[SubmissionId], keys: Sequence[str]
    ) -> None:
        """Every question that the port allows."""
        questions: list[Call] = [
            *((name, ()) for name in ("first_look", "next_due_ms", "undisposed", "highest_seq")),
            *((name, ()) for name in ("resume_cursor", "last_alive_ms", "tally", "files_kept")),
            *((name, (EVER, LONG)) for name in ("due_lanes", "files_due")),
            *(("due_reactions", (name, EVER, LONG)) for name in self.model.reactions_waiting()),
            ("reactions_waiting", ()),
            ("gaps_since", (Millis(0),)),
            ("gaps", (None, LONG)),
            ("ripe_gaps", (LONG,)),
            ("submissions", (Query(limit=LONG),)),
            *(("note", (name,)) for name in ("a", "b")),
            ("codes", (None, LONG)),
            *(("load_lane", (code,)) for code in codes),
            *(("submission", (name,)) for name in names),
            *(("facts_of", (name,)) for name in names),
            *(("reply", (name,)) for name in names),
            *(("idempotency", (key, now)) for key in keys for now in (Millis(0), EVER)),
        ]
        self.together(questions)

    def listings(self, codes: Sequence[CvCode], before: SubmissionId, since: Millis) -> None:
        """Every filter, alone and with another."""
        queries = [
            *(Query(state=state, limit=3) for state in State),
            *(Query(outcome=outcome, before=before) for outcome in Outcome),
            *(Query(code=code, state=State.CLOSED) for code in codes),
            *(Query(code=code, before=before, limit=2) for code in codes),
            *(Query(ref=ref, limit=3) for ref in ("ref-1", "ref-2", "ref-3")),
            *(Query(ref="ref-1", open=is_so, before=before) for is_so in (True, False)),
            *(Query(late=is_so, limit=3) for is_so in (True, False)),
            *(Query(attribution=one, before=before) for one in Attribution),
            *(Query(needs_person=is_so, limit=3) for is_so in (True, False)),
            Query(retry_of=before),
            Query(created_from_ms=since, limit=3),
            Query(created_to_ms=since, state=State.QUEUED),
            Query(created_from_ms=since, created_to_ms=Millis(since + 3), open=True),
        ]
        self.together([("submissions", (query,)) for query in queries])

    def restart(self) -> None:
        """Closed in good order, and opened again."""
        self._runner.run(self.sqlite.close())
        self.sqlite = self._runner.run(self._open(self._path()))
        self.memory = self.memory.reopened()

    def kill(self) -> None:
        """What a process leaves that is killed now: the files as they are, the write-ahead log not
        yet in the database. The next life opens a copy of them."""
        left = self._path().parent
        self._lives += 1
        shutil.copytree(left, self._path().parent)
        dead, self.sqlite = self.sqlite, self._runner.run(self._open(self._path()))
        self._runner.run(dead.close())
        shutil.rmtree(left)
        self.memory = self.memory.reopened()

    def close(self) -> None:
        """Leave nothing behind."""
        self._runner.run(self.sqlite.close())
        self._runner.run(self.memory.close())
        self._runner.close()
        self._folder.cleanup()

    def _path(self) -> Path:
        return Path(self._folder.name) / f"life-{self._lives}" / "journal.db"

    async def _open(self, path: Path) -> SqliteJournal:
        return await SqliteJournal.open(path, synchronous="OFF", checkpoint_pages=20)


async def _gather(journal: Journal, calls: Sequence[Call]) -> list[Any]:
    asked = [getattr(journal, name)(*args) for name, args in calls]
    return await asyncio.gather(*asked, return_exceptions=True)
