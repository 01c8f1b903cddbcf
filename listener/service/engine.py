"""The only interpreter of decisions: load, decide, commit, tell, perform."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol, assert_never, cast

from listener.core.effects import (
    Announce,
    Dispatch,
    Doubt,
    Effect,
    Enquire,
    HoldAll,
    Post,
    ReleaseFile,
)
from listener.core.evidence import Hearing
from listener.core.facts import SubmissionClosed
from listener.core.inputs import TimePassed
from listener.core.names import CvCode, Millis, State, SubmissionId
from listener.core.policy import Policy
from listener.core.standing import due_ms, possibly_sent, settled
from listener.core.submission import Lane, Submission
from listener.core.transitions import Decision, Given, decide
from listener.ports.clock import Clock
from listener.ports.journal import IdempotencyKey, Journal, LaneCommit, LaneRow, StoredReply
from listener.ports.log import Log

from .fact_log import tell
from .strangers import LastHeard

CACHED_LANES = 4096
SOONEST_DUE_MS = 20
"""No lane is looked at by the clock more often than this, whatever it says."""


class Performers(Protocol):
    """Where effects go. None of these blocks or raises."""

    def dispatch(self, code: CvCode, effect: Dispatch) -> None: ...
    def enquire(self, code: CvCode, lane: Lane) -> None: ...
    def hold_all(self, effect: HoldAll) -> None: ...
    def doubt(self, effect: Doubt) -> None: ...
    def release_file(self, effect: ReleaseFile) -> None: ...
    def announce(self, code: CvCode, effect: Announce) -> None: ...
    def due(self, at_ms: Millis) -> None: ...


@dataclass(frozen=True, slots=True)
class Moment:
    """What every input is stamped with. ``foreign_ms``: see ``SendBegins``."""

    at_ms: Millis
    hearing: Hearing
    events_pending: bool
    foreign_ms: Millis | None = None


class Ear(Protocol):
    """What the engine asks of hearing."""

    def hearing(self) -> Hearing:
        """What the ear knows now."""
        ...

    def pending(self, code: CvCode) -> bool:
        """Whether an event of this code was received and is not correlated yet."""
        ...


class Engine:
    """Lanes change here and nowhere else.

    Inputs of one lane are decided one after another; lanes do not wait for each other. Between
    loading a lane and deciding there is no await. Raises JournalFault when the journal fails.
    """

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        policy: Policy,
        log: Log,
        found_by: Callable[[CvCode], tuple[str, ...]] | None = None,
    ) -> None:
        """``found_by``: every ``cv_ref`` that a code is to be found by; None: the log's."""
        self._journal = journal
        self._clock = clock
        self._policy = policy
        self._log = log
        self.found_by = found_by or (lambda code: (log.ref(code),))
        self._cache: OrderedDict[CvCode, LaneRow] = OrderedDict()
        self._locks: dict[CvCode, tuple[asyncio.Lock, int]] = {}
        self._known: set[CvCode] = set()
        self._watched: dict[CvCode, None] = {}
        self._ear: Ear | None = None
        self._performers: Performers | None = None
        self.foreign = LastHeard(policy.settle_ms)
        """Events of codes without a lane."""
        self.on_closed: Callable[[Submission], None] = _nothing
        """Told of each close once it was told."""
        self.on_facts: Callable[[], None] = _no_facts
        """Told after each commit that had any."""

    def connect(self, ear: Ear, performers: Performers) -> None:
        """Wire the two that need the engine themselves. Once, before the first input."""
        self._ear = ear
        self._performers = performers

    @property
    def policy(self) -> Policy:
        """What decisions depend on."""
        return self._policy

    def knows(self, code: CvCode) -> bool:
        """Whether a lane is remembered for this code; without one, an event is foreign."""
        return code in self._known

    def watched(self) -> list[CvCode]:
        """Lanes with a submission whose event may still come: those a gap concerns."""
        return list(self._watched)

    def remember(self, codes: Iterator[CvCode] | list[CvCode]) -> None:
        """The lanes found in the journal at start."""
        self._known.update(codes)

    async def lane(self, code: CvCode) -> Lane:
        """The lane as it stands: whatever was being decided on it has been told and performed."""
        async with self._locked(code):
            return (await self._load(code)).lane

    async def give(
        self,
        code: CvCode,
        make: Callable[[Moment], Given],
        idempotency: IdempotencyKey | None = None,
        reply: StoredReply | None = None,
    ) -> Decision:
        """Decide one input of one lane, durably. When it returns, the decision is on disk and its
        effects are under way. ``reply``: what the attempt was answered whose end is given."""
        async with self._locked(code):
            while True:
                row = await self._load(code)
                given = make(self._moment(code))
                decision = decide(row.lane, given, self._policy)
                if await self._commit(row, decision, given, idempotency, reply):
                    break
                self._cache.pop(code, None)
                if idempotency and await self._journal.idempotency(
                    idempotency.key, idempotency.created_ms
                ):
                    return Decision(lane=(await self._load(code)).lane, refusal="key_taken")
            changed = {submission.id: submission for submission in decision.changed}
            tell(self._log, code, decision.facts, changed)
            if decision.facts:
                self.on_facts()
            for fact in decision.facts:
                if isinstance(fact, SubmissionClosed) and fact.submission_id in changed:
                    self.on_closed(changed[fact.submission_id])
            for effect in decision.effects:
                self._perform(code, effect, decision.lane)
        return decision

    async def forget(self, code: CvCode, erase: Callable[[], Awaitable[int]]) -> tuple[int, int]:
        """``erase`` all of a lane while nothing of it is decided, and remember nothing of it: how
        many are open, in which case nothing is done, and how many there were."""
        async with self._locked(code):
            lane = (await self._load(code)).lane
            if still_open := sum(s.state is not State.CLOSED for s in lane.submissions):
                return still_open, len(lane.submissions)
            count = await erase()
            self._cache.pop(code, None)
            self._known.discard(code)
            self._watched.pop(code, None)
            self.foreign.forget(code)
        return 0, count

    def _moment(self, code: CvCode) -> Moment:
        ear = cast(Ear, self._ear)
        foreign_ms = self.foreign.of(code)
        return Moment(self._clock.now_ms(), ear.hearing(), ear.pending(code), foreign_ms)

    async def _load(self, code: CvCode) -> LaneRow:
        row = self._cache.get(code)
        if row is None:
            row = await self._journal.load_lane(code)
            self._keep(row)
        else:
            self._cache.move_to_end(code)
        return row

    async def _commit(
        self,
        row: LaneRow,
        decision: Decision,
        given: Given,
        key: IdempotencyKey | None,
        reply: StoredReply | None,
    ) -> bool:
        """Write what changed; False if somebody else changed the lane meanwhile. The passing of
        time is always written: the lane's due time has moved even if nothing else has."""
        self._watch(row.code, decision.lane)
        nothing_new = decision.lane == row.lane and not decision.changed
        silent = not decision.dispositions and not decision.facts
        if nothing_new and silent and not isinstance(given, TimePassed):
            return True
        lane = decision.lane if decision.lane.submissions else None
        due = None
        if lane is not None:
            due = due_ms(lane, given.at_ms, self._policy)
            due = None if due is None else Millis(max(due, given.at_ms + SOONEST_DUE_MS))
        version = await self._journal.commit(
            LaneCommit(
                code=row.code,
                expected_version=row.version,
                lane=lane,
                due_ms=due,
                changed=decision.changed,
                facts=decision.facts,
                dispositions=decision.dispositions,
                idempotency=key if decision.refusal is None else None,
                refs=self.found_by(row.code) if row.version == 0 else (),
                reactions=_reactions(decision),
                reply=reply,
            )
        )
        if version is None:
            return False
        self._note(LaneRow(row.code, lane or Lane(), version), due)
        if lane is None and decision.lane.foreign_ms is not None:
            self.foreign.note(row.code, decision.lane.foreign_ms)
        return True

    def _note(self, row: LaneRow, due: Millis | None) -> None:
        self._keep(row)
        if row.lane.submissions:
            self._known.add(row.code)
        else:
            self._known.discard(row.code)
            self._cache.pop(row.code, None)
        if due is not None and self._performers is not None:
            self._performers.due(due)

    def _watch(self, code: CvCode, lane: Lane) -> None:
        if any(_may_still_be_heard(lane)):
            self._watched[code] = None
        else:
            self._watched.pop(code, None)

    def _keep(self, row: LaneRow) -> None:
        self._cache[row.code] = row
        self._cache.move_to_end(row.code)
        while len(self._cache) > CACHED_LANES:
            self._cache.popitem(last=False)

    def _perform(self, code: CvCode, effect: Effect, lane: Lane) -> None:
        performers = cast(Performers, self._performers)
        known = cast("Dispatch | Post | Enquire | HoldAll | Doubt | ReleaseFile | Announce", effect)
        match known:
            case Dispatch():
                performers.dispatch(code, known)
            case Post():
                pass  # The dispatcher, whose input led to it, performs it itself.
            case Enquire():
                performers.enquire(code, lane)
            case HoldAll():
                performers.hold_all(known)
            case Doubt():
                performers.doubt(known)
            case ReleaseFile():
                performers.release_file(known)
            case Announce():
                performers.announce(code, known)
            case _:
                assert_never(known)

    @asynccontextmanager
    async def _locked(self, code: CvCode) -> AsyncIterator[None]:
        lock, users = self._locks.get(code, (asyncio.Lock(), 0))
        self._locks[code] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            users = self._locks[code][1] - 1
            if users:
                self._locks[code] = (lock, users)
            else:
                del self._locks[code]


def _no_facts() -> None:
    return None


def _nothing(_: Submission) -> None:
    """Nobody asked to be told."""


def _reactions(decision: Decision) -> tuple[tuple[SubmissionId, int], ...]:
    return tuple(
        (effect.submission_id, effect.version)
        for effect in decision.effects
        if isinstance(effect, Announce)
    )


def _may_still_be_heard(lane: Lane) -> Iterator[bool]:
    """For each submission, whether an event of it may still come."""
    for submission in lane.submissions:
        if submission.state is State.CLOSED:
            yield possibly_sent(submission) and not settled(submission)
        else:
            yield bool(submission.attempts)
