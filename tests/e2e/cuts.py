"""The real daemon against the official Socket.IO server, over a line that is cut again and again
in the midst of the traffic."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from listener.core.names import GapReason
from tests.faults.proxy import FaultProxy
from tests.interop.node_server import NodeServer

from .process import ROOT, DaemonProcess
from .witnesses import (
    RECOVERED,
    UNRECOVERED,
    Check,
    Evidence,
    gather,
    nothing_is_confirmed_falsely,
    violations,
)

SAMPLES = sorted((ROOT / "demo").iterdir())
DOCUMENTED = "Cv9E#nH4$xTz8!pY2aW^mK6rL"
SHORTEST_S, LONGEST_S = 0.2, 3.0
BETWEEN_S = (0.4, 1.6)
BACKOFF_CAP_S = 0.5
RECOVERY_MS = 120_000
CLOSE_S = 120.0
AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Plan:
    """``events`` are of codes that nobody submitted. ``emit_delay_ms``: from an update to its
    event. ``settings``: the daemon's."""

    seed: int
    recovery: bool
    events: int
    updates: int
    cuts: int = 20
    kills: int = 0
    transport: str = "websocket"
    emit_delay_ms: int = 600
    settings: tuple[tuple[str, str], ...] = ()


# So that a missed event is concluded from soon, and that some updates are sent while we are deaf.
QUICK = (("settle_period", "3"), ("confirm_timeout", "3"), ("listen_wait", "1"))

PLANS: Mapping[str, Plan] = {
    "recovery on": Plan(1, True, events=10_000, updates=150),
    "recovery on, kill -9": Plan(
        2, True, events=10_000, updates=150, kills=5, settings=(("settle_period", "3"),)
    ),
    "recovery off": Plan(3, False, events=0, updates=1_000, emit_delay_ms=300, settings=QUICK),
    "recovery off, polling": Plan(
        4,
        False,
        events=0,
        updates=100,
        cuts=5,
        transport="polling",
        emit_delay_ms=300,
        settings=QUICK,
    ),
}


@dataclass(frozen=True, slots=True)
class Cut:
    """``after_s`` the last one has ended, nobody reaches the server for ``lasts_s``: who knocks is
    refused, or else gets an RST once let in. Its beginning is an RST, or ``politely`` a FIN."""

    after_s: float
    lasts_s: float
    refused: bool
    politely: bool


def cuts_of(plan: Plan) -> list[Cut]:
    """Short ones more often than long ones, and one of each extreme."""
    rng = random.Random(plan.seed)
    ratio = LONGEST_S / SHORTEST_S
    lengths = [SHORTEST_S * ratio ** rng.random() for _ in range(plan.cuts - 2)]
    lengths += [SHORTEST_S, LONGEST_S]
    rng.shuffle(lengths)
    return [
        Cut(rng.uniform(*BETWEEN_S), length, rng.random() < 0.5, rng.random() < 0.3)
        for length in lengths
    ]


@dataclass(slots=True)
class Told:
    """What became of a run. ``ends``: submissions by outcome; ``missed``: how many of their events
    were not heard. ``false``: confirmed without an event of its own; ``posts_too_many``: beyond one
    for each. ``deaf_ms``: of the journal's gaps, the first apart."""

    problems: list[str] = field(default_factory=list)
    emitted: int = 0
    heard: int = 0
    replayed: int = 0
    cuts: int = 0
    kills: int = 0
    gaps: int = 0
    ends: dict[str, int] = field(default_factory=dict)
    missed: int = 0
    false: int = 0
    posts_too_many: int = 0
    deaf_ms: int = 0
    seconds: float = 0.0


class _Run:
    def __init__(
        self, plan: Plan, server: NodeServer, line: FaultProxy, daemon: DaemonProcess
    ) -> None:
        self._plan = plan
        self._server = server
        self._line = line
        self._daemon = daemon
        self._rng = random.Random(plan.seed + 1)
        self._cuts = cuts_of(plan)
        self._lasts_s = sum(cut.after_s + cut.lasts_s for cut in self._cuts)
        self.accepted: dict[str, str] = {}
        self.down: list[tuple[int, int]] = []
        self.kills = 0

    async def live(self) -> None:
        """From the first event, after which there is something to recover from, to one that is
        heard after all others."""
        await self._submit("first")
        await self._daemon.closed(self.accepted, CLOSE_S)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._cut())
            group.create_task(self._kill())
            group.create_task(self._submit_all())
            if self._plan.events:
                per_s = self._plan.events / self._lasts_s
                group.create_task(self._server.flood(self._plan.events, per_s, "foreign"))
        await self._daemon.closed(self.accepted, CLOSE_S)
        for number in itertools.count():
            # While we do not listen yet, a last one may be missed, too.
            name = await self._submit(f"last-{number}")
            end = await self._daemon.closed([name], CLOSE_S)
            if end[name]["outcome"] == "confirmed":
                return

    async def _cut(self) -> None:
        for cut in self._cuts:
            await asyncio.sleep(cut.after_s)
            if cut.refused:
                await self._line.refuse()
            else:
                self._line.reset_on_accept = True
            self._line.cut(politely=cut.politely)
            began_ms = _now_ms()
            await asyncio.sleep(cut.lasts_s)
            self.down.append((began_ms, _now_ms()))
            if cut.refused:
                await self._line.start()
            else:
                self._line.reset_on_accept = False

    async def _kill(self) -> None:
        moments = sorted(self._rng.uniform(0.05, 0.95) for _ in range(self._plan.kills))
        began = time.monotonic()
        for moment in moments:
            await asyncio.sleep(max(0.0, began + moment * self._lasts_s - time.monotonic()))
            await self._daemon.kill()
            self.kills += 1
            await self._daemon.start()

    async def _submit_all(self) -> None:
        """Evenly, while the cuts last."""
        places = asyncio.Semaphore(AT_ONCE)
        began, pause_s = time.monotonic(), self._lasts_s / max(1, self._plan.updates)

        async def one(number: int) -> None:
            async with places:
                await self._submit(f"{number:04d}")

        async with asyncio.TaskGroup() as group:
            for number in range(self._plan.updates):
                await asyncio.sleep(max(0.0, began + number * pause_s - time.monotonic()))
                group.create_task(one(number))

    async def _submit(self, name: str) -> str:
        """The id. Again under the same key, where the daemon died before it answered."""
        code = f"{DOCUMENTED}/{name}"
        file = SAMPLES[len(self.accepted) % len(SAMPLES)]
        while True:
            submission_id = await self._daemon.submit(code, file, key=f"key-{name}")
            if submission_id is not None:
                self.accepted[submission_id] = code
                return submission_id
            await asyncio.sleep(0.05)  # it is being started again


async def play(folder: Path, plan: Plan) -> Told:
    """Play one run in a folder of its own, which must exist and be empty. Raises ToolMissing."""
    began = time.monotonic()
    server = NodeServer(
        recovery_ms=RECOVERY_MS if plan.recovery else 0,
        emit_delay_ms=plan.emit_delay_ms,
        transports=[plan.transport],
    )
    async with server, FaultProxy("127.0.0.1", server.port) as line:
        daemon = DaemonProcess(
            folder,
            f"{server.url}/cv-enhance",
            f"http://127.0.0.1:{line.port}",
            socket_backoff_cap=BACKOFF_CAP_S,
            socket_transports=plan.transport,
            **dict(plan.settings),
        )
        async with daemon:
            run = _Run(plan, server, line, daemon)
            await run.live()
            evidence = await gather(daemon, server, run.accepted, run.down)
    told = _told(evidence, RECOVERED if plan.recovery else UNRECOVERED)
    told.problems += _wrong_reasons(plan, evidence)
    told.kills, told.seconds = run.kills, time.monotonic() - began
    return told


def _wrong_reasons(plan: Plan, evidence: Evidence) -> list[str]:
    """Each gap but the first has the one reason there is in this run."""
    polling = plan.transport == "polling"
    wanted = GapReason.POLLING if polling else GapReason.NO_RECOVERY_OFFERED
    gaps = evidence.gaps[1:]
    return [f"expected {wanted} of a gap, found {gap}" for gap in gaps if gap.reason != wanted]


def _told(evidence: Evidence, checks: Sequence[Check]) -> Told:
    missed = evidence.missed()
    return Told(
        problems=violations(evidence, checks),
        emitted=len(evidence.emitted),
        heard=len(evidence.inbox),
        replayed=sum(row.replayed for row in evidence.inbox),
        cuts=len(evidence.cuts),
        gaps=len(evidence.gaps),
        ends=dict(Counter(str(end["outcome"]) for end in evidence.ends.values())),
        missed=sum(code in missed for code in evidence.accepted.values()),
        false=len(list(nothing_is_confirmed_falsely(evidence))),
        posts_too_many=sum(told["posts"] for told in evidence.ledger.values()) - len(evidence.ends),
        deaf_ms=sum((gap.end_ms or gap.start_ms) - gap.start_ms for gap in evidence.gaps[1:]),
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
