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

DISPLACED_S = 1.0
"""Where the server ends the first one by name, so close to when it let the second one in, it allows
one session a client."""

HOLD_FIRST_S = 3_600.0
HOLD_CAP_S = 86_400.0
"""For how long no other is opened after that; each time twice as long."""

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

    def let_in_about(self, at: float) -> bool:
        """Whether that was when the server let it in, by the monotonic clock."""
        let_in_at = self.connection.answered_at
        return let_in_at is not None and abs(let_in_at - at) <= DISPLACED_S


class Hold:
    """Whether no second one is opened, because one has ended the first not long ago."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._delays = Delays(HOLD_FIRST_S, HOLD_CAP_S)
        self._times = 0
        self._until = monotonic()

    @property
    def over(self) -> bool:
        """Whether one may be opened."""
        return self._monotonic() >= self._until

    def begin(self) -> None:
        """One has ended the first."""
        self._times += 1
        self._until = self._monotonic() + self._delays.at(self._times)


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
        self._second: Second | None = None

    async def ask(self) -> Second | None:
        """Wait for the verdict, for as long as it takes: the second connection where the first is
        deaf, None where it hears, which is told. Cancelled, it leaves no second one behind."""
        self._main.heard.clear()
        first_hears = asyncio.create_task(self._main.heard.wait())
        try:
            while not first_hears.done():
                room = SideRoom(self._new_clock())
                self._second = second = Second(self._connect(room), room)
                self._seconds += 1
                deaf = False
                try:
                    deaf = await self._compare(first_hears, second)
                finally:
                    in_hand, self._second = self._second is second, None
                    if in_hand and not deaf:
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

    async def displaced(self, asking: asyncio.Task[Second]) -> Second | None:
        """The server has disconnected the first one by name, just now: the second one, if that is
        why. Then it is out of ``ask``'s hand, which is to be cancelled. ``asking``: who waits for
        the verdict."""
        second = self._second
        if second is None or self._failed or second.connection.link.patience_s is None:
            # What had not reached the server yet ended nobody; and where others ended before it,
            # the server ends whomever it likes.
            return None
        at = second.connection.link.clock.monotonic()
        if second.connection.answered_at is None or second.let_in_about(at):
            # It may be let in yet; and the server may be about to end it, too.
            await asyncio.wait(
                {second.task, asking}, timeout=DISPLACED_S, return_when=asyncio.FIRST_COMPLETED
            )
        stands = self._second is second and not second.task.done() and not asking.done()
        if not stands or self._main.heard.is_set() or not second.let_in_about(at):
            return None
        self._second = None
        return second

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
