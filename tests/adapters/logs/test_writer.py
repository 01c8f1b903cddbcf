"""The writer: bounded in lines, bytes and time, whoever reads; what is dropped is counted."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from listener.adapters.logs import Redactor, StructuredLog, Writer
from listener.core.event_spec import Level
from tests.adapters.logs.sinks import BOUND_S

PIPE_HOLDS = 1 << 20
"""More than any pipe takes before somebody reads."""


class Pipe:
    """A pipe that is read only when asked."""

    def __init__(self) -> None:
        self.reading, writing = os.pipe()
        self.stream: TextIO = os.fdopen(writing, "w")

    def read_all(self) -> str:
        """Until the writing end is closed."""
        with os.fdopen(self.reading, "rb") as reader:
            return reader.read().decode()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.stream.close()
    with contextlib.suppress(OSError):
        os.close(made.reading)


def numbers(text: str) -> list[int]:
    return [int(line.split()[0]) for line in text.splitlines()]


def line(number: int, size: int = 1_000) -> str:
    return f"{number} {'x' * size}"


# ----------------------------------------------------------------------------- while somebody reads


def test_lines_come_out_in_order_quiet_and_loud(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as stream:
        writer = Writer(stream)
        for number in range(2_000):
            assert writer.put(line(number, 200), Level.ERROR if number % 3 else Level.INFO)
        writer.close(BOUND_S)
    assert numbers((tmp_path / "log").read_text()) == list(range(2_000))
    assert writer.dropped == 0


def test_a_pipe_that_is_read_loses_nothing(pipe: Pipe) -> None:
    writer = Writer(pipe.stream, capacity=100_000, capacity_bytes=64 << 20)
    for number in range(3_000):
        assert writer.put(line(number), Level.INFO)
    reader = threading.Thread(target=lambda: texts.append(pipe.read_all()))
    texts: list[str] = []
    reader.start()
    writer.close(BOUND_S)
    pipe.stream.close()
    reader.join(BOUND_S)
    assert numbers(texts[0]) == list(range(3_000))


def test_many_threads_may_write() -> None:
    stream = io.StringIO()
    writer = Writer(stream)
    threads = [
        threading.Thread(
            target=lambda t=t: [writer.put(f"{t * 1_000 + i} x", Level.INFO) for i in range(300)]
        )
        for t in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(BOUND_S)
    writer.close(BOUND_S)
    found = numbers(stream.getvalue())
    assert len(found) == 1_200
    for t in range(4):
        own = [number for number in found if number // 1_000 == t]
        assert own == sorted(own), "each one's in its order"


# ---------------------------------------------------------------------------------- nobody reads


def test_nobody_reads_and_nothing_waits(pipe: Pipe) -> None:
    """10 MB into a pipe that nobody reads: every ``put`` returns, what is kept is bounded."""
    writer = Writer(pipe.stream, capacity=500, capacity_bytes=1 << 20)
    done = threading.Event()

    def flood() -> None:
        for number in range(10_000):
            writer.put(line(number), Level.INFO)
        done.set()

    threading.Thread(target=flood, daemon=True).start()
    assert done.wait(BOUND_S), "a put waited for a reader"
    assert writer.dropped > 8_000
    assert not writer.flush(0.05)
    writer.close(0.05)
    assert "log-writer" not in [thread.name for thread in threading.enumerate()], "it ended"
    assert not writer.put("late", Level.CRITICAL)


def stuck(pipe: Pipe, **bounds: int) -> Writer:
    """A writer whose pipe is full."""
    writer = Writer(pipe.stream, **bounds)
    for number in range(PIPE_HOLDS // 1_000):
        writer.put(line(number), Level.INFO)
    return writer


def test_loud_lines_keep_their_places(pipe: Pipe) -> None:
    writer = stuck(pipe, capacity=200)
    writer.tell_gap = lambda count: f"-1 {count} were dropped"
    loud = range(100_000, 100_150)
    for number in loud:
        assert writer.put(line(number), Level.WARNING)
        writer.put(line(1), Level.DEBUG)
    dropped = writer.dropped
    assert dropped > 0
    texts: list[str] = []
    reader = threading.Thread(target=lambda: texts.append(pipe.read_all()))
    reader.start()
    assert writer.flush(BOUND_S)
    writer.close(BOUND_S)
    pipe.stream.close()
    reader.join(BOUND_S)
    found = numbers(texts[0])
    assert [number for number in found if number >= 100_000] == list(loud)
    kept = [number for number in found if 1 < number < 100_000]
    assert kept == list(range(2, 2 + len(kept))), "the newest quiet ones went: there is one hole"
    (told,) = [text for text in texts[0].splitlines() if text.startswith("-1")]
    assert told == f"-1 {dropped} were dropped", "said once, when there was a reader again"


def test_where_all_is_loud_the_newest_is_dropped_and_counted(pipe: Pipe) -> None:
    writer = stuck(pipe, capacity=50)
    before = writer.dropped
    kept = [writer.put(line(number), Level.ERROR) for number in range(80)]
    assert kept[:40] == [True] * 40
    assert kept[-20:] == [False] * 20
    assert writer.dropped > before
    writer.close(0.05)


def test_bytes_are_bounded_too(pipe: Pipe) -> None:
    writer = stuck(pipe, capacity=100_000, capacity_bytes=100_000)
    assert not writer.put("x" * 60_000, Level.INFO)
    assert writer.put("x" * 60_000, Level.ERROR), "quiet ones make room for it"
    assert not writer.put("x" * 60_000, Level.ERROR)
    assert not writer.put("x" * 200_000, Level.CRITICAL), "one that is over the bound alone"
    writer.close(0.05)


# ---------------------------------------------------------------------------------------- faults


def test_a_broken_pipe_is_drops(pipe: Pipe) -> None:
    writer = Writer(pipe.stream)
    os.close(pipe.reading)
    for number in range(100):
        writer.put(line(number), Level.ERROR)
    assert writer.flush(BOUND_S)
    assert writer.dropped == 100
    writer.close(BOUND_S)


def test_a_closed_stream_is_drops(tmp_path: Path) -> None:
    stream = (tmp_path / "log").open("w")
    writer = Writer(stream)
    stream.close()
    writer.put("lost", Level.ERROR)
    assert writer.flush(BOUND_S)
    assert writer.dropped == 1
    writer.close(BOUND_S)


class FullDisk(io.StringIO):
    """Takes nothing while ``full``."""

    full = True

    def write(self, text: str) -> int:
        if self.full:
            raise OSError(28, "No space left on device")
        return super().write(text)


def test_a_disk_that_was_full_is_written_to_again() -> None:
    stream = FullDisk()
    writer = Writer(stream)
    writer.tell_gap = lambda count: f"{count} dropped"
    writer.put("lost", Level.ERROR)
    assert writer.flush(BOUND_S)
    stream.full = False
    writer.put("kept", Level.INFO)
    writer.close(BOUND_S)
    assert stream.getvalue() == "kept\n1 dropped\n"


def test_a_torn_line_does_not_spoil_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = os.write, []

    def half_then_full(descriptor: int, data: bytes) -> int:
        calls.append(bytes(data))
        if len(calls) == 1:
            return real(descriptor, data[:3])
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return real(descriptor, data)

    with (tmp_path / "log").open("w") as stream:
        writer = Writer(stream)
        monkeypatch.setattr(os, "write", half_then_full)
        writer.put("abcdef", Level.INFO)
        assert writer.flush(BOUND_S)
        writer.put("second", Level.INFO)
        assert writer.flush(BOUND_S)
        monkeypatch.undo()
        writer.close(BOUND_S)
    assert (tmp_path / "log").read_text() == "abc\nsecond\n"
    assert writer.dropped == 1


@pytest.fixture
def unwilling(pipe: Pipe) -> Pipe:
    """One whose writing end answers EAGAIN rather than wait, as a shared terminal's may."""
    os.set_blocking(pipe.stream.fileno(), False)
    return pipe


def test_a_descriptor_that_does_not_block_loses_nothing_and_tears_nothing(
    unwilling: Pipe,
) -> None:
    writer = Writer(unwilling.stream, capacity=100_000, capacity_bytes=64 << 20)
    for number in range(3_000):
        # Longer than what a pipe takes at once.
        assert writer.put(line(number, 5_000 if number % 10 else 20), Level.INFO)
    texts: list[str] = []
    reader = threading.Thread(target=lambda: texts.append(unwilling.read_all()))
    reader.start()
    assert writer.flush(BOUND_S)
    writer.close(BOUND_S)
    unwilling.stream.close()
    reader.join(BOUND_S)
    assert texts[0].splitlines() == [line(n, 5_000 if n % 10 else 20) for n in range(3_000)]
    assert writer.dropped == 0


def test_a_stream_that_says_ready_and_takes_nothing_makes_nothing_spin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, refused = os.write, 20
    pauses: list[float] = []
    asked: list[int] = []

    def busy(descriptor: int, data: bytes) -> int:
        asked.append(len(data))
        if len(asked) <= refused:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        # Then a few bytes at a time.
        return real(descriptor, data[:7])

    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream, os.fdopen(reading) as reader:
        writer = Writer(stream)
        monkeypatch.setattr(os, "write", busy)
        monkeypatch.setattr("listener.adapters.logs.writer.time.sleep", pauses.append)
        writer.put("a line of some length", Level.INFO)
        writer.put("another", Level.ERROR)
        assert writer.flush(BOUND_S)
        monkeypatch.undo()
        writer.close(BOUND_S)
        stream.close()
        assert reader.read() == "a line of some length\nanother\n"
    assert len(pauses) == refused
    assert writer.dropped == 0


def test_a_gap_that_cannot_be_told_ends_no_log() -> None:
    stream = FullDisk()
    writer = Writer(stream)

    def fails(count: int) -> str:
        raise RuntimeError(f"cannot tell of {count}")

    writer.tell_gap = fails
    writer.put("lost", Level.ERROR)
    assert writer.flush(BOUND_S)
    stream.full = False
    for text in ("first", "second"):
        writer.put(text, Level.INFO)
        assert writer.flush(BOUND_S), "it writes on"
    writer.tell_gap = "{} dropped".format
    writer.put("third", Level.INFO)
    writer.close(BOUND_S)
    assert stream.getvalue() == "first\nsecond\nthird\n1 dropped\n", "told once it can be"


def test_no_thread_is_left() -> None:
    before = threading.active_count()
    writers = [Writer(io.StringIO()) for _ in range(20)]
    assert threading.active_count() == before + 20
    for writer in writers:
        writer.close(BOUND_S)
    assert threading.active_count() == before


def test_closing_twice_is_closing_once() -> None:
    writer = Writer(io.StringIO())
    writer.close(BOUND_S)
    writer.close(BOUND_S)


def test_the_log_tells_of_drops_when_it_is_read_again(pipe: Pipe) -> None:
    writer = Writer(pipe.stream, capacity=50)
    log = StructuredLog(
        writer, Redactor(), ref_key=b"k", run_id="r", version="1", replica="here", strict=True
    )
    for _ in range(5_000):
        log.emit("journal.recovered", lanes=1, open=2, events=3, files_swept=4, retold=5)
    dropped = log.dropped_lines()
    assert dropped > 0
    texts: list[str] = []
    reader = threading.Thread(target=lambda: texts.append(pipe.read_all()))
    reader.start()
    assert log.flush(BOUND_S)
    log.close()
    pipe.stream.close()
    reader.join(BOUND_S)
    lines = [json.loads(text) for text in texts[0].splitlines()]
    told = [one for one in lines if one["event"] == "log.dropped"]
    assert sum(one["dropped"] for one in told) == dropped
    assert all(one["level"] == "warning" and one["hint"] for one in told)
    assert len(lines) - len(told) + dropped == 5_000


async def test_written_waits_for_the_reader_and_for_no_later_line(pipe: Pipe) -> None:
    writer = Writer(pipe.stream)
    log = StructuredLog(
        writer, Redactor(), ref_key=b"key", run_id="0a1b", version="1", replica="here"
    )
    async with asyncio.timeout(BOUND_S):
        await log.written()
        while writer.dropped == 0 and writer.last < PIPE_HOLDS // 1_000:
            writer.put(line(writer.last), Level.INFO)
        waiting = asyncio.create_task(log.written())
        done, _ = await asyncio.wait({waiting}, timeout=0.1)
        assert not done, "nobody reads"
        reading = asyncio.create_task(asyncio.to_thread(pipe.read_all))
        await waiting
        assert writer.done >= PIPE_HOLDS // 1_000
        writer.close(BOUND_S)
        pipe.stream.close()
        await reading
