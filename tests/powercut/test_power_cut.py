"""Whatever moment the power fails at: what was acknowledged is there, and nothing is half there."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from .lives import one_life


async def broken_in(folder: Path, seeds: range, synchronous: str = "FULL") -> dict[int, list[str]]:
    """The seeds whose journal broke its promise, and how."""
    found = {}
    for seed in seeds:
        life = folder / str(seed)
        life.mkdir()
        async with asyncio.timeout(60):
            broken = await one_life(life, seed, synchronous)
        if broken:
            found[seed] = broken
        shutil.rmtree(life)
    return found


async def test_a_hundred_cuts_lose_nothing(tmp_path: Path) -> None:
    assert await broken_in(tmp_path, range(100)) == {}


@pytest.mark.prove
async def test_a_thousand_cuts_lose_nothing(tmp_path: Path) -> None:
    assert await broken_in(tmp_path, range(100, 1_100)) == {}


async def test_the_test_can_see(tmp_path: Path) -> None:
    """With ``synchronous=NORMAL`` acknowledged rows are lost, and this disk shows it."""
    found = await broken_in(tmp_path, range(20), synchronous="NORMAL")
    assert any("acknowledged" in line for lines in found.values() for line in lines)
