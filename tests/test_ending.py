"""The loop that the daemon runs in, and its end: whatever blocks or will not end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

from listener import ending
from listener.ports.reaction import CALLED


def test_threads_that_a_handler_blocks_hold_up_neither_us_nor_another_handler() -> None:
    free, blocked = threading.Event(), threading.Semaphore(0)

    def block() -> None:
        blocked.release()
        free.wait()

    async def blocks() -> None:
        CALLED.set("own:blocks")
        async with asyncio.timeout(0.2):
            await asyncio.to_thread(block)

    async def other() -> str:
        CALLED.set("own:other")
        return await asyncio.to_thread(lambda: threading.current_thread().name)

    async def main() -> tuple[str, str]:
        asked = [asyncio.create_task(blocks()) for _ in range(2 * ending.THREADS_OF_A_HANDLER)]
        await asyncio.wait(asked)
        assert all(isinstance(task.exception(), TimeoutError) for task in asked)
        ours = await asyncio.to_thread(lambda: threading.current_thread().name)
        return ours, await asyncio.create_task(other())

    def left(names: Sequence[str]) -> None:
        assert len(names) == ending.THREADS_OF_A_HANDLER, "those that had not begun never do"
        assert all(name.startswith("worker own:blocks_") for name in names)
        free.set()
        for thread in threading.enumerate():
            if thread.name.startswith("worker"):
                thread.join()

    ours, theirs = ending.run(main(), left)
    assert free.is_set()
    assert ours.startswith("worker_")
    assert theirs.startswith("worker own:other_")


def test_what_ends_is_waited_for_and_the_loop_is_closed() -> None:
    ended: list[str] = []
    told: list[Sequence[str]] = []

    async def tidy() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            ended.append("tidy")

    async def main() -> tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]:
        task = asyncio.create_task(tidy())
        await asyncio.sleep(0)
        return asyncio.get_running_loop(), task

    loop, task = ending.run(main(), told.append)
    assert (ended, told) == (["tidy"], [])
    assert task.cancelled()
    assert loop.is_closed()
