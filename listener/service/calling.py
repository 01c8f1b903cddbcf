"""One call of a function of the users', in a task of its own: a value comes of it in any case.

It may swallow its cancellation, cancel itself, or raise what would end a loop. None of that reaches
us: our own task is cancelled by us alone, and waits no longer than it wants to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from listener.ports.reaction import CALLED

from .failure import Failure, failure_of

CLEAN_UP_S = 5.0
"""For what a call that is cancelled has still to do: to close, to kill, to bury."""

Made: TypeAlias = "asyncio.Task[BaseException | None]"
"""A call under way; what it raised."""


def begin(make: Callable[[], Awaitable[None]], name: str) -> Made:
    """``name``: whose call it is, for who finds the task."""
    return asyncio.create_task(_kept(make, name), name=f"handler {name}")


async def _kept(make: Callable[[], Awaitable[None]], name: str) -> BaseException | None:
    CALLED.set(name)
    try:
        await make()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  # a user's: SystemExit and a cancellation are told too
        return error
    return None


async def made_within(made: Made, seconds: float) -> Failure | None:
    """How it failed, None where it did not. What takes longer is cancelled, and has failed: whether
    it is then done is to be asked of ``made``."""
    await asyncio.wait({made}, timeout=seconds)
    if not made.done():
        words = f"expected to be done within {seconds:g} s, and was not"
        if not await cancelled(made):
            words += ", nor did it end when it was cancelled: until it does, it keeps its place"
        return Failure(words, "TimeoutError")
    if made.cancelled():
        return Failure("expected to return or to raise, and cancelled itself", "CancelledError")
    error = made.result()
    return None if error is None else failure_of(error)


async def cancelled(made: Made) -> bool:
    """Cancel it; whether it ended by it, within CLEAN_UP_S."""
    made.cancel()
    await asyncio.wait({made}, timeout=CLEAN_UP_S)
    return made.done()
