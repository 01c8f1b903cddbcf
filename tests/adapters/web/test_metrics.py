"""``/metrics`` at the door: who may read it, and what reading it costs."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from listener.core.names import CvCode
from listener.ports.journal import LaneCommit
from tests.adapters.metrics.readings import Read, parsed, samples
from tests.contract.journals import accepting
from tests.fakes.journal_memory import MemoryJournal

from .rig import READ, SUBMIT, Daemon, daemon

OPENLY = "application/openmetrics-text;version=1.0.0;q=0.9,text/plain;q=0.5"


async def read(house: Daemon) -> Read:
    answer = await house.http.get("/metrics")
    assert answer.status_code == 200, answer.text
    return samples(parsed(answer.text))


async def test_where_it_is_not_open_a_token_that_may_read_is_wanted(house: Daemon) -> None:
    for token, status in ((READ, 200), (SUBMIT, 200), ("wrong", 401)):
        headers = {"Authorization": f"Bearer {token}"}
        assert (await house.http.get("/metrics", headers=headers)).status_code == status
    refused = await house.http.get("/metrics", headers={"Authorization": ""})
    assert (refused.status_code, refused.json()["reason"]) == (401, "unauthorised")


async def test_where_it_is_open_none_is_and_its_name_is_checked_all_the_same(
    tmp_path: Path,
) -> None:
    async with daemon(tmp_path, metrics_open=True) as house:
        anybody = {"Authorization": ""}
        assert (await house.http.get("/metrics", headers=anybody)).status_code == 200
        elsewhere = {**anybody, "Host": "rebound.example"}
        assert (await house.http.get("/metrics", headers=elsewhere)).status_code == 421


async def test_it_is_told_in_the_form_that_is_asked_for(house: Daemon) -> None:
    answer = await house.http.get("/metrics", headers={"Accept": OPENLY})
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.headers["Cache-Control"] == "no-store"
    assert parsed(answer.text, openly=True)
    answer = await house.http.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")


async def test_what_was_submitted_is_counted_and_no_code_shows(house: Daemon) -> None:
    house.upstream.emits = False
    taken = await house.post()
    await house.upstream.arrived.wait()
    found = await read(house)
    assert sum(found["submissions_open"].values()) == 1
    assert found["subscription_connected"][()] == 1
    assert found["spool_bytes"][()] > 0
    text = (await house.http.get("/metrics")).text
    assert taken.json()["id"] not in text
    assert taken.json()["cv_ref"] not in text


class Watched(MemoryJournal):
    """Counts what it is asked, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = Counter[str]()
        self.counting = False

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if not name.startswith("_") and asyncio.iscoroutinefunction(found) and self.counting:
            self.asked[name] += 1
        return found


@pytest.mark.parametrize("open_ones", [0, 3_000])
async def test_a_scrape_asks_the_journal_twice_however_much_is_open(
    tmp_path: Path, open_ones: int
) -> None:
    journal = Watched()
    for number in range(open_ones):
        commit: LaneCommit = accepting(CvCode(f"code-{number}"), number)
        await journal.commit(commit)
    async with daemon(tmp_path, journal=journal, recovered=False) as house:
        journal.counting = True
        for _ in range(3):
            found = await read(house)
        assert found["submissions_open"][("queued",)] == open_ones
        assert journal.asked == {"tally": 3, "reactions_waiting": 3}


async def test_a_journal_that_hangs_holds_up_no_scrape_for_long(tmp_path: Path) -> None:
    class Hung(MemoryJournal):
        async def tally(self) -> Any:
            await asyncio.Event().wait()

    async with daemon(tmp_path, journal=Hung(), recovered=False) as house:
        found = await read(house)
        assert found["journal_answers"] == {(): 0}
        assert "submissions_open" not in found


async def test_a_journal_that_failed_is_said_and_the_rest_is_told(tmp_path: Path) -> None:
    journal = MemoryJournal()
    async with daemon(tmp_path, journal=journal, recovered=False) as house:
        journal.break_down("a broken disk")
        found = await read(house)
        assert found["journal_answers"] == {(): 0}
        await house.service.stopping()
