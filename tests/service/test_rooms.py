"""The service's rooms, each where it was once wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from listener.core.evidence import Heard, PostResult
from listener.core.names import CvCode, Millis, Outcome, PostKind, State, SubmissionId
from listener.ports.journal import InboxRow
from listener.service.breaker import Breaker
from listener.service.intake import Accepted
from listener.service.service import Service, ServicePolicy
from tests.simulation.disk import MountedJournal
from tests.simulation.life import Life, Process, build, kill, run_process
from tests.simulation.loop import VirtualLoop, run_virtual
from tests.simulation.scenario import scenario

CODE = CvCode("Sim#rooms")


def lived(story: Callable[[Life], Any], **world: Any) -> None:
    """Run a story in a world without any fault but those named, on virtual time."""
    calm: dict[str, Any] = {
        **{name: {} for name in ("posts", "events", "reads", "handshakes")},
        **dict.fromkeys(("clock_jumps", "slow_disk", "joins", "acks"), False),
        **dict.fromkeys(("doomed", "bad_handlers"), 0.0),
        "queue_limit": 10_000,
    }

    async def main(loop: VirtualLoop) -> None:
        life = build(loop, replace(scenario(0), **(calm | world)))
        try:
            await start(life)
            await story(life)
            await crash(life)
            assert not life.fell_over
        finally:
            life.disk.remove()

    run_virtual(1, main)


async def start(life: Life) -> Process:
    """A process, let in."""
    running = asyncio.create_task(run_process(life))
    while life.process is None or not life.process.open:
        await asyncio.sleep(0.01)
        assert not running.done(), life.fell_over
    return life.process


async def crash(life: Life) -> None:
    """``kill -9``."""
    assert life.process is not None
    kill(life.process)
    assert life.process.end is not None
    await life.process.end


def service_of(life: Life) -> Service:
    assert life.process is not None
    assert life.process.service is not None
    return life.process.service


async def submit(life: Life, code: CvCode) -> SubmissionId:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"%PDF-1.7 simulated"

    answer = await service_of(life).intake.submit(code, chunks(), "cv.pdf")
    assert isinstance(answer, Accepted)
    return answer.submission_id


async def until(life: Life, name: SubmissionId, state: State) -> Any:
    async with asyncio.timeout(600):
        while True:
            found = await service_of(life).submission(name)
            if found is not None and found[0].submission.state is state:
                return found[0].submission
            await asyncio.sleep(0.05)


def test_what_an_earlier_run_heard_and_did_not_get_to_is_correlated_first() -> None:
    async def story(life: Life) -> None:
        name = await submit(life, CODE)
        await until(life, name, State.AWAITING)
        await crash(life)
        mounted = MountedJournal(life.disk)
        seq = await mounted.port.highest_seq() + 1
        heard = Heard(seq, Millis(life.wall_ns() // 10**6))
        await mounted.port.append_events([InboxRow(heard, CODE, "{}")])
        mounted.kill()
        await start(life)
        found = await service_of(life).submission(name)
        assert found is not None
        assert found[0].submission.outcome is Outcome.CONFIRMED
        assert life.disk.ask("SELECT * FROM inbox WHERE disposition IS NULL") == []

    lived(story, events={"silent": 1.0})


def test_a_room_that_dies_unseen_ends_the_service() -> None:
    async def story(life: Life) -> None:
        async def gone() -> None:
            raise asyncio.CancelledError

        service = Service(service_of(life)._world, ServicePolicy())
        service.timers.run = gone  # type: ignore[method-assign]  # the fault that is planted
        with pytest.raises(ExceptionGroup) as told:
            await service.run()
        assert told.group_contains(RuntimeError, match="timers")

    lived(story)


def test_a_file_that_cannot_be_deleted_stops_nothing() -> None:
    async def story(life: Life) -> None:
        real = life.spool.remove
        refused = 0

        async def remove(submission_id: SubmissionId) -> None:
            nonlocal refused
            if life.loop.time() < 60:
                refused += 1
                raise PermissionError(1, "Operation not permitted")
            await real(submission_id)

        life.spool.remove = remove  # type: ignore[method-assign]  # the fault that is planted
        for number in range(3):
            name = await submit(life, CvCode(f"{CODE}{number}"))
            await until(life, name, State.CLOSED)
        await asyncio.sleep(120)
        assert refused > 3
        assert life.spool.files == {}
        told = [line for line in life.log.lines if line.event == "spool.delete_failed"]
        assert len(told) == 3

    lived(story)


def test_a_drain_waits_for_an_upload_under_way() -> None:
    async def story(life: Life) -> None:
        service = service_of(life)
        going = asyncio.Event()

        async def chunks() -> AsyncIterator[bytes]:
            yield b"%PDF-1.7 first half"
            going.set()
            await asyncio.sleep(2)
            yield b"second half"

        answer = asyncio.ensure_future(service.intake.submit(CODE, chunks(), "cv.pdf"))
        await going.wait()
        await service.intake.drain()
        assert answer.done() or await answer
        assert len(life.spool.files) == 1

    lived(story)


def test_half_open_one_probe_goes_whoever_else_ends() -> None:
    breaker = Breaker(failures=1, open_ms=100)
    before = breaker.began()
    assert breaker.record(served=False, now_ms=0) == "opened"
    assert not breaker.allows(50)
    assert breaker.allows(100)
    probe = breaker.began()
    breaker.gone(before)
    assert not breaker.allows(150), "the probe is still out"
    assert breaker.record(served=True, now_ms=160) == "closed"
    breaker.gone(probe)
    assert breaker.allows(160)


def test_an_attempt_under_way_that_succeeds_ends_the_pause_at_once() -> None:
    async def story(life: Life) -> None:
        service_of(life).breaker._limit, service_of(life).breaker._open_ms = 1, 600_000
        real = life.upstream.post_update
        refused: list[float] = []
        under_way = asyncio.Event()

        async def post_update(code: CvCode, *given: Any, **named: Any) -> PostResult:
            if code == "slow":
                under_way.set()
                await asyncio.sleep(20)
            elif code == "bad" and not refused:
                refused.append(life.loop.time())
                return PostResult(PostKind.NOT_SENT, "connect_refused")
            return await real(code, *given, **named)

        life.upstream.post_update = post_update  # type: ignore[method-assign]  # the planted fault
        await submit(life, CvCode("slow"))
        await under_way.wait()
        bad = await submit(life, CvCode("bad"))
        await until(life, bad, State.CLOSED)
        assert refused
        assert life.loop.time() < 60

    lived(story)
