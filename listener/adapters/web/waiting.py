"""Waiting that ends when the daemon stops."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from listener.core.names import State, SubmissionId
from listener.ports.front import Front, Public

T = TypeVar("T")


async def unless(stopping: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """What ``work`` returns; None, and it is cancelled, where ``stopping`` is set first."""
    working = asyncio.ensure_future(work)
    stopped = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        stopped.cancel()
        await asyncio.gather(working, stopped, return_exceptions=True)


async def until_closed(
    front: Front, stopping: asyncio.Event, shown: Public, wait_s: int | None
) -> Public:
    """A submission once it is closed, or as it stands after ``wait_s``, or when the daemon stops;
    as it was ``shown`` where no waiting is wanted."""
    if not wait_s or shown["state"] == State.CLOSED:
        return shown
    submission_id = SubmissionId(shown["id"])
    closed = await unless(stopping, front.wait_closed(submission_id, wait_s))
    return closed or await front.submission(submission_id) or shown
