"""The library's client, held so that nothing of it is left behind."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import engineio  # type: ignore[import-untyped]  # python-engineio ships no types
import socketio  # type: ignore[import-untyped]  # python-socketio ships no types
from engineio import payload

from listener.core.errors import place_of

MAX_POLLED_PACKETS = 100_000
"""Packets of one polling response. The library's own limit, 16, ends the connection after any small
burst; what bounds memory is the size of a response, and that is bounded."""


def _silent_log() -> logging.Logger:
    """The library's loggers print payloads, and with those codes."""
    log = logging.Logger("socket_source.library", level=logging.CRITICAL + 1)
    log.addHandler(logging.NullHandler())
    return log


SILENT = _silent_log()


STUBBORN = 5
"""Times that a task is cancelled: the library swallows the first, here and there."""


class TrackedEngine(engineio.AsyncClient):  # type: ignore[misc]  # the library's class is untyped
    """Keeps the tasks that the library starts and forgets."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.background: set[asyncio.Task[Any]] = set()

    def start_background_task(
        self, target: Callable[..., Coroutine[Any, Any, Any]], *args: Any, **kwargs: Any
    ) -> asyncio.Task[Any]:
        """As the library's; the task's exception, if any, is told to the loop at once."""
        task = asyncio.get_running_loop().create_task(target(*args, **kwargs))
        self.background.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self.background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # By kind and place alone: its text may hold what a server sent.
            message = f"the Socket.IO library failed: {type(error).__name__} in {place_of(error)}"
            task.get_loop().call_exception_handler({"message": message})


class TrackedClient(socketio.AsyncClient):  # type: ignore[misc]  # the library's class is untyped
    """A client for one connection."""

    def _engineio_client_class(self) -> type[TrackedEngine]:
        return TrackedEngine

    async def abandon(self, patience_s: float) -> None:
        """End the connection and everything that belongs to it. Never raises.

        The server sees the transport close. It is not told that we leave the namespace: to a
        server that says "we want nothing more", and it would forget the session.
        """
        # In a task of its own: it awaits tasks whose cancellation would look like ours.
        farewell = asyncio.ensure_future(self.eio.disconnect())
        try:
            await asyncio.wait({farewell}, timeout=patience_s)
        finally:
            await end_tasks({farewell})
            await end_tasks(self.eio.background)
            if self.eio in engineio.base_client.connected_clients:
                engineio.base_client.connected_clients.remove(self.eio)


async def end_tasks(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel, and wait until they are gone. What they raise is not looked at."""
    for _ in range(STUBBORN):
        left = [task for task in tasks if not task.done()]
        if not left:
            break
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=1)
    for task in tasks:
        if task.done() and not task.cancelled():
            task.exception()


def raise_polling_limit() -> None:
    """For the whole process: the library has no other place for it."""
    limit = max(payload.Payload.max_decode_packets, MAX_POLLED_PACKETS)
    payload.Payload.max_decode_packets = limit
