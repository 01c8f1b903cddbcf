"""Where an event is given its number, and takes its place in the queue."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence

import orjson

from listener.core.names import Millis
from listener.core.wire import EventBody
from listener.ports.event_source import OtherEvent, ReceivedEvent, Resume
from listener.ports.inbound import PAYLOAD_MOST

from .link import End, Link, storable
from .packets import Arrival
from .recovery import Recovery
from .signals import SignalQueue

ReadEvent = Callable[[Sequence[object]], EventBody]
"""What is made of one event's arguments. Should never raise, whatever was sent; if it does, the
event is counted as malformed."""


class Reception:
    """One connection's events, from either path, in order of receipt."""

    def __init__(
        self,
        queue: SignalQueue,
        numbers: Iterator[int],
        recovery: Recovery,
        link: Link,
        *,
        event: str,
        others: Collection[str] = (),
        read: ReadEvent,
        offered: Callable[[], Resume | None],
    ) -> None:
        self.queue = queue
        self._numbers = numbers
        self._recovery = recovery
        self._link = link
        self._event = event
        self._others = others
        self._read = read
        self._offered = offered
        self._open = True
        self.connected = False
        self.on_record = True
        """Whether offsets are told to the reader. Those of a new session are not until it knows of
        the session: they would be stored beside the old one's id, and a restart between the two
        would take another session's offset for proof."""
        self.heard_ms: Millis | None = None
        """Until when we surely listened, as far as events tell. One that may have waited while we
        stood still tells of no more than of the time before that."""

    def move(self, queue: SignalQueue, numbers: Iterator[int]) -> None:
        """From now on events go there, and are numbered from there."""
        self.queue = queue
        self._numbers = numbers

    def shut(self) -> None:
        """Whatever comes now comes too late: it will be replayed, or stands in a gap."""
        self._open = False

    def take(self, encoded: str) -> bool:
        """The fast path: the JSON of a plain event of ours, or of another one that is asked for.
        False: it is for the library."""
        try:
            name, *args = orjson.loads(encoded)
        except ValueError:
            return False
        if name in self._others:
            self._hear_other(name, args, None)
        else:
            self._hear(args, None)
        return True

    async def handle(self, arrival: Arrival, *args: object) -> None:
        """The library's handler. All is done before the first await; it returns, and so
        acknowledges the event, when that is on disk."""
        name = arrival.name
        if name is not None and name != self._event and name not in self._others:
            self._offset(list(args), wants_ack=arrival.wants_ack)
            return
        done = asyncio.get_running_loop().create_future() if arrival.wants_ack else None
        if name is None:
            kept = self._hear_nothing(done)
        elif name == self._event:
            kept = self._hear(list(args), done)
        else:
            kept = self._hear_other(name, list(args), done)
        if done is not None and kept:
            await done
        elif done is not None:
            # Not acknowledged: returning would be. The connection ends, and this task with it.
            await asyncio.Event().wait()

    def _hear(self, args: list[object], done: asyncio.Future[None] | None) -> bool:
        if not self._room():
            return False
        offset = self._offset(args, wants_ack=done is not None)
        self._put(self._body(args), offset, done)
        return True

    def _hear_nothing(self, done: asyncio.Future[None] | None) -> bool:
        if not self._room():
            return False
        self._put(EventBody(None, "bad_packet", "{}"), None, done)
        return True

    def _hear_other(self, name: str, args: list[object], done: asyncio.Future[None] | None) -> bool:
        """Never in the way of ours: what there is no room for is dropped, and none the less done
        with."""
        if not self._open:
            return False
        offset = self._offset(args, wants_ack=done is not None)
        payload, size, problem = _payload(args)
        event = OtherEvent(
            name=name,
            heard_ms=self._link.clock.now_ms(),
            payload=payload,
            size=size,
            problem=problem,
            replayed=not self.connected and self._offered() is not None,
            offset=offset if self.on_record else None,
            acknowledge=None if done is None else _acknowledgement(done),
        )
        if not self.queue.put_other(event) and done is not None:
            done.set_result(None)
        return True

    def _put(self, body: EventBody, offset: str | None, done: asyncio.Future[None] | None) -> None:
        clock = self._link.clock
        now = clock.now_ms()
        self.heard_ms = (clock.last_ms or now) if clock.late else now
        self.queue.put(
            ReceivedEvent(
                seq=next(self._numbers),
                heard_ms=now,
                code=body.code,
                payload=body.payload,
                problem=body.problem,
                replayed=not self.connected and self._offered() is not None,
                offset=offset if self.on_record else None,
                acknowledge=None if done is None else _acknowledgement(done),
            )
        )

    def _body(self, args: list[object]) -> EventBody:
        try:
            return self._read(args)
        except Exception as error:  # noqa: BLE001  it may be a user's, and must not end our hearing
            message = f"the reading of an event failed: {type(error).__name__}"
            asyncio.get_running_loop().call_exception_handler({"message": message})
            return EventBody(None, "reading_failed", "{}")

    def _room(self) -> bool:
        """Whether the next event can be kept. Once one cannot, none is: an offset beyond a lost
        event must never be remembered."""
        if not self._open:
            return False
        if self.queue.events < self.queue.limit:
            return True
        self._open = False
        self._recovery.overflowed()
        self._link.close(End("overflow", "our queue is full", overflow=True))
        return False

    def _offset(self, args: list[object], *, wants_ack: bool) -> str | None:
        """Take the offset off the arguments, where the server appends one: not to an event that
        wants an answer, and only in a session that it can recover."""
        session = self._link.pid if self.connected else self._offered()
        if not self._open or session is None or wants_ack:
            return None
        offset = args[-1] if args else None
        if not isinstance(offset, str) or not storable(offset):
            self._recovery.received_bare()
            return None
        del args[-1]
        self._recovery.received(offset)
        return offset


def _payload(args: list[object]) -> tuple[str, int, str | None]:
    """The arguments as JSON, how many bytes, and what keeps them from being kept: attachments are
    no JSON, nor is half of a surrogate pair, and what is nested too deep nobody could read."""
    try:
        encoded = orjson.dumps(args)
    except TypeError:
        return "", 0, "not_json"
    size = len(encoded)
    return ("", size, "too_large") if size > PAYLOAD_MOST else (encoded.decode(), size, None)


def _acknowledgement(done: asyncio.Future[None]) -> Callable[[], Awaitable[None]]:
    async def acknowledge() -> None:
        if not done.done():
            done.set_result(None)

    return acknowledge
