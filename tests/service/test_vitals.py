"""The figures of a life, on virtual time: how long it was deaf, what it heard, what waits."""

from __future__ import annotations

import asyncio

from listener.core.evidence import PostResult
from listener.core.names import BreakerState, CvCode, Disposition, Millis, PostKind, State
from listener.ports.vitals import BreakerName, QueueName, Vitals
from listener.service.vital_signs import VitalSigns
from tests.simulation.life import Life

from .test_hearing import listening
from .test_rooms import CODE, lived, service_of, submit, until
from .test_sending import answering


async def look(life: Life) -> Vitals:
    service = service_of(life)
    return await VitalSigns(service, service._world).vitals()


def test_deafness_is_counted_from_the_last_frame_to_the_next_connection_and_never_falls() -> None:
    async def story(life: Life) -> None:
        await listening(life)
        first_ms = (await look(life)).deaf_total_ms
        assert 0 <= first_ms < 5_000, "until the first connection"
        await asyncio.sleep(60)
        assert (await look(life)).deaf_total_ms == first_ms, "none of it while it listens"
        seen, journal = [first_ms], service_of(life).hearer._journal
        real = journal.mark_alive

        async def mark_alive(at_ms: Millis) -> None:
            # Of a slow disk: the connection is there, and the ear does not know yet.
            await asyncio.sleep(1.5)
            seen.append((await look(life)).deaf_total_ms)
            await real(at_ms)

        journal.mark_alive = mark_alive  # type: ignore[method-assign]  # a slow disk
        for _ in range(2):
            life.server.up = False
            life.server.restart()
            await service_of(life).hearer.wait_change()
            before_ms = (await look(life)).deaf_total_ms
            for _ in range(8):
                await asyncio.sleep(5)
                now_ms = (await look(life)).deaf_total_ms
                # Less what was told too much before, while the ear did not know yet that it heard.
                assert now_ms >= before_ms + 5_000 - 1_600, "it grows while it is deaf"
                before_ms = now_ms
                seen.append(now_ms)
            life.server.up = True
            await listening(life)
            await asyncio.sleep(1)
            seen.append((await look(life)).deaf_total_ms)
        assert seen == sorted(seen)
        lines = [line.fields for line in life.log.lines if line.event == "subscription.restored"]
        away_ms = sum(int(str(line["duration_ms"])) for line in lines)
        assert len(lines) == 2
        # What the last look while deaf had told already is not taken back.
        assert first_ms + away_ms <= seen[-1] <= first_ms + away_ms + 3_500
        await asyncio.sleep(40)
        beats = [line.fields for line in life.log.lines if line.event == "daemon.heartbeat"]
        assert beats[-1]["deaf_total_ms"] == (await look(life)).deaf_total_ms
        assert beats[-1]["deaf_ms"] == 0

    lived(story, recovery=True)


def test_tries_to_connect_that_failed_are_all_counted_though_few_are_told() -> None:
    async def story(life: Life) -> None:
        await listening(life)
        life.server.up = False
        life.server.restart()
        await asyncio.sleep(300)
        counted = dict((await look(life)).connect_failures)
        told = [line for line in life.log.lines if line.event == "subscription.failed"]
        assert counted.keys() == {"unreachable"}
        assert counted["unreachable"] > len(told) > 1
        life.server.up = True
        await listening(life)
        await asyncio.sleep(1)
        (restored,) = [
            line.fields for line in life.log.lines if line.event == "subscription.restored"
        ]
        assert (await look(life)).connect_failures["unreachable"] == restored["failures"]

    lived(story)


def test_an_event_of_a_code_that_was_never_ours_is_foreign_and_has_a_line_of_its_own() -> None:
    async def story(life: Life) -> None:
        await listening(life)
        await until(life, await submit(life, CODE), State.CLOSED)
        for _ in range(3):
            life.upstream.emit(CvCode("Sim#nobody"))
        await asyncio.sleep(5)
        found = await look(life)
        assert found.unlogged == {Disposition.FOREIGN: 3, Disposition.MALFORMED: 0}
        assert found.events_received == 4
        told = [line for line in life.log.lines if line.event == "event.correlated"]
        assert len(told) == 1
        foreign = [line.fields for line in life.log.lines if line.event == "event.unmatched"]
        assert [line["disposition"] for line in foreign] == [Disposition.FOREIGN] * 3
        await asyncio.sleep(40)
        beats = [line.fields for line in life.log.lines if line.event == "daemon.heartbeat"]
        assert (beats[-1]["events_heard"], beats[-1]["events_foreign"]) == (4, 3)

    lived(story)


def test_what_holds_up_sending_and_what_waits_for_it_is_seen() -> None:
    async def story(life: Life) -> None:
        async def throttle(_: CvCode) -> PostResult:
            return PostResult(PostKind.THROTTLED, "throttled", 429, retry_after_ms=60_000)

        answering(life, throttle)
        await listening(life)
        await submit(life, CODE)
        await asyncio.sleep(5)
        await submit(life, CvCode("Sim#another"))
        await asyncio.sleep(5)
        held = await look(life)
        assert 45_000 <= held.held_ms <= 60_000
        assert held.queues == {QueueName.EAR: 0, QueueName.SENDING: 1, QueueName.ENQUIRIES: 0}
        assert held.tally is not None
        assert held.tally.open_by_state == {State.QUEUED: 2}
        assert held.spool_bytes > 0
        await service_of(life).pause.pause()
        paused = await look(life)
        assert (held.paused, paused.paused) == (False, True)

    lived(story)


def test_the_state_of_the_breaker_is_seen() -> None:
    async def story(life: Life) -> None:
        async def unreachable(_: CvCode) -> PostResult:
            return PostResult(PostKind.NOT_SENT, "connect_refused")

        answering(life, unreachable)
        await listening(life)
        assert set((await look(life)).breakers.values()) == {BreakerState.CLOSED}
        for number in range(10):
            await submit(life, CvCode(f"Sim#{number}"))
        await asyncio.sleep(10)
        seen = (await look(life)).breakers
        assert seen[BreakerName.SENDING] is BreakerState.OPEN
        breaker, now = service_of(life).breaker, (await look(life)).now_ms
        assert breaker.state(now + breaker.opens_in_ms(now)) is BreakerState.HALF_OPEN

    lived(story)
