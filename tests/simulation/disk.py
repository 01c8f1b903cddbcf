"""The journal's real file, real SQL and real transactions, on virtual time: a commit takes as long
as the seed says, a process dies before it, after it or while it is being answered, a disk fails."""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
from collections import deque
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import apsw

from listener.adapters.journal_sqlite import SqliteJournal
from listener.adapters.journal_sqlite.store import Pragmas, Store, open_store
from listener.adapters.journal_sqlite.transactions import Job, Transactions, settle
from listener.core.errors import JournalFault

T = TypeVar("T")

BATCH_LIMIT = 256
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of ours is made in it, where there is one
PRAGMAS = Pragmas(synchronous="OFF", checkpoint_pages=200)
"""A killed process loses nothing that was written, synced or not; power cuts are another proof."""


@cache
def _empty_journal() -> bytes:
    """A migrated journal without a row: made once, copied for each seed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        store = open_store(path, PRAGMAS)
        store.reading.close()
        store.writing.close()
        store.lock.release()
        return path.read_bytes()


class Disk:
    """What outlives a process. ``reach`` is told each point that a commit passes, and may end the
    process there. ``slow``: some commits take seconds."""

    def __init__(self, rng: random.Random, slow: bool, reach: Callable[[str], None]) -> None:
        memory = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
        self._folder = Path(tempfile.mkdtemp(prefix="cv-sim-", dir=memory))
        self.path = self._folder / "journal.db"
        self.path.write_bytes(_empty_journal())
        self.rng = rng
        self.reach = reach
        self._slow = slow
        self.fail_next: str | None = None
        """How the next transaction fails: ``before`` anything is written, or ``after`` all is."""
        self.failed = 0

    def delay_s(self) -> float:
        """Of one half of a commit."""
        stall = self._slow and self.rng.random() < 0.02
        return self.rng.uniform(0.5, 8.0) if stall else self.rng.uniform(0.0, 0.004)

    def remove(self) -> None:
        """The end of the simulation."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def ask(self, sql: str) -> list[Any]:
        """What stands in the file, as a witness reads it."""
        db = apsw.Connection(str(self.path))
        try:
            return list(db.execute(sql))
        finally:
            db.close()


class MountedJournal:
    """One process's journal: the real one, with desks that the simulation can see into."""

    def __init__(self, disk: Disk) -> None:
        self._store: Store = open_store(disk.path, PRAGMAS)
        self._desks: list[VirtualDesk] = []

        def desk(name: str, transactions: Transactions) -> VirtualDesk:
            made = VirtualDesk(disk, transactions, writes=name == "journal-writer")
            self._desks.append(made)
            return made

        self.port = SqliteJournal(self._store, desk)

    def kill(self) -> None:
        """The process is gone: what was not committed never happened, nobody is answered."""
        for desk in self._desks:
            desk.kill()
        self._store.lock.release()


class VirtualDesk:
    """A ``journal_sqlite.worker.Desk`` on the loop's own time: one transaction at a time; what is
    handed in meanwhile waits for the next."""

    def __init__(self, disk: Disk, transactions: Transactions, *, writes: bool) -> None:
        self._disk = disk
        self._transactions = transactions
        self._writes = writes
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Job] = deque()
        self._under_way: list[Job] = []
        self._busy = False
        self._closed = False
        self._idle: asyncio.Future[None] | None = None
        self.commit_ms: deque[float] = deque(maxlen=1_024)

    def submit(self, run: Callable[[apsw.Connection], T], *, alone: bool = False) -> Any:
        """As the Desk says; a dead process's caller is cancelled."""
        future: asyncio.Future[T] = self._loop.create_future()
        if self._closed:
            future.cancel()
            return future
        fault = self._transactions.health.dead()
        if fault is not None:
            raise fault
        self._waiting.append(Job(run, future, alone))
        if not self._busy:
            self._begin()
        return future

    async def close(self) -> None:
        """As the Desk says."""
        if self._busy:
            self._idle = self._loop.create_future()
            await self._idle
        self.kill()

    def kill(self) -> None:
        """From now on nothing is done."""
        if self._closed:
            return
        self._closed = True
        for job in (*self._waiting, *self._under_way):
            job.future.cancel()
        self._waiting.clear()
        self._transactions.close()

    def _begin(self) -> None:
        self._busy = True
        if self._writes:
            self._loop.call_later(self._disk.delay_s(), self._commit)
        else:
            self._loop.call_later(self._disk.rng.uniform(0.0, 0.001), self._read)

    def _batch(self) -> list[Job]:
        count = min(BATCH_LIMIT, len(self._waiting))
        return [self._waiting.popleft() for _ in range(count)]

    def _read(self) -> None:
        if self._closed:
            return
        batch = self._batch()
        self._transactions.perform(batch)
        settle(batch)
        self._next()

    def _commit(self) -> None:
        if self._dies_at("disk: before a commit"):
            return
        self._under_way = self._batch()
        self._perform(self._under_way)
        if self._dies_at("disk: committed, not answered"):
            return
        took = self._disk.delay_s()
        self.commit_ms.append(took * 1_000)
        self._loop.call_later(took, self._answer)

    def _dies_at(self, point: str) -> bool:
        """Pass a point, if this process still lives; whether it does no more."""
        if not self._closed:
            self._disk.reach(point)
        return self._closed

    def _perform(self, batch: list[Job]) -> None:
        fails, self._disk.fail_next = self._disk.fail_next, None
        if fails == "before":
            self._disk.failed += 1
            batch[0].run = _full_disk
        self._transactions.perform(batch)
        if fails == "after":
            # What a failing fsync leaves: all of it may be there, and nobody may rely on it.
            self._disk.failed += 1
            fault = JournalFault("using the journal: an I/O error of the simulated disk")
            self._transactions.health.fault = fault
            for job in batch:
                job.error = fault

    def _answer(self) -> None:
        if self._closed:
            return
        batch, self._under_way = self._under_way, []
        settle(batch)
        self._loop.call_later(self._disk.rng.uniform(0.0, 0.002), self._tidy)

    def _tidy(self) -> None:
        if self._dies_at("disk: answered"):
            return
        self._transactions.checkpoint_if_due()
        self._next()

    def _next(self) -> None:
        if self._waiting:
            self._begin()
        else:
            self._busy = False
            if self._idle is not None and not self._idle.done():
                self._idle.set_result(None)


def _full_disk(_: apsw.Connection) -> None:
    raise apsw.FullError("the simulated disk is full")
