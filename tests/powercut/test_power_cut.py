"""Whatever moment the power fails at: what was acknowledged is there, and nothing is half there."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from listener.adapters.journal_sqlite import SqliteJournal
from listener.core.errors import JournalFault

from .books import Books
from .disk import CutDisk
from .lives import Acknowledged, Found, Plant, broken_promises, live, one_life


async def lives(folder: Path, seeds: range, plant: Plant = Plant.NONE) -> dict[int, Found]:
    """What each seed showed."""
    found = {}
    for seed in seeds:
        life = folder / str(seed)
        life.mkdir()
        async with asyncio.timeout(60):
            found[seed] = await one_life(life, seed, plant)
        shutil.rmtree(life)
    return found


def broken(found: dict[int, Found]) -> dict[str, list[str]]:
    """What plays each broken life again, and what was lost in it."""
    return {f"make powercut SEED={n}": life.broken for n, life in found.items() if life.broken}


async def test_a_hundred_lives_of_power_cuts_lose_nothing(tmp_path: Path) -> None:
    assert broken(await lives(tmp_path, range(100))) == {}


@pytest.mark.prove(lasts=50)
async def test_a_thousand_lives_of_power_cuts_lose_nothing(tmp_path: Path) -> None:
    found = await lives(tmp_path, range(100, 1_100))
    assert broken(found) == {}
    assert sum(life.cuts for life in found.values()) > 2_000
    assert sum(life.acknowledged for life in found.values()) > 10_000


@pytest.mark.parametrize("seed", [3, 6])
async def test_a_life_is_the_same_each_time(tmp_path: Path, seed: int) -> None:
    told = []
    for name in ("once", "again"):
        (tmp_path / name).mkdir()
        told.append(await one_life(tmp_path / name, seed))
    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("plant", "seen"),
    [
        (Plant.JOURNAL_NORMAL, "acknowledged, "),
        (Plant.JOURNAL_OFF, "with the power on: "),
        (Plant.FILE_NOT_SYNCED, "not whole, and its submission is open"),
        (Plant.FOLDER_NOT_SYNCED, "gone, and its submission is open"),
        (Plant.PARENT_NOT_SYNCED, "gone, and its submission is open"),
        (Plant.ANSWERED_EARLY, "acknowledged, "),
        (Plant.UNLINKED_EARLY, "gone, and its submission is open"),
    ],
)
async def test_a_planted_bug_is_seen_within_twenty_lives(
    tmp_path: Path, plant: Plant, seen: str
) -> None:
    for seed in range(20):
        found = await lives(tmp_path, range(seed, seed + 1), plant)
        if seen in "\n".join(found[seed].broken):
            return
    pytest.fail(f"expected twenty lives to show {plant}, found none that did")


@pytest.mark.parametrize("seed", range(5))
async def test_the_journals_own_threads_lose_nothing_either(tmp_path: Path, seed: int) -> None:
    """Not the same each time: what is in one transaction is chance."""
    state = tmp_path.resolve() / "0"
    state.mkdir()
    told, books = Acknowledged(), Books(state, seed, 40 + 60 * seed)
    disk = CutDisk(books, seed)
    with pytest.raises(JournalFault):
        await _write(state, disk, told, seed)
    books.cut()
    disk.unregister()
    books.restore(tmp_path / "1")
    journal = await SqliteJournal.open(tmp_path / "1" / "journal.db")
    try:
        assert await broken_promises(journal, told) == []
    finally:
        await journal.close()


async def _write(state: Path, disk: CutDisk, told: Acknowledged, seed: int) -> None:
    journal = await SqliteJournal.open(state / "journal.db", vfs=disk.name, checkpoint_pages=24)
    try:
        await live(journal, told, seed, rounds=40)
        await journal.lanes()
    finally:
        await journal.close()
