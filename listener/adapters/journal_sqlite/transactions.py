"""What an operation on the journal's file is: many in one transaction, each with its own end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from listener.core.errors import JournalFault

from .faults import journal_fault
from .presence import Presence


class Health:
    """Whether the journal can still keep its promise. Shared by its connections; once told of a
    fault it stays so: after a failed fsync nobody knows what is on the disk."""

    def __init__(self) -> None:
        self.fault: JournalFault | None = None

    def dead(self) -> JournalFault | None:
        """A new fault to raise, saying what the first one was."""
        return None if self.fault is None else type(self.fault)(str(self.fault))


@dataclass(slots=True, eq=False)
class Job:
    """One operation, who waits for it, and how it ended. ``alone``: outside of a transaction."""

    run: Callable[[apsw.Connection], Any]
    future: asyncio.Future[Any]
    alone: bool = False
    result: Any = None
    error: Exception | None = None


class Transactions:
    """One connection, used from one thread at a time: performs jobs, and moves the write-ahead log
    into the database when it has grown to ``checkpoint_pages`` (None: somebody else does).

    An operation must be repeatable: where one of a transaction raises an error that is its own
    (not SQLite's), the rest is rolled back and run again without it. Any error of SQLite ends the
    journal.
    """

    def __init__(
        self,
        path: Path,
        db: apsw.Connection,
        begin: str,
        health: Health,
        checkpoint_pages: int | None = None,
        committed: Callable[[float], None] = lambda _: None,
    ) -> None:
        """``committed`` is told, in the thread that performs, how many seconds each took."""
        self._path = path
        self._db = db
        self._begin = begin
        self._presence = Presence(path)
        self.health = health
        self._wal_pages = 0
        self._checkpoint_pages = checkpoint_pages
        self._committed = committed
        if checkpoint_pages is not None:
            db.set_wal_hook(self._note_wal)
        self.commit_ms: deque[float] = deque(maxlen=1_024)

    def close(self) -> None:
        """Close the connection."""
        with contextlib.suppress(apsw.Error):  # only tidies up: what is in the WAL is kept there
            self._db.close()

    def perform(self, batch: list[Job]) -> None:
        """Give every job of the batch its result or its error."""
        fault = self.health.dead()
        if fault is None:
            try:
                remaining = [job for job in batch if not job.alone]
                while remaining:
                    remaining = self._transact(remaining)
                for job in batch:
                    if job.alone:
                        job.result = job.run(self._db)
                self._presence.check()
            except Exception as error:  # noqa: BLE001 - a thread that died would leave all waiting
                self.health.fault = fault = journal_fault(error, self._path, "using")
                self._roll_back()
        if fault is not None:
            for job in batch:
                job.error = job.error or type(fault)(str(fault))

    def _transact(self, jobs: list[Job]) -> list[Job]:
        """One transaction over all; what is to be run again because one job's own error undid it.

        Raises apsw.Error, perhaps with the transaction still open."""
        began = time.perf_counter()
        self._db.execute(self._begin)
        for job in jobs:
            try:
                job.result = job.run(self._db)
            except apsw.Error:
                raise
            except Exception as error:  # noqa: BLE001 - it is the caller's: handed over, not hidden
                job.error = error
                self._roll_back()
                return [other for other in jobs if other is not job]
        self._db.execute("COMMIT")
        took_s = time.perf_counter() - began
        self.commit_ms.append(took_s * 1_000)
        self._committed(took_s)
        return []

    def _note_wal(self, _db: apsw.Connection, _name: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def checkpoint_if_due(self) -> None:
        """SQLite's own automatic checkpoint would hide a failing fsync."""
        if self._checkpoint_pages is None or self._wal_pages < self._checkpoint_pages:
            return
        if self.health.fault is not None:
            return
        self._wal_pages = 0  # told anew by the next commit
        try:
            self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.BusyError:
            return
        except apsw.Error as error:
            self.health.fault = journal_fault(error, self._path, "using")

    def _roll_back(self) -> None:
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except apsw.Error as error:
            self.health.fault = self.health.fault or journal_fault(error, self._path, "using")


def settle(batch: list[Job]) -> None:
    """Tell everyone who still waits. On their loop."""
    for job in batch:
        if job.future.done():
            continue  # its caller was cancelled
        if job.error is None:
            job.future.set_result(job.result)
        else:
            job.future.set_exception(job.error)
