"""The supervisor: keeps one connection up, for ever."""

from __future__ import annotations

import asyncio
import itertools
import random as chance
import ssl
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial

from listener.adapters.credentials import Fresh
from listener.core.names import Comparison, CvCode, GapReason, Millis
from listener.core.wire import read_event
from listener.ports.event_source import (
    Compared,
    ConnectFailed,
    Listening,
    Lost,
    OtherEvent,
    OthersDropped,
    ReceivedEvent,
    Resume,
    Signal,
)

from .backoff import Backoff, Delays, Rest
from .client import raise_polling_limit
from .connection import Connection, Room
from .endpoint import Endpoint, OnConnect
from .link import End, FrameClock
from .overhearing import Overhearing
from .reception import ReadEvent
from .recovery import Recovery
from .second import Hold, Living, Second, SecondOpinion
from .signals import SignalQueue
from .trial import Trial, try_once

STABLE_S = 10.0
"""A connection that was up for so long is a success: the next delay is the first again."""


def _nothing() -> None:
    return None


class SocketSource:
    """Implements ``ports.event_source.EventSource``.

    ``url``: ``http(s)://`` or ``ws(s)://``; its path is not used, ``path`` is. ``auth``,
    ``headers`` and ``query`` are called at each attempt for new objects, or for what can be awaited
    for one, in ``connect_timeout_s`` together; what any of them raises is a failed attempt.
    ``on_connect`` runs after every connection that was not recovered.
    ``backoff_*`` are for faults, ``refused_*`` for refusals. ``queue_limit``: events not yet handed
    out; at the limit the fast path stops reading, and the other drops the connection.
    ``others``: names of events that are handed out as they are, too.
    ``read``: what is made of an event's arguments. ``first_seq``: the number of the first event.
    ``proxy``: an ``http://`` URL, with credentials.
    """

    _opinion: SecondOpinion | None = None
    _asking: asyncio.Task[Second] | None = None

    def __init__(
        self,
        *,
        url: Callable[[], str] | str,
        now_ms: Callable[[], Millis],
        first_seq: int,
        resume: Resume = Resume(),  # noqa: B008  frozen, and the same for everyone
        path: str = "/socket.io",
        namespace: str = "/",
        event: str = "cv_updated",
        others: Collection[str] = (),
        read: ReadEvent = read_event,
        auth: Fresh = _nothing,
        headers: Fresh = _nothing,
        query: Fresh = _nothing,
        transports: Sequence[str] = ("websocket",),
        on_connect: Sequence[OnConnect] = (),
        connect_timeout_s: float = 10.0,
        backoff_first_s: float = 0.5,
        backoff_cap_s: float = 30.0,
        refused_first_s: float = 10.0,
        refused_cap_s: float = 120.0,
        silence_margin_s: float = 5.0,
        max_message_bytes: int = 16 * 1024 * 1024,
        queue_limit: int = 10_000,
        fast_path: bool = True,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = None,
        random: Callable[[], float] = chance.random,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        within = namespace if namespace.startswith("/") else f"/{namespace}"
        self.overhearing = Overhearing(now_ms, within, event, read, others=others)
        self._endpoint = Endpoint(
            url=url if callable(url) else lambda: url,
            path=path,
            namespace=within,
            event=event,
            others=frozenset(others) - {event},
            read=read,
            auth=auth,
            headers=headers,
            query=query,
            transports=_checked(transports),
            on_connect=tuple(on_connect),
            connect_timeout_s=connect_timeout_s,
            silence_margin_s=silence_margin_s,
            max_message_bytes=max_message_bytes,
            fast_path=fast_path,
            ssl_context=ssl_context,
            proxy=proxy,
            overhearing=self.overhearing,
        )
        self.queue, self.recovery = SignalQueue(queue_limit), Recovery(resume)
        self.numbers: Iterator[int] = itertools.count(first_seq)
        self._now_ms, self._monotonic, self._hold = now_ms, monotonic, Hold(monotonic)
        self.clock, self._rest = self._clock(), Rest()
        delays = (Delays(backoff_first_s, backoff_cap_s), Delays(refused_first_s, refused_cap_s))
        self._new_backoff = partial(Backoff, *delays, random)
        self._backoff, self._failures, self._doubted = self._new_backoff(), 0, asyncio.Event()

    # ------------------------------------------------------------------------------- the port

    async def run(self) -> None:
        """As the port says. One at a time; after a cancellation it may be run again."""
        while True:
            # A full queue would be overflowed again by the replay.
            await self.queue.space()
            await self._rest.wait(await self._keep(Living(self._connection(self))))

    async def next_batch(self, limit: int) -> list[Signal]:
        """As the port says. One reader at a time."""
        return await self.queue.take(limit)

    def pending(self, code: CvCode) -> bool:
        """As the port says."""
        return self.queue.holds(code)

    def committed(self, offset: str) -> None:
        """Nothing is left to do: within a process the last offset *received* is what a reconnect
        may offer (see ``recovery``), and the next process reads the journal's."""

    @property
    def backlog(self) -> int:
        """As the port says."""
        return len(self.queue)

    @property
    def handed_out_until_ms(self) -> Millis | None:
        """As the port says."""
        oldest, last = self.queue.oldest_ms, self.clock.last_ms
        # What waits may have waited before it was received, too, while we stood still.
        return last if oldest is None or last is None else min(oldest, last)

    @property
    def last_frame_ms(self) -> Millis | None:
        """As the port says."""
        return self.clock.last_ms

    def doubt(self) -> None:
        """As the port says."""
        self._doubted.set()

    def hurry(self) -> None:
        """As the port says."""
        self._rest.hurry()

    async def try_once(self) -> Trial:
        """Whether we could listen: one connection, beside any other and ended at once."""
        return await try_once(self._connection, self._clock)

    # ------------------------------------------------------------------------------- its parts

    def _connection(self, room: Room) -> Connection:
        """A new one: each is used once."""
        return Connection(self._endpoint, room)

    def _clock(self) -> FrameClock:
        """A new one: each connection that lives beside another needs its own."""
        return FrameClock(self._now_ms, self._monotonic)

    # ------------------------------------------------------------------------------- its life

    async def _keep(self, living: Living) -> float:
        """Until the end of this connection, and of any that takes its place. Returns the seconds
        until the next."""
        try:
            while (second := await self._watch(living)) is not None:
                first, living = living, second
                await asyncio.wait({first.task, *filter(None, (self._asking,))})
        except asyncio.CancelledError:
            await living.cancel()
            self._stopped(living.connection)
            raise
        lived_s = self.clock.monotonic() - living.began_at
        return self._conclude(living.connection, living.task.result(), lived_s)

    async def _watch(self, living: Living) -> Living | None:
        """Until this connection ends (None), or another has taken its place, which is returned."""
        self._asking = doubts = asyncio.create_task(self._hold_doubts())
        displaced: Second | None = None
        try:
            await asyncio.wait({living.task, doubts}, return_when=asyncio.FIRST_COMPLETED)
            if not doubts.done() and self._opinion and _by_name(living):
                displaced = await self._opinion.displaced(doubts)
        except asyncio.CancelledError:
            await _dismiss(doubts)
            raise
        if not displaced and not doubts.done():
            await _dismiss(doubts)
            return None
        # Nothing is awaited from here on: stopped in between, nobody would have it in hand.
        if displaced:
            doubts.cancel()
            self._step_aside(living.connection, displaced)
            return displaced
        self._replace(living.connection, doubts.result())
        return doubts.result()

    async def _hold_doubts(self) -> Second:
        """Whenever the connection at hand is doubted, ask a second one, until one takes over."""
        self._doubted.clear()
        self._opinion = None
        while True:
            await self._doubted.wait()
            if self._hold.over:
                self._opinion = SecondOpinion(
                    self.queue, self._connection, self._clock, self._new_backoff(), self._doubted
                )
                if (second := await self._opinion.ask()) is not None:
                    return second
            self._doubted.clear()

    def _replace(self, first: Connection, second: Second) -> None:
        """The first one is deaf, who knows since when: surely since it last heard anything. What
        the second one heard meanwhile comes after that, in order."""
        now, reason = self.clock.now_ms(), GapReason.DEAF_SUBSCRIPTION
        first.retire(End(reason))
        self.queue.put(Lost(first.heard_ms or now, reason))
        self.queue.put(Compared(now, Comparison.FIRST_DEAF))
        self._go_on_with(second, lambda one: replace(one, recovered=False, gap_reason=reason))

    def _step_aside(self, first: Connection, second: Second) -> None:
        """The server allows one session a client, and keeps the second one: that had begun to
        listen before the first ended, or else there is a gap between the two. It is not asked for
        another for long."""
        self._hold.begin()
        lost_ms = self._deaf_from(first)
        self.queue.put(Lost(lost_ms, Comparison.DISPLACED))
        self.queue.put(Compared(self.clock.now_ms(), Comparison.DISPLACED))

        def after(began: Listening) -> Listening:
            if began.at_ms <= lost_ms:
                return replace(began, at_ms=lost_ms, recovered=True, gap_reason=None)
            kept = GapReason.NOT_RECOVERED if began.pid else GapReason.NO_RECOVERY_OFFERED
            return replace(began, gap_reason=kept)

        self._go_on_with(second, after)

    def _go_on_with(self, second: Second, told: Callable[[Listening], Listening]) -> None:
        """It takes the first one's place, with what it heard until now. ``told``: that it listens,
        as it is to be said."""
        room = second.room
        for signal in room.queue.drain(len(room.queue)):
            if isinstance(signal, Listening):
                self.queue.put(told(signal))
            elif isinstance(signal, ReceivedEvent):
                self.queue.put(replace(signal, seq=next(self.numbers)))
            elif isinstance(signal, OtherEvent):
                self.queue.put_other(signal)
            elif isinstance(signal, OthersDropped):
                self.queue.put(signal)
        second.connection.move(self.queue, self.numbers, told)
        self.recovery, self.clock = room.recovery, room.clock

    # ------------------------------------------------------------------------------- the ends

    def _conclude(self, connection: Connection, end: End, lived_s: float) -> float:
        """Say how a connection ended. Returns the seconds until the next."""
        unanswered = connection.offered is not None and not connection.answered
        if unanswered and not end.refused and not end.overflow:
            self.recovery.failed(choked=end.choked)
        self._rest.patient = end.refused
        if connection.listened:
            self._failures = 0
            if lived_s >= STABLE_S:
                self._backoff.settle()
            since = self._deaf_from(connection)
            self.queue.put(Lost(since, end.reason, end.overflow, end.detail))
            return self._backoff.next_s(refused=False)
        if end.overflow:
            # No failure of the server's: as soon as there is room, on with the replay.
            return 0.0
        self._failures += 1
        delay_s = self._backoff.next_s(refused=end.refused)
        self.queue.put(
            ConnectFailed(
                at_ms=self.clock.now_ms(),
                reason=end.reason,
                detail=end.detail,
                refused=end.refused,
                retry_in_s=delay_s,
                failures=self._failures,
            )
        )
        return delay_s

    def _stopped(self, connection: Connection) -> None:
        """We were stopped: what was heard until now stands, and from now on we are deaf."""
        if connection.listened:
            self.queue.put(Lost(self._deaf_from(connection), "stopped"))

    def _deaf_from(self, connection: Connection) -> Millis:
        return connection.link.end_ms or self.clock.last_ms or self.clock.now_ms()


def _by_name(ended: Living) -> bool:
    return ended.connection.listened and ended.task.result().reason == "server_disconnect"


async def _dismiss(doubts: asyncio.Task[Second]) -> None:
    """Doubt no more. A second connection that was proven in this moment is ended."""
    doubts.cancel()
    await asyncio.wait({doubts})
    if not doubts.cancelled():
        await doubts.result().stop()


def _checked(transports: Sequence[str]) -> tuple[str, ...]:
    if not transports or not set(transports) <= {"websocket", "polling"}:
        raise ValueError(f"expected websocket, polling or both, found {tuple(transports)}")
    if "polling" in transports:
        raise_polling_limit()
    return tuple(transports)
