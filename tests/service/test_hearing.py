"""What the ear tells the lanes: what waits for correlation, whether it is deaf, what it missed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from listener.core.evidence import Reading
from listener.core.names import CvCode, State
from listener.ports.event_source import Resume
from listener.ports.journal import InboxRow
from listener.service.service import Service
from tests.simulation.life import Life

from .test_rooms import CODE, crash, lived, service_of, start, submit, until


async def listening(life: Life) -> None:
    async with asyncio.timeout(60):
        while not service_of(life).hearer.listening:
            await service_of(life).hearer.wait_change()


def test_an_event_is_pending_from_its_receipt_until_it_is_correlated() -> None:
    async def story(life: Life) -> None:
        hearer, taken = service_of(life).hearer, asyncio.Semaphore(0)
        await listening(life)
        name = await submit(life, CODE)
        await until(life, name, State.AWAITING)
        real = hearer._journal.append_events

        async def append_events(rows: Sequence[InboxRow], resume: Resume | None = None) -> None:
            await taken.acquire()
            await real(rows, resume)

        hearer._journal.append_events = append_events  # type: ignore[method-assign]  # a slow disk
        life.upstream.emit(CvCode("Sim#another"))
        await asyncio.sleep(1)
        assert not hearer.pending(CODE)
        life.upstream.emit(CODE)
        await asyncio.sleep(1)
        assert hearer.pending(CODE), "it waits in the source's queue"
        taken.release()
        await asyncio.sleep(1)
        assert hearer.pending(CODE), "it is in hand"
        taken.release()
        await until(life, name, State.CLOSED)
        assert not hearer.pending(CODE)

    lived(story, events={"silent": 1.0})


def test_after_a_loss_no_reading_decides_until_a_replay_can_no_longer_come() -> None:
    async def story(life: Life) -> None:
        hearer = service_of(life).hearer
        await listening(life)
        assert hearer.hearing().settled
        life.server.up = False
        life.server.cut()
        await hearer.wait_change()
        await asyncio.sleep(1)
        assert hearer.hearing().gaps[-1].end_ms is None
        await asyncio.sleep(58)
        assert not hearer.hearing().settled
        await asyncio.sleep(2)
        assert hearer.hearing().settled
        assert not hearer.hearing().listening
        life.server.up = True
        await listening(life)
        assert all(gap.end_ms is not None for gap in hearer.hearing().gaps)

    lived(story)


def test_a_gap_begun_by_a_clock_that_was_set_back_begins_with_the_new_one() -> None:
    async def story(life: Life) -> None:
        await listening(life)
        life.server.up = False
        life.server.cut()
        await asyncio.sleep(5)
        await crash(life)
        life.skew_ns -= 3_600 * 10**9
        started_ms = life.wall_ns() // 10**6
        await start(life)
        life.server.up = True
        await asyncio.sleep(60)
        assert service_of(life).hearer.listening
        ((begun_ms, ended_ms),) = life.disk.ask(
            "SELECT start_ms, end_ms FROM gaps ORDER BY id DESC LIMIT 1"
        )
        assert started_ms <= begun_ms < ended_ms

    lived(story)


def test_after_a_clock_was_set_back_no_gap_ends_before_it_began_however_long_a_start_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(life: Life) -> None:
        await listening(life)
        await crash(life)
        life.skew_ns -= 3_600 * 10**9
        real = Service.recover

        async def recover(self: Service) -> None:
            await asyncio.sleep(10)  # the connection is there by then
            await real(self)

        monkeypatch.setattr(Service, "recover", recover)
        await start(life)
        await asyncio.sleep(1)
        assert service_of(life).hearer.listening
        ((began_ms, ended_ms),) = life.disk.ask(
            "SELECT start_ms, end_ms FROM gaps ORDER BY id DESC LIMIT 1"
        )
        assert began_ms <= ended_ms

    lived(story)


def test_what_a_gap_may_have_swallowed_is_asked_of_the_record_at_its_end() -> None:
    async def story(life: Life) -> None:
        real, asked = life.upstream.read_record, 0

        async def read_record(*given: Any, **named: Any) -> Reading:
            nonlocal asked
            asked += 1
            return await real(*given, **named)

        life.upstream.read_record = read_record  # type: ignore[method-assign]  # its calls are counted
        await listening(life)
        name = await submit(life, CODE)
        await until(life, name, State.AWAITING)
        await asyncio.sleep(17)  # past the last of the early enquiries
        before = asked
        life.server.cut()
        await service_of(life).hearer.wait_change()
        await listening(life)
        await asyncio.sleep(1)
        assert asked == before + 1

    lived(story, events={"silent": 1.0}, recovery=False)


def test_an_interval_that_a_recovery_proved_continuous_is_no_gap() -> None:
    async def story(life: Life) -> None:
        service = service_of(life)
        await listening(life)
        await until(life, await submit(life, CODE), State.CLOSED)
        before = service.hearer.hearing().gaps
        life.server.cut()
        await service.hearer.wait_change()
        name = await submit(life, CODE)
        await listening(life)
        await until(life, name, State.CLOSED)
        assert service.hearer.hearing().gaps == before
        restored = [line for line in life.log.lines if line.event == "subscription.restored"]
        assert [line.fields["recovered"] for line in restored] == [True]

    lived(story, recovery=True)


def test_the_end_of_an_incident_tells_what_speaks_for_its_reason() -> None:
    async def story(life: Life) -> None:
        hearer = service_of(life).hearer
        await listening(life)
        await until(life, await submit(life, CODE), State.CLOSED)
        life.server.up = False
        life.server.restart()
        await hearer.wait_change()
        await asyncio.sleep(40)
        life.server.up = True
        await listening(life)
        await asyncio.sleep(1)
        (lost,) = [line.fields for line in life.log.lines if line.event == "subscription.lost"]
        assert lost["reason"] == "transport_closed"
        (told,) = [line.fields for line in life.log.lines if line.event == "subscription.restored"]
        assert (told["recovered"], told["gap_reason"]) == (False, "not_recovered")
        assert (told["reason"], told["last_reason"]) == ("transport_closed", "unreachable")
        away_ms, silent_ms, tries = (
            int(str(told[name])) for name in ("duration_ms", "last_event_age_ms", "failures")
        )
        assert 40_000 <= away_ms <= silent_ms <= 120_000
        assert tries >= 3

    lived(story, recovery=True)


@pytest.mark.parametrize("recovery", [True, False])
def test_a_queue_that_was_full_is_an_incident_with_its_reason(recovery: bool) -> None:
    async def story(life: Life) -> None:
        hearer, taken = service_of(life).hearer, asyncio.Event()
        await listening(life)
        real = hearer._journal.append_events

        async def append_events(rows: Sequence[InboxRow], resume: Resume | None = None) -> None:
            await taken.wait()
            await real(rows, resume)

        hearer._journal.append_events = append_events  # type: ignore[method-assign]  # a slow disk
        for number in range(12):
            life.upstream.emit(CvCode(f"Sim#{number}"))
            await asyncio.sleep(0.3)
        taken.set()
        await hearer.wait_change()
        await listening(life)
        await asyncio.sleep(5)
        (lost,) = [line.fields for line in life.log.lines if line.event == "subscription.lost"]
        assert (lost["reason"], lost["error"]) == ("overflow", "our queue is full")
        (told,) = [line.fields for line in life.log.lines if line.event == "subscription.restored"]
        reason = None if recovery else "overflow"
        assert (told["recovered"], told.get("gap_reason")) == (recovery, reason)
        assert (hearer.heard_count == 12) is recovery

    lived(story, recovery=recovery, fast_path=False, queue_limit=4)


def test_a_first_connection_that_was_hard_to_have_tells_of_that_too() -> None:
    async def story(life: Life) -> None:
        await crash(life)
        life.server.up = False
        await start(life)
        await asyncio.sleep(20)
        life.server.up = True
        await listening(life)
        await asyncio.sleep(1)
        lines = [line.fields for line in life.log.lines if line.event == "subscription.established"]
        assert (lines[-1]["reason"], lines[-1]["last_reason"]) == ("unreachable", "unreachable")
        assert int(str(lines[-1]["failures"])) >= 3
        assert 19_000 <= int(str(lines[-1]["duration_ms"])) <= 90_000

    lived(story)


def test_a_reading_that_is_asked_for_during_another_is_made_after_it() -> None:
    async def story(life: Life) -> None:
        real, asked = life.upstream.read_record, 0

        async def read_record(*given: Any, **named: Any) -> Reading:
            nonlocal asked
            asked += 1
            await asyncio.sleep(1)
            return await real(*given, **named)

        await listening(life)
        await until(life, await submit(life, CODE), State.AWAITING)
        life.upstream.read_record = read_record  # type: ignore[method-assign]  # counted, and slow
        enquirer = service_of(life).enquirer
        enquirer.ask(CODE)
        enquirer.ask(CODE)
        await asyncio.sleep(0.5)
        assert asked == 1
        enquirer.ask(CODE)
        await asyncio.sleep(2)
        assert asked == 2

    lived(story, events={"silent": 1.0})


def test_a_lane_that_closed_while_it_waited_for_its_turn_is_not_read() -> None:
    async def story(life: Life) -> None:
        real, asked = life.upstream.read_record, 0

        async def read_record(*given: Any, **named: Any) -> Reading:
            nonlocal asked
            asked += 1
            return await real(*given, **named)

        await listening(life)
        await until(life, await submit(life, CODE), State.CLOSED)
        life.upstream.read_record = read_record  # type: ignore[method-assign]  # its calls are counted
        enquirer = service_of(life).enquirer
        enquirer.ask(CODE)
        await asyncio.sleep(1)
        assert (asked, enquirer.backlog) == (0, 0)

    lived(story)


def test_what_is_not_on_disk_is_neither_acknowledged_nor_surely_heard() -> None:
    async def story(life: Life) -> None:
        hearer, taken = service_of(life).hearer, asyncio.Event()
        await listening(life)
        real = hearer._journal.append_events

        async def append_events(rows: Sequence[InboxRow], resume: Resume | None = None) -> None:
            await taken.wait()
            await real(rows, resume)

        hearer._journal.append_events = append_events  # type: ignore[method-assign]  # a slow disk
        life.upstream.emit(CODE)
        await asyncio.sleep(1)
        emitted_ms = service_of(life)._world.clock.now_ms()
        await asyncio.sleep(60)  # pings come, and are no proof of it
        assert life.server.acknowledged == []
        assert hearer.listened_until_ms() <= emitted_ms
        taken.set()
        await asyncio.sleep(1)
        assert len(life.server.acknowledged) == 1
        assert hearer.listened_until_ms() > emitted_ms

    lived(story, acks=True, fast_path=False)
