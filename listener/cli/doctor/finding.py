"""What a look finds, and how looks are taken: side by side, each within its bound."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from listener.cli import exits
from listener.core.errors import place_of

T = TypeVar("T")

BOUND_S = 5.0
"""For each look."""


class Verdict(StrEnum):
    """How it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. ``advice``: what to do, where there is something to be done. ``status``: what the
    command ends with for it, where it fails."""

    check: str
    verdict: Verdict
    found: str
    advice: str = ""
    status: int = exits.UNAVAILABLE


def fine(check: str, found: str) -> Finding:
    """Nothing to be done."""
    return Finding(check, Verdict.OK, found)


def warn(check: str, found: str, advice: str) -> Finding:
    """It will do, and somebody should look."""
    return Finding(check, Verdict.WARN, found, advice)


def fail(check: str, found: str, advice: str, status: int) -> Finding:
    """The daemon cannot do its work so."""
    return Finding(check, Verdict.FAIL, found, advice, status)


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the world: it may find several things, the first of them under its own name."""

    name: str
    status: int
    take: Callable[[], Awaitable[Iterable[Finding]]]


GRAVEST = (exits.CONFIGURATION, exits.PERMISSION, exits.IO_FAILED, exits.UNAVAILABLE)
"""Of several that fail, the first of these is the exit status: what stands in the way of the rest
comes first."""


def exit_status(findings: Iterable[Finding]) -> int:
    """0 where nothing fails."""
    statuses = {finding.status for finding in findings if finding.verdict is Verdict.FAIL}
    return next((status for status in GRAVEST if status in statuses), exits.OK)


async def take_all(looks: Iterable[Look], clean: Callable[[str], str]) -> list[Finding]:
    """All at once; what they find in the order of the looks, ``clean`` of secrets. Interrupted, it
    ends when the last of them has cleared up."""
    async with asyncio.TaskGroup() as group:
        found = [group.create_task(_taken(look)) for look in looks]
    return [
        replace(finding, found=clean(finding.found), advice=clean(finding.advice))
        for findings in found
        for finding in findings.result()
    ]


async def _taken(look: Look) -> list[Finding]:
    try:
        async with asyncio.timeout(BOUND_S):
            return list(await look.take())
    except TimeoutError:
        found, advice = f"no answer in {BOUND_S:g} s", "see what it waits for, and look again"
    except OSError as error:
        found, advice = error.strerror or type(error).__name__, "see to what the system says"
    except Exception as error:  # noqa: BLE001 - one look that fails must not hide what the others saw
        found = f"the look itself failed ({type(error).__name__} at {place_of(error)})"
        advice = "please report it, with this line"
    return [fail(look.name, found, advice, look.status)]


async def aside(run: Callable[[], T]) -> T:
    """What blocks, in a thread that holds up nobody: one that hangs in a dead disk ends with the
    process."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if ended.done():
            return
        if error is not None:
            ended.set_exception(error)
        else:
            ended.set_result(result)  # type: ignore[arg-type]  # None only where T is None

    def work() -> None:
        result, error = None, None
        try:
            result = run()
        except BaseException as raised:  # noqa: BLE001 - handed over to whoever waits
            error = raised
        try:
            loop.call_soon_threadsafe(settle, result, error)
        except RuntimeError:
            return  # nobody waits any more

    threading.Thread(target=work, name="doctor", daemon=True).start()
    return await ended
