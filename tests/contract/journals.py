"""The stores under the journal contract, and values to put in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from listener.adapters.journal_sqlite import SqliteJournal
from listener.core.facts import Fact, SendingDeclined
from listener.core.names import CvCode, FileKind, Millis, Movement, State, SubmissionId
from listener.core.submission import FileFacts, Lane, Submission
from listener.ports.journal import Journal, LaneCommit
from tests.fakes.journal_memory import MemoryJournal

CODE = CvCode("Cv9E#nH4$xTz8!pY2aW^mK6rL")
OTHER = CvCode("ABC123XYZ")
T0 = 1_760_000_000_000


class Store(Protocol):
    """One journal and the means to restart it."""

    @property
    def journal(self) -> Journal: ...

    async def restart(self) -> None:
        """Close, and open again what was written."""

    async def close(self) -> None: ...


@dataclass
class SqliteStore:
    path: Path
    journal: Journal

    @classmethod
    async def at(cls, folder: Path) -> SqliteStore:
        path = folder / "state" / "journal.db"
        return cls(path, await SqliteJournal.open(path))

    async def restart(self) -> None:
        await self.journal.close()
        self.journal = await SqliteJournal.open(self.path)

    async def close(self) -> None:
        await self.journal.close()


@dataclass
class MemoryStore:
    memory: MemoryJournal

    @property
    def journal(self) -> Journal:
        return self.memory

    async def restart(self) -> None:
        self.memory = self.memory.reopened()

    async def close(self) -> None:
        await self.journal.close()


def at(offset: int) -> Millis:
    """A point in time, ``offset`` ms after the tests' beginning."""
    return Millis(T0 + offset)


def an_id(number: int) -> SubmissionId:
    """The ``number``-th submission's id: they sort as they are numbered."""
    return SubmissionId(f"0199a1b2-0000-7000-8000-{number:012x}")


def queued(number: int, **fields: object) -> Submission:
    """A submission just accepted, with other fields where they matter."""
    values: dict[str, object] = {
        "id": an_id(number),
        "created_ms": at(number),
        "file": FileFacts("ab" * 32, 81_920, FileKind.PDF, f"cv {number}.pdf"),
    }
    return Submission(**(values | fields))  # type: ignore[arg-type]  # any field, by name


def closed(number: int, at_ms: Millis, **fields: object) -> Submission:
    """A closed one; its file is due at its close."""
    values: dict[str, object] = {"closed_ms": at_ms, "keep_file_until_ms": at_ms}
    return queued(number, state=State.CLOSED, **(values | fields))


def a_fact(number: int | None, at_ms: Millis) -> Fact:
    """Any fact, of a submission or of the lane."""
    return SendingDeclined(
        at_ms, None if number is None else an_id(number), movement=Movement.MOVED
    )


def accepting(code: CvCode, *numbers: int, version: int = 0) -> LaneCommit:
    """The lane holds these, all just accepted."""
    submissions = tuple(queued(number) for number in numbers)
    return LaneCommit(code, version, Lane(submissions), None, submissions)
