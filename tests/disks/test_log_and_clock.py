"""Nobody reads the log, its disk is full, or the clock is years off: submissions go on all the
same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .ward import Ward, submit_some, ward

YEARS = 10 * 365 * 86_400


async def started_with(one: Ward, output: Path) -> None:
    """The daemon's output goes there; the test reads nothing of it."""
    kept, one.daemon.output = one.daemon.output, output
    await one.daemon.launch()
    kept.touch()
    one.daemon.output = kept
    await one.daemon.ready()


@pytest.mark.prove
async def test_a_log_on_a_full_disk_holds_up_nobody(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("only Linux has a disk that is always full")
    async with ward(tmp_path) as one:
        await started_with(one, full)
        await submit_some(one, 5)
        await one.all_closes()


async def test_a_log_whose_reader_is_gone_holds_up_nobody(tmp_path: Path) -> None:
    async with ward(tmp_path) as one:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        try:
            await started_with(one, pipe)
            await submit_some(one, 2)
        finally:
            os.close(reader)
        await heals(one)
        await one.all_closes()


async def heals(one: Ward) -> None:
    answer = await one.submit(50)
    assert answer is not None and answer.status_code == 202


@pytest.mark.prove
@pytest.mark.parametrize("years", [YEARS, -YEARS], ids=["ahead", "behind"])
async def test_a_clock_that_is_years_off_sends_nothing_twice(tmp_path: Path, years: int) -> None:
    """Between two runs nothing is believed of the clock (decision 3)."""
    async with ward(tmp_path) as one:
        await one.daemon.start()
        await submit_some(one, 3)
        await one.daemon.kill()
        one.hurt(clock_s=years)
        await one.daemon.start()
        await heals(one)
        ends = await one.daemon.closed(one.accepted, 60)
        outcomes = {name: end["outcome"] for name, end in ends.items()}
        assert await one.daemon.stop() == 0
        one.heal()
        await one.daemon.start()
        ends = await one.all_closes("confirmed", "presumed", "undelivered")
        assert {name: end["outcome"] for name, end in ends.items()} == outcomes
