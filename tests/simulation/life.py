"""One simulated life: all that outlives a process, and the processes, one after another."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from listener.adapters.clock import SystemClock
from listener.adapters.socket_source import OnConnect
from listener.core.errors import JournalFault
from listener.core.names import CvCode, Millis, SubmissionId
from listener.ports.reaction import Handler
from listener.service.dispatcher import SendingPolicy
from listener.service.service import Service, ServicePolicy, World
from tests.fakes.socket_server import SocketServer
from tests.fakes.source_scripted import ScriptedSource
from tests.fakes.upstream_scripted import Post, ScriptedUpstream

from .disk import Disk, MountedJournal
from .loop import VirtualLoop
from .ports import ProcessLog, ProcessSpool, ProcessUpstream, SharedLog, SharedSpool, Told, Witness
from .scenario import POINTS, Scenario, draw

LONGEST_DELAY_S = 0.2
"""The longest that a frame is on its way."""

LONGEST_STALL_S = 60.0
"""The longest that something holds the loop."""

START_NS = 1_700_000_000 * 10**9


@dataclass(slots=True)
class Doom:
    """Where a process will die: at the ``left``-th passing of a point."""

    point: str
    left: int


@dataclass(slots=True)
class Process:
    """One run of the daemon."""

    journal: MountedJournal
    doom: Doom | None
    clock: SystemClock
    alive: bool = True
    service: Service | None = None
    source: ScriptedSource | None = None
    task: asyncio.Task[None] | None = None
    end: asyncio.Task[None] | None = None
    """Done when it has ended and is put away."""

    @property
    def open(self) -> bool:
        """Whether clients are let in."""
        return self.alive and self.service is not None and self.service.ready.is_set()


@dataclass(slots=True)
class Life:
    """A world, its witnesses, and the process of the moment."""

    scenario: Scenario
    loop: VirtualLoop
    rng: random.Random
    disk: Disk
    spool: SharedSpool
    upstream: ScriptedUpstream
    server: SocketServer
    log: SharedLog = field(default_factory=SharedLog)
    accepted: dict[SubmissionId, CvCode] = field(default_factory=dict)
    acceptances: int = 0
    """Clients that were told "accepted"."""
    reacted: list[Told] = field(default_factory=list)
    process: Process | None = None
    skew_ns: int = 0
    crowded_until_s: float = 0.0
    """Until then the upstream asks for quiet, whatever it is sent."""
    next_id: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    passed: Counter[str] = field(default_factory=Counter)
    died_at: Counter[str] = field(default_factory=Counter)
    quiet_since_s: float | None = None
    all_closed_s: float | None = None
    dawdling: list[Any] = field(default_factory=list)
    """New updates that were not confirmed at once although nothing was wrong any more."""
    fell_over: list[str] = field(default_factory=list)

    def wall_ns(self) -> int:
        """What the machine's clock shows, which may be wrong."""
        return START_NS + self.skew_ns + self.monotonic_ns()

    def monotonic_ns(self) -> int:
        """What has really passed."""
        return int(self.loop.time() * 1e9)

    def faulty(self, odds: Mapping[str, float]) -> str | None:
        """One of these faults, or none: and none at all once the quiet time has begun."""
        return None if self.quiet_since_s is not None else draw(odds, self.rng)

    def fault_of(self, _: Post) -> str:
        """What becomes of one POST, and of its event."""
        if self.quiet_since_s is None and self.loop.time() < self.crowded_until_s:
            return "throttled_40s"
        names = [self.faulty(self.scenario.posts), self.faulty(self.scenario.events)]
        return "+".join(name for name in names if name) or "ok"

    def reach(self, point: str) -> None:
        """A named point is passed; the process may die there."""
        self.passed[point] += 1
        process = self.process
        doom = None if process is None else process.doom
        if process is None or doom is None or not process.alive or doom.point != point:
            return
        doom.left -= 1
        if doom.left == 0:
            self.died_at[point] += 1
            kill(process)


def build(loop: VirtualLoop, drawn: Scenario) -> Life:
    """A world before its first process."""
    rng = random.Random(f"life-{drawn.seed}")
    server = SocketServer(
        recovery=drawn.recovery,
        delay=lambda: rng.uniform(0.001, LONGEST_DELAY_S),
        admit=lambda: life.faulty(drawn.handshakes) or "ok",
        join="join" if drawn.joins else None,
    )
    server.acks = drawn.acks
    upstream = ScriptedUpstream(
        rng=rng,
        now_ms=lambda: Millis(START_NS // 10**6 + int(loop.time() * 1000)),
        server=server,
        draw=lambda post: life.fault_of(post),
        draw_read=lambda code: life.faulty(drawn.reads) or "ok",
    )
    life = Life(
        scenario=drawn,
        loop=loop,
        rng=rng,
        disk=Disk(rng, drawn.slow_disk, lambda point: life.reach(point)),
        spool=SharedSpool(),
        upstream=upstream,
        server=server,
    )
    return life


async def run_process(life: Life) -> None:
    """Start a process on what the last one left, and see it to its end, whatever that is."""
    clock = SystemClock(life.wall_ns, life.monotonic_ns)
    process = Process(MountedJournal(life.disk), _doom(life), clock, end=asyncio.current_task())
    life.process = process
    process.task = asyncio.create_task(_main(life, process))
    await asyncio.wait({process.task})
    life.ends[_end_of(life, process)] += 1
    process.alive = False
    process.journal.kill()


def kill(process: Process) -> None:
    """``kill -9``: nothing it would still have done is done."""
    process.alive = False
    process.journal.kill()
    if process.task is not None:
        process.task.cancel()


async def _main(life: Life, process: Process) -> None:
    """What ``listener.compose`` does, with the simulation's ports."""
    clock = process.clock
    journal = process.journal.port
    life.reach("start: journal open")
    drawn = life.scenario
    process.source = ScriptedSource(
        life.server,
        now_ms=clock.now_ms,
        first_seq=await journal.highest_seq() + 1,
        resume=await journal.resume_cursor(),
        random=life.rng.random,
        fast_path=drawn.fast_path,
        queue_limit=drawn.queue_limit,
        on_connect=[OnConnect("join", ({},), 5.0)] if drawn.joins else [],
    )

    def new_id() -> SubmissionId:
        life.next_id += 1
        return SubmissionId(f"s{life.next_id:06d}")

    process.service = Service(
        World(
            journal=journal,
            spool=ProcessSpool(life, process),
            upstream=ProcessUpstream(life, process, clock.now_ms),
            source=process.source,
            clock=clock,
            log=ProcessLog(life, process),
            new_id=new_id,
            handlers=[Handler("witness", Witness(life, process))],
        ),
        ServicePolicy(core=drawn.policy, sending=SendingPolicy(max_in_flight=4), retention_days=30),
    )
    await process.service.run()
    await journal.close()


def _doom(life: Life) -> Doom | None:
    if life.quiet_since_s is not None or life.rng.random() >= life.scenario.doomed:
        return None
    point = life.rng.choice(POINTS)
    often = point.startswith("disk: ")
    return Doom(point, life.rng.choice([2, 8, 20, 50, 120] if often else [1, 1, 2, 3, 8]))


def _end_of(life: Life, process: Process) -> str:
    """How a run ended; an end that nothing explains is noted."""
    task = process.task
    assert task is not None
    if not process.alive:
        if not task.cancelled():
            task.exception()  # what a dead process still said is nothing
        return "killed"
    error = None if task.cancelled() else task.exception()
    if error is None and not task.cancelled():
        return "stopped"
    if isinstance(error, BaseExceptionGroup) and life.disk.failed:
        _, other = error.split(JournalFault)
        if other is None:
            return "journal fault"
    if isinstance(error, JournalFault) and life.disk.failed:
        return "journal fault"
    life.fell_over.append(repr(error))
    return "fell over"
