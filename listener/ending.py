"""A loop that is run to its end within a bound, whatever functions of the users' still do in it."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, TypeVar, TypeVarTuple, Unpack

from listener.ports.reaction import CALLED

LEFT_S = 2.0
"""For tasks that are cancelled, and for threads, to end in: nothing of ours needs it."""
WORKERS = "worker"
THREADS_OF_A_HANDLER = 32

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Loop(asyncio.SelectorEventLoop):
    """Its threads are the daemon's own; a handler's calls have some of their own, each handler's
    apart: those that block hold up nobody else, the spool and the resolver of names above all."""

    def __init__(self) -> None:
        super().__init__()
        self._of: dict[str, ThreadPoolExecutor] = {}
        own = ThreadPoolExecutor(thread_name_prefix=WORKERS)
        self.set_default_executor(own)
        self._own = own

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """As ever, where the executor is named, or the caller is none of a handler's."""
        name = CALLED.get()
        if executor is None and name:
            if name not in self._of:
                prefix = f"{WORKERS} {name}"
                self._of[name] = ThreadPoolExecutor(THREADS_OF_A_HANDLER, prefix)
            executor = self._of[name]
        return super().run_in_executor(executor, func, *args)

    def release_threads(self) -> None:
        """What has not begun does not, and what has may end."""
        for threads in (self._own, *self._of.values()):
            threads.shutdown(wait=False, cancel_futures=True)


def run(main: Coroutine[Any, Any, T], left: Callable[[Sequence[str]], None]) -> T:
    """As ``asyncio.run``, which waits for ever for a task that swallows its cancellation, and for a
    thread that blocks. Those are told to ``left`` by name; it must not raise. Python, too, waits
    for such a thread: ``os._exit`` alone ends the process."""
    loop = Loop()
    runner = asyncio.Runner(loop_factory=lambda: loop)
    try:
        return runner.run(main)
    finally:
        names = loop.run_until_complete(_ended())
        loop.release_threads()
        names += _running()
        if names:
            left(names)
        loop.close()


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
