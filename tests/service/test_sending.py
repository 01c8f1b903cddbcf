"""What must be waited for before an update is sent, whatever its lane says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from listener.core.evidence import PostResult
from listener.core.names import CvCode, PostKind, State
from listener.service.breaker import Breaker
from tests.simulation.life import Life

from .test_rooms import lived, service_of, submit

Answer = Callable[[CvCode], Awaitable[PostResult | None]]


def answering(life: Life, answer: Answer) -> list[tuple[str, float]]:
    """POSTs are answered so (None: as usual); returns which code's began when, in seconds."""
    real = life.upstream.post_update
    began: list[tuple[str, float]] = []

    async def post_update(code: CvCode, *given: Any, **named: Any) -> PostResult:
        began.append((code, life.loop.time()))
        return await answer(code) or await real(code, *given, **named)

    life.upstream.post_update = post_update  # type: ignore[method-assign]  # the planted fault
    return began


async def listening(life: Life) -> None:
    async with asyncio.timeout(60):
        while not service_of(life).hearer.listening:
            await service_of(life).hearer.wait_change()


def test_the_longest_quiet_that_the_upstream_asks_for_holds_every_lane() -> None:
    async def story(life: Life) -> None:
        async def throttle(code: CvCode) -> PostResult | None:
            first = sum(one == code for one, _ in began) == 1
            if code == "long" and first:
                return PostResult(PostKind.THROTTLED, "throttled", 429, retry_after_ms=60_000)
            if code == "short" and first:
                await asyncio.sleep(1)
                return PostResult(PostKind.THROTTLED, "throttled", 429, retry_after_ms=5_000)
            return None

        began = answering(life, throttle)
        await listening(life)
        await submit(life, CvCode("long"))
        await submit(life, CvCode("short"))
        await asyncio.sleep(5)
        await submit(life, CvCode("other"))
        await asyncio.sleep(100)
        asked_s = next(at_s for code, at_s in began if code == "long")
        later = [(code, at_s) for code, at_s in began if at_s > asked_s + 1]
        assert {code for code, _ in later} == {"long", "short", "other"}
        assert min(at_s for _, at_s in later) >= asked_s + 60

    lived(story)


def test_while_deaf_nothing_is_sent_until_the_wait_for_it_is_over() -> None:
    async def story(life: Life) -> None:
        async def usual(code: CvCode) -> None:
            return None

        began = answering(life, usual)
        await listening(life)
        for back_s, code in ((10, CvCode("soon")), (300, CvCode("late"))):
            life.server.up = False
            life.server.cut()
            await service_of(life).hearer.wait_change()
            deaf_s = life.loop.time()
            await submit(life, code)
            await asyncio.sleep(back_s)
            life.server.up = True
            await listening(life)
            await asyncio.sleep(1)
            heard_s = life.loop.time() - 1
            sent_s = next(at_s for one, at_s in began if one == code)
            assert min(heard_s, deaf_s + 30) - 1 < sent_s, code
            # The reading right before is answered: for that the ear is given a little longer.
            assert sent_s < min(heard_s, deaf_s + 40) + 1, code

    lived(story)


def test_no_more_are_in_flight_than_are_allowed() -> None:
    async def story(life: Life) -> None:
        now = most = 0

        async def slow(code: CvCode) -> None:
            nonlocal now, most
            now += 1
            most = max(most, now)
            await asyncio.sleep(5)
            now -= 1

        began = answering(life, slow)
        await listening(life)
        for number in range(10):
            await submit(life, CvCode(f"flight-{number}"))
        await asyncio.sleep(60)
        assert len(began) == 10
        assert most == service_of(life).dispatcher._policy.max_in_flight

    lived(story)


def test_an_upstream_that_cannot_be_reached_is_let_alone_but_for_one_probe() -> None:
    async def story(life: Life) -> None:
        async def away(code: CvCode) -> PostResult:
            return PostResult(PostKind.NOT_SENT, "connect_refused")

        began = answering(life, away)
        await listening(life)
        for number in range(20):
            await submit(life, CvCode(f"away-{number}"))
        await asyncio.sleep(25)
        # Those that were on their way when the fifth failed are done.
        assert 5 <= len(began) < 10
        before = len(began)
        await asyncio.sleep(30)
        assert len(began) == before + 1
        opened = [line for line in life.log.lines if line.event == "upstream.circuit_opened"]
        assert len(opened) == 1

    lived(story)


def test_only_failures_in_a_row_open_the_breaker() -> None:
    breaker = Breaker(failures=2, open_ms=100)
    for served in (False, True, False, True):
        assert breaker.record(served=served, now_ms=0) is None
        assert breaker.allows(0)
    assert breaker.record(served=False, now_ms=0) is None
    assert breaker.record(served=False, now_ms=0) == "opened"
    assert not breaker.allows(99)


def test_each_probe_that_fails_doubles_the_pause_up_to_its_bound() -> None:
    breaker = Breaker(failures=2, open_ms=100, most_ms=350)
    now_ms, pauses = 0, []
    breaker.record(served=False, now_ms=now_ms)
    for _ in range(5):
        breaker.record(served=False, now_ms=now_ms)
        pauses.append(breaker.opens_in_ms(now_ms))
        now_ms += pauses[-1]
    assert pauses == [100, 200, 350, 350, 350]
    breaker.record(served=False, now_ms=now_ms - 1)
    assert breaker.opens_in_ms(now_ms - 1) == 350, "one from before the pause changes nothing"
    assert breaker.record(served=True, now_ms=now_ms) == "closed"
    assert (breaker.lasted_ms, breaker.failed) == (100 + 200 + 3 * 350, 7), "of all of it"
    breaker.record(served=False, now_ms=now_ms)
    assert breaker.record(served=False, now_ms=now_ms) == "opened"
    assert breaker.opens_in_ms(now_ms) == 100, "it begins anew"


def test_a_stop_waits_for_the_attempts_under_way_and_begins_no_other() -> None:
    async def story(life: Life) -> None:
        async def slow(code: CvCode) -> None:
            await asyncio.sleep(5)

        began = answering(life, slow)
        await listening(life)
        names = [await submit(life, CvCode(f"stop-{number}")) for number in range(6)]
        await asyncio.sleep(2)
        process = life.process
        assert process is not None
        assert process.end is not None
        service_of(life).stop()
        await process.end
        states = dict(life.disk.ask("SELECT id, state FROM submissions"))
        assert sorted(states) == names
        assert State.SENDING not in states.values()
        assert len(began) == 4
        assert list(states.values()).count(State.QUEUED) == 2

    lived(story)
