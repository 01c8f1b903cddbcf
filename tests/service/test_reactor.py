"""Reactions against a log that nobody reads: handlers go on, and no line can be lost."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from listener.adapters.clock import SystemClock
from listener.core.names import CvCode, FileKind, Millis, Outcome, State, SubmissionId
from listener.core.submission import FileFacts, Lane, Submission
from listener.ports.journal import LaneCommit
from listener.ports.reaction import Handler
from listener.service import reactor
from listener.service.reactor import Reactor
from tests.adapters.logs.sinks import BOUND_S, written
from tests.fakes.journal_memory import MemoryJournal

CODE = CvCode("reacted")


async def closed(journal: MemoryJournal, name: str) -> None:
    """A closed submission whose handlers are to be asked."""
    submission = Submission(
        id=SubmissionId(name),
        created_ms=Millis(1),
        file=FileFacts("ab" * 32, 10, FileKind.PDF, ""),
        state=State.CLOSED,
        outcome=Outcome.UNDELIVERED,
        closed_ms=Millis(2),
    )
    await journal.commit(
        LaneCommit(
            code=CvCode(f"{CODE}{name}"),
            expected_version=0,
            lane=Lane((submission,)),
            due_ms=None,
            changed=(submission,),
            reactions=((submission.id, 1),),
        )
    )


class Watched(MemoryJournal):
    """Says which reactions were crossed off."""

    def __init__(self) -> None:
        super().__init__()
        self.finished: asyncio.Queue[str] = asyncio.Queue()

    async def give_out(
        self,
        announced: Sequence[tuple[SubmissionId, int]],
        handlers: Sequence[str],
        told: bool,
    ) -> None:
        await super().give_out(announced, handlers, told)
        for submission_id, _ in announced if told else ():
            self.finished.put_nowait(submission_id)


async def test_where_nobody_reads_the_log_handlers_go_on_and_are_crossed_off_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reactor, "UNREAD_S", 0.05)
    journal, read, gave_up = Watched(), asyncio.Event(), asyncio.Event()
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def handler(submission: Mapping[str, object]) -> None:
        heard.put_nowait(str(submission["id"]))

    async def lane(_code: CvCode) -> None:
        pass

    async def until_read() -> None:
        try:
            await read.wait()
        except asyncio.CancelledError:
            gave_up.set()
            raise

    with written() as sink:
        handlers = [Handler("test", handler)]
        room = Reactor(journal, SystemClock(), sink.log, handlers, told=lane, written=until_read)
        running = asyncio.create_task(room.run())
        async with asyncio.timeout(BOUND_S):
            for name in ("one", "two"):
                await closed(journal, name)
                room.wake()
                assert await heard.get() == name
            await gave_up.wait()
            await closed(journal, "three")
            room.wake()
            assert await heard.get() == "three", "handlers do not wait for the log"
            assert journal.finished.empty(), "a line could still be lost"
            read.set()
            assert {await journal.finished.get() for _ in range(3)} == {"one", "two", "three"}
        running.cancel()
        await asyncio.wait({running})
    assert heard.empty(), "nobody is asked twice"
