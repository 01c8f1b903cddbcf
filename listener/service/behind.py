"""Work that goes on when its caller is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from listener.core.errors import JournalFault

T = TypeVar("T")


class Behind:
    """What is begun here is finished, whoever cancels; ``fail`` is told of a fault that it meets,
    for its caller may no longer be there to see it."""

    def __init__(self, fail: Callable[[JournalFault], None]) -> None:
        self._fail = fail
        self._tasks: set[asyncio.Task[Any]] = set()

    async def see_through(self, work: Coroutine[Any, Any, T]) -> T:
        """Its result. A caller that is cancelled leaves at once, and the work goes on."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def finish(self) -> None:
        """Wait until all that was begun by now has ended."""
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        fault = None if task.cancelled() else task.exception()
        if isinstance(fault, JournalFault):
            self._fail(fault)
