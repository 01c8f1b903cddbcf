"""What a start refuses: with its status, a line that says what to do, and no byte touched."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from listener.adapters.journal_sqlite.migrations import migrations
from tests.e2e.process import DaemonProcess

from .ward import Ward, submit_some, ward

NOBODY = 65534
PAGE = 4096


async def left_by_a_kill(one: Ward) -> None:
    """Accepted and not ended: the write-ahead log holds it."""
    await one.daemon.start()
    await submit_some(one, 6)
    await one.daemon.kill()


def moved_into_the_database(journal: Path) -> None:
    db = apsw.Connection(str(journal))
    db.pragma("user_version")  # now it knows that there is a log
    db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    db.close()


def content(state: Path) -> dict[str, bytes]:
    """Of all that a refused start must leave as it is; the rest is SQLite's own to make anew, and
    so is an empty log."""
    files = (state / "journal.db", state / "journal.db-wal")
    found = {path.name: path.read_bytes() for path in files if path.exists()}
    if not found.get("journal.db-wal"):
        found.pop("journal.db-wal", None)
    spool = state / "spool"
    return found | {f"spool/{path.name}": path.read_bytes() for path in spool.iterdir()}


def newer(state: Path) -> None:
    db = apsw.Connection(str(state / "journal.db"))
    db.pragma("user_version", max(migrations()) + 1)
    # As a process that dies leaves it: in the log.
    shutil.copy(state / "journal.db-wal", state / "kept-wal")
    db.close()
    shutil.move(state / "kept-wal", state / "journal.db-wal")


def spoiled_header(state: Path) -> None:
    moved_into_the_database(state / "journal.db")
    with (state / "journal.db").open("r+b") as file:
        file.write(b"\0" * 16)


def spoiled_page(state: Path) -> None:
    """In the middle, where neither the start nor the end of the file is read for a look."""
    moved_into_the_database(state / "journal.db")
    pages = (state / "journal.db").stat().st_size // PAGE
    with (state / "journal.db").open("r+b") as file:
        file.seek(pages // 2 * PAGE)
        file.write(random.Random(7).randbytes(PAGE))


def emptied(state: Path) -> None:
    (state / "journal.db").write_bytes(b"")
    (state / "journal.db-wal").unlink(missing_ok=True)


def unreadable_row(state: Path) -> None:
    db = apsw.Connection(str(state / "journal.db"))
    db.execute("UPDATE submissions SET doc = '{\"id\":1}'")
    db.close()


def spoiled_index(state: Path) -> None:
    db = apsw.Connection(str(state / "journal.db"))
    db.pragma("writable_schema", True)
    db.execute(
        "UPDATE sqlite_schema SET sql = 'CREATE INDEX submissions_by_outcome ON submissions"
        " (outcome, id) WHERE outcome IS NULL' WHERE name = 'submissions_by_outcome'"
    )
    db.close()


REFUSED: list[tuple[Callable[[Path], None], int, str]] = [
    (newer, 78, "run the newer cv-listener"),
    (spoiled_header, 74, "no SQLite database"),
    (spoiled_page, 74, "keep a copy"),
    (emptied, 74, "restore journal.db from a backup"),
    (spoiled_index, 74, "REINDEX"),
]


async def refused(folder: Path, hurt: Callable[[Path], None], status: int, words: str) -> None:
    async with ward(folder) as one:
        await left_by_a_kill(one)
        safe = folder / "safe"
        shutil.copytree(one.state, safe)
        hurt(one.state)
        before = content(one.state)
        for _ in range(2):
            await one.refuses_to_start(status, words)
        assert content(one.state) == before
        shutil.rmtree(one.state)
        safe.rename(one.state)
        await one.daemon.start()
        await one.all_closes()


@pytest.mark.parametrize(("hurt", "status", "words"), REFUSED[:1])
async def test_a_start_that_is_refused_touches_nothing(
    tmp_path: Path, hurt: Callable[[Path], None], status: int, words: str
) -> None:
    await refused(tmp_path, hurt, status, words)


@pytest.mark.prove
@pytest.mark.parametrize(("hurt", "status", "words"), REFUSED[1:])
async def test_every_start_that_is_refused_touches_nothing(
    tmp_path: Path, hurt: Callable[[Path], None], status: int, words: str
) -> None:
    await refused(tmp_path, hurt, status, words)


@pytest.mark.prove
async def test_a_row_that_cannot_be_read_ends_the_start(tmp_path: Path) -> None:
    async with ward(tmp_path) as one:
        await left_by_a_kill(one)
        safe = tmp_path / "safe"
        shutil.copytree(one.state, safe)
        unreadable_row(one.state)
        await one.refuses_to_start(74, "can be read as a submission", "restore the journal")
        shutil.rmtree(one.state)
        safe.rename(one.state)
        await one.daemon.start()
        await one.all_closes()


async def test_a_row_that_only_a_request_reads_ends_it_too(tmp_path: Path) -> None:
    """A closed submission that no lane remembers is read by whoever lists."""
    async with ward(tmp_path) as one:
        await one.daemon.start()
        await submit_some(one, 2)
        await one.daemon.closed(one.accepted, 30)
        db = apsw.Connection(str(one.state / "journal.db"))
        db.set_busy_timeout(10_000)
        db.execute("UPDATE submissions SET doc = '{\"id\":1}'")
        db.close()
        answer = await one.http().get("/v1/submissions")
        assert answer.status_code == 503
        assert answer.json()["reason"] == "journal_failed"
        await one.ends_with(74, "can be read as a submission")


@pytest.mark.prove
async def test_a_torn_log_is_read_up_to_where_it_is_whole(tmp_path: Path) -> None:
    """What was cut short had not been acknowledged."""
    async with ward(tmp_path) as one:
        await left_by_a_kill(one)
        wal = one.state / "journal.db-wal"
        torn = random.Random(1).randbytes(3 * PAGE + 100)
        wal.write_bytes(wal.read_bytes() + torn)
        await one.daemon.start()
        await one.all_closes()


async def test_a_second_daemon_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    async with ward(tmp_path / "first") as one:
        (tmp_path / "first").mkdir()
        (tmp_path / "second").mkdir()
        await one.daemon.start()
        await submit_some(one, 1)
        second = DaemonProcess(tmp_path / "second", one.upstream.base_url, one.upstream.socket_url)
        second.environ = {"CV_STATE_DIR": str(one.state)}
        await second.launch()
        assert await second.ended() == 75
        told = second.lines()[-1]
        assert (told["event"], told["level"]) == ("daemon.failed", "critical")
        assert f"process {one.daemon.pid}" in told["error"]
        await one.all_closes()


@pytest.mark.prove
async def test_a_spool_that_is_gone_stops_the_start_until_it_is_back(tmp_path: Path) -> None:
    """A disk that is not mounted yet: what waits is not undone for it."""
    async with ward(tmp_path) as one:
        await left_by_a_kill(one)
        (one.state / "spool").rename(tmp_path / "kept")
        await one.refuses_to_start(74, "put it back")
        (one.state / "spool").write_text("a file")
        await one.refuses_to_start(74, "removed or replaced")
        (one.state / "spool").unlink()
        (tmp_path / "kept").rename(one.state / "spool")
        await one.daemon.start()
        await one.all_closes()


@pytest.mark.prove
@pytest.mark.parametrize("kept", ["everything", "nothing"])
async def test_a_state_folder_that_may_not_be_written_to(tmp_path: Path, kept: str) -> None:
    async with ward(tmp_path) as one:
        one.hurt(modes_hold=True)
        one.state.mkdir(mode=0o700)
        if kept == "everything":
            await left_by_a_kill(one)
        one.state.chmod(0o500)
        await one.refuses_to_start(77, "CV_STATE_DIR" if kept == "nothing" else "its owner")
        one.state.chmod(0o700)
        await one.daemon.start()
        await one.all_closes()


@pytest.mark.prove
async def test_a_spool_of_another_user(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a folder to somebody else")
    async with ward(tmp_path) as one:
        one.hurt(modes_hold=True)
        await left_by_a_kill(one)
        os.chown(one.state / "spool", NOBODY, NOBODY)
        await one.refuses_to_start(77, "this user owns")
        os.chown(one.state / "spool", 0, 0)
        await one.daemon.start()
        await one.all_closes()
