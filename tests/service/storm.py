"""Thousands of lanes that wait for their event, and what they ask of the upstream, when."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from listener.adapters.clock import SystemClock
from listener.core import wire
from listener.core.evidence import Hearing, PostResult, Reading
from listener.core.inputs import AttemptEnded, SendBegins, Submit
from listener.core.names import CvCode, FileKind, PostKind, SubmissionId
from listener.core.policy import Policy
from listener.core.submission import FileFacts
from listener.service.engine import Engine
from listener.service.fan_out import for_each
from tests.fakes.upstream_scripted import Pace
from tests.simulation.disk import MountedJournal
from tests.simulation.life import Life, build
from tests.simulation.loop import VirtualLoop, run_virtual
from tests.simulation.scenario import scenario

from .test_rooms import crash, service_of, start

FILE = FileFacts("ab" * 32, 1_234, FileKind.PDF, "cv.pdf")
AT_ONCE = 200

CALM: dict[str, Any] = {
    **{name: {} for name in ("posts", "events", "reads", "handshakes")},
    **dict.fromkeys(("clock_jumps", "slow_disk", "joins", "acks"), False),
    **dict.fromkeys(("doomed", "bad_handlers"), 0.0),
    "queue_limit": 10_000,
    "recovery": False,
}
QUICK = Pace(get_s=(0.001, 0.03), event_s=(0.01, 0.5))
"""Eight readings at once would be far above the budget."""


@dataclass(slots=True)
class Read:
    """One GET. ``baseline``: right before a POST, and no enquiry."""

    began_s: float
    code: CvCode
    baseline: bool
    at_once: int
    """Enquiries under way when it began, itself among them."""
    ended_s: float | None = None


@dataclass(slots=True)
class Storm:
    """A life with its waiting lanes, and every GET there was."""

    life: Life
    codes: list[CvCode]
    accepted_s: float
    """When all of them were, in the loop's time."""
    reads: list[Read] = field(default_factory=list)

    @property
    def enquiries(self) -> list[Read]:
        """In order."""
        return [read for read in self.reads if not read.baseline]

    def outcomes(self) -> Counter[tuple[str, str | None]]:
        """(state, outcome) of the lanes that waited from the start."""
        rows = self.life.disk.ask("SELECT state, outcome FROM submissions WHERE id LIKE 'waits-%'")
        return Counter(map(tuple, rows))

    def lines(self, event: str) -> list[tuple[float, dict[str, object]]]:
        """When each such line was written, and its fields."""
        return [(line.at_s, line.fields) for line in self.life.log.lines if line.event == event]

    async def idle(self, seconds: float) -> None:
        """Until nobody waits for a reading any more."""
        async with asyncio.timeout(seconds):
            while True:
                await asyncio.sleep(1)
                if not service_of(self.life).enquirer.backlog:
                    return

    async def away(self, seconds: float) -> None:
        """The subscription is lost for so long, and what was missed is not replayed."""
        self.life.server.up = False
        self.life.server.cut()
        await asyncio.sleep(seconds)
        self.life.server.up = True
        async with asyncio.timeout(120):
            while not service_of(self.life).hearer.listening:
                await service_of(self.life).hearer.wait_change()


def stormy(
    story: Callable[[Storm], Any],
    lanes: int,
    *,
    policy: Policy,
    pace: Pace = QUICK,
    behind: int = 0,
    **world: Any,
) -> None:
    """Run a story in a world without any fault, in which so many lanes have been waiting for their
    event since before the start. ``behind``: in so many of them another update waits its turn."""

    async def main(loop: VirtualLoop) -> None:
        life = build(loop, replace(scenario(0), policy=policy, **(CALM | world)))
        life.upstream.pace = pace
        try:
            storm = await _waiting(life, lanes, behind)
            _watch(storm)
            await start(life)
            await story(storm)
            await crash(life)
            assert not life.fell_over
        finally:
            life.disk.remove()

    run_virtual(1, main)


def _watch(storm: Storm) -> None:
    """Every GET is written down."""
    real, loop = storm.life.upstream.read_record, storm.life.loop
    under_way = 0

    async def read_record(code: CvCode, *, request_id: str) -> Reading:
        nonlocal under_way
        baseline = request_id.endswith("-baseline")
        under_way += not baseline
        read = Read(loop.time(), code, baseline, under_way)
        storm.reads.append(read)
        try:
            return await real(code, request_id=request_id)
        finally:
            under_way -= not baseline
            read.ended_s = loop.time()

    storm.life.upstream.read_record = read_record  # type: ignore[method-assign]  # its calls are told


class _Nowhere:
    """What an engine is connected to in a process that died: nothing is performed or told."""

    def hearing(self) -> Hearing:
        return Hearing(listening=True)

    def pending(self, code: CvCode) -> bool:
        return False

    def emit(self, event: str, /, **fields: object) -> None:
        return None

    def ref(self, code: CvCode) -> str:
        return "cv_0"

    def _nothing(self, *_: object) -> None:
        return None

    dispatch = enquire = hold_all = release_file = announce = due = doubt = _nothing


async def _waiting(life: Life, lanes: int, behind: int) -> Storm:
    """Lanes as an earlier process left them: accepted at one moment, and applied."""
    mounted = MountedJournal(life.disk)
    clock = SystemClock(life.wall_ns, life.monotonic_ns)
    nowhere = _Nowhere()
    engine = Engine(mounted.port, clock, life.scenario.policy, nowhere)
    engine.connect(nowhere, nowhere)
    codes = [CvCode(f"Sim#storm/{number:05d}") for number in range(lanes)]

    async def send(code: CvCode) -> None:
        name = SubmissionId(f"waits-{code[-5:]}")
        record = life.upstream.create(code)
        said = orjson.dumps({"status": "success", "data": record.as_json(code)})
        baseline = wire.read_record(200, {}, said, clock.now_ms(), code=code)
        await engine.give(
            code,
            lambda m: Submit(at_ms=m.at_ms, hearing=m.hearing, submission_id=name, file=FILE),
        )
        await engine.give(
            code,
            lambda m: SendBegins(
                at_ms=m.at_ms, hearing=m.hearing, submission_id=name, baseline=baseline
            ),
        )
        record.revision += 1
        record.status = record.enhance_status = "processing"

    async def end(code: CvCode) -> None:
        name = SubmissionId(f"waits-{code[-5:]}")
        result = PostResult(PostKind.ACCEPTED, "accepted", 200)
        await engine.give(
            code,
            lambda m: AttemptEnded(
                at_ms=accepted_ms,
                hearing=m.hearing,
                submission_id=name,
                attempt=1,
                result=result,
            ),
        )

    async def queue(code: CvCode) -> None:
        name = SubmissionId(f"waits-behind-{code[-5:]}")
        await engine.give(
            code,
            lambda m: Submit(at_ms=m.at_ms, hearing=m.hearing, submission_id=name, file=FILE),
        )

    await for_each(codes, AT_ONCE, send)
    accepted_ms, accepted_s = clock.now_ms(), life.loop.time()
    await for_each(codes, AT_ONCE, end)
    await for_each(codes[:behind], AT_ONCE, queue)
    await mounted.port.close()
    return Storm(life, codes, accepted_s)
