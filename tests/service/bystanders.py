"""Lanes in every state, an ear, and all that is kept of each lane before an event and after it."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from listener.core.effects import Announce, Dispatch, Doubt, HoldAll, ReleaseFile
from listener.core.evidence import Heard, Hearing
from listener.core.names import CvCode, Disposition, Millis, SubmissionId
from listener.core.policy import Policy
from listener.core.standing import due_ms
from listener.core.submission import Lane
from listener.ports.event_source import Listening, ReceivedEvent, Signal
from listener.ports.journal import InboxRow, LaneCommit, LaneRow
from listener.service.ear import Hearer
from listener.service.engine import Engine
from tests.core.test_machine import LaneMachine
from tests.fuzz.ear import Event
from tests.fuzz.lane import take_steps
from tests.simulation.disk import Disk, MountedJournal
from tests.simulation.loop import VirtualLoop, run_virtual

FIRST_SEQ = 100_000
"""Of the events heard here: above all that the lanes ever heard."""


def lived(steps: bytes, policy: Policy, place: int) -> LaneMachine:
    """A lane after so many inputs, under promises that are held at each. ``place``: of the lane
    among others: no submission and no event of two lanes have the same name or number."""
    machine = LaneMachine()
    machine.policy = policy
    take_steps(machine, steps)

    def numbered(heard: Heard) -> Heard:
        return replace(heard, seq=heard.seq + 1_000 * (place + 1))

    machine.lane = replace(
        machine.lane,
        submissions=tuple(
            replace(
                submission,
                id=SubmissionId(f"{place}-{submission.id}"),
                held=tuple(map(numbered, submission.held)),
                candidates=tuple(map(numbered, submission.candidates)),
                heard=None if submission.heard is None else numbered(submission.heard),
            )
            for submission in machine.lane.submissions
        ),
    )
    return machine


@dataclass(frozen=True, slots=True)
class Kept:
    """All that is kept of the lanes, by code. ``rows``: every row of the journal that is of a code,
    as it stands in the file."""

    lanes: dict[CvCode, LaneRow]
    rows: dict[CvCode, list[tuple[Any, ...]]]


@dataclass(slots=True)
class Outcome:
    """What came of events. ``caused``: codes for which anything was to be done, or was said;
    ``seqs``: the numbers of the events, in order; ``inbox``: what became of each."""

    before: Kept
    after: Kept
    hearing: Hearing
    at_ms: Millis
    caused: set[CvCode]
    seqs: list[int]
    inbox: dict[int, tuple[CvCode | None, str | None]] = field(default_factory=dict)


class _Source:
    """Hands out what it is given, and knows when all of that was dealt with."""

    def __init__(self) -> None:
        self._waiting: deque[Signal] = deque()
        self._more = asyncio.Event()
        self.idle = asyncio.Event()
        self.handed_out_until_ms: Millis | None = None
        self.backlog = 0
        self.last_frame_ms: Millis | None = None

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def hear(self, signals: Sequence[Signal]) -> None:
        """Returns when the hearer comes back for more."""
        self._waiting.extend(signals)
        self.idle.clear()
        self._more.set()
        await self.idle.wait()

    async def next_batch(self, limit: int) -> list[Signal]:
        while not self._waiting:
            self.idle.set()
            self._more.clear()
            await self._more.wait()
        return [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]

    def pending(self, code: CvCode) -> bool:
        return any(isinstance(s, ReceivedEvent) and s.code == code for s in self._waiting)

    def doubt(self) -> None:
        return None

    def hurry(self) -> None:
        return None

    def committed(self, offset: str) -> None:
        return None


class _Witness:
    """What the engine asks to be done, and what is said: of which codes."""

    def __init__(self) -> None:
        self.codes: set[CvCode] = set()

    def dispatch(self, code: CvCode, effect: Dispatch) -> None:
        self.codes.add(code)

    def enquire(self, code: CvCode, lane: Lane) -> None:
        self.codes.add(code)

    def announce(self, code: CvCode, effect: Announce) -> None:
        self.codes.add(code)

    def hold_all(self, effect: HoldAll) -> None:
        raise AssertionError("an event asks for no quiet")

    def doubt(self, effect: Doubt) -> None:
        raise AssertionError("an event is no reason to doubt that we hear")

    def release_file(self, effect: ReleaseFile) -> None:
        return None

    def due(self, at_ms: Millis) -> None:
        return None

    def emit(self, event: str, /, **fields: object) -> None:
        if isinstance(ref := fields.get("cv_ref"), str):
            self.codes.add(CvCode(ref))

    def ref(self, code: CvCode) -> str:
        """Here it is the code itself, so that it can be told whose line it is."""
        return code


@dataclass(frozen=True, slots=True)
class _At:
    """A clock that stands."""

    at_ms: Millis

    def now_ms(self) -> Millis:
        return self.at_ms


def heard_by(
    lanes: Mapping[CvCode, LaneMachine],
    events: Sequence[Event],
    policy: Policy,
    *,
    later_ms: int,
    replayed: bool,
    listening: bool,
) -> Outcome:
    """Give events, as they were read from the wire, to an ear with these lanes behind it, so long
    after the last thing that happened in any of them. ``listening``: whether we listen already."""

    async def main(loop: VirtualLoop) -> Outcome:
        disk = Disk(random.Random(0), slow=False, reach=lambda point: None)
        try:
            return await _hear(disk, lanes, events, policy, later_ms, replayed, listening)
        finally:
            disk.remove()

    outcome: Outcome = run_virtual(0, main)
    return outcome


async def _hear(
    disk: Disk,
    lanes: Mapping[CvCode, LaneMachine],
    events: Sequence[Event],
    policy: Policy,
    later_ms: int,
    replayed: bool,
    listening: bool,
) -> Outcome:
    journal = MountedJournal(disk)
    clock = _At(Millis(max(machine.now for machine in lanes.values()) + later_ms))
    for code, machine in lanes.items():
        await _store(journal, code, machine, policy)
    witness, source = _Witness(), _Source()
    engine = Engine(journal.port, clock, policy, witness)
    hearer = Hearer(
        source,
        journal.port,
        engine,
        clock,
        witness,
        unsettled_ms=60_000,
        late_window_ms=policy.late_window_ms,
        gap_ended=lambda: None,
    )
    engine.connect(hearer, witness)
    engine.remember([code for code, machine in lanes.items() if machine.lane.submissions])
    await hearer.recover(None)
    running = asyncio.create_task(hearer.run())
    if listening:
        up = Listening(clock.at_ms, recovered=False, gap_reason=None, pid=None, transport="ws")
        await _heard(source, running, [up])
    before = await _kept(disk, journal, lanes)
    assert not witness.codes, "nothing was to be done yet"
    numbered = [
        ReceivedEvent(
            seq=FIRST_SEQ + place,
            heard_ms=clock.at_ms,
            code=event.code,
            payload=event.payload,
            problem=event.problem,
            replayed=replayed,
            offset=event.offset,
        )
        for place, event in enumerate(events)
    ]
    if numbered:
        await _heard(source, running, numbered)
    outcome = Outcome(
        before=before,
        after=await _kept(disk, journal, lanes),
        hearing=hearer.hearing(),
        at_ms=clock.at_ms,
        caused=witness.codes,
        seqs=[event.seq for event in numbered],
    )
    rows = disk.ask(f"SELECT seq, code, disposition FROM inbox WHERE seq >= {FIRST_SEQ}")  # noqa: S608  a constant of ours
    outcome.inbox = {seq: (code, disposition) for seq, code, disposition in rows}
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    journal.kill()
    return outcome


async def _heard(source: _Source, running: asyncio.Task[None], signals: Sequence[Signal]) -> None:
    """Returns when all was dealt with; raises what the hearer died of."""
    hearing = asyncio.create_task(source.hear(signals))
    await asyncio.wait({hearing, running}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        hearing.cancel()
        running.result()


async def _store(
    journal: MountedJournal, code: CvCode, machine: LaneMachine, policy: Policy
) -> None:
    """A lane as its last commit left it, with the events that it holds."""
    lane = machine.lane
    if not lane.submissions:
        return
    inbox = [
        InboxRow(heard, code, "{}", disposition)
        for submission in lane.submissions
        for disposition, events in (
            (Disposition.HELD, submission.held),
            (Disposition.CANDIDATE, submission.candidates),
        )
        for heard in events
    ]
    if inbox:
        await journal.port.append_events(inbox)
    due = due_ms(lane, Millis(machine.now), policy)
    commit = LaneCommit(code, 0, lane, due, changed=lane.submissions)
    assert await journal.port.commit(commit) is not None


async def _kept(disk: Disk, journal: MountedJournal, lanes: Mapping[CvCode, Any]) -> Kept:
    rows: dict[CvCode, list[tuple[Any, ...]]] = {code: [] for code in lanes}
    for table in ("lanes", "submissions", "inbox", "claims"):
        for code, *rest in disk.ask(f"SELECT code, * FROM {table} WHERE code IS NOT NULL"):  # noqa: S608  names from above
            rows.setdefault(CvCode(code), []).append((table, *rest))
    for table in ("reactions", "fact_subjects", "idempotency"):
        of = f"SELECT s.code, t.* FROM {table} t JOIN submissions s ON s.id = t.submission_id"  # noqa: S608  as above
        for code, *rest in disk.ask(f"{of} ORDER BY 1, 2, 3"):
            rows[CvCode(code)].append((table, *rest))
    for code, *rest in disk.ask("SELECT code, * FROM facts WHERE code IS NOT NULL ORDER BY id"):
        rows[CvCode(code)].append(("facts", *rest))
    return Kept({code: await journal.port.load_lane(code) for code in lanes}, rows)
