"""What keeps all from being sent: looked at again at the last moment, and kept over restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from listener.core.evidence import PostResult, Reading
from listener.core.names import CvCode, Gate, Outcome, PostKind, State, SubmissionId
from tests.simulation.life import Life

from .test_pausing import lines, usual
from .test_rooms import crash, lived, service_of, start, submit, until
from .test_sending import answering, listening

LONG_MS = 120_000


def reading(life: Life, before: Callable[[CvCode], Awaitable[None]]) -> None:
    """Readings of the record wait for this first."""
    real = life.upstream.read_record

    async def read_record(code: CvCode, *, request_id: str) -> Reading:
        await before(code)
        return await real(code, request_id=request_id)

    life.upstream.read_record = read_record  # type: ignore[method-assign]  # it only takes longer


def quiet(seconds: float) -> PostResult:
    return PostResult(PostKind.THROTTLED, "throttled", 429, retry_after_ms=round(seconds * 1000))


async def deaf(life: Life) -> None:
    """The subscription is lost, and none is to be had."""
    life.server.up = False
    life.server.cut()
    while service_of(life).hearer.listening:
        await service_of(life).hearer.wait_change()


async def outcomes(life: Life, names: list[SubmissionId]) -> set[Outcome]:
    return {(await until(life, name, State.CLOSED)).outcome for name in names}


# ------------------------------------------------------------------------------- listening first


def test_what_is_submitted_after_a_long_deafness_is_sent_once_we_listen() -> None:
    async def story(life: Life) -> None:
        await listening(life)
        await deaf(life)
        await asyncio.sleep(200)
        life.server.up = True
        names = [await submit(life, CvCode(f"after-{number}")) for number in range(10)]
        back_s = life.loop.time()
        await listening(life)
        assert life.loop.time() - back_s < 6, "the ear does not wait until its backoff is over"
        assert await outcomes(life, names) == {Outcome.CONFIRMED}
        assert life.loop.time() - back_s < 30

    lived(story)


def test_after_an_outage_of_all_of_the_upstream_what_waited_is_confirmed() -> None:
    async def story(life: Life) -> None:
        began = answering(life, usual)
        await listening(life)
        life.upstream.down = True
        await deaf(life)
        names = [await submit(life, CvCode(f"outage-{number}")) for number in range(10)]
        await asyncio.sleep(400)
        assert began, "while deaf it is tried all the same"
        life.upstream.down = False
        life.server.up = True
        back_s = life.loop.time()
        assert await outcomes(life, names) == {Outcome.CONFIRMED}
        assert life.loop.time() - back_s < 45

    lived(story)


def test_a_subscription_that_stays_away_alone_holds_up_each_update_for_its_wait() -> None:
    async def story(life: Life) -> None:
        began = answering(life, usual)
        await listening(life)
        await deaf(life)
        await asyncio.sleep(100)
        for number in range(5):
            submitted_s = life.loop.time()
            await submit(life, CvCode(f"alone-{number}"))
            await asyncio.sleep(60)
            (sent_s,) = [at_s for code, at_s in began if code == f"alone-{number}"]
            assert 29 < sent_s - submitted_s < 45, number

    lived(story)


# ------------------------------------------------------------------------ after the baseline, too


def test_what_shuts_while_the_baseline_is_read_keeps_it_from_being_sent() -> None:
    async def story(life: Life) -> None:
        async def throttle(code: CvCode) -> PostResult | None:
            first = [one for one, _ in began].count(code) == 1
            return quiet(6) if code == "throttled" and first else None

        async def slowly(code: CvCode) -> None:
            if code == "slow":
                await asyncio.sleep(2)

        began = answering(life, throttle)
        reading(life, slowly)
        await listening(life)
        slow = await submit(life, CvCode("slow"))
        await submit(life, CvCode("throttled"))
        await asyncio.sleep(4)
        assert [code for code, _ in began] == ["throttled"]
        assert service_of(life).dispatcher.quiet is not None
        await until(life, slow, State.CLOSED)
        asked_s = began[0][1]
        assert all(at_s >= asked_s + 6 for _, at_s in began[1:])

    lived(story)


def test_a_subscription_lost_while_the_baseline_is_read_is_waited_for() -> None:
    async def story(life: Life) -> None:
        began = answering(life, usual)
        read = asyncio.Event()

        async def slowly(code: CvCode) -> None:
            read.set()
            await asyncio.sleep(2)

        reading(life, slowly)
        await listening(life)
        name = await submit(life, CvCode("lost"))
        await read.wait()
        await deaf(life)
        await asyncio.sleep(10)
        assert began == []
        found = service_of(life).dispatcher.quiet
        assert found is not None
        assert found.why is Gate.LISTENING
        life.server.up = True
        assert await outcomes(life, [name]) == {Outcome.CONFIRMED}

    lived(story)


def test_a_stop_while_the_baseline_is_read_sends_nothing_more() -> None:
    async def story(life: Life) -> None:
        began = answering(life, usual)
        read = asyncio.Event()

        async def slowly(code: CvCode) -> None:
            read.set()
            await asyncio.sleep(5)

        reading(life, slowly)
        await listening(life)
        await submit(life, CvCode("stopped"))
        await read.wait()
        service_of(life).stop()
        assert life.process is not None
        assert life.process.end is not None
        await life.process.end
        assert began == []
        assert life.disk.ask("SELECT state FROM submissions") == [(State.QUEUED,)]

    lived(story)


# --------------------------------------------------------------------------- the upstream's quiet


def _quiet_over_a_crash(cancelled: bool) -> Callable[[Life], Awaitable[None]]:
    async def story(life: Life) -> None:
        async def throttle(code: CvCode) -> PostResult | None:
            return quiet(LONG_MS / 1000) if len(began) == 1 else None

        began = answering(life, throttle)
        await listening(life)
        asked = await submit(life, CvCode("asked"))
        await asyncio.sleep(2)
        if cancelled:
            await service_of(life).intake.cancel(asked)
        other = await submit(life, CvCode("other"))
        for _ in range(2):
            await asyncio.sleep(10)
            await crash(life)
            await start(life)
            await listening(life)
        names = [other] if cancelled else [asked, other]
        assert await outcomes(life, names) == {Outcome.CONFIRMED}
        (_, first_s), *later = began
        assert len(later) == len(names)
        assert min(at_s for _, at_s in later) >= first_s + LONG_MS / 1000
        assert min(at_s for _, at_s in later) < first_s + LONG_MS / 1000 + 5
        assert [line.get("restarted") for line in lines(life, "upstream.held")] == [
            None,
            True,
            True,
        ]

    return story


def test_a_crash_takes_nothing_from_the_quiet_that_the_upstream_asked_for() -> None:
    lived(_quiet_over_a_crash(cancelled=False))


def test_a_crash_takes_nothing_from_it_though_its_update_was_withdrawn() -> None:
    lived(_quiet_over_a_crash(cancelled=True))


def test_an_upstream_that_is_asked_too_much_is_one_line_and_not_a_flood() -> None:
    async def story(life: Life) -> None:
        async def throttle(code: CvCode) -> PostResult | None:
            return quiet(1) if busy else None

        busy = True
        began = answering(life, throttle)
        await listening(life)
        names = [await submit(life, CvCode(f"busy-{number}")) for number in range(40)]
        await asyncio.sleep(60)
        assert len(began) <= 4 + 7, "one probe at a time, ever more rarely"
        (held,) = lines(life, "upstream.held")
        assert held["until"]
        assert lines(life, "upstream.released") == []
        busy = False
        assert await outcomes(life, names) == {Outcome.CONFIRMED}
        (released,) = lines(life, "upstream.released")
        assert released["asked"] == sum(
            1 for line in lines(life, "attempt.ended") if line["result"] == "throttled"
        )

    lived(story)


def test_the_way_back_from_a_quiet_is_step_by_step() -> None:
    async def story(life: Life) -> None:
        now = most = 0

        async def throttle(code: CvCode) -> PostResult | None:
            nonlocal now, most
            if code == "first" and len(began) == 1:
                return quiet(5)
            now, most = now + 1, max(most, now + 1)
            seen.append(now)
            await asyncio.sleep(1)
            now -= 1
            return None

        seen: list[int] = []
        began = answering(life, throttle)
        await listening(life)
        await submit(life, CvCode("first"))
        await asyncio.sleep(2)
        names = [await submit(life, CvCode(f"back-{number}")) for number in range(12)]
        assert await outcomes(life, names) == {Outcome.CONFIRMED}
        assert seen[0] == 1
        assert max(seen[:3]) <= 2, "two after the first, and so on"
        assert most == 4, "as many as are allowed, in the end"

    lived(story)


def test_a_quiet_that_nothing_waits_for_ends_by_itself() -> None:
    async def story(life: Life) -> None:
        async def throttle(code: CvCode) -> PostResult | None:
            return quiet(5) if len(began) == 1 else None

        began = answering(life, throttle)
        await listening(life)
        name = await submit(life, CvCode("alone"))
        await asyncio.sleep(3)
        await service_of(life).intake.cancel(name)
        await asyncio.sleep(10)
        (released,) = lines(life, "upstream.released")
        assert released["asked"] == 1

    lived(story)
