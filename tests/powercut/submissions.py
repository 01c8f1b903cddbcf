"""What submitters do while the power fails: the real intake over the real journal and spool.

A submission that was acknowledged has its row and its whole file afterwards; one that was withdrawn
is closed, and its file is gone; a file without a row is not in the spool.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from listener.adapters.journal_sqlite import SqliteJournal
from listener.adapters.spool import DiskSpool
from listener.core.effects import Announce, Dispatch, Doubt, HoldAll, ReleaseFile
from listener.core.evidence import Hearing
from listener.core.names import CvCode, Millis, State, SubmissionId
from listener.core.policy import Policy
from listener.core.submission import Lane
from listener.service.engine import Engine
from listener.service.housekeeping import Housekeeping
from listener.service.intake import Accepted, Intake
from tests.contract.journals import an_id

SUBMITTERS = 2
FIRST_ID = 500_000
SIZES = (60, 700, 5_000, 5_000, 300_000)
"""The last takes more than one write."""


@dataclass
class Told:
    """What submitters asked for, and what they were told. Ids to digests of their files."""

    asked: dict[SubmissionId, str] = field(default_factory=dict)
    accepted: set[SubmissionId] = field(default_factory=set)
    withdrawing: set[SubmissionId] = field(default_factory=set)
    withdrawn: set[SubmissionId] = field(default_factory=set)


class Quiet:
    """A clock, a log, an ear and performers for a service that only takes in."""

    housekeeping: Housekeeping

    def __init__(self) -> None:
        self._now = 1_000_000

    def now_ms(self) -> Millis:
        self._now += 1
        return Millis(self._now)

    def emit(self, event: str, /, **fields: object) -> None:
        return None

    def ref(self, code: CvCode) -> str:
        return "cv_0"

    def hearing(self) -> Hearing:
        return Hearing(listening=True)

    def pending(self, code: CvCode) -> bool:
        return False

    def dispatch(self, code: CvCode, effect: Dispatch) -> None:
        return None

    def enquire(self, code: CvCode, lane: Lane) -> None:
        return None

    def hold_all(self, effect: HoldAll) -> None:
        return None

    def doubt(self, effect: Doubt) -> None:
        return None

    def release_file(self, effect: ReleaseFile) -> None:
        self.housekeeping.release(effect.at_ms)

    def announce(self, code: CvCode, effect: Announce) -> None:
        return None

    def due(self, at_ms: Millis) -> None:
        return None


async def at_once(run: Callable[[], Any]) -> Any:
    """In place of a thread: in the loop, after whoever else is ready."""
    await asyncio.sleep(0)
    return run()


class House:
    """As much of the service as takes submissions in. ``unlinks_early``: planted, a file goes
    before the close that lets it go is committed."""

    def __init__(
        self,
        journal: SqliteJournal,
        folder: Path,
        told: Told,
        *,
        thread: Callable[[Callable[[], Any]], Awaitable[Any]] = at_once,
        unlinks_early: bool = False,
    ) -> None:
        quiet = Quiet()
        self.journal = journal
        self.told = told
        self.spool = DiskSpool(folder, 1 << 30, 5 << 20, reserve_bytes=0, thread=thread)
        engine = Engine(journal, quiet, Policy(), quiet)
        quiet.housekeeping = self.housekeeping = Housekeeping(
            journal, self.spool, quiet, quiet, retention_days=30, orphans=self.spool
        )
        engine.connect(quiet, quiet)
        self._intake = Intake(
            engine, journal, self.spool, quiet, quiet, self._new_id, lambda _fault: None
        )
        self._unlinks_early = unlinks_early

    def _new_id(self) -> SubmissionId:
        """Given out when a file is about to be taken: noted there."""
        name = an_id(FIRST_ID + len(self.told.asked))
        self.told.asked[name] = ""
        return name

    async def live(self, seed: int, rounds: int) -> None:
        """Submit from several tasks at once, and withdraw some of it."""
        lives = [self._submit(random.Random(f"{seed}:{n}"), n, rounds) for n in range(SUBMITTERS)]
        ends = await asyncio.gather(*lives, return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException):
                raise end

    async def _submit(self, chance: random.Random, lane: int, rounds: int) -> None:
        for _ in range(rounds):
            name = await self._one(CvCode(f"submitted-{lane}"), chance)
            if chance.random() < 0.4:
                await self._withdraw(name)
            if chance.random() < 0.3:
                await self.housekeeping.sweep()

    async def _one(self, code: CvCode, chance: random.Random) -> SubmissionId:
        content = b"%PDF-1.7\n" + chance.randbytes(chance.choice(SIZES)) + b"\n%%EOF\n"

        async def chunks() -> AsyncIterator[bytes]:
            # The id was given out a moment before.
            self.told.asked[next(reversed(self.told.asked))] = hashlib.sha256(content).hexdigest()
            for start in range(0, len(content), 65_536):
                yield content[start : start + 65_536]

        answer = await self._intake.submit(code, chunks(), "cv.pdf")
        assert isinstance(answer, Accepted)
        self.told.accepted.add(answer.submission_id)
        return answer.submission_id

    async def _withdraw(self, name: SubmissionId) -> None:
        self.told.withdrawing.add(name)
        if self._unlinks_early:
            await self.spool.remove(name)
        stored = await self._intake.cancel(name)
        assert stored is not None and stored.submission.state is State.CLOSED
        self.told.withdrawn.add(name)

    async def broken_promises(self) -> list[str]:
        """Start as the daemon does; then what is missing, half there, or there too long."""
        await self.housekeeping.recover()
        broken: list[str] = []
        for name in self.told.asked:
            broken += await self._of(name)
        there = {path.name for path in self.spool.path(an_id(1)).parent.iterdir() if path.is_file()}
        kept = set(await self.journal.files_kept())
        broken += [f"file {name}: no row speaks of it" for name in sorted(there - kept)]
        for name in await self.spool.orphans():
            if name in self.told.accepted or await self.journal.submission(name) is not None:
                broken.append(f"file {name}: set aside, though the journal knows it")
        return broken

    async def _of(self, name: SubmissionId) -> list[str]:
        told, stored = self.told, await self.journal.submission(name)
        if stored is None:
            return [f"row {name}: acknowledged, and not there"] if name in told.accepted else []
        if stored.submission.state is State.CLOSED:
            return [] if name in told.withdrawing else [f"row {name}: closed, and nobody asked"]
        if name in told.withdrawn:
            return [f"row {name}: its close was acknowledged, and is undone"]
        path = self.spool.path(name)
        if not path.exists():
            return [f"file {name}: gone, and its submission is open"]
        if hashlib.sha256(path.read_bytes()).hexdigest() != told.asked[name]:
            return [f"file {name}: not whole, and its submission is open"]
        return []
