"""Handlers that fail, hang, or are gone: each for itself, on virtual time."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, cast

import pytest

from listener.adapters.clock import SystemClock
from listener.core.names import CvCode, FileKind, Millis, Outcome, State, SubmissionId
from listener.core.submission import FileFacts, Lane, Submission
from listener.ports.journal import LaneCommit
from listener.ports.reaction import ANNOUNCED, Handler, HandlerFailed
from listener.service.caller import Call, Caller, Errand, wait_after
from listener.service.reactor import Reactor, at_once
from tests.adapters.logs.sinks import Written, written
from tests.fakes.journal_memory import MemoryJournal
from tests.simulation.loop import VirtualLoop, run_virtual

HOUR, DAY = 3_600.0, 86_400.0


class Ward:
    """A journal, a log, and a reactor that runs, with these handlers."""

    def __init__(self, loop: VirtualLoop, sink: Written) -> None:
        self.loop = loop
        self.sink = sink
        self.journal = MemoryJournal()
        self._versions: Counter[str] = Counter()
        self._running: asyncio.Task[None] | None = None
        self._reactor: Reactor | None = None
        self.told: Callable[[], Awaitable[object]] = at_once

    @asynccontextmanager
    async def running(self, *handlers: Handler) -> AsyncIterator[None]:
        """One run of the process; it ends as a process does that is killed."""

        async def told(_: CvCode) -> None:
            await self.told()

        clock = SystemClock(lambda: 1_700_000_000 * 10**9, lambda: int(self.loop.time() * 1e9))
        self._reactor = Reactor(self.journal, clock, self.sink.log, handlers, told)
        await self._reactor.recover()
        running = asyncio.create_task(self._reactor.run())
        try:
            yield
            assert not running.done()
        finally:
            running.cancel()
            await asyncio.wait({running})
            self.journal = self.journal.reopened()

    @property
    def callers(self) -> Sequence[Caller]:
        """Of the run that is."""
        assert self._reactor is not None
        return self._reactor.callers

    async def close(self, name: str, outcome: Outcome = Outcome.CONFIRMED) -> None:
        """A submission closes; again: it is corrected."""
        self._versions[name] += 1
        version = self._versions[name]
        submission = Submission(
            id=SubmissionId(name),
            created_ms=Millis(1),
            file=FileFacts("ab" * 32, 10, FileKind.PDF, ""),
            state=State.CLOSED,
            outcome=outcome,
            version=version,
            closed_ms=Millis(2),
        )
        made = await self.journal.commit(
            LaneCommit(
                code=CvCode(f"code-{name}"),
                expected_version=version - 1,
                lane=Lane((submission,)),
                due_ms=None,
                changed=(submission,),
                reactions=((submission.id, version),),
            )
        )
        assert made == version
        assert self._reactor is not None
        self._reactor.wake()

    def lines(self, event: str) -> list[dict[str, Any]]:
        return self.sink.of(event)


def played(story: Callable[[Ward], Awaitable[None]]) -> None:
    async def main(loop: VirtualLoop) -> None:
        with written() as sink:
            await story(Ward(loop, sink))

    run_virtual(1, main)


class Listening:
    """A handler that notes when it was called for what, and does what it is told to."""

    def __init__(self, answer: Callable[[str], Awaitable[None]] | None = None) -> None:
        self._answer = answer
        self.calls: list[tuple[float, str, int]] = []

    async def __call__(self, submission: Mapping[str, object]) -> None:
        name, version = str(submission["id"]), int(str(submission["version"]))
        self.calls.append((asyncio.get_running_loop().time(), name, version))
        if self._answer is not None:
            await self._answer(name)

    @property
    def names(self) -> Counter[str]:
        return Counter(name for _, name, _ in self.calls)


def failing(*only: str, error: BaseException | None = None) -> Listening:
    """It fails: always, or for these submissions alone."""

    async def answer(name: str) -> None:
        if not only or name in only:
            raise error or HandlerFailed("no")

    return Listening(answer)


# ---------------------------------------------------------------------------------- each for itself


@pytest.mark.parametrize("error", [asyncio.CancelledError, SystemExit, ValueError, HandlerFailed])
def test_a_handler_may_raise_anything_and_is_asked_again(error: type[BaseException]) -> None:
    async def story(ward: Ward) -> None:
        async def answer(_: str) -> None:
            if len(own.calls) < 3:
                raise error("no")

        own = Listening(answer)
        async with ward.running(Handler("own", own)):
            await ward.close("a")
            await asyncio.sleep(60)
        (first, *_), (second, *_), (third, *_) = own.calls
        assert 0.8 <= second - first <= 1.3
        assert 3.2 <= third - second <= 5

    played(story)


def test_one_that_fails_makes_nobody_else_be_asked_again() -> None:
    async def story(ward: Ward) -> None:
        good, bad = Listening(), failing()
        both = [Handler("bad", bad), Handler("good", good)]
        async with ward.running(*both):
            await ward.close("a")
            await asyncio.sleep(HOUR)
        assert len(bad.calls) > 3
        async with ward.running(*both):
            await asyncio.sleep(HOUR)
        assert good.names == {"a": 1}, "not even after a restart"
        assert await ward.journal.reactions_waiting() == {"bad": 1}

    played(story)


def test_one_that_hangs_holds_up_neither_others_nor_its_own() -> None:
    async def story(ward: Ward) -> None:
        async def answer(name: str) -> None:
            if name == "a":
                await asyncio.sleep(HOUR)

        good, slow = Listening(), Listening(answer)
        async with ward.running(Handler("slow", slow, timeout_s=30.0), Handler("good", good)):
            for name in "abc":
                await ward.close(name)
            await asyncio.sleep(1)
            assert good.names == slow.names == {"a": 1, "b": 1, "c": 1}
            await asyncio.sleep(29)
            await ward.close("d")
            await asyncio.sleep(5)
        assert good.names == {"a": 1, "b": 1, "c": 1, "d": 1}
        assert slow.names == {"a": 2, "b": 1, "c": 1, "d": 1}
        (line,) = ward.lines("handler.failed")
        assert (line["handler"], line["submission_id"], line["tries"]) == ("slow", "a", 1)
        assert (line["error_type"], line["error"]) == (
            "TimeoutError",
            "expected to be done within 30 s, and was not",
        )

    played(story)


def test_one_that_swallows_its_cancellation_has_failed_and_keeps_no_place_but_its_own() -> None:
    async def story(ward: Ward) -> None:
        free = asyncio.Event()

        async def answer(name: str) -> None:
            while name == "a" and not free.is_set():
                with suppress(asyncio.CancelledError):
                    await free.wait()

        own = Listening(answer)
        async with ward.running(Handler("own", own, timeout_s=10.0)):
            await ward.close("a")
            await asyncio.sleep(HOUR)
            await ward.close("b")
            await asyncio.sleep(1)
            assert own.names == {"a": 1, "b": 1}, "a goes on: it is not called beside itself"
            told, *again = ward.lines("handler.failed")
            assert told["submission_id"] == "a"
            assert told["error"] == (
                "expected to be done within 10 s, and was not, nor did it end when it was "
                "cancelled: until it does, it keeps its place"
            )
            assert [line["failures"] for line in again] == [2, 4], "each try that cannot be made"
            free.set()
            await asyncio.sleep(6 * HOUR)
        assert own.names == {"a": 2, "b": 1}
        assert await ward.journal.reactions_waiting() == {}
        assert len(ward.lines("handler.recovered")) >= 1

    played(story)


def test_one_that_cancels_itself_has_failed_like_any_other() -> None:
    async def story(ward: Ward) -> None:
        async def answer(name: str) -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            if name == "a":
                await asyncio.sleep(0)

        own = Listening(answer)
        async with ward.running(Handler("own", own)):
            await ward.close("a")
            await ward.close("b")
            await asyncio.sleep(60)
        assert set(own.names.values()) == {4}, "after 1 s, 4 s, 16 s: not as fast as it can"
        assert {line["error_type"] for line in ward.lines("handler.failed")} == {"CancelledError"}

    played(story)


def test_at_the_stop_a_call_may_clean_up_and_one_that_will_not_end_is_left() -> None:
    async def story(ward: Ward) -> None:
        cleaned: list[str] = []

        async def answer(name: str) -> None:
            try:
                await asyncio.sleep(HOUR)
            except asyncio.CancelledError:
                await asyncio.sleep(4 if name == "tidy" else HOUR)
                cleaned.append(name)

        own = Listening(answer)
        async with ward.running(Handler("own", own, timeout_s=2 * HOUR)):
            await ward.close("tidy")
            await ward.close("rude")
            await asyncio.sleep(1)
            stopped = ward.loop.time()
        assert cleaned == ["tidy"]
        assert 4 <= ward.loop.time() - stopped <= 6

    played(story)


def test_so_many_are_called_at_once_and_no_more() -> None:
    async def story(ward: Ward) -> None:
        under_way = most = 0

        async def answer(_: str) -> None:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(1)
            under_way -= 1

        own = Listening(answer)
        async with ward.running(Handler("own", own, at_once=3)):
            for number in range(30):
                await ward.close(f"{number:02}")
            await asyncio.sleep(15)
        assert most == 3
        assert set(own.names.values()) == {1}
        assert len(own.names) == 30

    played(story)


# -------------------------------------------------------------------------------------- versions


def test_a_correction_meanwhile_is_told_once_and_the_old_version_not_at_all() -> None:
    async def story(ward: Ward) -> None:
        async def answer(_: str) -> None:
            if len(own.calls) < 2:
                raise HandlerFailed("no")

        own = Listening(answer)
        async with ward.running(Handler("own", own)):
            await ward.close("a", Outcome.UNCONFIRMED)
            await asyncio.sleep(0.1)
            await ward.close("a", Outcome.CONFIRMED)
            await asyncio.sleep(HOUR)
        assert [version for _, _, version in own.calls] == [1, 2]
        assert await ward.journal.reactions_waiting() == {}

    played(story)


def test_who_was_told_how_it_stands_is_not_told_it_again() -> None:
    async def story(ward: Ward) -> None:
        async def answer(_: str) -> None:
            if len(own.calls) < 3:
                raise HandlerFailed("no")

        own = Listening(answer)
        async with ward.running(Handler("own", own)):
            for _ in range(2):
                await ward.close("a")
                await asyncio.sleep(0.1)
            await asyncio.sleep(HOUR)
        assert [version for _, _, version in own.calls] == [1, 2, 2]

    played(story)


def test_a_line_is_told_before_any_handler_hears() -> None:
    async def story(ward: Ward) -> None:
        own, line = Listening(), asyncio.Event()
        ward.told = line.wait
        async with ward.running(Handler("own", own)):
            await ward.close("a")
            await asyncio.sleep(HOUR)
            assert own.calls == []
            assert await ward.journal.reactions_waiting() == {ANNOUNCED: 1}
            line.set()
            await asyncio.sleep(1)
        assert own.names == {"a": 1}

    played(story)


def test_two_versions_of_one_submission_are_never_told_at_the_same_time() -> None:
    async def story(ward: Ward) -> None:
        async def answer(_: str) -> None:
            await asyncio.sleep(10)

        own = Listening(answer)
        async with ward.running(Handler("own", own)):
            await ward.close("a")
            await asyncio.sleep(1)
            await ward.close("a")
            await asyncio.sleep(5)
            assert len(own.calls) == 1
            await asyncio.sleep(20)
        assert [version for _, _, version in own.calls] == [1, 2]
        assert own.calls[1][0] - own.calls[0][0] >= 10

    played(story)


def test_a_restart_asks_at_once_for_what_was_put_off() -> None:
    async def story(ward: Ward) -> None:
        own = failing()
        async with ward.running(Handler("own", own)):
            await ward.close("a")
            await asyncio.sleep(3 * HOUR)
        before = len(own.calls)
        async with ward.running(Handler("own", own)):
            await asyncio.sleep(0.5)
        assert len(own.calls) == before + 1

    played(story)


# -------------------------------------------------------------------------------------- incidents


def test_a_flood_of_failures_is_some_lines_and_few_calls() -> None:
    async def story(ward: Ward) -> None:
        down = True

        async def answer(_: str) -> None:
            if down:
                raise HandlerFailed("expected 2xx, found 503")

        own = Listening(answer)
        async with ward.running(Handler("own", own)):
            for number in range(500):
                await ward.close(f"{number:03}")
            await asyncio.sleep(HOUR)
            assert len(own.calls) < 100, "who is down is not asked about each"
            (caller,) = ward.callers
            assert caller.failures == len(own.calls), "each counts, though few are told"
            told = ward.lines("handler.failed")
            assert [line["failures"] for line in told] == [2**n for n in range(len(told))]
            assert {(line["handler"], line["error"]) for line in told} == {
                ("own", "expected 2xx, found 503")
            }
            assert all(0.8 <= line["retry_in_s"] <= 6 * HOUR * 1.2 for line in told)
            down = False
            await asyncio.sleep(HOUR / 2)
        assert len(own.names) == 500
        assert await ward.journal.reactions_waiting() == {}
        (recovered,) = ward.lines("handler.recovered")
        assert recovered["failures"] == len(own.calls) - 500
        assert HOUR * 1000 <= recovered["duration_ms"] <= 1.3 * HOUR * 1000

    played(story)


def test_when_it_serves_again_what_was_put_off_waits_no_longer() -> None:
    async def story(ward: Ward) -> None:
        down = True

        async def answer(_: str) -> None:
            if down:
                raise HandlerFailed("no")

        own = Listening(answer)
        async with ward.running(Handler("own", own)):
            for name in "abc":
                await ward.close(name)
            await asyncio.sleep(12 * HOUR)
            down = False
            await ward.close("new")
            await asyncio.sleep(HOUR / 4 + 1)
        assert await ward.journal.reactions_waiting() == {}

    played(story)


def test_one_outcome_that_nobody_takes_holds_up_no_other() -> None:
    async def story(ward: Ward) -> None:
        own = failing("poison")
        async with ward.running(Handler("own", own)):
            await ward.close("poison")
            for number in range(24 * 6):
                await asyncio.sleep(600)
                await ward.close(f"{number:03}")
            await asyncio.sleep(1)
            assert set((own.names - Counter({"poison": 99})).values()) == {1}
            assert len(own.names) == 24 * 6 + 1
        assert 8 <= own.names["poison"] <= 14, "and it is tried on, ever more rarely"
        assert len(ward.lines("handler.recovered")) >= 4, "it is not the handler that fails"
        assert len(ward.lines("handler.failed")) <= 14
        assert ward.lines("handler.disabled") == []

    played(story)


def test_a_success_soon_after_the_failure_ends_the_incident() -> None:
    async def story(ward: Ward) -> None:
        async def answer(_: str) -> None:
            if len(own.calls) == 1:
                raise HandlerFailed("no")

        own = Listening(answer)
        async with ward.running(Handler("own", own)):
            await ward.close("a")
            await asyncio.sleep(5)
            await ward.close("b")
            await asyncio.sleep(5)
        (line,) = ward.lines("handler.recovered")
        assert (line["failures"], line["level"]) == (1, "warning")

    played(story)


def test_who_asks_for_quiet_is_given_it() -> None:
    async def story(ward: Ward) -> None:
        own = failing(error=HandlerFailed("429", again_in_s=120.0))
        async with ward.running(Handler("own", own)):
            await ward.close("a")
            await asyncio.sleep(130)
        assert [round(at / 10) for at, _, _ in own.calls] == [0, 12]

    played(story)


def test_who_asks_for_quiet_for_all_is_left_alone_by_all() -> None:
    async def story(ward: Ward) -> None:
        async def answer(name: str) -> None:
            if len(own.calls) == 1:
                raise HandlerFailed("429", again_in_s=120.0, quiet=True)

        own, good = Listening(answer), Listening()
        async with ward.running(Handler("own", own), Handler("good", good)):
            for name in "abcd":
                await ward.close(name)
                await asyncio.sleep(1)
            await asyncio.sleep(114)
            assert own.names == {"a": 1}
            assert len(good.names) == 4, "it is nobody else's quiet"
            await asyncio.sleep(4)
        assert own.names == {"a": 2, "b": 1, "c": 1, "d": 1}

    played(story)


class Unspeakable(HandlerFailed):
    """Has no text."""

    def __str__(self) -> str:
        raise SystemExit(3)


class Unmade(HandlerFailed):
    """Was never made as its parent is: it has no number, either."""

    def __init__(self) -> None:
        Exception.__init__(self, "no")


NO_TIME = "(expected again_in_s to be seconds from 0 on, found what is not: left out)"


@pytest.mark.parametrize(
    ("error", "wait_s", "told"),
    [
        *((HandlerFailed("no", again_in_s=odd), 1, NO_TIME) for odd in (math.inf, math.nan, -1e99)),
        (HandlerFailed("no", again_in_s=cast("float", "5")), 1, NO_TIME),
        *((HandlerFailed("no", again_in_s=long), 30 * DAY, "no") for long in (1e16, 10**400)),
        (HandlerFailed(cast("str", 123)), 1, "123"),
        (Unspeakable("no"), 1, "found SystemExit at test_callers.py:"),
        (Unmade(), 1, "found AttributeError at failure.py:"),
    ],
    ids=repr,
)
def test_whatever_an_error_says_of_itself_it_is_a_failure_and_no_more(
    error: HandlerFailed, wait_s: float, told: str
) -> None:
    async def story(ward: Ward) -> None:
        own = failing(error=error)
        async with ward.running(Handler("own", own)):
            await ward.close("a")
            await asyncio.sleep(31 * DAY)
        (first, *_), (second, *_), *_ = own.calls
        assert 0.8 * wait_s <= second - first <= 1.3 * wait_s
        line, *_ = ward.lines("handler.failed")
        assert told in line["error"]
        assert line["error_type"] == type(error).__name__

    played(story)


def test_what_a_handler_raised_is_told_without_its_words() -> None:
    async def story(ward: Ward) -> None:
        own = failing(error=ValueError("the name of a candidate"))
        async with ward.running(Handler("own", own)):
            await ward.close("a")
            await asyncio.sleep(0.5)
        (line,) = ward.lines("handler.failed")
        assert line["error_type"] == "ValueError"
        assert line["error"].startswith("raised ValueError at test_callers.py:")
        assert "candidate" not in ward.sink.text

    played(story)


# --------------------------------------------------------------------------------------- disabled


def test_after_days_of_nothing_but_failures_it_is_disabled_and_probed() -> None:
    async def story(ward: Ward) -> None:
        down, good = True, Listening()

        async def answer(_: str) -> None:
            if down:
                raise HandlerFailed("expected 2xx, found 500")

        own = Listening(answer)
        async with ward.running(Handler("own", own), Handler("good", good)):
            for number in range(10):
                await ward.close(f"{number}")
            await asyncio.sleep(4.9 * DAY)
            assert ward.lines("handler.disabled") == []
            await asyncio.sleep(0.4 * DAY)
            (line,) = ward.lines("handler.disabled")
            assert (line["level"], line["handler"], line["reason"]) == (
                "critical",
                "own",
                "failing",
            )
            assert line["waiting"] == 10
            assert line["duration_ms"] >= 5 * DAY * 1000
            before = len(own.calls)
            await ward.close("new")
            await asyncio.sleep(2 * DAY)
            assert len(own.calls) - before in (3, 4), "a probe every twelve hours"
            assert good.names["new"] == 1
            down = False
            await asyncio.sleep(0.51 * DAY)
            assert len(own.names) == 11
            assert await ward.journal.reactions_waiting() == {}
        assert len(ward.lines("handler.recovered")) == 1

    played(story)


def test_who_wants_nothing_more_is_asked_no_more_until_the_next_start() -> None:
    async def story(ward: Ward) -> None:
        gone = failing(error=HandlerFailed("expected 2xx, found 410 (gone)", gone=True))
        good = Listening()
        async with ward.running(Handler("own", gone), Handler("good", good)):
            for name in "abc":
                await ward.close(name)
                await asyncio.sleep(1)
            await asyncio.sleep(30 * DAY)
            assert gone.names == {"a": 1}
            assert good.names == {"a": 1, "b": 1, "c": 1}
        (line,) = ward.lines("handler.disabled")
        assert (line["reason"], line["waiting"]) == ("gone", 1)
        async with ward.running(Handler("own", good)):
            await asyncio.sleep(1)
        assert good.names == {"a": 2, "b": 2, "c": 2}

    played(story)


def test_what_waits_for_a_handler_that_is_not_named_is_kept_and_told_of() -> None:
    async def story(ward: Ward) -> None:
        bad, own = failing(), Listening()
        async with ward.running(Handler("own", bad)):
            await ward.close("a")
            await asyncio.sleep(1)
        async with ward.running(Handler("log", own)):
            await asyncio.sleep(HOUR)
        (line,) = ward.lines("handler.unnamed")
        assert (line["handler"], line["waiting"]) == ("own", 1)
        assert own.calls == []
        async with ward.running(Handler("own", own)):
            await asyncio.sleep(1)
        assert own.names == {"a": 1}

    played(story)


def test_what_is_gone_meanwhile_is_nobody_s_business() -> None:
    async def story(ward: Ward) -> None:
        own = failing()
        async with ward.running(Handler("own", own)):
            await ward.close("a")
            await asyncio.sleep(0.5)
            await ward.journal.forget(CvCode("code-a"))
            await asyncio.sleep(HOUR)
            assert len(own.calls) == 1
            assert await ward.journal.reactions_waiting() == {}

    played(story)


def test_without_handlers_nothing_waits() -> None:
    async def story(ward: Ward) -> None:
        async with ward.running():
            await ward.close("a")
            await asyncio.sleep(1)
            assert await ward.journal.due_reactions(ANNOUNCED, Millis(1 << 62), 9) == []

    played(story)


def test_waits_grow_are_bounded_and_are_spread() -> None:
    errand = Errand("a", 1, 0, Millis(0))
    waits = [wait_after(replace(errand, tries=tries)) for tries in range(30)]
    plain = [min(6 * 3_600_000, 1_000 * 4**tries) for tries in range(30)]
    assert all(0.8 * p <= w <= 1.2 * p for w, p in zip(waits, plain, strict=True))
    together = {wait_after(replace(errand, key=str(n), tries=9)) for n in range(100)}
    assert max(together) - min(together) > 0.3 * 6 * 3_600_000
    assert waits == [wait_after(replace(errand, tries=tries)) for tries in range(30)]


# ------------------------------------------------------------------------ what it asks, and answers


class Slow:
    """Errands whose answer to ``due`` is how things stood when it was asked, and is read later."""

    def __init__(self) -> None:
        self.rows = {"a": Errand("a", 1, 0, Millis(0)), "b": Errand("b", 1, 0, Millis(0))}
        self.ends = {name: asyncio.Event() for name in self.rows}
        self.calls: list[str] = []
        self.asked = asyncio.Event()
        self.answers = asyncio.Event()
        self.answers.set()

    async def due(self, until_ms: Millis, limit: int) -> list[Errand]:
        found = list(self.rows.values())
        self.asked.set()
        await self.answers.wait()
        return found

    async def prepare(self, errand: Errand) -> Call:
        async def make() -> None:
            self.calls.append(errand.key)
            await self.ends[errand.key].wait()

        return Call(make, errand.version)

    async def finish(self, errand: Errand, version: int) -> None:
        self.rows.pop(errand.key, None)

    async def postpone(self, errand: Errand, due_ms: Millis) -> None:
        raise AssertionError("nothing fails here")

    async def hasten(self, now_ms: Millis) -> None:
        raise AssertionError("nothing was put off")

    async def waiting(self) -> int:
        return len(self.rows)


def test_an_answer_older_than_the_end_of_a_call_does_not_make_it_again() -> None:
    async def story(ward: Ward) -> None:
        slow = Slow()
        clock = SystemClock(lambda: 1_700_000_000 * 10**9, lambda: int(ward.loop.time() * 1e9))
        caller = Caller("own", slow, clock, ward.sink.log)
        running = asyncio.create_task(caller.run())
        await asyncio.sleep(1)
        assert sorted(slow.calls) == ["a", "b"]
        slow.asked.clear()
        slow.answers.clear()
        caller.wake()
        await slow.asked.wait()
        slow.ends["a"].set()
        await asyncio.sleep(1)
        assert list(slow.rows) == ["b"], "a succeeded, while the answer was under way"
        slow.answers.set()
        await asyncio.sleep(1)
        assert len(slow.calls) == 2
        slow.rows["a"] = Errand("a", 2, 0, Millis(0))
        caller.wake()
        await asyncio.sleep(1)
        assert slow.calls[2:] == ["a"], "what is new of it is told"
        running.cancel()
        await asyncio.wait({running})

    played(story)
