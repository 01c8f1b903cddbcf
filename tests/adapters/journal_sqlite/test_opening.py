"""Who may open which file, and what becomes of it: locks, modes, versions, migrations."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from listener.adapters.journal_sqlite import SqliteJournal
from listener.adapters.journal_sqlite.migrations import APPLICATION_ID, backups, migrations
from listener.adapters.journal_sqlite.store import Pragmas, Store, open_store
from listener.core.errors import JournalFault, JournalLocked, JournalTooNew
from listener.core.evidence import Heard
from listener.ports.journal import InboxRow, LaneCommit
from tests.contract.journals import CODE, OTHER, a_fact, accepting, an_id, at

HOLD = """
import asyncio, sys
from pathlib import Path
from listener.adapters.journal_sqlite import SqliteJournal

async def hold():
    await SqliteJournal.open(Path(sys.argv[1]))
    print("held", flush=True)
    await asyncio.to_thread(sys.stdin.read)

asyncio.run(hold())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


def close(store: Store) -> None:
    store.writing.close()
    store.reading.close()
    store.lock.release()


async def filled(path: Path) -> None:
    journal = await SqliteJournal.open(path)
    await journal.commit(accepting(CODE, 1))
    await journal.close()


async def test_a_second_daemon_is_refused_and_told_by_whom(path: Path) -> None:
    journal = await SqliteJournal.open(path)
    with pytest.raises(JournalLocked, match=f"process {os.getpid()}.*CV_STATE_DIR"):
        await SqliteJournal.open(path)
    assert await journal.commit(accepting(CODE, 1)) == 1, "the first one goes on"
    await journal.close()
    again = await SqliteJournal.open(path)
    await again.close()


async def test_a_daemon_that_was_killed_holds_nothing(path: Path) -> None:
    path.parent.mkdir()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLD, str(path)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            assert await process.stdout.readline() == b"held\n"
        with pytest.raises(JournalLocked, match=f"process {process.pid}"):
            await SqliteJournal.open(path)
    finally:
        process.kill()
        await process.communicate()
    journal = await SqliteJournal.open(path)
    await journal.close()


async def test_files_are_private_whatever_the_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        journal = await SqliteJournal.open(path)
        await journal.commit(accepting(CODE, 1))
        modes = {f.name: stat.S_IMODE(f.stat().st_mode) for f in path.parent.iterdir()}
        await journal.close()
    finally:
        os.umask(before)
    assert set(modes) >= {"journal.db", "journal.db-wal", "journal.db.lock"}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_a_loose_file_is_made_private(path: Path) -> None:
    await filled(path)
    path.chmod(0o644)
    journal = await SqliteJournal.open(path)
    await journal.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_the_promise_is_in_the_pragmas(path: Path) -> None:
    store = await asyncio.to_thread(open_store, path, Pragmas())
    assert store.writing.pragma("synchronous") == 2
    assert store.writing.pragma("journal_mode") == "wal"
    assert store.writing.pragma("secure_delete") == 1
    assert store.writing.pragma("user_version") == max(migrations())
    assert store.writing.pragma("application_id") == APPLICATION_ID
    close(store)


def test_migrations_are_numbered_without_a_hole() -> None:
    assert list(migrations()) == list(range(1, len(migrations()) + 1))


async def test_an_older_journal_is_copied_then_migrated(path: Path) -> None:
    await filled(path)
    newest = max(migrations())
    steps = {
        **migrations(),
        newest + 1: "ALTER TABLE lanes ADD COLUMN colour TEXT",
        newest + 2: "ALTER TABLE lanes ADD COLUMN size TEXT",
    }
    store = await asyncio.to_thread(open_store, path, Pragmas(), steps)
    assert store.writing.pragma("user_version") == newest + 2
    assert store.writing.execute("SELECT code, colour, size FROM lanes").get == (CODE, None, None)
    close(store)
    (copy,) = backups(path)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    before = apsw.Connection(str(copy), flags=apsw.SQLITE_OPEN_READONLY)
    assert before.pragma("user_version") == newest
    assert before.pragma("integrity_check") == "ok"
    assert before.execute("SELECT code FROM lanes").get == CODE
    before.close()


async def test_a_migration_that_fails_changes_nothing(path: Path) -> None:
    await filled(path)
    newest = max(migrations())
    steps = {**migrations(), newest + 1: "DELETE FROM lanes; SELECT * FROM nowhere"}
    for _ in range(2):
        with pytest.raises(JournalFault):
            await asyncio.to_thread(open_store, path, Pragmas(), steps)
    journal = await SqliteJournal.open(path)
    assert await journal.lanes() == [CODE]
    await journal.close()
    assert len(backups(path)) == 1


async def test_a_newer_journal_is_refused_untouched(path: Path) -> None:
    await filled(path)
    db = apsw.Connection(str(path))
    db.pragma("user_version", max(migrations()) + 1)
    db.close()
    content = path.read_bytes()
    with pytest.raises(JournalTooNew, match="run the newer cv-listener"):
        await SqliteJournal.open(path)
    assert path.read_bytes() == content
    assert backups(path) == []


async def test_a_database_of_something_else_is_refused_untouched(path: Path) -> None:
    path.parent.mkdir()
    db = apsw.Connection(str(path))
    db.execute("CREATE TABLE bookmarks (url TEXT)")
    db.close()
    with pytest.raises(JournalFault, match="database of something else"):
        await SqliteJournal.open(path)
    db = apsw.Connection(str(path))
    assert db.execute("SELECT name FROM sqlite_schema").get == "bookmarks"
    db.close()


@pytest.mark.parametrize(
    ("content", "advice"), [(b"not a database at all, but long enough " * 99, "CV_STATE_DIR")]
)
async def test_a_file_that_is_no_database_is_refused_untouched(
    path: Path, content: bytes, advice: str
) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(JournalFault, match=advice):
        await SqliteJournal.open(path)
    assert path.read_bytes() == content


async def test_a_damaged_database_is_refused(path: Path) -> None:
    journal = await SqliteJournal.open(path)
    for number in range(200):
        await journal.commit(accepting(CODE, number, version=number))
    await journal.close()
    content = bytearray(path.read_bytes())
    content[-4096:] = b"\xa5" * 4096
    path.write_bytes(content)
    with pytest.raises(JournalFault, match="keep a copy, check the disk"):
        await SqliteJournal.open(path)


async def test_a_folder_that_cannot_be_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(JournalFault, match="check the path"):
        await SqliteJournal.open(tmp_path / "state" / "journal.db")


async def test_an_opening_that_is_cancelled_leaves_nothing_locked(path: Path) -> None:
    opening = asyncio.create_task(SqliteJournal.open(path))
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    async with asyncio.timeout(30):
        while True:
            try:
                journal = await SqliteJournal.open(path)
            except JournalLocked:
                continue  # the thread is not done yet
            break
    await journal.close()


async def test_forgetting_leaves_no_trace_in_any_file(path: Path) -> None:
    """Neither in freed pages, nor in the log, nor in the copy made before a migration."""
    secret = CODE.encode()
    await filled(path)
    newest = max(migrations())
    steps = {**migrations(), newest + 1: "SELECT 1"}
    close(await asyncio.to_thread(open_store, path, Pragmas(), steps))
    db = apsw.Connection(str(path))
    db.pragma("user_version", newest)
    db.close()
    journal = await SqliteJournal.open(path)
    await journal.commit(accepting(OTHER, 2))
    row = await journal.load_lane(CODE)
    of_the_lane = LaneCommit(CODE, row.version, row.lane, None, facts=(a_fact(None, at(1)),))
    assert await journal.commit(of_the_lane) is not None
    await journal.append_events([InboxRow(Heard(1, at(1)), CODE, "{}")])
    assert any(secret in f.read_bytes() for f in path.parent.iterdir())
    assert len(backups(path)) == 1
    assert await journal.forget(CODE) == 1
    assert backups(path) == []
    for file in path.parent.iterdir():
        assert secret not in file.read_bytes(), file.name
    assert await journal.lanes() == [OTHER]
    await journal.close()


async def test_forgetting_waits_for_whoever_reads_by_the_log(path: Path) -> None:
    """A backup, say. While it reads, others write on; then no trace is left."""
    journal = await SqliteJournal.open(path)
    await journal.commit(accepting(CODE, 1))
    other = apsw.Connection(str(path))
    other.execute("BEGIN")
    assert other.execute("SELECT count(*) FROM submissions").get == 1
    forgetting = asyncio.create_task(journal.forget(CODE))
    while await journal.submission(an_id(1)) is not None:
        pass
    assert await journal.commit(accepting(OTHER, 2)) is not None
    assert not forgetting.done(), "the log still holds it"
    other.execute("COMMIT")
    other.close()
    assert await forgetting == 1
    for file in path.parent.iterdir():
        assert CODE.encode() not in file.read_bytes(), file.name
    await journal.close()


async def test_purging_deletes_copies_past_retention(path: Path) -> None:
    await filled(path)
    old, recent = (path.with_name(f"{path.name}.v{n}.backup") for n in (0, 1))
    for copy, age_ms in ((old, at(0)), (recent, at(100_000))):
        copy.write_bytes(b"")
        os.utime(copy, (age_ms / 1_000, age_ms / 1_000))
    journal = await SqliteJournal.open(path)
    await journal.purge(at(50_000))
    await journal.close()
    assert backups(path) == [recent]
