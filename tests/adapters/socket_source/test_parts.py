"""The parts that need no server: delays, the memory for recovery, the queue, words for failures."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.adapters.credentials import secrets_of
from listener.adapters.socket_source import OnConnect, SocketSource
from listener.adapters.socket_source.backoff import HURRY_S, Backoff, Delays, Rest
from listener.adapters.socket_source.link import FrameClock, Link
from listener.adapters.socket_source.packets import HEARD, Arrival, HeardPacket, fast_prefixes
from listener.adapters.socket_source.reasons import presentable, sayable, says_no
from listener.adapters.socket_source.reception import ReadEvent, Reception
from listener.adapters.socket_source.recovery import POISON, Recovery
from listener.adapters.socket_source.signals import SignalQueue
from listener.core.names import CvCode, GapReason, Millis
from listener.core.wire import EventBody, read_event
from listener.ports.event_source import ConnectFailed, EventSource, Lost, ReceivedEvent, Resume
from tests.simulation.loop import VirtualLoop, run_virtual

from .ear import now_ms

# ---------------------------------------------------------------------------------------- delays


@given(
    first=st.floats(0.01, 10),
    cap=st.floats(0.01, 600),
    chances=st.lists(st.floats(0, 1), max_size=80),
)
def test_delays_grow_to_the_cap_and_jitter_is_proportional(
    first: float, cap: float, chances: list[float]
) -> None:
    source = iter(chances)
    backoff = Backoff(Delays(first, cap), Delays(1, 1), lambda: next(source))
    for step in range(len(chances)):
        whole = min(cap, first * 2**step)
        assert whole / 2 <= backoff.next_s(refused=False) <= whole


def test_refusals_are_slow_and_a_stable_connection_starts_anew() -> None:
    backoff = Backoff(Delays(1, 30), Delays(60, 600), lambda: 1.0)
    assert [backoff.next_s(refused=False) for _ in range(3)] == [1, 2, 4]
    assert backoff.next_s(refused=True) == 480
    backoff.settle()
    assert backoff.next_s(refused=True) == 60
    assert Delays(1, 30).at(10_000) == 30


@pytest.mark.parametrize(
    ("hurried_s", "patient", "lasts_s"),
    [
        ((), False, 30),
        ((1,), False, HURRY_S),
        ((12,), False, 12),
        ((-1,), False, 30),
        ((1, 12), True, 30),
    ],
    ids=["nobody", "at once", "in between", "before", "refused"],
)
def test_a_rest_ends_for_who_is_in_a_hurry_but_not_at_once_and_not_after_a_refusal(
    hurried_s: tuple[float, ...], patient: bool, lasts_s: float
) -> None:
    async def story(loop: VirtualLoop) -> None:
        rest = Rest()
        rest.patient = patient
        for at_s in hurried_s:
            if at_s < 0:
                rest.hurry()
            else:
                loop.call_later(at_s, rest.hurry)
        began_s = loop.time()
        await rest.wait(30)
        assert loop.time() - began_s == pytest.approx(lasts_s)
        began_s = loop.time()
        rest.hurry()
        await rest.wait(0.5)
        assert loop.time() - began_s == pytest.approx(0.5), "a short one is not made longer"

    run_virtual(1, story)


# -------------------------------------------------------------------------------------- recovery

SESSION = Resume("pid", "7")


def answer(recovery: Recovery, pid: str | None, transport: str = "websocket") -> object:
    recovered, reason = recovery.answered(pid, transport, recovery.offer())
    recovery.listening()
    return True if recovered else reason


def test_the_first_connection_of_a_process_without_a_session() -> None:
    for pid, transport in ((None, "websocket"), ("pid", "websocket"), ("pid", "polling")):
        assert answer(Recovery(Resume()), pid, transport) is GapReason.STARTED


def test_a_session_from_the_journal() -> None:
    assert answer(Recovery(SESSION), "pid") is True
    assert answer(Recovery(SESSION), "another") is GapReason.NOT_RECOVERED
    assert answer(Recovery(SESSION), None) is GapReason.NO_RECOVERY_OFFERED
    assert answer(Recovery(SESSION), "pid", "polling") is GapReason.POLLING
    assert answer(Recovery(Resume("pid", None)), "pid") is GapReason.NO_OFFSET


def test_the_id_we_knew_proves_nothing_where_nothing_was_offered() -> None:
    recovery = Recovery(SESSION)
    assert recovery.answered("pid", "websocket", None)[0] is False


def test_a_new_session_forgets_the_offset_of_the_old() -> None:
    recovery = Recovery(SESSION)
    answer(recovery, "another")
    assert recovery.offer() is None
    recovery.received("8")
    assert recovery.offer() == Resume("another", "8")
    answer(recovery, None)
    assert recovery.offer() is None
    assert answer(recovery, "third") is GapReason.NO_RECOVERY_OFFERED


def test_overflow_is_told_until_it_is_mended() -> None:
    recovery = Recovery(SESSION)
    recovery.overflowed()
    assert answer(recovery, "another") is GapReason.OVERFLOW
    assert answer(recovery, "third") is GapReason.NO_OFFSET
    recovery.received("9")
    recovery.overflowed()
    assert answer(recovery, "third") is True
    assert answer(recovery, "fourth") is GapReason.NOT_RECOVERED


def test_events_without_offsets_speak_of_one_session_and_until_one_has_an_offset() -> None:
    recovery = Recovery(Resume())
    assert answer(recovery, "pid") is GapReason.STARTED
    recovery.received_bare()
    assert answer(recovery, "second") is GapReason.ADAPTER_WITHOUT_RECOVERY
    assert answer(recovery, "third") is GapReason.NO_OFFSET
    recovery.received_bare()
    recovery.received("7")
    assert answer(recovery, "fourth") is GapReason.NOT_RECOVERED


def test_poison_is_dropped_sooner_than_an_outage() -> None:
    choked, outage = Recovery(SESSION), Recovery(SESSION)
    for _ in range(2):
        choked.failed(choked=True)
    for _ in range(POISON - 1):
        outage.failed(choked=False)
    assert choked.offer() == outage.offer() == SESSION
    choked.failed(choked=True)
    outage.failed(choked=False)
    assert choked.offer() is outage.offer() is None
    assert answer(choked, "another") is GapReason.POISON
    assert answer(choked, "third") is GapReason.NO_OFFSET


def test_progress_wipes_the_slate() -> None:
    recovery = Recovery(SESSION)
    for number in range(50):
        recovery.failed(choked=True)
        recovery.received(str(number))
    assert recovery.offer() == Resume("pid", "49")
    assert answer(recovery, "another") is GapReason.NOT_RECOVERED


# ----------------------------------------------------------------------------------------- queue

LOST = Lost(Millis(1), "x")


def event(number: int, code: str | None) -> ReceivedEvent:
    return ReceivedEvent(number, Millis(1), None if code is None else CvCode(code), "{}")


@given(
    st.lists(st.one_of(st.sampled_from(["a", "b", None, "lost"]), st.integers(1, 5)), max_size=60)
)
def test_the_queue_keeps_order_and_knows_what_it_holds(steps: list[str | int | None]) -> None:
    async def run() -> None:
        queue, model = SignalQueue(4), list[ReceivedEvent | Lost]()
        for number, step in enumerate(steps):
            if isinstance(step, int):
                if model:
                    assert await queue.take(step) == model[:step]
                    del model[:step]
            else:
                signal = LOST if step == "lost" else event(number, step)
                queue.put(signal)
                model.append(signal)
            events = [signal for signal in model if isinstance(signal, ReceivedEvent)]
            assert (len(queue), queue.events) == (len(model), len(events))
            for code in ("a", "b", "c"):
                assert queue.holds(CvCode(code)) is (code in [e.code for e in events])
            if len(events) >= 4:
                assert queue.full
            elif len(events) <= 2 and isinstance(step, int):
                assert not queue.full

    asyncio.run(run())


async def test_a_reader_that_is_cancelled_loses_nothing() -> None:
    queue = SignalQueue(4)
    reading = asyncio.create_task(queue.take(10))
    await asyncio.sleep(0)
    queue.put(event(1, "a"))
    # It could go on now, and is stopped instead.
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert await queue.take(10) == [event(1, "a")]


# ------------------------------------------------------------------------------------- reception


def reception_with(
    queue: SignalQueue, recovery: Recovery, read: ReadEvent = read_event
) -> Reception:
    link = Link("/", FrameClock(now_ms, time.monotonic))
    offered = recovery.offer()
    numbers = itertools.count(1)
    return Reception(
        queue,
        numbers,
        recovery,
        link,
        event="cv_updated",
        read=read,
        offered=lambda: offered,
    )


async def test_after_the_first_event_that_was_lost_none_is_taken() -> None:
    """Were it, its offset would be remembered, and the lost one never replayed."""
    queue, recovery = SignalQueue(2), Recovery(SESSION)
    reception = reception_with(queue, recovery)
    for number in (1, 2, 3):
        assert reception.take(f'["cv_updated",{{"cv_code":"{number}"}},"offset-{number}"]')
    assert len(await queue.take(10)) == 2
    assert reception.take('["cv_updated",{"cv_code":"4"},"offset-4"]')
    await reception.handle(Arrival("something_else", wants_ack=False), "offset-5")
    assert len(queue) == 0 and recovery.offer() == Resume("pid", "offset-2")


async def test_a_reading_of_events_that_raises_costs_no_connection() -> None:
    queue, told = SignalQueue(2), list[dict[str, object]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

    def faulty(args: Sequence[object]) -> EventBody:
        raise TypeError(f"secrets of {args}")

    reception = reception_with(queue, Recovery(SESSION), faulty)
    reception.take('["cv_updated",{"cv_code":"secret"}]')
    (event,) = await queue.take(1)
    assert isinstance(event, ReceivedEvent) and event.problem == "reading_failed"
    assert told == [{"message": "the reading of an event failed: TypeError"}]


# --------------------------------------------------------------------------------------- packets


@given(st.text(max_size=40))
def test_any_packet_is_an_event_or_an_error_of_two_kinds(text: str) -> None:
    for encoded in (text, f"2{text}", f"2/cv,{text}", f"51-{text}", f'2["cv_updated",{text}]'):
        try:
            packet = HeardPacket(encoded_packet=encoded)
        except (ValueError, TypeError):
            assert encoded[:1] not in {"2", "5"}
            continue
        if encoded and packet.packet_type in {2, 5}:
            assert packet.data[0] == HEARD and isinstance(packet.data[1], Arrival)


def test_the_beginnings_of_frames_for_the_fast_path() -> None:
    assert fast_prefixes("cv_updated", "/") == (('42["cv_updated",',), 2)
    assert fast_prefixes("cv_updated", "/cv") == (('42/cv,["cv_updated",',), 6)
    assert fast_prefixes("ö", "/")[0] == ('42["\\u00f6",', '42["ö",')


# ----------------------------------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("said", "no"),
    [
        ([], False),
        ([{"ok": True}], False),
        ([{"ok": False}], True),
        ([{"success": False}], True),
        ([{"error": "no such room"}], True),
        ([{"error": None}], False),
        ([{"status": "error"}], True),
        ([{"status": ["odd"]}], False),
        (["error"], False),
        ([None, {"ok": False}], False),
    ],
)
def test_which_acknowledgements_are_refusals(said: Sequence[object], no: bool) -> None:
    assert says_no(said) is no


def test_secrets_are_found_at_any_depth_and_the_longest_first() -> None:
    secrets = secrets_of({"a": [{"b": "deep-secret"}]}, {"Authorization": "Bearer tok3n"}, None)
    assert secrets == ("Bearer tok3n", "deep-secret", "Bearer", "tok3n")
    assert presentable("tok3n, deep-secret", secrets) == "…, …"


def test_what_cannot_be_a_source() -> None:
    with pytest.raises(ValueError, match="websocket, polling"):
        SocketSource(url="http://x", now_ms=now_ms, first_seq=1, transports=("carrier-pigeon",))
    with pytest.raises(ValueError, match="one event at least"):
        SocketSource(url="http://x", now_ms=now_ms, first_seq=1, queue_limit=0)
    assert "secret" not in repr(OnConnect("join", ("secret",)))


@pytest.mark.parametrize("url", ["", "host:80", "ftp://host", "http://", "http://[::1"])
async def test_a_url_that_is_none_is_a_failed_attempt(url: str) -> None:
    source: EventSource = SocketSource(url=url, now_ms=now_ms, first_seq=1)
    running = asyncio.create_task(source.run())
    async with asyncio.timeout(30):
        (failed,) = await source.next_batch(1)
    running.cancel()
    await asyncio.wait({running})
    assert isinstance(failed, ConnectFailed)
    assert (failed.reason, failed.refused) == ("no_credentials", True)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("not authorized", "not authorized"),
        ("Invalid namespace", "Invalid namespace"),
        ("jwt expired.", "jwt expired"),
        ("Jose Nunez has code Qx7#Code$9", "… has code …"),
        ("token=abcdef expired", "… expired"),
        ("invalid token: nunez-cv.pdf", "invalid token …"),
        ("Unauthorized\u202e\x1b[31m", "…"),
        ("", ""),
        ("Authentication error " * 50, ("Authentication error " * 10).strip() + " …"),
    ],
)
def test_of_what_a_server_says_the_words_are_told_that_nobody_is_called_by(
    said: str, told: str
) -> None:
    assert sayable(said) == told
