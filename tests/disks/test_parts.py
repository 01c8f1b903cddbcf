"""The parts behind the daemon's ends, each by itself."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from listener.adapters.journal_sqlite import SqliteJournal
from listener.adapters.spool import DiskSpool
from listener.core.endings import exit_status, hint
from listener.core.errors import CvListenerError, JournalFault, JournalLocked, SpoolFault, SpoolFull
from listener.core.names import CvCode, Millis
from listener.core.policy import Policy
from listener.service.engine import Engine
from listener.service.housekeeping import DAY_MS, Housekeeping
from listener.service.intake import Intake
from listener.service.spool_incidents import QUIET_MS, SpoolIncidents
from tests.contract.journals import CODE, accepting, an_id
from tests.powercut.submissions import Quiet


class Told:
    """A clock that is set, and a log that is kept."""

    def __init__(self, now_ms: int = 0) -> None:
        self.now = now_ms
        self.lines: list[tuple[str, dict[str, object]]] = []

    def now_ms(self) -> Millis:
        return Millis(self.now)

    def emit(self, event: str, /, **fields: object) -> None:
        self.lines.append((event, fields))

    def ref(self, code: CvCode) -> str:
        return "cv_0"

    def take(self) -> list[str]:
        """The events since the last call."""
        events = [event for event, _ in self.lines]
        self.lines.clear()
        return events


def test_an_incident_is_two_lines_however_many_are_refused() -> None:
    told = Told()
    spool = SpoolIncidents(told, told)
    spool.taken()
    assert told.take() == []
    for second in range(100):
        told.now = second * 1_000
        spool.refused(SpoolFull("expected room, found none"))
        spool.taken()  # a smaller one still fits
    assert told.take() == ["spool.filled"]
    assert spool.open
    told.now += QUIET_MS
    spool.taken()
    assert told.lines == [("spool.restored", {"duration_ms": told.now, "refused": 100})]
    assert not spool.open


def test_a_spool_that_fills_and_then_fails_says_both() -> None:
    told = Told()
    spool = SpoolIncidents(told, told)
    spool.refused(SpoolFull("expected room, found none"))
    spool.refused(SpoolFault("expected a folder, found none"))
    spool.refused(SpoolFault("expected a folder, found none"))
    assert told.take() == ["spool.filled", "spool.failed"]
    told.now = QUIET_MS
    spool.taken()
    spool.taken()
    assert told.take() == ["spool.restored"]


def caused(fault: CvListenerError, number: int) -> CvListenerError:
    fault.__cause__ = OSError(number, os.strerror(number))
    return fault


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (JournalFault("damage"), 74),
        (caused(JournalFault("opening"), errno.EACCES), 77),
        (caused(JournalFault("opening"), errno.EROFS), 74),
        (caused(SpoolFault("opening"), errno.EPERM), 77),
        (caused(SpoolFault("opening"), errno.ENOTDIR), 74),
        (SpoolFull("no room for anything"), 74),
        (caused(JournalLocked("held"), errno.EACCES), 75),
    ],
)
def test_a_fault_ends_with_the_status_of_its_cause(fault: CvListenerError, status: int) -> None:
    group = ExceptionGroup("of a TaskGroup", [ValueError("what followed"), fault])
    assert exit_status(group) == status
    assert "CV_STATE_DIR" in hint(group)


async def test_files_set_aside_go_when_their_time_is_over(tmp_path: Path) -> None:
    now = 1_700_000_000_000
    told = Told(now)
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    try:
        await journal.commit(accepting(CODE, 1))
        spool = DiskSpool(tmp_path / "spool", 1 << 20, 1 << 20, reserve_bytes=0)
        for number in (1, 2, 3):
            (tmp_path / "spool" / an_id(number)).write_bytes(b"%PDF-1.7")

        async def recover() -> list[str]:
            await Housekeeping(
                journal, spool, told, told, retention_days=30, orphans=spool
            ).recover()
            return told.take()

        assert await recover() == ["spool.swept", "spool.orphaned"]
        for number, age_ms in ((2, DAY_MS + 1_000), (3, DAY_MS - 1_000)):
            aside = tmp_path / "spool" / "orphaned" / an_id(number)
            os.utime(aside, ((now - age_ms) / 1_000, (now - age_ms) / 1_000))
        assert await recover() == ["spool.orphaned", "spool.orphans_deleted"]
        assert await spool.orphans() == [an_id(3)]
        assert (tmp_path / "spool" / an_id(1)).exists(), "the journal counts on it"
    finally:
        await journal.close()


async def test_a_folder_that_cannot_be_looked_through_stops_no_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told()
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    try:
        spool = DiskSpool(tmp_path / "spool", 1 << 20, 1 << 20, reserve_bytes=0)

        def refuse(*_: Any) -> Any:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        with monkeypatch.context() as patched:
            patched.setattr(os, "scandir", refuse)
            assert await Housekeeping(journal, spool, told, told, retention_days=30).recover() == 0
        assert told.lines == [
            (
                "spool.delete_failed",
                {
                    "submission_id": None,
                    "error_type": "OSError",
                    "error": os.strerror(errno.EIO),
                },
            )
        ]
    finally:
        await journal.close()


async def test_a_fault_that_intake_meets_is_reported(tmp_path: Path) -> None:
    """Its client may have left: then nobody else hears of it."""
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    spool = DiskSpool(tmp_path / "spool", 1 << 20, 1 << 20, reserve_bytes=0)
    quiet, reported = Quiet(), asyncio.get_running_loop().create_future()
    quiet.housekeeping = Housekeeping(journal, spool, quiet, quiet, retention_days=30)
    engine = Engine(journal, quiet, Policy(), quiet)
    engine.connect(quiet, quiet)
    intake = Intake(engine, journal, spool, quiet, quiet, lambda: an_id(1), reported.set_result)

    async def chunks() -> AsyncIterator[bytes]:
        yield b"%PDF-1.7\n%%EOF\n"
        await journal.close()

    async with asyncio.timeout(30):
        with pytest.raises(JournalFault):
            await intake.submit(CODE, chunks(), "cv.pdf")
        assert isinstance(await reported, JournalFault)
