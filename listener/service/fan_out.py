"""The same for many, so many at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


async def for_each(items: Iterable[T], at_once: int, do: Callable[[T], Awaitable[object]]) -> None:
    """Do it for each, ``at_once`` at a time: as many tasks as that, however many items there are.

    A fault in one cancels the others, and is raised in an ExceptionGroup."""
    left = iter(items)

    async def work() -> None:
        for item in left:
            await do(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(work())
