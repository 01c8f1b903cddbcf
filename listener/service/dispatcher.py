"""Sending: when a lane's head may go, it goes, at most so many at once."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import dataclass

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

from .breaker import Breaker
from .ear import Hearer
from .engine import Engine, Moment
from .replies import Replies

AGAIN_MS = 50
"""How soon to offer a lane again whose event still awaited correlation."""


@dataclass(frozen=True, slots=True)
class SendingPolicy:
    """``listen_wait_ms``: how long sending waits to be heard (rule 7)."""

    max_in_flight: int = 16
    listen_wait_ms: int = 30_000


class _Paused(Exception):
    """Raised where an attempt would begin, so that nothing of it is committed."""


class Dispatcher:
    """Takes offers, waits for all that must be waited for, then makes one attempt.

    The waits, in this order: not draining, not paused, no hold, the breaker, listening (bounded), a
    free place; then the baseline is read, and the engine has the last word.
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
        self._request_id = request_id
        self._replies = replies
        self._offers: list[tuple[Millis, int, CvCode, SubmissionId]] = []
        self._offered: dict[CvCode, tuple[Millis, SubmissionId]] = {}
        self._order = 0
        self._changed = asyncio.Event()
        self._places = asyncio.Semaphore(policy.max_in_flight)
        self._busy: set[CvCode] = set()
        self._hold_until_ms = Millis(0)
        self._draining = False
        self._paused = False
        self._idle = asyncio.Event()
        self._idle.set()

    def offer(self, code: CvCode, submission_id: SubmissionId, not_before_ms: Millis) -> None:
        """The head of a lane may be sent. Offering it again changes nothing."""
        if self._draining or code in self._busy:
            return
        known = self._offered.get(code)
        if known is not None and known[1] == submission_id and known[0] <= not_before_ms:
            return
        self._order += 1
        self._offered[code] = (not_before_ms, submission_id)
        heapq.heappush(self._offers, (not_before_ms, self._order, code, submission_id))
        self._changed.set()

    def hold(self, until_ms: Millis) -> None:
        """Send nothing to any lane before ``until_ms`` (rule 6)."""
        if until_ms > self._hold_until_ms:
            self._hold_until_ms = until_ms
            wait = until_ms - self._clock.now_ms()
            self._log.emit("upstream.held", duration_ms=max(0, wait))

    def pause(self, paused: bool) -> None:
        """Begin no further attempt, from this moment on; or do so again."""
        self._paused = paused
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
        return max(0, self._hold_until_ms - self._clock.now_ms())

    def gate(self) -> tuple[Gate, Millis | None] | None:
        """What keeps any head from being sent now, beside a pause, and until when, where that is
        known; None where nothing does."""
        now = self._clock.now_ms()
        if self._draining:
            return Gate.DRAINING, None
        if now < self._hold_until_ms:
            return Gate.HOLD, self._hold_until_ms
        if not self._breaker.allows(now):
            wait = self._breaker.opens_in_ms(now)
            return Gate.CIRCUIT, Millis(now + wait) if wait else None
        if (must_listen := self._must_listen_ms()) > 0:
            return Gate.LISTENING, Millis(now + must_listen)
        return (Gate.PLACE, None) if self._places.locked() else None

    @property
    def quiet(self) -> Quiet | None:
        """Why nothing is sent to any lane now, beside a pause, and until when; None where what is
        ready is sent, if only as soon as there is a place."""
        why, until_ms = self.gate() or (Gate.PLACE, None)
        return None if why is Gate.PLACE else Quiet(why, until_ms)

    async def drain(self) -> None:
        """Begin no further attempt; return when those under way have ended."""
        self._draining = True
        self._changed.set()
        await self._idle.wait()

    async def run(self) -> None:
        """Serve offers until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._gates()
                await self._places.acquire()
                offer = self._next()
                if offer is None or self._closed():
                    if offer is not None:
                        self.offer(*offer)
                    self._places.release()
                    await self._wait_for_offer()
                    continue
                code, submission_id, _ = offer
                self._busy.add(code)
                attempt = self._breaker.began()
                self._idle.clear()
                group.create_task(self._serve(code, submission_id, attempt))

    def _next(self) -> tuple[CvCode, SubmissionId, Millis] | None:
        """Take the first offer whose time has come."""
        now = self._clock.now_ms()
        while self._offers and self._offers[0][0] <= now:
            at, _, code, submission_id = heapq.heappop(self._offers)
            if self._offered.get(code) == (at, submission_id):
                del self._offered[code]
                return code, submission_id, at
        return None

    async def _wait_for_offer(self) -> None:
        """Until an offer is made, or the first one's time comes, or a gate may have opened."""
        self._changed.clear()
        wait: float | None = None
        if self._offers:
            wait = max(0.0, (self._offers[0][0] - self._clock.now_ms()) / 1000)
        await self._sleep_unless_changed(wait)

    async def _sleep_unless_changed(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _closed(self) -> bool:
        """Whether any gate is shut now."""
        return (
            self._draining
            or self._paused
            or self._clock.now_ms() < self._hold_until_ms
            or not self._breaker.allows(self._clock.now_ms())
            or self._must_listen_ms() > 0
        )

    def _must_listen_ms(self) -> int:
        """How long sending still waits to be heard: bounded, for being deaf must not stop it."""
        if self._hearer.listening:
            return 0
        return max(0, self._policy.listen_wait_ms - self._hearer.deaf_for_ms())

    async def _gates(self) -> None:
        """Wait until every gate is open. With nothing on offer, nobody needs to wait."""
        while self._closed() and self._offers:
            now = self._clock.now_ms()
            waits = [self._hold_until_ms - now, self._breaker.opens_in_ms(now)]
            must_listen = self._must_listen_ms()
            pause = max(*waits, 0)
            if self._draining:
                await asyncio.Event().wait()
            elif self._paused or pause > 0:
                # An attempt under way may close the breaker before its time.
                self._changed.clear()
                await self._sleep_unless_changed(None if self._paused else pause / 1000)
            elif must_listen > 0:
                try:
                    async with asyncio.timeout(must_listen / 1000):
                        await self._hearer.wait_change()
                except TimeoutError:
                    pass
            else:
                await self._breaker.wait_probe()

    async def _serve(self, code: CvCode, submission_id: SubmissionId, attempt: object) -> None:
        try:
            lane, refusal = await self._attempt(code, submission_id)
        finally:
            self._breaker.gone(attempt)
            self._busy.discard(code)
            self._places.release()
            self._changed.set()
            if not self._busy:
                self._idle.set()
        # What became sendable while this lane was busy was not taken: offer it now.
        now = self._clock.now_ms()
        ready = sendable(lane, now)
        if ready is None or (refusal == "too_late" and ready.id == submission_id):
            return
        later = AGAIN_MS if refusal == "events_pending" else 0
        self.offer(code, ready.id, Millis(now + later))

    async def _attempt(self, code: CvCode, submission_id: SubmissionId) -> tuple[Lane, str | None]:
        lane = await self._engine.lane(code)
        found = next((s for s in lane.submissions if s.id == submission_id), None)
        if found is None or found.state is not State.QUEUED:
            return lane, "gone"
        number = len(found.attempts) + 1
        request_id = self._request_id(submission_id, number)
        baseline: Reading | None = None
        if self._engine.policy.baseline:
            baseline = await self._upstream.read_record(code, request_id=f"{request_id}-baseline")

        def begins(moment: Moment) -> SendBegins:
            if self._paused:
                raise _Paused
            return SendBegins(
                at_ms=moment.at_ms,
                hearing=moment.hearing,
                events_pending=moment.events_pending,
                submission_id=submission_id,
                baseline=baseline,
            )

        try:
            begun = await self._engine.give(code, begins)
        except _Paused:
            return lane, "paused"
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
        now = self._clock.now_ms()
        change = self._breaker.record(not failed, now, result.detail)
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
