"""What is written while the power fails, and what must be there afterwards.

Every commit of lane L carries one number everywhere it can (the lane's fields, its submissions,
facts, keys, reactions, dispositions), so that half a commit shows as two numbers.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from listener.adapters.journal_sqlite import SqliteJournal
from listener.adapters.journal_sqlite.store import Pragmas, open_store
from listener.core.errors import JournalFault, SpoolFault
from listener.core.evidence import Gap, Heard
from listener.core.names import CvCode, Disposition, Millis
from listener.core.submission import Lane
from listener.ports.event_source import Resume
from listener.ports.journal import IdempotencyKey, InboxRow, LaneCommit, Query
from listener.ports.reaction import ANNOUNCED
from tests.contract.journals import a_fact, an_id, queued

from .books import Books, PowerLost
from .calls import Calls
from .desks import EagerDesk, LoopDesk
from .disk import CutDisk
from .submissions import House, Told

LANES = 3
MOST_STEPS = 700
"""The power fails at one of so many changes."""
CHECKPOINT_PAGES = 24
"""So few that a run holds several checkpoints."""


@dataclass
class Acknowledged:
    """What callers were told, and what they had asked for."""

    commits: dict[int, int] = field(default_factory=dict)
    asked: dict[int, int] = field(default_factory=dict)
    seq: int = 0
    gaps: int = 0
    alive_ms: int = 0


def code_of(lane: int) -> CvCode:
    return CvCode(f"lane-{lane}")


def lane_commit(lane: int, number: int, version: int, size: int) -> LaneCommit:
    """The ``number``-th commit of a lane, in all its parts."""
    ids = (10_000 * lane, 10_000 * lane + number)
    submissions = tuple(
        replace(queued(i, version=number, reason="r" * size), deaf_ms=number) for i in ids
    )
    return LaneCommit(
        code_of(lane),
        version,
        Lane(submissions, rest_until_ms=Millis(number)),
        Millis(number),
        submissions,
        facts=tuple(a_fact(i, Millis(number)) for i in ids),
        idempotency=IdempotencyKey(f"{lane}:{number}", "print", an_id(ids[1]), Millis(number)),
        reactions=((an_id(ids[0]), number),),
    )


async def live(journal: SqliteJournal, told: Acknowledged, seed: int, rounds: int) -> None:
    """Write from several tasks at once, until the power fails or all is written."""
    tasks = [
        *(_keep_committing(journal, told, seed, lane, rounds) for lane in range(1, LANES + 1)),
        _keep_hearing(journal, told, rounds),
        _keep_losing(journal, told, rounds),
    ]
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if end is not None and not isinstance(end, JournalFault):
            raise end


async def _keep_committing(
    journal: SqliteJournal, told: Acknowledged, seed: int, lane: int, rounds: int
) -> None:
    chance = random.Random(f"{seed}:{lane}")
    version = (await journal.load_lane(code_of(lane))).version
    first = told.asked.get(lane, 0) + 1
    for number in range(first, first + rounds):
        told.asked[lane] = number
        commit = lane_commit(lane, number, version, chance.choice((0, 50, 3_000)))
        made = await journal.commit(commit)
        assert made is not None, "nobody else writes to this lane"
        version = made
        told.commits[lane] = number


async def _keep_hearing(journal: SqliteJournal, told: Acknowledged, rounds: int) -> None:
    seq = told.seq
    for _ in range(rounds):
        rows = [
            InboxRow(Heard(s, Millis(s)), code_of(1), "{}", Disposition.FOREIGN)
            for s in range(seq + 1, seq + 4)
        ]
        seq += 3
        await journal.append_events(rows, Resume("pid", str(seq)))
        told.seq = seq


async def _keep_losing(journal: SqliteJournal, told: Acknowledged, rounds: int) -> None:
    """Gaps, and the sign of life."""
    for _ in range(rounds):
        start = told.gaps * 10
        await journal.open_gap(Gap(Millis(start)))
        await journal.close_gap(Millis(start + 5), "started")
        told.gaps += 1
        await journal.mark_alive(Millis(start + 5))
        told.alive_ms = start + 5


async def broken_promises(journal: SqliteJournal, told: Acknowledged) -> list[str]:
    """What is missing or half there; empty if the journal kept its promise."""
    broken: list[str] = []
    for lane in range(1, LANES + 1):
        broken += await _of_lane(journal, told, lane)
    seq = await journal.highest_seq()
    resume = await journal.resume_cursor()
    if seq < told.seq:
        broken.append(f"events: {told.seq} acknowledged, {seq} there")
    if resume.offset != (str(seq) if seq else None):
        broken.append(f"the cursor is at {resume.offset}, the inbox at {seq}")
    gaps = await journal.gaps_since(Millis(-1))
    if [gap.start_ms for gap in gaps] != [10 * n for n in range(len(gaps))]:
        broken.append(f"gaps out of order: {gaps}")
    if sum(gap.end_ms is not None for gap in gaps) < told.gaps:
        broken.append(f"gaps: {told.gaps} acknowledged, {len(gaps)} there")
    if (await journal.last_alive_ms() or 0) < told.alive_ms:
        broken.append("the sign of life is older than acknowledged")
    return broken


async def _of_lane(journal: SqliteJournal, told: Acknowledged, lane: int) -> list[str]:
    row = await journal.load_lane(code_of(lane))
    there = row.lane.rest_until_ms or 0
    broken = []
    if not told.commits.get(lane, 0) <= there <= told.asked.get(lane, 0):
        broken.append(f"lane {lane}: {told.commits.get(lane)} acknowledged, {there} there")
    if there == 0:
        return broken
    base, newest = an_id(10_000 * lane), an_id(10_000 * lane + there)
    facts = await journal.facts_of(base)
    announced = await journal.due_reactions(ANNOUNCED, Millis(0), 10_000)
    reactions = [reaction for reaction in announced if reaction.submission_id == base]
    key = await journal.idempotency(f"{lane}:{there}", Millis(0))
    too_new = await journal.idempotency(f"{lane}:{there + 1}", Millis(0))
    listed = await journal.submissions(Query(code=code_of(lane), limit=10_000))
    numbers = {
        "version": row.version,
        **{f"submission {s.id}": s.deaf_ms for s in row.lane.submissions},
        "facts": len(facts),
        "last fact": facts[-1][0] if facts else 0,
        "reactions": len(reactions),
        "key": int(key is not None and key.submission_id == newest) * there,
        "no newer key": int(too_new is None) * there,
        "submissions": len(listed) - 1,
    }
    broken += [f"lane {lane} at {there}: {n} is {v}" for n, v in numbers.items() if v != there]
    return broken


class Plant(StrEnum):
    """Bugs to be seen."""

    NONE = "none"
    JOURNAL_NORMAL = "journal_normal"
    """SQLite with ``synchronous=NORMAL``: no sync at a commit."""
    JOURNAL_OFF = "journal_off"
    FILE_NOT_SYNCED = "file_not_synced"
    FOLDER_NOT_SYNCED = "folder_not_synced"
    PARENT_NOT_SYNCED = "parent_not_synced"
    """The spool's own name in the state folder."""
    ANSWERED_EARLY = "answered_early"
    """Before the COMMIT."""
    UNLINKED_EARLY = "unlinked_early"
    """A file, before the close that lets it go is committed."""


_SYNCHRONOUS = {Plant.JOURNAL_NORMAL: "NORMAL", Plant.JOURNAL_OFF: "OFF"}


@dataclass
class Found:
    """What a life of a few power cuts showed."""

    broken: list[str] = field(default_factory=list)
    cuts: int = 0
    syncs: int = 0
    acknowledged: int = 0
    digests: list[str] = field(default_factory=list)
    """Of what each cut left."""


async def one_life(folder: Path, seed: int, plant: Plant = Plant.NONE) -> Found:
    """Write, lose power, start again, perhaps twice; the promises that were broken at any start."""
    chance = random.Random(seed)
    told, submitted, found = Acknowledged(), Told(), Found()
    current = folder.resolve() / "0"
    current.mkdir()
    for life in range(1, chance.choice((2, 2, 3)) + 1):
        books = Books(current, chance.getrandbits(32), chance.randint(1, MOST_STEPS))
        machine = _Machine(books, chance, plant)
        try:
            with machine.calls.in_place():
                found.broken += await _until_the_cut(machine, told, submitted)
        finally:
            books.cut()
            machine.disk.unregister()
        found.cuts += 1
        found.syncs += books.syncs
        found.digests.append(books.digest())
        current = current.with_name(str(life))
        books.restore(current)
    last = _Machine(Books(current, 0, None), chance, Plant.NONE)
    with last.calls.in_place():
        found.broken += await _what_is_there(last, told, submitted)
    last.disk.unregister()
    found.acknowledged = len(submitted.accepted) + told.seq + told.gaps + sum(told.commits.values())
    return found


class _Machine:
    """One run of the machine, until its power fails."""

    def __init__(self, books: Books, chance: random.Random, plant: Plant) -> None:
        self.books = books
        self.state = Path(books.root) / "state"
        self.chance = chance
        self.disk = CutDisk(books, chance.getrandbits(32))
        self.calls = Calls(books, self._forgotten)
        self._plant = plant

    async def open(self) -> SqliteJournal:
        """Raises JournalFault when the power fails meanwhile."""
        synchronous = _SYNCHRONOUS.get(self._plant, "FULL")
        pragmas = Pragmas(self.disk.name, synchronous, CHECKPOINT_PAGES)
        desk = EagerDesk if self._plant is Plant.ANSWERED_EARLY else LoopDesk
        return SqliteJournal(open_store(self.state / "journal.db", pragmas), desk)

    def house(self, journal: SqliteJournal, told: Told) -> House:
        """Raises SpoolFault when the power fails meanwhile."""
        early = self._plant is Plant.UNLINKED_EARLY
        return House(journal, self.state / "spool", told, unlinks_early=early)

    def blame(self, fault: Exception) -> list[str]:
        """A fault while the power is on is a promise broken."""
        return [f"with the power on: {fault}"] if self.books.survivors is None else []

    def _forgotten(self, path: str) -> bool:
        spool = str(self.state / "spool")
        match self._plant:
            case Plant.FILE_NOT_SYNCED:
                return path.startswith(f"{spool}/")
            case Plant.FOLDER_NOT_SYNCED:
                return path == spool
            case Plant.PARENT_NOT_SYNCED:
                return path == str(self.state)
            case _:
                return False


async def _until_the_cut(machine: _Machine, told: Acknowledged, submitted: Told) -> list[str]:
    """Sometimes with a clean restart in between; the cut may come at the opening too."""
    broken: list[str] = []
    chance = machine.chance
    for _ in range(chance.choice((1, 1, 2))):
        try:
            journal = await machine.open()
        except JournalFault as fault:
            return broken + machine.blame(fault)
        try:
            house = machine.house(journal, submitted)
            found = await broken_promises(journal, told) + await house.broken_promises()
            machine.books.check()  # what is found while the power is off is no promise's
            broken += found
            await _resume(journal, told)
            rounds = chance.randint(3, 12)
            ends = await asyncio.gather(
                live(journal, told, chance.getrandbits(32), rounds),
                house.live(chance.getrandbits(32), rounds),
                return_exceptions=True,
            )
            for end in ends:
                if end is not None:
                    raise end
        except (JournalFault, SpoolFault, PowerLost) as fault:
            return broken + machine.blame(fault)
        finally:
            await journal.close()
    return broken


async def _what_is_there(machine: _Machine, told: Acknowledged, submitted: Told) -> list[str]:
    """After the last cut."""
    try:
        journal = await machine.open()
    except JournalFault as fault:
        return machine.blame(fault)
    try:
        broken = await broken_promises(journal, told)
        return broken + await machine.house(journal, submitted).broken_promises()
    except (JournalFault, SpoolFault) as fault:
        return machine.blame(fault)
    finally:
        await journal.close()


async def _resume(journal: SqliteJournal, told: Acknowledged) -> None:
    """Go on from what is there, as a daemon does."""
    for lane in range(1, LANES + 1):
        row = await journal.load_lane(code_of(lane))
        told.asked[lane] = told.commits[lane] = row.lane.rest_until_ms or 0
    told.seq = await journal.highest_seq()
    await journal.close_gap(Millis(10 * told.gaps + 5), "started")
    told.gaps = len(await journal.gaps_since(Millis(-1)))
