"""One thread, one connection, many callers: the queue in front of SQLite."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol, TypeVar

import apsw

from listener.core.errors import JournalFault

from .transactions import Job, Transactions, settle

T = TypeVar("T")

BATCH_LIMIT = 256
"""Operations in one transaction: bounds how long the first of them waits for the last."""


class Desk(Protocol):
    """Where operations are handed in; answered in the order they were given, after their COMMIT."""

    commit_ms: deque[float]
    """How long the last transactions took."""

    def submit(
        self, run: Callable[[apsw.Connection], T], *, alone: bool = False
    ) -> asyncio.Future[T]:
        """Must be called on the loop. Raises JournalFault once the journal is closed or dead.

        ``alone``: run outside of a transaction, after those that were given with it."""
        ...

    async def close(self) -> None:
        """Finish what was given, then close the connection. Idempotent."""
        ...


class Worker:
    """A Desk with a thread of its own: all that is waiting goes into one transaction. A caller that
    is cancelled changes nothing: what it gave is done whole."""

    def __init__(self, name: str, transactions: Transactions) -> None:
        self._transactions = transactions
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._closed = False
        self.commit_ms = transactions.commit_ms
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self._thread.start()

    def submit(
        self, run: Callable[[apsw.Connection], T], *, alone: bool = False
    ) -> asyncio.Future[T]:
        """As the Desk says."""
        fault = self._transactions.health.dead()
        if fault is not None:
            raise fault
        if self._closed:
            raise JournalFault("expected an open journal, found it closed; start it again first")
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(Job(run, future, alone))
        return future

    async def close(self) -> None:
        """As the Desk says."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _main(self) -> None:
        more = True
        while more:
            batch, more = self._take()
            if batch:
                self._transactions.perform(batch)
                self._answer(batch)
                self._transactions.checkpoint_if_due()
        self._transactions.close()

    def _take(self) -> tuple[list[Job], bool]:
        """Wait for one operation, take all that are there; and whether more may come."""
        batch: list[Job] = []
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

    def _answer(self, batch: list[Job]) -> None:
        try:
            self._loop.call_soon_threadsafe(settle, batch)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more
