"""Who performs what is given to the journal: on the loop, so that a life is the same each time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TypeVar

import apsw

from listener.adapters.journal_sqlite.transactions import Job, Transactions, settle
from listener.core.errors import JournalFault

T = TypeVar("T")


class LoopDesk:
    """A ``journal_sqlite.worker.Desk`` without a thread: what was handed in within one turn of the
    loop is one transaction."""

    def __init__(self, _name: str, transactions: Transactions) -> None:
        self._transactions = transactions
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Job] = []
        self._closed = False
        self.commit_ms: deque[float] = transactions.commit_ms

    def submit(
        self, run: Callable[[apsw.Connection], T], *, alone: bool = False
    ) -> asyncio.Future[T]:
        """As the Desk says."""
        fault = self._transactions.health.dead()
        if fault is not None:
            raise fault
        if self._closed:
            raise JournalFault("expected an open journal, found it closed")
        future: asyncio.Future[T] = self._loop.create_future()
        if not self._waiting:
            self._loop.call_soon(self._turn)
        self._waiting.append(self.job(run, future, alone))
        return future

    def job(
        self, run: Callable[[apsw.Connection], T], future: asyncio.Future[T], alone: bool
    ) -> Job:
        """What is performed for it."""
        return Job(run, future, alone)

    async def close(self) -> None:
        """As the Desk says."""
        self._closed = True
        self._turn()
        self._transactions.close()

    def _turn(self) -> None:
        batch, self._waiting = self._waiting, []
        if batch:
            self._transactions.perform(batch)
            settle(batch)
            self._transactions.checkpoint_if_due()


class EagerDesk(LoopDesk):
    """Planted: whoever waits is answered once his operation ran, before its COMMIT."""

    def job(
        self, run: Callable[[apsw.Connection], T], future: asyncio.Future[T], alone: bool
    ) -> Job:
        """Answers by itself."""

        def eager(db: apsw.Connection) -> T:
            result = run(db)
            if not future.done():
                future.set_result(result)
            return result

        return Job(eager, future, alone)
