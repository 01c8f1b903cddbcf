"""The service's rooms, each where it was once wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from listener.core.evidence import Heard, PostResult
from listener.core.names import CvCode, Outcome, PostKind, State, SubmissionId
from listener.ports.journal import InboxRow
from listener.service.breaker import Breaker
from listener.service.service import Service, ServicePolicy
from tests.simulation.loop import VirtualLoop, run_virtual
from tests.simulation.upstream import Odds
from tests.simulation.world import Life, build, crash, scenario, start, submit

CODE = CvCode("Sim#rooms")


def calm(silent: bool = False) -> Any:
    """A scenario without any fault; ``silent``: nothing is ever emitted."""
    return replace(
        scenario(0),
        odds=Odds(silent=1.0 if silent else 0.0),
        clock_jumps=False,
        slow_disk=False,
    )


def lived(story: Callable[[Life], Any], silent: bool = False) -> None:
    """Run a story with a started service, on virtual time."""

    async def main(loop: VirtualLoop) -> None:
        life = build(loop, calm(silent))
        await start(life)
        await story(life)
        await crash(life)
        assert not life.fell_over

    run_virtual(1, main)


async def until(life: Life, name: SubmissionId, state: State) -> Any:
    async with asyncio.timeout(600):
        while True:
            stored = await life.journal.submission(name)
            if stored is not None and stored.submission.state is state:
                return stored.submission
            await asyncio.sleep(0.05)


def test_what_an_earlier_run_heard_and_did_not_get_to_is_correlated_first() -> None:
    async def story(life: Life) -> None:
        name = await submit(life, CODE)
        assert name is not None
        await until(life, name, State.AWAITING)
        await crash(life)
        seq = await life.journal.highest_seq() + 1
        row = InboxRow(Heard(seq, life.clock.now_ms()), CODE, "{}")
        await life.journal.append_events([row])
        await start(life)
        stored = await life.journal.submission(name)
        assert stored is not None
        assert stored.submission.outcome is Outcome.CONFIRMED
        assert await life.journal.undisposed() == []

    lived(story, silent=True)


def test_a_room_that_dies_unseen_ends_the_service() -> None:
    async def story(life: Life) -> None:
        assert life.service is not None
        assert life.running is not None

        async def gone() -> None:
            raise asyncio.CancelledError

        service = Service(life.service._world, ServicePolicy())
        service.timers.run = gone  # type: ignore[method-assign]  # the fault that is planted
        with pytest.raises(ExceptionGroup) as told:
            await service.run()
        assert told.group_contains(RuntimeError, match="timers")

    lived(story)


@pytest.mark.parametrize("error", [asyncio.CancelledError, SystemExit, ValueError])
def test_a_handler_may_raise_anything_and_is_asked_again(error: type[BaseException]) -> None:
    async def story(life: Life) -> None:
        assert life.service is not None
        asked: list[float] = []

        async def handler(submission: Mapping[str, object]) -> None:
            asked.append(life.loop.time())
            if len(asked) < 3:
                raise error

        life.service.reactor._handlers = [("own", handler)]
        name = await submit(life, CODE)
        assert name is not None
        await until(life, name, State.CLOSED)
        await asyncio.sleep(60)
        assert len(asked) == 3
        assert 0.5 < asked[1] - asked[0] < 5

    lived(story)


def test_a_handler_that_hangs_holds_up_nobody_else() -> None:
    async def story(life: Life) -> None:
        assert life.service is not None
        heard: list[str] = []

        async def handler(submission: Mapping[str, object]) -> None:
            if not heard:
                heard.append("hangs")
                await asyncio.sleep(3600)
            heard.append(str(submission["id"]))

        life.service.reactor._handlers = [("own", handler)]
        names = [await submit(life, CvCode(f"{CODE}{number}")) for number in range(3)]
        for name in names:
            assert name is not None
            await until(life, name, State.CLOSED)
        await asyncio.sleep(1)
        assert len(heard) == 3
        await asyncio.sleep(60)
        assert set(heard) == {"hangs", *map(str, names)}

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
            assert name is not None
            await until(life, name, State.CLOSED)
        await asyncio.sleep(120)
        assert refused > 3
        assert life.spool.files == set()
        told = [line for line in life.log.lines if line.event == "spool.delete_failed"]
        assert len(told) == 3

    lived(story)


def test_a_drain_waits_for_an_upload_under_way() -> None:
    async def story(life: Life) -> None:
        service = life.service
        assert service is not None
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
        assert len(await life.journal.files_kept()) == 1

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
        assert life.service is not None
        life.service.breaker._limit, life.service.breaker._open_ms = 1, 600_000
        real = life.upstream.post_update
        refused: list[float] = []

        async def post_update(code: CvCode, *given: Any, **named: Any) -> PostResult:
            if code == "slow":
                await asyncio.sleep(20)
            elif code == "bad" and not refused:
                refused.append(life.loop.time())
                return PostResult(PostKind.NOT_SENT, "connect_refused")
            return await real(code, *given, **named)

        life.upstream.post_update = post_update  # type: ignore[method-assign]  # the planted fault
        slow = await submit(life, CvCode("slow"))
        bad = await submit(life, CvCode("bad"))
        assert slow is not None
        assert bad is not None
        await until(life, bad, State.CLOSED)
        assert refused
        assert life.loop.time() < 60

    lived(story)
