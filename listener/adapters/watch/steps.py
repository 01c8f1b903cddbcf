"""Steps on a disk, taken in threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def through(step: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """In a thread, and to its end: cancelling waits for it, so that nobody finds half of it."""
    task = asyncio.ensure_future(asyncio.to_thread(step, *given, **named))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()
        raise
