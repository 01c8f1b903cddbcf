"""A second connection beside one that is doubted: whichever hears an event is the one to keep.

Records move, the connection stands, and no event comes. Either the upstream emits none, or we are
subscribed to nothing: a room that was left, an ear that the server forgot. Nothing on the first
connection can tell the two apart. A second one can: an event that it hears, and that the first does
not hear within ``GRACE_S``, proves the first one deaf. Until then the first is kept.

Nothing is heard twice by this. What the second one hears is set aside, and goes into the queue only
where the first was proven to have heard nothing at all since the second began to listen.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from listener.core.names import Comparison
from listener.ports.event_source import (
    Compared,
    Listening,
    Resume,
    Signal,
)

from .backoff import Backoff, Delays
from .client import end_tasks
from .link import End, FrameClock
from .recovery import Recovery
from .signals import SignalQueue

if TYPE_CHECKING:
    from .connection import Connection, Room

GRACE_S = 5.0
"""How much later than the second the first may hear of the same event and be believed to hear."""

ASIDE_LIMIT = 1_000
"""Events of the second one that wait for the verdict."""

RENEW_FIRST_S = 60.0
RENEW_CAP_S = 3_600.0
"""How old a second one must be to be replaced by another when the doubt is spoken again: the first
of them a minute, each further one twice as long as the one before."""

STOP_S = 5.0


class Aside(SignalQueue):
    """Where the second connection's signals wait. ``proven``: it listens, and has heard an
    event."""

    def __init__(self) -> None:
        super().__init__(ASIDE_LIMIT)
        self.proven = asyncio.Event()
        self._listening = False

    def put(self, signal: Signal) -> None:
        """As in every queue."""
        super().put(signal)
        self._listening = self._listening or isinstance(signal, Listening)
        if self._listening and self.events:
            self.proven.set()


class SideRoom:
    """What the second connection lives in until it takes the first one's place."""

    def __init__(self, clock: FrameClock) -> None:
        self.queue = Aside()
        self.recovery = Recovery(Resume())
        self.numbers: Iterator[int] = itertools.count(1)
        self.clock = clock


class Living:
    """A connection, and the task that it lives in, since ``began_at`` by the monotonic clock."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.began_at = connection.link.clock.monotonic()
        self.task: asyncio.Task[End] = asyncio.create_task(connection.live())

    async def stop(self) -> None:
        """End it in order, and wait until nothing is left of it."""
        self.connection.retire(End("not_needed"))
        await asyncio.wait({self.task}, timeout=STOP_S)
        await end_tasks((self.task,))

    async def cancel(self) -> None:
        """End it now. It closes what it has open, within its own bound."""
        self.task.cancel()
        await asyncio.wait({self.task})


class Second(Living):
    """One that lives aside, in a room of its own."""

    def __init__(self, connection: Connection, room: SideRoom) -> None:
        super().__init__(connection)
        self.room = room
        self.worn_out = False


class SecondOpinion:
    """One doubt, from its beginning to its verdict. Used once. ``doubted`` is set whenever the
    doubt is spoken again: then the second one heard nothing either, and after a while its turn has
    come to be replaced."""

    def __init__(
        self,
        main: SignalQueue,
        connect: Callable[[Room], Connection],
        new_clock: Callable[[], FrameClock],
        backoff: Backoff,
        doubted: asyncio.Event,
    ) -> None:
        self._main = main
        self._connect = connect
        self._new_clock = new_clock
        self._backoff = backoff
        self._doubted = doubted
        self._patience = Delays(RENEW_FIRST_S, RENEW_CAP_S)
        self._seconds = 0
        self._failed = False

    async def ask(self) -> Second | None:
        """Wait for the verdict, for as long as it takes: the second connection where the first is
        deaf, None where it hears, which is told. Cancelled, it leaves no second one behind."""
        self._main.heard.clear()
        first_hears = asyncio.create_task(self._main.heard.wait())
        try:
            while not first_hears.done():
                room = SideRoom(self._new_clock())
                second = Second(self._connect(room), room)
                self._seconds += 1
                deaf = False
                try:
                    deaf = await self._compare(first_hears, second)
                finally:
                    if not deaf:
                        await second.stop()
                if deaf:
                    return second
                if not second.worn_out and not first_hears.done():
                    await self._later(first_hears, second)
            self._say(Comparison.FIRST_HEARS)
            return None
        finally:
            # Not waited for: cancelled in that wait, nobody would have the second one in hand.
            first_hears.cancel()

    async def _compare(self, first_hears: asyncio.Task[bool], second: Second) -> bool:
        """Whether the second one heard what the first did not."""
        second_hears = asyncio.create_task(second.room.queue.proven.wait())
        wearing = asyncio.create_task(self._wear_out(second))
        try:
            await asyncio.wait(
                {first_hears, second_hears, second.task, wearing},
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not second_hears.done() or first_hears.done():
                return False
            await asyncio.wait({first_hears}, timeout=GRACE_S)
            return not first_hears.done()
        finally:
            await end_tasks((second_hears, wearing))

    async def _wear_out(self, second: Second) -> None:
        """Until it is doubted in its turn, after it was there for long enough."""
        patience_s = self._patience.at(self._seconds)
        clock = second.connection.link.clock
        while not second.worn_out:
            self._doubted.clear()
            await self._doubted.wait()
            second.worn_out = clock.monotonic() - second.began_at >= patience_s

    async def _later(self, first_hears: asyncio.Task[bool], second: Second) -> None:
        """The second one ended before it could prove anything: another follows."""
        if not self._failed:
            self._failed = True
            self._say(Comparison.SECOND_FAILED)
        end = second.connection.link.end
        delay_s = self._backoff.next_s(refused=end is not None and end.refused)
        await asyncio.wait({first_hears}, timeout=delay_s)

    def _say(self, verdict: Comparison) -> None:
        self._main.put(Compared(self._new_clock().now_ms(), verdict))
