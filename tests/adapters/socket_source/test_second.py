"""A stop in the moment of a verdict: whoever has the second connection in hand ends it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from listener.adapters.socket_source import SocketSource

from .ear import now_ms


@pytest.mark.parametrize("turns", range(6))
async def test_a_stop_in_the_moment_of_a_verdict_leaves_no_second_connection(turns: int) -> None:
    source: Any = SocketSource(url="http://127.0.0.1:1", now_ms=now_ms, first_seq=1)
    verdict, stopped, placed = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def stop() -> None:
        stopped.set()

    async def hold_doubts() -> Any:
        await verdict.wait()
        return SimpleNamespace(stop=stop)

    source._hold_doubts = hold_doubts
    source._replace = lambda *_: placed.set()
    first = SimpleNamespace(task=asyncio.get_running_loop().create_future(), connection=None)
    watching = asyncio.create_task(source._watch(first))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    verdict.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    watching.cancel()
    ended = await asyncio.gather(watching, return_exceptions=True)
    had_it = not isinstance(ended[0], BaseException)
    begun = turns > 0 or had_it
    assert had_it == placed.is_set()
    assert had_it or stopped.is_set() or not begun
