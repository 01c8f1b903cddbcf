"""One fsync for all that waited; nobody waits for it but those who write."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from listener.adapters.journal_sqlite import SqliteJournal
from listener.core.evidence import Heard
from listener.core.names import CvCode
from listener.core.submission import Lane
from listener.ports.journal import InboxRow
from tests.contract.journals import CODE, a_fact, accepting, an_id, at, queued

from .hooked_disk import HookedDisk


class SlowDisk(HookedDisk):
    """Its log's syncs wait until they are let through."""

    def __init__(self) -> None:
        super().__init__()
        self.syncs = 0
        self.reached = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._open = threading.Event()
        self._open.set()
        self.hook = self._at

    def hold(self) -> None:
        self._open.clear()
        self.reached.clear()

    def let_go(self) -> None:
        self._open.set()

    def _at(self, operation: str, name: str) -> None:
        if operation == "sync" and name.endswith("-wal"):
            self.syncs += 1
            self._loop.call_soon_threadsafe(self.reached.set)
            assert self._open.wait(30)


@pytest.fixture
async def disk() -> AsyncIterator[SlowDisk]:
    disk = SlowDisk()
    yield disk
    disk.unregister()


@pytest.fixture
async def journal(tmp_path: Path, disk: SlowDisk) -> AsyncIterator[SqliteJournal]:
    journal = await SqliteJournal.open(tmp_path / "journal.db", vfs=disk.name)
    yield journal
    disk.let_go()
    await journal.close()


async def test_what_waited_for_one_fsync_shares_the_next(
    journal: SqliteJournal, disk: SlowDisk
) -> None:
    async with asyncio.timeout(60):
        await journal.commit(accepting(CODE, 1))
        before = disk.syncs
        disk.hold()
        first = asyncio.create_task(journal.commit(accepting(CvCode("first"), 2)))
        await disk.reached.wait()
        others = [
            asyncio.create_task(journal.commit(accepting(CvCode(f"lane-{n}"), n)))
            for n in range(10, 60)
        ]
        await asyncio.sleep(0)
        assert not first.done(), "nothing is acknowledged before its fsync"
        disk.let_go()
        assert all(version is not None for version in await asyncio.gather(first, *others))
    assert disk.syncs == before + 2


async def test_readers_do_not_wait_for_the_disk(journal: SqliteJournal, disk: SlowDisk) -> None:
    async with asyncio.timeout(60):
        await journal.commit(accepting(CODE, 1))
        disk.hold()
        writing = asyncio.create_task(journal.commit(accepting(CODE, 2, version=1)))
        await disk.reached.wait()
        assert (await journal.load_lane(CODE)).lane == Lane((queued(1),)), "not yet acknowledged"
        assert await journal.submission(an_id(2)) is None
        disk.let_go()
        assert await writing == 2
        assert (await journal.load_lane(CODE)).lane == Lane((queued(2),))


async def test_a_caller_cancelled_in_the_fsync_has_written(
    journal: SqliteJournal, disk: SlowDisk
) -> None:
    async with asyncio.timeout(60):
        disk.hold()
        writing = asyncio.create_task(journal.commit(accepting(CODE, 1)))
        await disk.reached.wait()
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        disk.let_go()
        assert await journal.commit(accepting(CvCode("next"), 2)) is not None
        assert (await journal.load_lane(CODE)).lane == Lane((queued(1),))


async def test_stale_and_unfit_neighbours_are_left_out_alone(
    journal: SqliteJournal, disk: SlowDisk
) -> None:
    """In one group: good commits, a stale one, and an event that SQLite cannot take."""
    async with asyncio.timeout(60):
        disk.hold()
        first = asyncio.create_task(journal.commit(accepting(CODE, 1)))
        await disk.reached.wait()
        unfit = InboxRow(Heard(1, at(1)), CODE, "\ud800")
        group = [
            asyncio.create_task(journal.commit(accepting(CvCode("good-1"), 2))),
            asyncio.create_task(journal.commit(accepting(CODE, 3, version=7))),
            asyncio.create_task(journal.append_events([InboxRow(Heard(2, at(2)), CODE, "{}")])),
            asyncio.create_task(
                journal.append_events([InboxRow(Heard(3, at(3)), CODE, "{}"), unfit])
            ),
            asyncio.create_task(
                journal.commit(replace(accepting(CvCode("good-2"), 4), facts=(a_fact(4, at(4)),)))
            ),
        ]
        await asyncio.sleep(0)
        disk.let_go()
        await first
        good_1, stale, _, error, good_2 = await asyncio.gather(*group, return_exceptions=True)
    assert (good_1, stale, good_2) == (1, None, 1)
    assert isinstance(error, UnicodeEncodeError)
    assert [row.heard.seq for row in await journal.undisposed()] == [2], "whole or not at all"
    assert len(await journal.facts_of(an_id(4))) == 1, "run again, but written once"


async def test_closing_finishes_what_was_given(journal: SqliteJournal, disk: SlowDisk) -> None:
    async with asyncio.timeout(60):
        disk.hold()
        writes = [
            asyncio.create_task(journal.commit(accepting(CvCode(f"lane-{n}"), n)))
            for n in range(20)
        ]
        await asyncio.sleep(0)
        closing = asyncio.create_task(journal.close())
        await disk.reached.wait()
        assert not closing.done()
        disk.let_go()
        await closing
        assert all(version is not None for version in await asyncio.gather(*writes))


async def test_a_proof_is_on_disk_each_time_it_is_asked_for(
    journal: SqliteJournal, disk: SlowDisk
) -> None:
    for _ in range(3):
        before = disk.syncs
        await journal.prove()
        assert disk.syncs == before + 1
    disk.hold()
    proof = asyncio.ensure_future(journal.prove())
    await disk.reached.wait()
    assert not proof.done()
    disk.let_go()
    await proof


async def test_each_commit_is_told_with_how_long_it_took(tmp_path: Path) -> None:
    took: list[tuple[float, int]] = []

    def committed(seconds: float) -> None:
        took.append((seconds, threading.get_ident()))

    journal = await SqliteJournal.open(tmp_path / "journal.db", committed=committed)
    await journal.commit(accepting(CODE, 1))
    await journal.prove()
    await journal.tally()
    await journal.close()
    assert len(took) == 2, "reading is none"
    assert all(seconds > 0 for seconds, _ in took)
    assert threading.get_ident() not in {thread for _, thread in took}
