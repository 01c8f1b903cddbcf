"""Never an event, though updates were sent while we listened: when that is told, and when not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from listener.core.names import (
    CvCode,
    FileKind,
    Millis,
    State,
    SubmissionId,
)
from listener.core.submission import FileFacts, Submission
from listener.service.silence import should_have_been_heard
from tests.fakes.socket_server import Emission
from tests.simulation.life import Life

from .test_hearing import listening
from .test_rooms import crash, lived, start, submit, until

SILENT: dict[str, Any] = {"events": {"silent": 1.0}}
ACCEPTED = Submission(
    SubmissionId("0"),
    Millis(0),
    FileFacts("00", 1, FileKind.PDF, "cv.pdf"),
    accepted_ms=Millis(1),
)
POSSIBLY_SENT = replace(ACCEPTED, accepted_ms=None)


@pytest.mark.parametrize(
    ("ended", "reason", "counts"),
    [
        (ACCEPTED, "listened_record_moved", True),
        (ACCEPTED, "listened_no_baseline", True),
        (ACCEPTED, "record_unmoved", True),
        (POSSIBLY_SENT, "listened_record_moved", True),
        # It may never have been applied: then there was nothing to be heard.
        (POSSIBLY_SENT, "listened_record_unmoved", False),
        (POSSIBLY_SENT, "listened_record_unknown", False),
        (ACCEPTED, "deaf_record_moved", False),
        (ACCEPTED, "cancelled", False),
        (ACCEPTED, "record_moved_while_deaf", False),
        (ACCEPTED, None, False),
        (ACCEPTED, "not_found", False),
    ],
)
def test_only_what_should_have_been_heard_makes_a_silent_ear_suspicious(
    ended: Submission, reason: str | None, counts: bool
) -> None:
    assert should_have_been_heard(ended, reason) is counts


async def unheard(life: Life, count: int, name: str) -> None:
    """So many updates that end without their event."""
    await listening(life)
    for number in range(count):
        one = await submit(life, CvCode(f"Sim#{name}-{number}"))
        await until(life, one, State.CLOSED)


def renamed(life: Life) -> Callable[[], None]:
    """From now on events are emitted under another name; until what is returned is called."""
    real = life.server.emit

    def unheard_of(code: str, *_: object) -> Emission:
        return Emission(0, 0.0, code, (), None, 0)

    def mend() -> None:
        life.server.emit = real  # type: ignore[method-assign]  # the fault is over

    life.server.emit = unheard_of  # type: ignore[method-assign]  # the planted fault
    return mend


def told(life: Life) -> list[object]:
    return [f.fields["submissions"] for f in life.log.lines if f.event == "event.never_heard"]


def test_it_is_told_at_the_third_and_again_when_they_are_twice_as_many() -> None:
    async def story(life: Life) -> None:
        await unheard(life, 2, "first")
        assert told(life) == []
        await unheard(life, 1, "third")
        await unheard(life, 2, "fifth")
        assert told(life) == [3]
        await unheard(life, 2, "seventh")
        assert told(life) == [3, 6]

    lived(story, **SILENT)


def test_after_a_restart_it_is_told_once_one_more_was_not_heard() -> None:
    async def story(life: Life) -> None:
        await unheard(life, 3, "before")
        assert told(life) == [3]
        for _ in range(2):
            await crash(life)
            await start(life)
            await listening(life)
            await asyncio.sleep(60)
            # To have been away within their late window made them that.
            assert set(life.disk.ask("SELECT outcome FROM submissions")) == {("presumed",)}
        assert told(life) == [3], "the settings may have been mended"
        await unheard(life, 1, "after")
        assert told(life) == [3, 4]

    lived(story, **SILENT)


def test_that_one_was_confirmed_once_is_no_excuse_for_a_later_run() -> None:
    """The event may have been renamed since, here or there."""

    async def story(life: Life) -> None:
        await unheard(life, 4, "heard")
        await crash(life)
        renamed(life)
        await start(life)
        await unheard(life, 2, "second")
        assert told(life) == []
        await unheard(life, 1, "third")
        assert told(life) == [3]

    lived(story)


def test_what_went_before_one_that_was_confirmed_does_not_count() -> None:
    async def story(life: Life) -> None:
        mend = renamed(life)
        await unheard(life, 2, "before")
        mend()
        await unheard(life, 1, "confirmed")
        await crash(life)
        renamed(life)
        await start(life)
        await unheard(life, 2, "after")
        assert told(life) == []

    lived(story)


def test_what_was_sent_before_one_that_was_confirmed_does_not_count_though_it_closed_after() -> (
    None
):
    async def story(life: Life) -> None:
        await listening(life)
        mend = renamed(life)
        lost = [await submit(life, CvCode(f"Sim#lost-{number}")) for number in range(3)]
        for one in lost:
            await until(life, one, State.AWAITING)
        await asyncio.sleep(10)
        mend()
        await unheard(life, 1, "confirmed")
        for one in lost:
            assert (await until(life, one, State.CLOSED)).outcome == "unconfirmed"
        await crash(life)
        renamed(life)
        await start(life)
        await unheard(life, 1, "after")
        assert told(life) == []

    lived(story)


def test_who_hears_anything_at_all_is_not_silent() -> None:
    async def story(life: Life) -> None:
        await listening(life)
        life.upstream.emit(CvCode("Sim#a-stranger"))
        await asyncio.sleep(1)
        await unheard(life, 4, "unheard")
        assert told(life) == []

    lived(story, **SILENT)
