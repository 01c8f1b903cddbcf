"""A disk that fails ends the journal, says what to do, and takes back nothing acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from listener.adapters.journal_sqlite import SqliteJournal
from listener.adapters.journal_sqlite.migrations import migrations
from listener.core.errors import JournalFault, JournalTooNew
from listener.core.names import CvCode, Millis, State
from listener.core.submission import Lane
from tests.contract.journals import CODE, a_fact, accepting, an_id, queued

from .hooked_disk import HookedDisk


@pytest.fixture
def disk() -> Iterator[HookedDisk]:
    disk = HookedDisk()
    yield disk
    disk.unregister()


def failing(operation: str, suffix: str, error: apsw.Error, disk: HookedDisk) -> None:
    """From now on ``operation`` on such files is answered with ``error``."""

    def hook(asked: str, name: str) -> None:
        if asked == operation and name.endswith(suffix):
            raise error

    disk.hook = hook


@pytest.mark.parametrize(
    ("operation", "error", "advice"),
    [
        ("write", apsw.FullError("disk full"), "free some space"),
        ("write", apsw.IOError("bad block"), "kernel's log"),
        ("sync", apsw.IOError("bad block"), "kernel's log"),
        ("write", apsw.ReadOnlyError("remounted"), "writable"),
    ],
)
async def test_after_a_fault_every_call_is_refused(
    tmp_path: Path, disk: HookedDisk, operation: str, error: apsw.Error, advice: str
) -> None:
    path = tmp_path / "journal.db"
    journal = await SqliteJournal.open(path, vfs=disk.name)
    try:
        assert await journal.commit(accepting(CODE, 1)) == 1
        failing(operation, "-wal", error, disk)
        async with asyncio.timeout(30):
            writes = [journal.commit(accepting(CvCode(f"secret-{n}"), n)) for n in range(5)]
            for answer in await asyncio.gather(*writes, return_exceptions=True):
                assert isinstance(answer, JournalFault)
                assert advice in str(answer)
                assert "secret" not in str(answer)
            disk.hook = lambda _operation, _name: None
            with pytest.raises(JournalFault, match=advice):
                await journal.commit(accepting(CvCode("later"), 9))
            with pytest.raises(JournalFault, match=advice):
                await journal.load_lane(CODE)
    finally:
        await journal.close()
    again = await SqliteJournal.open(path)
    try:
        assert await again.lanes() == [CODE]
        assert (await again.load_lane(CODE)).lane == Lane((queued(1),))
    finally:
        await again.close()


async def test_a_checkpoint_whose_fsync_fails_ends_the_journal_too(
    tmp_path: Path, disk: HookedDisk
) -> None:
    """What was acknowledged is in the log; the next process moves it into the database anew."""
    path = tmp_path / "journal.db"
    journal = await SqliteJournal.open(path, vfs=disk.name, checkpoint_pages=8)
    acknowledged = 0

    async def keep_writing() -> None:
        nonlocal acknowledged
        for number in range(200):
            await journal.commit(accepting(CvCode(f"lane-{number}"), number))
            acknowledged += 1

    try:
        failing("sync", "journal.db", apsw.IOError("bad block"), disk)
        async with asyncio.timeout(30):
            with pytest.raises(JournalFault, match="kernel's log"):
                await keep_writing()
    finally:
        await journal.close()
    assert acknowledged
    again = await SqliteJournal.open(path)
    try:
        assert len(await again.lanes()) >= acknowledged
        for number in range(acknowledged):
            assert await again.submission(an_id(number)) is not None
    finally:
        await again.close()


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (apsw.CantOpenError("no"), "this user may write"),
        (apsw.IOError("bad block"), "kernel's log"),
        (apsw.ReadOnlyError("mounted so"), "writable"),
        (apsw.BusyError("held"), "close whatever else"),
    ],
)
async def test_a_fault_at_the_opening_leaves_nothing_open(
    tmp_path: Path, disk: HookedDisk, error: apsw.Error, advice: str
) -> None:
    path = tmp_path / "journal.db"
    failing("open", "journal.db", error, disk)
    with pytest.raises(JournalFault, match=advice):
        await SqliteJournal.open(path, vfs=disk.name)
    disk.hook = lambda _operation, _name: None
    journal = await SqliteJournal.open(path, vfs=disk.name)
    await journal.close()


async def test_a_damaged_row_is_a_fault_that_tells_no_value(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = await SqliteJournal.open(path)
    await journal.commit(accepting(CODE, 1))
    await journal.close()
    db = apsw.Connection(str(path))
    db.execute("""UPDATE submissions SET doc = '{"id":"private","state":"dancing"}'""")
    db.close()
    journal = await SqliteJournal.open(path)
    try:
        with pytest.raises(JournalFault, match="can be read as a submission") as fault:
            await journal.load_lane(CODE)
        assert "state" in str(fault.value)
        assert "dancing" not in str(fault.value) and "private" not in str(fault.value)
        assert CODE not in str(fault.value)
        assert await journal.lanes() == [CODE], "one bad row does not end the journal"
    finally:
        await journal.close()


async def test_a_member_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = await SqliteJournal.open(path)
    await journal.commit(accepting(CODE, 1))
    await journal.close()
    db = apsw.Connection(str(path))
    db.execute("DELETE FROM submissions")
    db.close()
    journal = await SqliteJournal.open(path)
    try:
        with pytest.raises(JournalFault, match=an_id(1)):
            await journal.load_lane(CODE)
    finally:
        await journal.close()


@pytest.mark.parametrize("name", ["journal.db", "journal.db-wal"])
@pytest.mark.parametrize("replaced", [False, True], ids=["removed", "replaced"])
async def test_a_file_that_loses_its_name_in_use_ends_the_journal(
    tmp_path: Path, name: str, replaced: bool
) -> None:
    """What is written to it goes with the process: nothing more is acknowledged."""
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    try:
        assert await journal.commit(accepting(CODE, 1)) == 1
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).unlink()
        if replaced:
            (tmp_path / name).write_bytes(content)
        for _ in range(2):
            with pytest.raises(JournalFault, match=f"{name} was removed or replaced") as fault:
                await journal.commit(accepting(CvCode("secret"), 2))
            assert "restore" in str(fault.value)
            assert "secret" not in str(fault.value)
    finally:
        await journal.close()


async def test_a_journal_that_only_reads_notices_too(tmp_path: Path) -> None:
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    try:
        assert await journal.lanes() == []
        (tmp_path / "journal.db").rename(tmp_path / "elsewhere.db")
        with pytest.raises(JournalFault, match="no file of that name"):
            await journal.lanes()
    finally:
        await journal.close()


async def told_of(journal: SqliteJournal) -> object:
    return await journal.facts_of(an_id(1))


async def counted(journal: SqliteJournal) -> object:
    return await journal.tally()


@pytest.mark.parametrize(
    ("damage", "ask"),
    [
        ("UPDATE submissions SET state = 'dancing'", counted),
        ("UPDATE facts SET body = '[[1]]'", told_of),
        ("UPDATE facts SET body = 'private'", told_of),
    ],
)
async def test_whatever_cannot_be_read_is_a_fault(
    tmp_path: Path, damage: str, ask: Callable[[SqliteJournal], Awaitable[object]]
) -> None:
    path = tmp_path / "journal.db"
    journal = await SqliteJournal.open(path)
    await journal.commit(replace(accepting(CODE, 1), facts=(a_fact(1, Millis(1)),)))
    await journal.close()
    db = apsw.Connection(str(path))
    db.execute(damage)
    db.close()
    journal = await SqliteJournal.open(path)
    try:
        with pytest.raises(JournalFault, match="found one that cannot") as fault:
            await ask(journal)
        assert "dancing" not in str(fault.value) and "private" not in str(fault.value)
    finally:
        await journal.close()


async def test_a_journal_that_is_refused_keeps_every_byte(tmp_path: Path) -> None:
    """What a killed daemon left in the write-ahead log is not moved either."""
    path = tmp_path / "journal.db"
    journal = await SqliteJournal.open(path)
    await journal.commit(accepting(CODE, 1))
    db = apsw.Connection(str(path))
    db.pragma("user_version", max(migrations()) + 1)
    copy = tmp_path / "killed"
    copy.mkdir()
    for file in (path, tmp_path / "journal.db-wal"):
        (copy / file.name).write_bytes(file.read_bytes())
    db.close()
    await journal.close()
    before = {file.name: file.read_bytes() for file in copy.iterdir()}
    assert before["journal.db-wal"]
    with pytest.raises(JournalTooNew):
        await SqliteJournal.open(copy / "journal.db")
    after = {file.name: file.read_bytes() for file in copy.iterdir()}
    assert {name: after[name] for name in before} == before


async def test_an_index_that_lacks_a_row_is_found_at_the_opening(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = await SqliteJournal.open(path)
    await journal.close()
    define("'none'", path)
    journal = await SqliteJournal.open(path)
    await journal.commit(accepting(CODE, 1))
    await journal.close()
    define("'closed'", path)
    with pytest.raises(JournalFault, match=r"from index submissions_open.*REINDEX"):
        await SqliteJournal.open(path)
    db = apsw.Connection(str(path))
    db.execute("REINDEX")
    db.close()
    journal = await SqliteJournal.open(path)
    assert (await journal.tally()).open_by_state == {State.QUEUED: 1}
    await journal.close()


def define(word: str, path: Path) -> None:
    """What the index of open submissions leaves out; its entries stay as they are."""
    db = apsw.Connection(str(path))
    db.pragma("writable_schema", True)
    db.execute(
        "UPDATE sqlite_schema SET sql = substr(sql, 1, instr(sql, 'WHERE') - 1) || ?"
        " WHERE name = 'submissions_open'",
        ("WHERE state <> 'closed'" if word == "'closed'" else f"WHERE state = {word}",),
    )
    db.close()
