"""One thread, one connection, many callers: the queue in front of SQLite."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import apsw

from listener.core.errors import JournalFault

from .faults import journal_fault

T = TypeVar("T")

BATCH_LIMIT = 256
"""Operations in one transaction: bounds how long the first of them waits for the last."""


class Health:
    """Whether the journal can still keep its promise. Shared by its threads; once told of a fault
    it stays so: after a failed fsync nobody knows what is on the disk."""

    def __init__(self) -> None:
        self.fault: JournalFault | None = None

    def dead(self) -> JournalFault | None:
        """A new fault to raise, saying what the first one was."""
        return None if self.fault is None else type(self.fault)(str(self.fault))


@dataclass(slots=True, eq=False)
class _Job:
    run: Callable[[apsw.Connection], Any]
    future: asyncio.Future[Any]
    alone: bool = False
    result: Any = None
    error: Exception | None = None


class Worker:
    """Runs operations in the order they were given, all that are waiting in one transaction, and
    answers each only after the COMMIT.

    An operation must be repeatable: where one of a transaction raises an error that is its own
    (not SQLite's), the rest is rolled back and run again without it. Any error of SQLite ends the
    journal. A caller that is cancelled changes nothing: what it gave is done whole.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        db: apsw.Connection,
        begin: str,
        health: Health,
        checkpoint_pages: int | None = None,
    ) -> None:
        """``checkpoint_pages``: of the write-ahead log, before it is moved into the database."""
        self._path = path
        self._db = db
        self._begin = begin
        self._health = health
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._wal_pages = 0
        self._checkpoint_pages = checkpoint_pages
        if checkpoint_pages is not None:
            db.set_wal_hook(self._note_wal)
        self.commit_ms: deque[float] = deque(maxlen=1_024)
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self._thread.start()

    def submit(
        self, run: Callable[[apsw.Connection], T], *, alone: bool = False
    ) -> asyncio.Future[T]:
        """Must be called on the loop. Raises JournalFault once the journal is closed or dead.

        ``alone``: run outside of a transaction, after those that were given with it."""
        fault = self._health.dead()
        if fault is not None:
            raise fault
        if self._closed:
            raise JournalFault("expected an open journal, found it closed; start it again first")
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(_Job(run, future, alone))
        return future

    async def close(self) -> None:
        """Finish what was given, then close the connection. Idempotent."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _main(self) -> None:
        more = True
        while more:
            batch, more = self._take()
            if batch:
                self._perform(batch)
                self._answer(batch)
                self._checkpoint_if_due()
        with contextlib.suppress(apsw.Error):  # only tidies up: what is in the WAL is kept there
            self._db.close()

    def _take(self) -> tuple[list[_Job], bool]:
        """Wait for one operation, take all that are there; and whether more may come."""
        batch: list[_Job] = []
        job = self._queue.get()
        while job is not None:
            batch.append(job)
            if len(batch) == BATCH_LIMIT:
                return batch, True
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                return batch, True
        return batch, False

    def _perform(self, batch: list[_Job]) -> None:
        """Give every job of the batch its result or its error."""
        fault = self._health.dead()
        if fault is None:
            try:
                remaining = [job for job in batch if not job.alone]
                while remaining:
                    remaining = self._transact(remaining)
                for job in batch:
                    if job.alone:
                        job.result = job.run(self._db)
            except Exception as error:  # noqa: BLE001 - a thread that died would leave all waiting
                self._health.fault = fault = journal_fault(error, self._path, "using")
                self._roll_back()
        if fault is not None:
            for job in batch:
                job.error = job.error or type(fault)(str(fault))

    def _transact(self, jobs: list[_Job]) -> list[_Job]:
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
        self.commit_ms.append((time.perf_counter() - began) * 1_000)
        return []

    def _note_wal(self, _db: apsw.Connection, _name: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _checkpoint_if_due(self) -> None:
        """SQLite's own automatic checkpoint would hide a failing fsync."""
        if self._checkpoint_pages is None or self._wal_pages < self._checkpoint_pages:
            return
        if self._health.fault is not None:
            return
        self._wal_pages = 0  # told anew by the next commit
        try:
            self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.BusyError:
            return
        except apsw.Error as error:
            self._health.fault = journal_fault(error, self._path, "using")

    def _roll_back(self) -> None:
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except apsw.Error as error:
            self._health.fault = self._health.fault or journal_fault(error, self._path, "using")

    def _answer(self, batch: list[_Job]) -> None:
        try:
            self._loop.call_soon_threadsafe(_settle, batch)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more


def _settle(batch: list[_Job]) -> None:
    for job in batch:
        if job.future.done():
            continue  # its caller was cancelled
        if job.error is None:
            job.future.set_result(job.result)
        else:
            job.future.set_exception(job.error)
