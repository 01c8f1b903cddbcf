"""Paused, nothing is sent: from that moment, over restarts, until it is told to go on."""

from __future__ import annotations

import asyncio

from listener.core.evidence import Reading
from listener.core.names import CvCode, State
from tests.simulation.life import Life

from .test_rooms import crash, lived, service_of, start, submit, until
from .test_sending import answering, listening


async def usual(code: CvCode) -> None:
    return None


def readings(life: Life) -> list[CvCode]:
    """Of which codes the record was read."""
    real = life.upstream.read_record
    read: list[CvCode] = []

    async def read_record(code: CvCode, *, request_id: str) -> Reading:
        read.append(code)
        return await real(code, request_id=request_id)

    life.upstream.read_record = read_record  # type: ignore[method-assign]  # it only looks on
    return read


def lines(life: Life, event: str) -> list[dict[str, object]]:
    return [dict(line.fields) for line in life.log.lines if line.event == event]


def test_paused_nothing_is_sent_over_restarts_until_it_is_resumed() -> None:
    async def story(life: Life) -> None:
        began, read = answering(life, usual), readings(life)
        await listening(life)
        await service_of(life).pause.pause()
        await service_of(life).pause.pause()
        names = [await submit(life, CvCode(f"paused-{number}")) for number in range(3)]
        await asyncio.sleep(100)
        assert began == []
        await crash(life)
        await start(life)
        await listening(life)
        names.append(await submit(life, CvCode("after")))
        await asyncio.sleep(100)
        assert (began, read) == ([], [])
        first, again = lines(life, "sending.paused")
        assert (first["since"], again["since"], again["restarted"]) == (
            first["since"],
            first["since"],
            True,
        )
        beats = lines(life, "daemon.heartbeat")
        assert isinstance(beats[-1]["paused_ms"], int)
        assert beats[-1]["paused_ms"] > 150_000
        await service_of(life).pause.resume()
        await service_of(life).pause.resume()
        for name in names:
            await until(life, name, State.CLOSED)
        assert len(began) == 4
        [resumed] = lines(life, "sending.resumed")
        assert resumed["waiting"] == 4
        await crash(life)
        await start(life)
        assert len(lines(life, "sending.paused")) == 2
        assert service_of(life).pause.for_ms() is None

    lived(story)


def test_an_attempt_that_only_read_its_baseline_does_not_begin() -> None:
    async def story(life: Life) -> None:
        real, reading = life.upstream.read_record, asyncio.Event()

        async def slow(code: CvCode, *, request_id: str) -> object:
            reading.set()
            await asyncio.sleep(5)
            return await real(code, request_id=request_id)

        life.upstream.read_record = slow  # type: ignore[assignment,method-assign]  # the slow upstream
        began = answering(life, usual)
        await listening(life)
        name = await submit(life, CvCode("late"))
        await reading.wait()
        await service_of(life).pause.pause()
        await asyncio.sleep(60)
        assert began == []
        found = await until(life, name, State.QUEUED)
        assert found.attempts == ()
        await service_of(life).pause.resume()
        await until(life, name, State.CLOSED)
        assert len(began) == 1

    lived(story)


def test_an_attempt_under_way_ends_in_a_pause_and_is_heard_of() -> None:
    async def story(life: Life) -> None:
        async def slow(code: CvCode) -> None:
            await asyncio.sleep(5)

        answering(life, slow)
        await listening(life)
        name = await submit(life, CvCode("under-way"))
        await until(life, name, State.SENDING)
        await service_of(life).pause.pause()
        await until(life, name, State.CLOSED)

    lived(story)


def test_a_paused_service_stops_at_once() -> None:
    async def story(life: Life) -> None:
        await listening(life)
        await service_of(life).pause.pause()
        await submit(life, CvCode("waits"))
        await asyncio.sleep(1)
        assert life.process is not None
        assert life.process.end is not None
        began_s = life.loop.time()
        service_of(life).stop()
        await life.process.end
        assert life.loop.time() - began_s < 5

    lived(story)
