"""One simulated life: clients, upstream, socket, crashes, and the real service between them."""

from __future__ import annotations

import asyncio
import random
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from listener.core.errors import SpoolFull
from listener.core.names import CvCode, FileKind, LanePolicy, Millis, SubmissionId
from listener.core.policy import Policy
from listener.core.submission import FileFacts
from listener.service.dispatcher import SendingPolicy
from listener.service.intake import Accepted
from listener.service.service import Service, ServicePolicy, World
from tests.fakes.journal_memory import MemoryJournal

from .loop import VirtualLoop
from .source import SimServer, SimSource
from .upstream import Odds, SimUpstream

START_MS = 1_700_000_000_000


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a seed stands for."""

    seed: int
    odds: Odds
    policy: Policy
    recovery: bool
    codes: int
    submissions: int
    crashes: int
    cuts: int
    outages: int
    cancels: int
    foreign: int
    busy_s: float
    clock_jumps: bool
    slow_disk: bool


def scenario(seed: int) -> Scenario:
    """Draw a scenario. Every fault is likely in some, and each is absent from some."""
    rng = random.Random(seed)

    def odds(most: float) -> float:
        return rng.uniform(0, most) if rng.random() < 0.5 else 0.0

    drawn = Scenario(
        seed=seed,
        odds=Odds(
            not_sent=odds(0.3),
            throttled=odds(0.2),
            refused=odds(0.1),
            lost_reply_applied=odds(0.3),
            lost_reply_unapplied=odds(0.3),
            applied_late=odds(0.2),
            not_dispatched=odds(0.1),
            unavailable=odds(0.2),
            silent=odds(0.2),
            twice=odds(0.2) if rng.random() < 0.3 else 0.0,
            early_event=odds(0.8),
            get_fails=odds(0.4),
            slow_event=odds(0.6),
        ),
        policy=Policy(
            give_up_after_ms=600_000,
            deliver_within_ms=1_200_000,
            late_window_ms=1_800_000,
            keep_unresolved_ms=60_000,
            lane_policy=rng.choice([*LanePolicy, LanePolicy.QUEUE]),
        ),
        recovery=rng.random() < 0.5,
        codes=rng.randint(1, 8),
        submissions=rng.randint(4, 24),
        crashes=rng.choice([0, 0, 1, 2, 4]),
        cuts=rng.choice([0, 1, 3, 8]),
        outages=rng.choice([0, 0, 1, 2]),
        cancels=rng.choice([0, 0, 3]),
        foreign=rng.choice([0, 0, 0, 3]),
        busy_s=rng.choice([60.0, 600.0, 1800.0]),
        clock_jumps=rng.random() < 0.3,
        slow_disk=rng.random() < 0.3,
    )
    if not drawn.clock_jumps:
        return drawn
    # A clock set forward beyond the late window forgets what it forgets: told in decision 3.
    return replace(drawn, policy=replace(drawn.policy, late_window_ms=6 * 3_600_000))


class MemorySpool:
    """Implements ``ports.spool.Spool`` over a set, which survives a crash as a disk does."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.files: set[SubmissionId] = set()

    async def take(
        self, submission_id: SubmissionId, chunks: AsyncIterator[bytes], name: str
    ) -> FileFacts:
        size = 0
        async for chunk in chunks:
            size += len(chunk)
        if size > 1 << 20:
            raise SpoolFull("expected a small file in the simulation")
        self.files.add(submission_id)
        await asyncio.sleep(self._rng.uniform(0, 0.05))
        return FileFacts(sha256=submission_id, size=size, kind=FileKind.PDF, name=name)

    def path(self, submission_id: SubmissionId) -> Path:
        return Path(submission_id)

    async def remove(self, submission_id: SubmissionId) -> None:
        self.files.discard(submission_id)

    async def sweep(self, keep: Iterable[SubmissionId]) -> int:
        left = self.files - set(keep)
        self.files -= left
        return len(left)

    def used_bytes(self) -> int:
        return len(self.files)


@dataclass(slots=True)
class Line:
    """One log line."""

    event: str
    fields: dict[str, object]


class SimLog:
    """Implements ``ports.log.Log``: keeps the lines, and holds them against the catalogue."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def emit(self, event: str, /, **fields: object) -> None:
        self.lines.append(Line(event, {k: v for k, v in fields.items() if v is not None}))

    def ref(self, code: CvCode) -> str:
        return f"cv_{zlib.crc32(code.encode()):012x}"


class SimClock:
    """Wall time on the virtual loop; ``skew_ms`` is what a run's clock is wrong by."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.skew_ms = 0

    def now_ms(self) -> Millis:
        return Millis(START_MS + self.skew_ms + int(self._loop.time() * 1000))


@dataclass(slots=True)
class Life:
    """All that outlives a process, and what the witnesses saw."""

    scenario: Scenario
    loop: VirtualLoop
    rng: random.Random
    clock: SimClock
    journal: MemoryJournal
    spool: MemorySpool
    upstream: SimUpstream
    server: SimServer
    log: SimLog
    accepted: dict[SubmissionId, CvCode] = field(default_factory=dict)
    reacted: set[tuple[str, int]] = field(default_factory=set)
    service: Service | None = None
    source: SimSource | None = None
    running: asyncio.Task[None] | None = None
    next_id: int = 0
    fell_over: list[str] = field(default_factory=list)


def _disk(rng: random.Random, slow: bool) -> Callable[[], Awaitable[None]]:
    """How long half a commit takes: milliseconds, and on a slow disk now and then seconds."""

    async def pause() -> None:
        stall = slow and rng.random() < 0.02
        await asyncio.sleep(rng.uniform(0.5, 8.0) if stall else rng.uniform(0.0, 0.004))

    return pause


def build(loop: VirtualLoop, drawn: Scenario) -> Life:
    """A world before its first process."""
    rng = random.Random(f"life-{drawn.seed}")
    clock = SimClock(loop)
    late_s = drawn.policy.settle_ms / 1000 * 0.9
    upstream = SimUpstream(rng, drawn.odds, clock.now_ms, late_s)
    server = SimServer(rng, drawn.recovery)
    upstream.emit = server.emit
    return Life(
        scenario=drawn,
        loop=loop,
        rng=rng,
        clock=clock,
        journal=MemoryJournal(pause=_disk(rng, drawn.slow_disk)),
        spool=MemorySpool(rng),
        upstream=upstream,
        server=server,
        log=SimLog(),
    )


async def start(life: Life) -> None:
    """Start a process on what the last one left."""
    resume = await life.journal.resume_cursor()
    first = await life.journal.highest_seq()
    life.source = SimSource(life.server, life.rng, life.clock.now_ms, first, resume)

    def new_id() -> SubmissionId:
        life.next_id += 1
        return SubmissionId(f"s{life.next_id:06d}")

    async def handler(submission: object) -> None:
        assert isinstance(submission, dict)
        life.reacted.add((submission["id"], submission["version"]))

    life.service = Service(
        World(
            journal=life.journal,
            spool=life.spool,
            upstream=life.upstream,
            source=life.source,
            clock=life.clock,
            log=life.log,
            new_id=new_id,
            handlers=[("witness", handler)],
        ),
        ServicePolicy(
            core=life.scenario.policy, sending=SendingPolicy(max_in_flight=4), retention_days=30
        ),
    )
    life.running = life.loop.create_task(life.service.run())
    await life.service.ready.wait()


async def crash(life: Life) -> None:
    """Kill the process: nothing it would still have done is done."""
    assert life.running is not None
    if life.running.done():
        life.fell_over.append(repr(life.running.exception()))
    life.running.cancel()
    await asyncio.gather(life.running, return_exceptions=True)
    life.service = None
    life.journal = life.journal.reopened()
    if life.scenario.clock_jumps:
        life.clock.skew_ms += life.rng.choice([0, 3_600_000, -3_600_000, 45_000])


async def submit(life: Life, code: CvCode) -> SubmissionId | None:
    """One client's submission; None if it was declined or the process died under it."""
    service = life.service
    if service is None:
        return None

    async def chunks() -> AsyncIterator[bytes]:
        yield b"%PDF-1.7 simulated"

    answer = await service.intake.submit(code, chunks(), "cv.pdf")
    if isinstance(answer, Accepted):
        life.accepted[answer.submission_id] = code
        return answer.submission_id
    return None
