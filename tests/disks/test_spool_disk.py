"""The spool's disk fails, fills or vanishes under the running daemon: intake refuses and says so,
what was accepted ends, and nothing else is touched."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from .ward import PDF, Ward, submit_some, ward


async def heals(one: Ward, number: int) -> None:
    """From the next submission on."""
    answer = await one.submit(number)
    assert answer is not None and answer.status_code == 202, answer and answer.text


async def room_again(one: Ward) -> None:
    """Files go soon after their submission closes."""
    async with asyncio.timeout(30):
        while True:
            answer = await one.submit(51)
            assert answer is not None
            if answer.status_code == 202:
                return
            await asyncio.sleep(0.1)


async def test_a_full_quota_refuses_until_submissions_close(tmp_path: Path) -> None:
    async with ward(tmp_path, spool_quota=4 * len(PDF), max_file_bytes=len(PDF)) as one:
        await one.upstream.stop()
        await one.daemon.start()
        answer = await one.until_refused()
        assert answer is not None and answer.status_code == 507
        assert answer.json()["reason"] == "spool_full"
        assert len(one.accepted) == 4
        assert (await one.submit(50)) is not None
        await one.said("spool.filled", "CV_SPOOL_QUOTA")
        assert len(one.lines("spool.filled")) == 1
        await one.upstream.start()
        await one.daemon.closed(one.accepted, 60)
        await one.upstream.ledger.until(lambda ledger: len(ledger.posts()) == 4)
        await room_again(one)
        await one.all_closes()


@pytest.mark.prove
@pytest.mark.parametrize(
    ("call", "error", "status", "event"),
    [
        ("write", "ENOSPC", 507, "spool.filled"),
        ("fsync", "ENOSPC", 507, "spool.filled"),
        ("write", "EIO", 503, "spool.failed"),
        ("fsync", "EIO", 503, "spool.failed"),
        ("fsync", "EROFS", 503, "spool.failed"),
    ],
)
async def test_a_disk_that_takes_no_file(
    tmp_path: Path, call: str, error: str, status: int, event: str
) -> None:
    async with ward(tmp_path) as one:
        one.hurt(calls=[(call, "/spool", error)])
        await one.daemon.start()
        await submit_some(one, 2)
        one.fault.touch()
        for number in (10, 11):
            answer = await one.submit(number)
            assert answer is not None and answer.status_code == status
        await one.said(event)
        assert len(one.lines(event)) == 1
        one.fault.unlink()
        await heals(one, 12)
        ends = await one.all_closes()
        assert len(ends) == 3
        assert one.daemon.spooled() == []


@pytest.mark.parametrize("by", ["nothing", pytest.param("a file", marks=pytest.mark.prove)])
async def test_a_spool_that_is_removed_under_it(tmp_path: Path, by: str) -> None:
    """What waits and whose file is gone ends as undelivered: nobody will ever send it."""
    async with ward(tmp_path) as one:
        await one.upstream.stop()
        await one.daemon.start()
        await submit_some(one, 3)
        spool = one.state / "spool"
        shutil.rmtree(spool)
        if by == "a file":
            spool.write_text("no folder")
        answer = await one.submit(10)
        assert answer is not None and answer.status_code == 503
        assert answer.json()["reason"] == "spool_failed"
        await one.said("spool.failed", "removed or replaced")
        status = (await one.http().get("/v1/status")).json()
        assert {check["name"]: check["ok"] for check in status["checks"]}["spool"] is False
        await one.upstream.start()
        ends = await one.daemon.closed(one.accepted, 60)
        assert {(end["outcome"], end["reason"]) for end in ends.values()} == {
            ("undelivered", "file_lost")
        }
        assert one.upstream.ledger.posts() == []
        if by == "a file":
            spool.unlink()
        spool.mkdir(mode=0o700)
        await heals(one, 11)
        ends = await one.all_closes("undelivered", "confirmed")
        assert sorted(end["outcome"] for end in ends.values()) == ["confirmed"] + 3 * [
            "undelivered"
        ]


@pytest.mark.prove
async def test_a_spool_that_may_not_be_written_to(tmp_path: Path) -> None:
    async with ward(tmp_path) as one:
        one.hurt(modes_hold=True)
        await one.daemon.start()
        await submit_some(one, 2)
        (one.state / "spool").chmod(0o500)
        answer = await one.submit(10)
        assert answer is not None and answer.status_code == 503
        await one.said("spool.failed", "this user owns")
        (one.state / "spool").chmod(0o700)
        await heals(one, 11)
        await one.all_closes()


@pytest.mark.prove
async def test_an_older_journal_put_back_costs_no_file(tmp_path: Path) -> None:
    """What it does not know is set aside, and taken up when the newer one is back."""
    async with ward(tmp_path) as one:
        await one.daemon.start()
        await submit_some(one, 2)
        await one.daemon.closed(one.accepted, 30)
        assert await one.daemon.stop() == 0
        older = (one.state / "journal.db").read_bytes()
        await one.upstream.stop()
        await one.daemon.start()
        for number in (10, 11):
            await heals(one, number)
        await one.daemon.kill()
        newer = tmp_path / "newer"
        newer.mkdir()
        for path in one.state.glob("journal.db*"):
            path.rename(newer / path.name)
        (one.state / "journal.db").write_bytes(older)
        await one.daemon.start()
        assert (await one.told("spool.orphaned"))["files"] == 2
        assert one.daemon.spooled() == []
        assert len(list((one.state / "spool" / "orphaned").iterdir())) == 2
        await one.daemon.kill()
        for path in one.state.glob("journal.db*"):
            path.unlink()
        for path in newer.iterdir():
            path.rename(one.state / path.name)
        await one.upstream.start()
        await one.daemon.start()
        await one.all_closes()
        assert list((one.state / "spool" / "orphaned").iterdir()) == []


def files_of(state: Path) -> Any:
    return sorted(path.name for path in (state / "spool").iterdir() if path.is_file())


@pytest.mark.prove
async def test_a_file_whose_deletion_was_undone_is_no_orphan(tmp_path: Path) -> None:
    """After a power cut a deleted file can be back: its submission is closed, and it goes."""
    async with ward(tmp_path) as one:
        await one.daemon.start()
        await submit_some(one, 2)
        await one.daemon.closed(one.accepted, 30)
        assert await one.daemon.stop() == 0
        assert files_of(one.state) == []
        for name in one.accepted:
            (one.state / "spool" / name).write_bytes(PDF)
        await one.daemon.start()
        assert files_of(one.state) == []
        assert list((one.state / "spool" / "orphaned").iterdir()) == []
        assert one.lines("spool.orphaned") == []
        await one.all_closes()
