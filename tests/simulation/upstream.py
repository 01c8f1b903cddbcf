"""The simulated upstream: truth, its HTTP side and its socket, with faults drawn from a seed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from listener.core.evidence import PostResult, Reading, UpstreamReply
from listener.core.names import CvCode, Millis, PostKind
from listener.core.submission import FileFacts


@dataclass(slots=True)
class Record:
    """The truth of one CV."""

    path: int = 0
    status: str = "ready"
    enhance_status: str = "enhanced"


@dataclass(slots=True)
class Post:
    """The truth of one POST, as only the upstream knows it."""

    request_id: str
    code: CvCode
    began_s: float
    fault: str
    ended_s: float | None = None
    applied_s: float | None = None
    emitted: int = 0
    told: str = ""
    """What the caller was told: a PostKind's value."""

    @property
    def undecided(self) -> bool:
        """Whether it may still be applied: another one now would be two at once."""
        return self.applied_s is None and self.fault in ("ok", "lost_reply_applied")


@dataclass(frozen=True, slots=True)
class Odds:
    """Chances of each fault, in a run."""

    not_sent: float = 0.0
    throttled: float = 0.0
    refused: float = 0.0
    lost_reply_applied: float = 0.0
    lost_reply_unapplied: float = 0.0
    applied_late: float = 0.0
    not_dispatched: float = 0.0
    unavailable: float = 0.0
    silent: float = 0.0
    twice: float = 0.0
    early_event: float = 0.0
    get_fails: float = 0.0
    slow_event: float = 0.0

    def draw(self, rng: random.Random) -> str:
        """One fault of a POST, or ``ok``."""
        point = rng.random()
        for name in (
            "not_sent",
            "throttled",
            "refused",
            "lost_reply_applied",
            "lost_reply_unapplied",
            "applied_late",
            "not_dispatched",
            "unavailable",
        ):
            point -= getattr(self, name)
            if point < 0:
                return name
        return "ok"


Emit = Callable[[CvCode], None]


@dataclass(slots=True)
class Ledger:
    """What really happened."""

    posts: list[Post] = field(default_factory=list)
    foreign: set[CvCode] = field(default_factory=set)
    doubled: set[CvCode] = field(default_factory=set)
    overlaps: list[CvCode] = field(default_factory=list)
    emitted: dict[CvCode, int] = field(default_factory=dict)

    def of(self, submission_id: str) -> list[Post]:
        """The POSTs of one submission, in order."""
        return [p for p in self.posts if p.request_id.rsplit("-", 1)[0] == submission_id]


class SimUpstream:
    """Implements ``ports.upstream.Upstream``. ``late_s`` bounds how late an update that was not
    answered is applied: under the settle period, as the docs demand of an upstream."""

    def __init__(
        self, rng: random.Random, odds: Odds, now_ms: Callable[[], Millis], late_s: float
    ) -> None:
        self._rng = rng
        self.odds = odds
        self.now_ms = now_ms
        self._late_s = late_s
        self.ledger = Ledger()
        self.records: dict[CvCode, Record] = {}
        self.emit: Emit = lambda code: None
        self.down = False
        self._flying: list[Post] = []
        self._background: set[asyncio.Task[None]] = set()

    def _time(self) -> float:
        return asyncio.get_running_loop().time()

    def _record(self, code: CvCode) -> Record:
        return self.records.setdefault(code, Record())

    def _later(self, seconds: float, then: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(seconds, then)

    async def read_record(self, code: CvCode, *, request_id: str) -> Reading:
        started = self.now_ms()
        await asyncio.sleep(self._rng.uniform(0.001, 0.2))
        if self.down or self._rng.random() < self.odds.get_fails:
            await asyncio.sleep(self._rng.choice([0.0, 10.0]))
            return Reading(read_ms=started, known=False, detail="read_timeout")
        record = self._record(code)
        reading = Reading(
            read_ms=started,
            known=True,
            path_digest=f"p{record.path}",
            status=record.status,
            enhance_status=record.enhance_status,
        )
        await asyncio.sleep(self._rng.uniform(0.001, 0.2))
        return reading

    async def post_update(
        self, code: CvCode, file: Path, facts: FileFacts, *, request_id: str
    ) -> PostResult:
        fault = "not_sent" if self.down else self.odds.draw(self._rng)
        post = Post(request_id, code, self._time(), fault)
        if fault == "not_sent":
            await asyncio.sleep(self._rng.uniform(0.001, 3.0))
            return PostResult(PostKind.NOT_SENT, "connect_refused")
        self.ledger.posts.append(post)
        if any(other.code == code and other.undecided for other in self._flying):
            self.ledger.overlaps.append(code)
        self._flying.append(post)
        try:
            result = await self._serve(post)
        finally:
            self._flying.remove(post)
            post.ended_s = self._time()
        post.told = result.kind.value
        return result

    async def _serve(self, post: Post) -> PostResult:
        rng, fault = self._rng, post.fault
        await asyncio.sleep(rng.uniform(0.005, 0.5))
        if fault == "throttled":
            return PostResult(
                PostKind.THROTTLED, "throttled", 429, retry_after_ms=rng.choice([None, 5_000])
            )
        if fault == "refused":
            return PostResult(PostKind.REFUSED, "not_found", 404)
        if fault == "unavailable":
            return PostResult(PostKind.POSSIBLY_SENT, "server_error", 503, retry_after_ms=3_000)
        if fault == "lost_reply_unapplied":
            await asyncio.sleep(rng.uniform(0, 30))
            return PostResult(PostKind.POSSIBLY_SENT, "read_timeout")
        if fault == "applied_late":
            self._later(rng.uniform(0.1, self._late_s), lambda: self._apply(post))
            return PostResult(PostKind.POSSIBLY_SENT, "reset")
        if fault == "not_dispatched":
            return self._accept(post)
        self._apply(post)
        if rng.random() < self.odds.early_event:
            await asyncio.sleep(rng.uniform(0.1, 2))
        if fault == "lost_reply_applied":
            await asyncio.sleep(rng.uniform(0, 30))
            return PostResult(PostKind.POSSIBLY_SENT, "read_timeout")
        return self._accept(post)

    def _accept(self, post: Post) -> PostResult:
        return PostResult(
            PostKind.ACCEPTED, "accepted", 200, reply=UpstreamReply(cv_id=1, status="draft")
        )

    def _apply(self, post: Post) -> None:
        """The upstream's own order: the record moves, the jobs are dispatched, the event goes."""
        post.applied_s = self._time()
        self._move(post.code)
        if self._rng.random() < self.odds.silent:
            return
        emissions = 2 if self._rng.random() < self.odds.twice else 1
        if emissions == 2:
            self.ledger.doubled.add(post.code)
        slowest = 180.0 if self._rng.random() < self.odds.slow_event else 4.0
        for _ in range(emissions):
            self._later(self._rng.uniform(0.01, slowest), lambda: self._emit_for(post))

    def _emit_for(self, post: Post) -> None:
        post.emitted += 1
        self._emit(post.code)

    def _emit(self, code: CvCode) -> None:
        self.ledger.emitted[code] = self.ledger.emitted.get(code, 0) + 1
        self.emit(code)

    def _move(self, code: CvCode) -> None:
        record = self._record(code)
        record.path += 1
        record.status = record.enhance_status = "processing"
        path = record.path

        def finish() -> None:
            if record.path == path:
                record.status, record.enhance_status = "ready", "enhanced"

        self._later(self._rng.uniform(2, 60), finish)

    def foreign_update(self, code: CvCode) -> None:
        """Somebody else updates this CV."""
        self.ledger.foreign.add(code)
        self._move(code)
        self._later(self._rng.uniform(0.01, 4.0), lambda: self._emit(code))

    async def close(self) -> None:
        return None
