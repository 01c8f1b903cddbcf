"""A loop that is run to its end within a bound, whatever functions of the users' still do in it."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

LEFT_S = 2.0
"""For tasks that are cancelled, and for threads, to end in: nothing of ours needs it."""
WORKERS = "worker"

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T], left: Callable[[Sequence[str]], None]) -> T:
    """As ``asyncio.run``, which waits for ever for a task that swallows its cancellation, and for a
    thread that blocks. Those are told to ``left`` by name (it must not raise), and the loop is then
    not closed. Python, too, waits for such a thread: ``os._exit`` alone ends the process."""
    runner = asyncio.Runner()
    threads = ThreadPoolExecutor(thread_name_prefix=WORKERS)
    runner.get_loop().set_default_executor(threads)
    try:
        return runner.run(main)
    finally:
        names = runner.get_loop().run_until_complete(_ended())
        threads.shutdown(wait=False, cancel_futures=True)
        names += _running()
        if names:
            left(names)
        else:
            runner.close()


async def _ended() -> list[str]:
    """Cancel what is left, and wait for it; what would not end."""
    loop, own = asyncio.get_running_loop(), asyncio.current_task()
    tasks = asyncio.all_tasks() - {own}
    for task in tasks:
        task.cancel()
    tasks.add(loop.create_task(loop.shutdown_asyncgens(), name="asynchronous generators"))
    done, left = await asyncio.wait(tasks, timeout=LEFT_S)
    for task in done:
        if not task.cancelled() and (error := task.exception()) is not None:
            about = "a task that was cancelled at the end failed"
            loop.call_exception_handler({"message": about, "exception": error, "task": task})
    return sorted(task.get_name() for task in left)


def _running() -> list[str]:
    """Threads that still run, with where they are."""
    until = time.monotonic() + LEFT_S
    found: list[str] = []
    for thread in threading.enumerate():
        if not thread.name.startswith(WORKERS):
            continue
        thread.join(max(0.0, until - time.monotonic()))
        if thread.is_alive():
            found.append(f"{thread.name} at {_place(thread.ident)}")
    return sorted(found)


def _place(ident: int | None) -> str:
    """A file's name and a line."""
    frame = sys._current_frames().get(ident or 0)
    if frame is None:
        return "an unknown place"
    file = frame.f_code.co_filename.replace("\\", "/").rpartition("/")[2]
    return f"{file}:{frame.f_lineno}"
