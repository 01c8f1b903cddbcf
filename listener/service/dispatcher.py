"""Sending: when a lane's head may go, it goes, at most so many at once."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

from listener.core.evidence import PostResult, Reading
from listener.core.inputs import AttemptEnded, SendBegins
from listener.core.names import CvCode, Gate, Millis, PostKind, State, SubmissionId
from listener.core.standing import sendable
from listener.core.submission import Lane, Submission
from listener.core.transitions import Decision
from listener.ports.clock import Clock
from listener.ports.journal import StoredReply
from listener.ports.log import Log
from listener.ports.spool import Spool
from listener.ports.upstream import Upstream
from listener.ports.vitals import Quiet

from .breaker import Breaker, served
from .ear import Hearer
from .engine import Engine, Moment
from .gates import Gates, Pass
from .hold import Hold
from .replies import Replies

AGAIN_MS = 50
"""How soon to offer a lane again whose event still awaited correlation."""


@dataclass(frozen=True, slots=True)
class SendingPolicy:
    """``listen_wait_ms``: how long sending waits to be heard (rule 7)."""

    max_in_flight: int = 16
    listen_wait_ms: int = 30_000


class _TurnedBack(Exception):
    """Raised where an attempt would begin, so that nothing of it is committed."""


@dataclass(frozen=True, slots=True)
class _Offer:
    """The head of a lane, and since when it can be sent."""

    code: CvCode = field(repr=False)
    submission_id: SubmissionId
    ready_ms: Millis


class Dispatcher:
    """Takes offers, waits for all that must be waited for, then makes one attempt.

    The waits: the gates, and a free place. Then the baseline is read, which may take its time: all
    gates are looked at again, and the engine has the last word.
    """

    def __init__(
        self,
        engine: Engine,
        upstream: Upstream,
        spool: Spool,
        hearer: Hearer,
        clock: Clock,
        log: Log,
        breaker: Breaker,
        policy: SendingPolicy,
        request_id: Callable[[SubmissionId, int], str],
        replies: Replies,
    ) -> None:
        self._engine = engine
        self._upstream = upstream
        self._spool = spool
        self._hearer = hearer
        self._clock = clock
        self._log = log
        self._breaker = breaker
        self._policy = policy
        self.gates = Gates(
            hearer, clock, breaker, Hold(clock, log, policy.max_in_flight), policy.listen_wait_ms
        )
        self._request_id = request_id
        self._replies = replies
        self._offers: list[tuple[Millis, int, CvCode, SubmissionId]] = []
        self._offered: dict[CvCode, tuple[Millis, SubmissionId]] = {}
        self._order = 0
        self._changed = asyncio.Event()
        self._places = asyncio.Semaphore(policy.max_in_flight)
        self._busy: set[CvCode] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    def offer(self, code: CvCode, submission_id: SubmissionId, not_before_ms: Millis) -> None:
        """The head of a lane may be sent. Offering it again changes nothing."""
        if self.gates.draining or code in self._busy:
            return
        known = self._offered.get(code)
        if known is not None and known[1] == submission_id and known[0] <= not_before_ms:
            return
        self._order += 1
        self._offered[code] = (not_before_ms, submission_id)
        heapq.heappush(self._offers, (not_before_ms, self._order, code, submission_id))
        self._changed.set()

    def hold(self, until_ms: Millis, *, restarted: bool = False) -> None:
        """Send nothing to any lane before ``until_ms`` (rule 6). ``restarted``: an earlier run was
        asked for it."""
        self.gates.hold.asked(until_ms, self.backlog, restarted)
        self._changed.set()

    def pause(self, paused: bool) -> None:
        """Begin no further attempt, from this moment on; or do so again."""
        self.gates.paused = paused
        self._changed.set()

    @property
    def in_flight(self) -> int:
        """Attempts being made now, their baselines included."""
        return len(self._busy)

    @property
    def backlog(self) -> int:
        """Lanes on offer: ready to be sent, save for what all wait for."""
        return len(self._offered)

    def held_ms(self) -> int:
        """How long nothing is sent yet at the upstream's wish."""
        return max(0, self.gates.hold.until_ms - self._clock.now_ms())

    def gate(self, code: CvCode | None = None) -> tuple[Gate, Millis | None] | None:
        """What keeps the head of this lane from being sent now, or of the first of all, beside a
        pause, and until when, where that is known; None where nothing does."""
        offered = None if code is None else self._offered.get(code)
        found = self.gates.shut(self._ready_ms() if offered is None else offered[0], self.in_flight)
        if found is None and self._places.locked():
            return Gate.PLACE, None
        return found

    @property
    def quiet(self) -> Quiet | None:
        """Why nothing is sent to any lane now, beside a pause, and until when; None where what is
        ready is sent, if only as soon as there is a place."""
        why, until_ms = self.gate() or (Gate.PLACE, None)
        return None if why is Gate.PLACE else Quiet(why, until_ms)

    async def drain(self) -> None:
        """Begin no further attempt; return when those under way have ended."""
        self.gates.draining = True
        self._changed.set()
        await self._idle.wait()

    async def run(self) -> None:
        """Serve offers until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._heed_the_ear())
            while True:
                await self._wait_for_gates()
                await self._places.acquire()
                if self._closed() or (offer := self._next()) is None:
                    self._places.release()
                    await self._wait_for_offer()
                    continue
                self._busy.add(offer.code)
                self._idle.clear()
                group.create_task(self._serve(offer, self.gates.let_through()))

    async def _heed_the_ear(self) -> None:
        while True:
            await self._hearer.wait_change()
            self._changed.set()

    def _first(self) -> tuple[Millis, CvCode, SubmissionId] | None:
        """The offer whose time comes first."""
        while self._offers:
            at, _, code, submission_id = self._offers[0]
            if self._offered.get(code) == (at, submission_id):
                return at, code, submission_id
            heapq.heappop(self._offers)
        return None

    def _ready_ms(self) -> Millis:
        """Since when the first can be sent, or from when on; since ever, if there is none."""
        first = self._first()
        return Millis(0) if first is None else first[0]

    def _next(self) -> _Offer | None:
        """Take the first offer, if its time has come."""
        first = self._first()
        if first is None or first[0] > self._clock.now_ms():
            return None
        at, code, submission_id = first
        heapq.heappop(self._offers)
        del self._offered[code]
        return _Offer(code, submission_id, at)

    async def _wait_for_offer(self) -> None:
        """Until an offer is made, or the first one's time comes, or a gate may have opened."""
        self._changed.clear()
        hold = self.gates.hold
        if not self._offered and not self._busy:
            hold.nothing_waits()
        ends_ms = hold.until_ms if hold.open and not self._busy else None
        await self._sleep_unless_changed(self._ready_ms() if self._offered else ends_ms)

    async def _sleep_unless_changed(self, until_ms: int | None) -> None:
        wait = None if until_ms is None else max(0, until_ms - self._clock.now_ms()) / 1000
        try:
            async with asyncio.timeout(wait):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _shut(self) -> tuple[Gate, Millis | None] | None:
        return self.gates.shut(self._ready_ms(), self.in_flight)

    def _closed(self) -> bool:
        """Whether any gate is shut now."""
        return self.gates.paused or self._shut() is not None

    async def _wait_for_gates(self) -> None:
        """Wait until every gate is open. With nothing on offer, nobody needs to wait."""
        while self._closed() and self._offered:
            # An attempt under way may open one before its time, or shut it for longer.
            self._changed.clear()
            shut, until_ms = self._shut() or (None, None)
            if shut is Gate.LISTENING:
                self._hearer.hurry()
            await self._sleep_unless_changed(None if self.gates.paused else until_ms)

    async def _serve(self, offer: _Offer, let: Pass) -> None:
        try:
            lane, refusal = await self._attempt(offer, let)
        finally:
            self.gates.over(let)
            self._busy.discard(offer.code)
            self._places.release()
            self._changed.set()
            if not self._busy:
                self._idle.set()
        # What became sendable while this lane was busy was not taken: offer it now.
        now = self._clock.now_ms()
        ready = sendable(lane, now)
        if ready is None or (refusal == "too_late" and ready.id == offer.submission_id):
            return
        if refusal == "turned_back" and ready.id == offer.submission_id:
            self.offer(offer.code, ready.id, offer.ready_ms)
            return
        later = AGAIN_MS if refusal == "events_pending" else 0
        self.offer(offer.code, ready.id, Millis(now + later))

    async def _attempt(self, offer: _Offer, let: Pass) -> tuple[Lane, str | None]:
        code, submission_id = offer.code, offer.submission_id
        lane = await self._engine.lane(code)
        found = next((s for s in lane.submissions if s.id == submission_id), None)
        if found is None or found.state is not State.QUEUED:
            return lane, "gone"
        number = len(found.attempts) + 1
        request_id = self._request_id(submission_id, number)
        baseline: Reading | None = None
        if self._engine.policy.baseline:
            baseline = await self._upstream.read_record(code, request_id=f"{request_id}-baseline")
            self.gates.answered(served(baseline))

        def begins(moment: Moment) -> SendBegins:
            if not self.gates.hold_good(let, offer.ready_ms):
                raise _TurnedBack
            return SendBegins(
                at_ms=moment.at_ms,
                hearing=moment.hearing,
                events_pending=moment.events_pending,
                submission_id=submission_id,
                baseline=baseline,
                foreign_ms=moment.foreign_ms,
            )

        try:
            begun = await self._engine.give(code, begins)
        except _TurnedBack:
            return lane, "turned_back"
        if begun.refusal is not None:
            return begun.lane, begun.refusal
        return (await self._post(code, found, number, request_id)).lane, None

    async def _post(
        self, code: CvCode, submission: Submission, number: int, request_id: str
    ) -> Decision:
        came: list[StoredReply] = []
        result = await self._upstream.post_update(
            code,
            self._spool.path(submission.id),
            submission.file,
            request_id=request_id,
            on_reply=lambda raw: came.append(StoredReply(submission.id, number, raw)),
        )
        self._record(result)

        def ended(moment: Moment) -> AttemptEnded:
            return AttemptEnded(
                at_ms=moment.at_ms,
                hearing=moment.hearing,
                events_pending=moment.events_pending,
                submission_id=submission.id,
                attempt=number,
                result=result,
            )

        for reply in came:
            self._replies.came(reply)
        decision = await self._engine.give(code, ended, reply=came[-1] if came else None)
        self._replies.told(submission.id)
        return decision

    def _record(self, result: PostResult) -> None:
        """Whether the upstream serves: any answer but a server's error is a sign of life."""
        if result.detail == "file_unreadable":
            return
        failed = result.kind is PostKind.NOT_SENT or (
            result.kind is PostKind.POSSIBLY_SENT and result.resendable
        )
        self.gates.answered(not failed)
        if not failed and result.kind is not PostKind.THROTTLED:
            self.gates.hold.served(self.backlog)
        change = self._breaker.record(not failed, self._clock.now_ms(), result.detail)
        if change == "opened":
            self._log.emit("upstream.circuit_opened", reason=result.detail)
        elif change == "closed":
            self._log.emit(
                "upstream.circuit_closed",
                reason=result.detail,
                duration_ms=self._breaker.lasted_ms,
                failures=self._breaker.failed,
            )
        self._changed.set()
