"""The journal's disk fails under the running daemon: it ends with 74 and says why, acknowledges
nothing that it did not store, and the next start takes everything up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .ward import Ward, submit_some, ward

FAULTS = [
    pytest.param({"sqlite": [("write", "-wal", "full")]}, "a full disk", id="full disk"),
    pytest.param({"sqlite": [("sync", "-wal", "io")]}, "I/O error", id="failing fsync"),
]
MORE_FAULTS = [
    pytest.param({"sqlite": [("write", "-wal", "io")]}, "I/O error", id="write error"),
    pytest.param({"sqlite": [("write", "-wal", "readonly")]}, "read-only", id="read-only"),
    pytest.param({"sqlite": [("read", "journal.db", "io")]}, "I/O error", id="read error"),
    pytest.param({"sqlite": [("read", "-wal", "io")]}, "I/O error", id="read error of the log"),
    pytest.param(
        {"sqlite": [("sync", "journal.db", "io")], "checkpoint_pages": 8},
        "I/O error",
        id="failing fsync of a checkpoint",
    ),
    pytest.param(
        {"sqlite": [("write", "journal.db", "full")], "checkpoint_pages": 8},
        "a full disk",
        id="full disk at a checkpoint",
    ),
]


async def suffers(folder: Path, how: dict[str, Any], found: str) -> None:
    async with ward(folder) as one:
        one.hurt(**how)
        await one.daemon.start()
        await submit_some(one, 4)
        one.fault.touch()
        answer = await one.until_refused()
        if answer is not None:
            assert answer.status_code == 503
        told = await one.ends_with(74, found)
        assert "CV_STATE_DIR" in told["hint"]
        await takes_all_up(one)


async def takes_all_up(one: Ward) -> None:
    one.heal()
    await one.daemon.start()
    assert (await submitted_after(one)).status_code == 202
    await one.all_closes()


async def submitted_after(one: Ward) -> Any:
    answer = await one.submit(999)
    assert answer is not None
    return answer


@pytest.mark.parametrize(("how", "found"), FAULTS)
async def test_a_failing_disk_ends_it_and_loses_nothing(
    tmp_path: Path, how: dict[str, Any], found: str
) -> None:
    await suffers(tmp_path, how, found)


@pytest.mark.prove
@pytest.mark.parametrize(("how", "found"), MORE_FAULTS)
async def test_every_failing_disk_ends_it_and_loses_nothing(
    tmp_path: Path, how: dict[str, Any], found: str
) -> None:
    await suffers(tmp_path, how, found)


@pytest.mark.prove
async def test_a_file_that_may_not_grow_ends_it_and_loses_nothing(tmp_path: Path) -> None:
    """A real limit: the kernel's own, for every file of the process."""
    async with ward(tmp_path, log_level="error") as one:
        one.hurt(largest=700_000)
        await one.daemon.start()
        answer = await one.until_refused()
        assert answer is None or answer.status_code == 503
        await one.ends_with(74)
        await takes_all_up(one)


@pytest.mark.parametrize("name", ["journal.db"])
async def test_a_journal_that_is_removed_in_use_ends_it(tmp_path: Path, name: str) -> None:
    """At rest, too: nobody submits anything."""
    async with ward(tmp_path) as one:
        await one.daemon.start()
        await submit_some(one, 2)
        await one.daemon.closed(one.accepted, 30)
        (one.state / name).rename(one.state / "kept.db")
        (one.state / f"{name}-wal").rename(one.state / "kept.db-wal")
        await one.ends_with(74, "was removed or replaced", "restore")
        (one.state / "kept.db").rename(one.state / name)
        (one.state / "kept.db-wal").rename(one.state / f"{name}-wal")
        await takes_all_up(one)


@pytest.mark.prove
async def test_a_journal_that_is_replaced_acknowledges_nothing_more(tmp_path: Path) -> None:
    async with ward(tmp_path) as one:
        await one.daemon.start()
        await submit_some(one, 2)
        await one.daemon.closed(one.accepted, 30)
        content = (one.state / "journal.db").read_bytes()
        (one.state / "other.db").write_bytes(content)
        (one.state / "other.db").replace(one.state / "journal.db")
        answer = await one.submit(50)
        assert answer is None or answer.status_code == 503
        assert len(one.accepted) == 2
        await one.ends_with(74, "another file of that name")
