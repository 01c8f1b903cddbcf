"""Frames from a websocket that is not there, through all that hears them: our tapped socket, the
library's read loop and its decoding, our handler. On the fast path, or on the slow one alone."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, TypeVar

from aiohttp import ClientWebSocketResponse, ClientWSTimeout, WSMessage, WSMsgType
from aiohttp.http_websocket import WebSocketError

from listener.adapters.socket_source.client import SILENT, TrackedClient
from listener.adapters.socket_source.link import FrameClock, Link
from listener.adapters.socket_source.packets import HEARD, HeardPacket, fast_prefixes
from listener.adapters.socket_source.reception import Reception
from listener.adapters.socket_source.recovery import Recovery
from listener.adapters.socket_source.signals import SignalQueue
from listener.adapters.socket_source.sockets import tapped_socket
from listener.core.names import CvCode, Millis
from listener.core.wire import read_event
from listener.ports.event_source import ReceivedEvent, Resume
from tests.corpus.rows import Broken, Frame

T = TypeVar("T")
ROOM = 100_000
TURNS = 6
"""Of the loop, after which all that a frame set going has come to its end."""

SESSION = Resume("pid-1", "offset-0")


@dataclass(frozen=True, slots=True)
class Event:
    """What was made of one event, but for its number and its time."""

    code: CvCode | None
    problem: str | None
    payload: str
    offset: str | None
    wants_ack: bool


@dataclass
class Outcome:
    """What came of a run of frames. ``alive``: the connection was still there after the last.
    ``end``: why we gave it up, None if we did not. ``offered``: what a new one would offer.
    ``errors``: what was told to the loop's exception handler."""

    events: list[Event] = field(default_factory=list)
    offered: Resume | None = None
    alive: bool = False
    end: str | None = None
    errors: list[str] = field(default_factory=list)


class _Frames:
    """aiohttp's queue of messages: those given, and then the server's farewell."""

    def __init__(self, frames: Sequence[Frame], link: Link, outcome: Outcome) -> None:
        self._left = iter(frames)
        self._link = link
        self._outcome = outcome

    async def read(self) -> WSMessage:
        frame = next(self._left, None)
        if frame is None:
            for _ in range(TURNS):
                await asyncio.sleep(0)
            end = self._link.end
            self._outcome.alive = end is None
            self._outcome.end = None if end is None else end.reason
            return WSMessage(WSMsgType.CLOSE, 1000, "")
        if isinstance(frame, Broken):
            raise WebSocketError(frame.close_code, "what aiohttp's reader says of it")
        kind = WSMsgType.TEXT if isinstance(frame, str) else WSMsgType.BINARY
        return WSMessage(kind, frame, "")


class Ears:
    """One event loop for many runs."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()

    def close(self) -> None:
        self._runner.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """On the loop."""
        return self._runner.run(work)

    def hear(
        self,
        frames: Sequence[Frame],
        *,
        fast: bool,
        namespace: str = "/",
        event: str = "cv_updated",
        session: bool = True,
    ) -> Outcome:
        """All of these frames, and what came of them. ``session``: one that can be recovered."""
        return self.run(_hear(frames, fast, namespace, event, session))


async def _hear(
    frames: Sequence[Frame], fast: bool, namespace: str, event: str, session: bool
) -> Outcome:
    loop, outcome = asyncio.get_running_loop(), Outcome()
    loop.set_exception_handler(lambda _, told: outcome.errors.append(str(told["message"])))
    queue, recovery = SignalQueue(ROOM), Recovery(SESSION if session else Resume())
    link = Link(namespace, FrameClock(lambda: Millis(1), time.monotonic))
    link.patience_s, link.pid = 3600.0, SESSION.pid if session else None
    reception = Reception(
        queue,
        itertools.count(1),
        recovery,
        link,
        event=event,
        read=read_event,
        offered=recovery.offer,
    )
    reception.connected = True
    prefixes = fast_prefixes(event, namespace) if fast else None
    kind = tapped_socket(link, reception, prefixes, lambda _: None)
    socket = _socket(kind, _Frames(frames, link, outcome))
    client = _client(reception, socket, namespace)
    reading = asyncio.create_task(client.eio._read_loop_websocket())
    writing = client.eio.write_loop_task = loop.create_future()
    try:
        await _drain(queue, client, reading, outcome)
    finally:
        for task in (reading, writing, *client.eio.background):
            task.cancel()
        await asyncio.gather(reading, *client.eio.background, return_exceptions=True)
    outcome.offered = recovery.offer()
    if not outcome.alive and outcome.end is None and link.end is not None:
        outcome.end = link.end.reason
    return outcome


async def _drain(
    queue: SignalQueue, client: TrackedClient, reading: asyncio.Task[None], outcome: Outcome
) -> None:
    """Until the read loop has come to its end, and what it began has had its turn; each event is
    acknowledged as it is taken, as after its commit."""
    last, idle = 0, 0
    while idle < TURNS:
        await asyncio.sleep(0)
        left = await queue.take(ROOM) if len(queue) else []
        for signal in left:
            assert isinstance(signal, ReceivedEvent)
            assert signal.seq == last + 1, "stamped in order of receipt"
            last = signal.seq
            ack = signal.acknowledge
            outcome.events.append(
                Event(signal.code, signal.problem, signal.payload, signal.offset, ack is not None)
            )
            if ack is not None:
                await ack()
        # The loop's end is an item of None for the writer, which is not there.
        ended = reading.done() or client.eio.state != "connected" or _farewell(client)
        idle = idle + 1 if ended and not left else 0


def _farewell(client: TrackedClient) -> bool:
    found = False
    while not client.eio.queue.empty():
        found = client.eio.queue.get_nowait() is None or found
    client.ended = getattr(client, "ended", False) or found
    return bool(client.ended)


def _socket(kind: type[ClientWebSocketResponse], frames: _Frames) -> ClientWebSocketResponse:
    """The tapped socket over ``frames``; nothing is ever written to it."""
    nobody = SimpleNamespace(connection=None, close=lambda: None)
    return kind(
        frames,  # type: ignore[arg-type]  # of its queue, the reading end alone
        SimpleNamespace(close=_nothing),  # type: ignore[arg-type]  # it is only closed
        None,
        nobody,  # type: ignore[arg-type]  # as above
        ClientWSTimeout(),
        autoclose=True,
        autoping=True,
        loop=asyncio.get_running_loop(),
    )


async def _nothing(*_: object) -> None:
    return None


def _client(reception: Reception, socket: ClientWebSocketResponse, namespace: str) -> TrackedClient:
    """The library's client in the midst of a connection, its handlers as ours are set."""
    client = TrackedClient(
        reconnection=False,
        handle_sigint=False,
        logger=SILENT,
        engineio_logger=SILENT,
        serializer=HeardPacket,
        http_session=SimpleNamespace(closed=True),
    )
    client.on(HEARD, reception.handle, namespace=namespace)
    client.connected = True
    client.namespaces = {namespace: "sid"}
    eio = client.eio
    eio.state, eio.ws = "connected", socket
    eio.ping_interval = eio.ping_timeout = 3600
    eio.queue, eio.queue_empty = asyncio.Queue(), asyncio.QueueEmpty
    return client
