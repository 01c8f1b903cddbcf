"""Rows go when the retention time is over, and not before."""

from __future__ import annotations

import asyncio

from listener.adapters.clock import SystemClock
from listener.core.names import CvCode, FileKind, Millis, Outcome, State, SubmissionId
from listener.core.submission import FileFacts, Lane, Submission
from listener.ports.journal import Journal, LaneCommit
from listener.service.housekeeping import Housekeeping
from tests.fakes.journal_memory import MemoryJournal
from tests.fakes.spool_memory import MemorySpool
from tests.simulation.loop import VirtualLoop, run_virtual

from .test_deaf_at_the_end import Unread

CODE = CvCode("kept")
HOUR_S = 3_600


async def closed(journal: Journal, at_ms: Millis) -> SubmissionId:
    """A submission that closes now, and that its lane no longer remembers."""
    done = Submission(
        id=SubmissionId("s1"),
        created_ms=at_ms,
        file=FileFacts("ab" * 32, 10, FileKind.PDF, ""),
        state=State.CLOSED,
        outcome=Outcome.UNDELIVERED,
        closed_ms=at_ms,
    )
    remembering = LaneCommit(
        code=CODE, expected_version=0, lane=Lane((done,)), due_ms=None, changed=(done,)
    )
    version = await journal.commit(remembering)
    assert version is not None
    await journal.commit(LaneCommit(code=CODE, expected_version=version, lane=None, due_ms=None))
    return done.id


def test_a_running_daemon_deletes_what_is_older_than_the_retention_time() -> None:
    async def main(loop: VirtualLoop) -> None:
        clock = SystemClock(
            lambda: 1_700_000_000 * 10**9 + int(loop.time() * 1e9), lambda: int(loop.time() * 1e9)
        )
        journal = MemoryJournal()
        name = await closed(journal, clock.now_ms())
        house = Housekeeping(journal, MemorySpool(), clock, Unread(), retention_days=1)
        running = asyncio.create_task(house.run())
        await asyncio.sleep(23.9 * HOUR_S)
        assert await journal.submission(name) is not None
        await asyncio.sleep(1.2 * HOUR_S)
        assert await journal.submission(name) is None
        running.cancel()

    run_virtual(1, main)
