"""One connection to look whether there could be one: nothing of it is kept."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from listener.ports.event_source import Listening

from .client import end_tasks
from .link import SERVER_2X, End, FrameClock
from .second import Living, SideRoom

if TYPE_CHECKING:
    from collections.abc import Callable

    from .connection import Connection, Room


@dataclass(frozen=True, slots=True)
class Trial:
    """How far it came. ``shook_hands``: an Engine.IO handshake of version 4 was read. ``taken``:
    the namespace took us. ``listening``: we were subscribed, too. ``recovery``: the server offers
    it. ``reason`` and ``detail``: why it came no further, as of a connection that failed."""

    shook_hands: bool
    taken: bool
    listening: bool
    recovery: bool
    transport: str | None = None
    reason: str | None = None
    detail: str = ""


async def try_once(
    connect: Callable[[Room], Connection], new_clock: Callable[[], FrameClock]
) -> Trial:
    """Connect and subscribe, as for hearing, and end it at once. Nothing is offered for recovery,
    so that no session is taken from anybody. Bounded by the connection's own times."""
    room = SideRoom(new_clock())
    living = Living(connect(room))
    listening = asyncio.create_task(_listening(room))
    try:
        await asyncio.wait({living.task, listening}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        began = listening.result() if listening.done() else None
        await end_tasks((listening,))
        await living.stop()
    link = living.connection.link
    end = link.end or End("transport_closed")
    return Trial(
        shook_hands=link.patience_s is not None and end.reason != SERVER_2X.reason,
        taken=living.connection.answered,
        listening=began is not None,
        recovery=link.pid is not None,
        transport=None if began is None else began.transport,
        reason=None if began is not None else end.reason,
        detail="" if began is not None else _detail(living),
    )


async def _listening(room: SideRoom) -> Listening:
    while True:
        for signal in await room.queue.take(room.queue.limit):
            if isinstance(signal, Listening):
                return signal


def _detail(living: Living) -> str:
    """As the connection made it presentable, where it lived to its end."""
    done = living.task.done() and not living.task.cancelled()
    return living.task.result().detail if done else ""
