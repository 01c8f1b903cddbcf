"""The event source port. Over the real source (the official server, which recovers sessions, and
the emulator, which does not) and the scripted one on virtual time, with and without recovery."""

from __future__ import annotations

import asyncio
import json

import pytest

from listener.core.names import CvCode, GapReason
from listener.ports.event_source import ConnectFailed, Listening, Lost, ReceivedEvent, Resume

from .sources import (
    ENDURING,
    RECOVERING,
    RIGS,
    TOGETHER_MS,
    UNHURRIED,
    Ear,
    Play,
    Rig,
    body,
    codes,
    player,
    subscribing,
)


@pytest.fixture
def play(request: pytest.FixtureRequest) -> Play:
    return player(request.param)


everywhere = pytest.mark.parametrize("play", RIGS, indirect=True)
recovering = pytest.mark.parametrize("play", RECOVERING, indirect=True)
enduring = pytest.mark.parametrize("play", ENDURING, indirect=True)


# ---------------------------------------------------------------------------------- listening


@everywhere
def test_the_first_listening_declares_a_gap_since_ever(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        async with Ear(rig) as ear:
            first = await ear.next()
            assert isinstance(first, Listening)
            assert (first.recovered, first.gap_reason) == (False, GapReason.STARTED)
            assert first.transport == "websocket"
            assert (first.pid is not None) == rig.recovery
            assert first.at_ms <= rig.now_ms()

    play(scene)


@everywhere
def test_events_are_numbered_from_the_first_number_in_the_order_of_receipt(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        async with Ear(rig, first_seq=41) as ear:
            await ear.until(Listening)
            began = rig.now_ms()
            await rig.emit(*(body(f"code-{number}") for number in range(7)))
            events = await ear.hear(7)
            assert codes(events) == [f"code-{number}" for number in range(7)]
            assert [event.seq for event in events] == list(range(41, 48))
            times = [began, *(event.heard_ms for event in events), rig.now_ms()]
            assert times == sorted(times)
            assert not any(event.replayed for event in events)

    play(scene)


@everywhere
def test_an_offset_is_told_where_recovery_is_offered_and_only_there(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        async with Ear(rig) as ear:
            await ear.until(Listening)
            await rig.emit(body("a"), body("b"))
            offsets = [event.offset for event in await ear.hear(2)]
            if rig.recovery:
                assert None not in offsets
                assert len(set(offsets)) == 2
            else:
                assert offsets == [None, None]

    play(scene)


@everywhere
def test_who_must_join_listens_once_it_has(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        async with Ear(rig, **subscribing()) as ear:
            await ear.until(Listening)
            await rig.emit(body("a"))
            assert codes(await ear.hear(1)) == ["a"]

    play(scene, join=True)


@everywhere
def test_who_has_not_joined_hears_nothing(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        async with Ear(rig) as deaf, Ear(rig, **subscribing()) as ear:
            await deaf.until(Listening)
            await ear.until(Listening)
            await rig.emit(body("a"))
            await ear.hear(1)
            assert not deaf.source.pending(CvCode("a"))

    play(scene, join=True)


# ------------------------------------------------------------------------------- what is heard


@everywhere
def test_an_event_is_read_wherever_its_code_stands_and_no_more_is_kept_than_is_known(
    play: Play,
) -> None:
    async def scene(rig: Rig) -> None:
        async with Ear(rig) as ear:
            await ear.until(Listening)
            await rig.emit(
                {"status": "success", "data": {"cv_code": "wrapped", "cv_id": 7}},
                {"cv_code": "extra", "cv_id": 8, "cv_data": {"name": "Ann"}, "x": [1]},
            )
            wrapped, extra = await ear.hear(2)
            assert (wrapped.code, extra.code) == ("wrapped", "extra")
            assert json.loads(wrapped.payload) == {"cv_id": 7, "status": "success"}
            assert json.loads(extra.payload) == {"cv_id": 8}
            assert (wrapped.problem, extra.problem) == (None, None)

    play(scene)


@everywhere
def test_what_cannot_be_read_is_an_event_all_the_same(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        async with Ear(rig) as ear:
            await ear.until(Listening)
            await rig.emit(42, {}, {"cv_code": ["x"]}, {"cv_code": "\x00"}, body("fine"))
            events = await ear.hear(5)
            assert [event.code for event in events] == [None, None, None, None, "fine"]
            assert [event.problem for event in events] == [
                *("not_an_object", "no_code", "code_not_text", "bad_code", None)
            ]
            assert [event.seq for event in events] == [1, 2, 3, 4, 5]

    play(scene)


@everywhere
def test_an_event_is_pending_from_its_receipt_until_it_is_handed_out(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        async with Ear(rig) as ear:
            await ear.until(Listening)
            assert not ear.source.pending(CvCode("a"))
            await rig.emit(body("a"), body("a"), body("b"))
            await ear.until_pending("b")
            assert codes([*await ear.source.next_batch(1)]) == ["a"]
            assert ear.source.pending(CvCode("a"))
            assert codes([*await ear.source.next_batch(1)]) == ["a"]
            assert not ear.source.pending(CvCode("a"))
            assert ear.source.pending(CvCode("b"))
            assert codes([*await ear.source.next_batch(1)]) == ["b"]
            assert not ear.source.pending(CvCode("b"))

    play(scene)


@everywhere
def test_a_batch_is_bounded_and_in_order_and_never_empty(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        async with Ear(rig) as ear:
            await ear.until(Listening)
            await rig.emit(*(body(f"code-{number}") for number in range(8)))
            await ear.until_pending("code-7")
            batches = [await ear.source.next_batch(3) for _ in range(3)]
            assert [len(batch) for batch in batches] == [3, 3, 2]
            heard = codes([signal for batch in batches for signal in batch])
            assert heard == [f"code-{number}" for number in range(8)]
            waiting = asyncio.create_task(ear.source.next_batch(3))
            await asyncio.sleep(0.02)
            assert not waiting.done()
            await rig.emit(body("one more"))
            assert codes([*await waiting]) == ["one more"]

    play(scene)


@everywhere
def test_a_reader_that_is_cancelled_loses_nothing(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        async with Ear(rig) as ear:
            await ear.until(Listening)
            waiting = asyncio.create_task(ear.source.next_batch(3))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            await rig.emit(body("a"))
            assert codes(await ear.hear(1)) == ["a"]

    play(scene)


@recovering
def test_an_event_that_wants_an_answer_has_it_once_it_is_acknowledged_and_no_offset(
    play: Play,
) -> None:
    async def scene(rig: Rig) -> None:
        async with Ear(rig) as ear:
            await ear.until(Listening)
            await rig.emit_wanting_ack(body("a"))
            await rig.emit_wanting_ack(body("b"))
            first, second = await ear.hear(2)
            assert codes([first, second]) == ["a", "b"]
            assert (first.offset, second.offset) == (None, None)
            assert first.acknowledge is not None
            await first.acknowledge()
            await rig.acknowledged(1)

    play(scene)


# ---------------------------------------------------------------------------------- what is lost


@everywhere
def test_a_connection_is_lost_since_its_last_frame(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        async with Ear(rig) as ear:
            never_ms = ear.source.last_frame_ms
            listening = await ear.until(Listening)
            await rig.emit(body("a"))
            (event,) = await ear.hear(1)
            frame_ms = ear.source.last_frame_ms
            assert never_ms is None
            assert frame_ms is not None
            assert listening.at_ms <= event.heard_ms <= frame_ms + TOGETHER_MS
            assert frame_ms <= rig.now_ms()
            await rig.cut()
            lost = await ear.until(Lost)
            assert event.heard_ms - TOGETHER_MS <= lost.at_ms <= rig.now_ms()
            assert (lost.reason, lost.overflow) == ("transport_closed", False)

    play(scene)


@everywhere
def test_one_who_is_disconnected_by_name_comes_back(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        async with Ear(rig) as ear:
            await ear.until(Listening)
            await rig.emit(body("a"))
            await ear.hear(1)
            await rig.kick()
            lost = await ear.next()
            assert isinstance(lost, Lost)
            assert lost.reason == "server_disconnect"
            again = await ear.until(Listening)
            # To the server it was no accident: such a session is not kept.
            assert not again.recovered

    play(scene)


@everywhere
def test_without_a_proof_the_gap_is_told_with_its_reason(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        async with Ear(rig, **UNHURRIED) as ear:
            await ear.until(Listening)
            await rig.cut()
            await ear.until(Lost)
            await rig.emit(body("missed"))
            again = await ear.next()
            assert isinstance(again, Listening)
            reason = GapReason.NO_OFFSET if rig.recovery else GapReason.NO_RECOVERY_OFFERED
            assert (again.recovered, again.gap_reason) == (False, reason)
            await rig.emit(body("after"))
            assert codes(await ear.hear(1)) == ["after"]

    play(scene)


@everywhere
def test_what_was_missed_is_heard_exactly_once_with_recovery_and_never_without(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        async with Ear(rig, **UNHURRIED) as ear:
            first = await ear.until(Listening)
            await rig.emit(body("before"))
            await ear.hear(1)
            for turn in range(2):
                await rig.cut()
                await ear.until(Lost)
                await rig.emit(body(f"missed-{turn}-0"), body(f"missed-{turn}-1"))
                again = await ear.until(Listening)
                assert again.recovered == rig.recovery
                assert again.pid == first.pid
            await rig.emit(body("after"))
            while "after" not in codes(ear.signals):
                await ear.next()
        missed = [f"missed-{turn}-{number}" for turn in range(2) for number in range(2)]
        heard = [signal for signal in ear.signals if isinstance(signal, ReceivedEvent)]
        assert codes(heard) == ["before", *(missed if rig.recovery else ()), "after"]
        replayed = codes([event for event in heard if event.replayed])
        assert replayed == (missed if rig.recovery else [])
        assert [event.seq for event in heard] == list(range(1, len(heard) + 1))

    play(scene)


@recovering
def test_a_replay_comes_before_the_listening_that_proves_it_whole(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        async with Ear(rig, **UNHURRIED) as ear:
            await ear.until(Listening)
            await rig.emit(body("before"))
            await ear.hear(1)
            await rig.cut()
            await ear.until(Lost)
            await rig.emit(*(body(f"missed-{number}") for number in range(5)))
            signals = [await ear.next() for _ in range(6)]
            assert codes(signals[:5]) == [f"missed-{number}" for number in range(5)]
            assert all(isinstance(one, ReceivedEvent) and one.offset for one in signals[:5])
            again = signals[5]
            assert isinstance(again, Listening)
            assert (again.recovered, again.gap_reason) == (True, None)

    play(scene)


@everywhere
def test_a_server_that_restarted_has_forgotten_everything(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        async with Ear(rig, **UNHURRIED) as ear:
            first = await ear.until(Listening)
            await rig.emit(body("before"))
            await ear.hear(1)
            await rig.restart()
            await ear.until(Lost)
            again = await ear.until(Listening)
            reason = GapReason.NOT_RECOVERED if rig.recovery else GapReason.NO_RECOVERY_OFFERED
            assert (again.recovered, again.gap_reason) == (False, reason)
            assert (again.pid != first.pid) == rig.recovery
            await rig.emit(body("after"))
            (after,) = await ear.hear(1)
            assert (after.code, after.replayed) == ("after", False)
            assert (after.offset is not None) == rig.recovery

    play(scene)


@recovering
def test_past_the_servers_window_nothing_is_recovered(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        async with Ear(rig, backoff_first_s=1.6, backoff_cap_s=1.6) as ear:
            first = await ear.until(Listening)
            await rig.emit(body("before"))
            await ear.hear(1)
            await rig.cut()
            await ear.until(Lost)
            await rig.emit(body("missed"))
            again = await ear.next()
            assert isinstance(again, Listening)
            assert (again.recovered, again.gap_reason) == (False, GapReason.NOT_RECOVERED)
            assert again.pid not in {None, first.pid}

    play(scene, window_s=0.3)


# ------------------------------------------------------------------------------- another process


@recovering
def test_another_process_goes_on_after_the_offset_that_it_is_given(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        async with Ear(rig) as ear:
            first = await ear.until(Listening)
            await rig.emit(body("a"), body("b"), body("c"))
            events = await ear.hear(3)
        await rig.abandoned()
        await rig.emit(body("d"))
        resume = Resume(first.pid, events[0].offset)
        async with Ear(rig, resume=resume, first_seq=2) as ear:
            again = await ear.until(Listening)
            assert (again.recovered, again.gap_reason, again.pid) == (True, None, first.pid)
        heard = [signal for signal in ear.signals if isinstance(signal, ReceivedEvent)]
        assert codes(heard) == ["b", "c", "d"]
        assert [event.seq for event in heard] == [2, 3, 4]
        assert all(event.replayed for event in heard)

    play(scene)


@everywhere
def test_a_session_that_the_server_does_not_know_is_not_recovered(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        async with Ear(rig, resume=Resume("nobody's", "nothing")) as ear:
            listening = await ear.next()
            assert isinstance(listening, Listening)
            reason = GapReason.NOT_RECOVERED if rig.recovery else GapReason.NO_RECOVERY_OFFERED
            assert (listening.recovered, listening.gap_reason) == (False, reason)
            assert listening.pid != "nobody's"

    play(scene)


@everywhere
def test_a_source_that_is_stopped_says_so_and_can_be_run_again(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        ear = Ear(rig)
        async with ear:
            await ear.until(Listening)
            await rig.emit(body("a"))
            (event,) = await ear.hear(1)
        lost = await ear.next()
        assert isinstance(lost, Lost)
        assert (lost.reason, lost.overflow) == ("stopped", False)
        assert event.heard_ms - TOGETHER_MS <= lost.at_ms <= rig.now_ms()
        await rig.abandoned()
        async with ear:
            again = await ear.next()
            assert isinstance(again, Listening)
            assert again.recovered == rig.recovery

    play(scene)


# ------------------------------------------------------------------------------- no connection


@enduring
def test_while_nobody_answers_the_failures_are_counted_and_then_begin_anew(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        async with Ear(rig) as ear:
            for _ in range(2):
                await ear.until(Listening)
                await rig.away()
                assert isinstance(await ear.next(), Lost)
                failed = [await ear.next() for _ in range(3)]
                for number, one in enumerate(failed, 1):
                    assert isinstance(one, ConnectFailed)
                    assert (one.failures, one.refused) == (number, False)
                    assert (one.reason, one.at_ms <= rig.now_ms()) == ("unreachable", True)
                    assert 0 < one.retry_in_s <= 0.2
                await rig.back()

    play(scene)


@enduring
def test_a_source_stopped_while_nobody_answers_lost_nothing(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        await rig.away()
        ear = Ear(rig)
        async with ear:
            await ear.until(ConnectFailed)
        await rig.back()
        async with ear:
            # What came first after that is no Lost.
            assert isinstance(await ear.until_other_than(ConnectFailed), Listening)

    play(scene)


@everywhere
def test_a_server_that_says_no_is_told_apart(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        async with Ear(rig) as ear:
            failed = [await ear.next() for _ in range(2)]
            for number, one in enumerate(failed, 1):
                assert isinstance(one, ConnectFailed)
                assert (one.reason, one.refused, one.failures) == ("refused", True, number)
                assert "authorized" in one.detail

    play(scene, token=True)


# ------------------------------------------------------------------------------- a full queue


@everywhere
def test_a_reader_that_is_behind_stops_the_fast_path_and_misses_nothing(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        async with Ear(rig, queue_limit=4) as ear:
            await ear.until(Listening)
            await rig.emit(*(body(f"code-{number}") for number in range(20)))
            await ear.until_pending("code-3")
            assert codes(await ear.hear(20)) == [f"code-{number}" for number in range(20)]
            assert not [signal for signal in ear.signals if isinstance(signal, Lost)]

    play(scene)


@everywhere
def test_on_the_other_path_a_full_queue_drops_the_connection_and_says_so(play: Play) -> None:
    async def scene(rig: Rig) -> None:
        async with Ear(rig, queue_limit=4, fast_path=False) as ear:
            await ear.until(Listening)
            await rig.emit(*(body(f"code-{number}") for number in range(7)))
            await rig.abandoned()
            lost = await ear.until(Lost)
            assert lost.overflow
            again = await ear.until(Listening)
            if rig.recovery:
                assert again.recovered
                assert codes(ear.signals) == [f"code-{number}" for number in range(7)]
            else:
                assert again.gap_reason is GapReason.OVERFLOW
                assert codes(ear.signals) == [f"code-{number}" for number in range(4)]

    play(scene)
