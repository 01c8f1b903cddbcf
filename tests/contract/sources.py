"""The event sources under the contract: the real one over the official server (recovery) and over
the emulator (none), and the scripted one with and without."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import pytest

from listener.adapters.socket_source import OnConnect, SocketSource
from listener.core.names import CvCode, Millis
from listener.emulator import Emulator, Options
from listener.ports.event_source import (
    Compared,
    ConnectFailed,
    EventSource,
    Listening,
    Lost,
    ReceivedEvent,
    Signal,
)
from tests.fakes.socket_server import SocketServer
from tests.fakes.source_scripted import ScriptedSource
from tests.interop.node_server import NodeServer
from tests.simulation.loop import run_virtual
from tests.tools import ToolMissing

PATIENCE_S = 60.0
JOIN = "join"
QUICK: dict[str, Any] = {
    "backoff_first_s": 0.02,
    "backoff_cap_s": 0.2,
    "refused_first_s": 0.02,
    "refused_cap_s": 0.2,
}
UNHURRIED: dict[str, Any] = {"backoff_first_s": 0.6, "backoff_cap_s": 1.0}
"""Leaves the time to emit while nobody is connected."""

TOGETHER_MS = 250
"""Between a frame's receipt and the stamp of its event: no await, but perhaps a busy machine."""

S = TypeVar("S", Listening, Lost, ConnectFailed, ReceivedEvent, Compared)


class Listenable(Protocol):
    """A server, and a way to listen to it."""

    def source(self, **options: Any) -> EventSource: ...


class Rig(Listenable, Protocol):
    """With its faults."""

    recovery: bool

    def now_ms(self) -> Millis: ...

    async def emit(self, *bodies: object) -> None:
        """One event for each body."""

    async def emit_wanting_ack(self, body: object) -> None: ...

    async def acknowledged(self, count: int) -> None:
        """Wait until so many were."""

    async def abandoned(self) -> None:
        """Wait until it has no client any more."""

    async def cut(self) -> None:
        """Every connection breaks, with no word."""

    async def kick(self) -> None:
        """Every client is disconnected by name."""

    async def deafen(self) -> None:
        """Those who are connected stay so, and hear nothing more."""

    async def clients(self, count: int, hearing: int) -> None:
        """Wait until so many are connected, of which so many would hear an event now."""

    async def restart(self) -> None:
        """It closes its connections and forgets everything."""

    async def away(self) -> None:
        """Nobody reaches it, and its connections break."""

    async def back(self) -> None: ...


class Ear:
    """A source that runs, read signal by signal."""

    def __init__(self, rig: Listenable, **options: Any) -> None:
        self.source = rig.source(**{"first_seq": 1, **QUICK, **options})
        self.signals: list[Signal] = []
        self._read = 0
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Ear:
        self._running = asyncio.create_task(self.source.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Cancel ``run``, as whoever runs a source stops it."""
        running, self._running = self._running, None
        if running is None:
            return
        assert not running.done(), "run() returned, or raised"
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    async def next(self) -> Signal:
        async with asyncio.timeout(PATIENCE_S):
            while self._read == len(self.signals):
                self.signals += await self.source.next_batch(100)
        self._read += 1
        return self.signals[self._read - 1]

    async def until(self, kind: type[S]) -> S:
        """Read on until a signal of this kind."""
        async with asyncio.timeout(10 * PATIENCE_S):
            while True:
                signal = await self.next()
                if isinstance(signal, kind):
                    return signal

    async def until_other_than(self, kind: type[Signal]) -> Signal:
        """Read over signals of this kind."""
        while isinstance(signal := await self.next(), kind):
            pass
        return signal

    async def hear(self, count: int) -> list[ReceivedEvent]:
        """The next so many events; what else comes is read over."""
        return [await self.until(ReceivedEvent) for _ in range(count)]

    async def until_pending(self, code: str) -> None:
        """Wait until an event of this code was received; it is not taken."""
        async with asyncio.timeout(PATIENCE_S):
            while not self.source.pending(CvCode(code)):  # noqa: ASYNC110  the port tells nobody
                await asyncio.sleep(0.01)


def body(code: str) -> dict[str, object]:
    return {"cv_code": code}


def codes(signals: list[Any]) -> list[str | None]:
    return [signal.code for signal in signals if isinstance(signal, ReceivedEvent)]


# ------------------------------------------------------------------------------- the scripted one


class ScriptedRig:
    """``ScriptedSource`` over ``SocketServer``."""

    def __init__(
        self,
        *,
        recovery: bool,
        join: bool = False,
        token: bool = False,
        window_s: float = 120,
    ) -> None:
        rng = random.Random(1)
        self._loop = asyncio.get_running_loop()
        self._random = rng.random
        self.recovery = recovery
        self.server = SocketServer(
            recovery=recovery,
            delay=lambda: rng.uniform(0.001, 0.1),
            window_s=window_s,
            join=JOIN if join else None,
            admit=(lambda: "unauthorized") if token else (lambda: "ok"),
        )

    def now_ms(self) -> Millis:
        return Millis(1_700_000_000_000 + round(self._loop.time() * 1000))

    def source(self, **options: Any) -> EventSource:
        return ScriptedSource(self.server, now_ms=self.now_ms, random=self._random, **options)

    async def emit(self, *bodies: object) -> None:
        for one in bodies:
            self.server.emit("", one)

    async def emit_wanting_ack(self, body: object) -> None:
        self.server.acks = True
        self.server.emit("", body)
        self.server.acks = False

    async def acknowledged(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.server.acknowledged) < count:  # noqa: ASYNC110  nobody is told
                await asyncio.sleep(0.01)
        assert len(self.server.acknowledged) == count

    async def abandoned(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while self.server.wires:  # noqa: ASYNC110  nobody is told
                await asyncio.sleep(0.01)

    async def cut(self) -> None:
        self.server.cut()

    async def kick(self) -> None:
        self.server.kick()

    async def deafen(self) -> None:
        self.server.deafen()

    async def clients(self, count: int, hearing: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while self._clients() != (count, hearing):  # noqa: ASYNC110  nobody is told
                await asyncio.sleep(0.01)

    def _clients(self) -> tuple[int, int]:
        wires = self.server.wires
        return len(wires), sum(wire.audible for wire in wires)

    async def restart(self) -> None:
        self.server.restart()

    async def away(self) -> None:
        self.server.up = False
        self.server.cut()

    async def back(self) -> None:
        self.server.up = True


# ------------------------------------------------------------------------------- the real one


@dataclass
class RealRig:
    """``SocketSource`` over a server on loopback."""

    url: str
    recovery: bool

    def now_ms(self) -> Millis:
        return Millis(round(time.time() * 1000))

    def source(self, **options: Any) -> EventSource:
        return SocketSource(url=self.url, now_ms=self.now_ms, **options)


class EmulatorRig(RealRig):
    """It knows no recovery, and asks for no acknowledgement."""

    def __init__(self, emulator: Emulator) -> None:
        super().__init__(emulator.socket_url, recovery=False)
        self._emulator = emulator

    async def emit(self, *bodies: object) -> None:
        for one in bodies:
            await self._emulator.emit(one)

    async def abandoned(self) -> None:
        await self._emulator.ledger.until(
            lambda ledger: any(entry.what == "disconnected" for entry in ledger.sockets())
        )

    async def cut(self) -> None:
        self._emulator.socket.drop()

    async def kick(self) -> None:
        await self._emulator.socket.kick()

    async def deafen(self) -> None:
        self._emulator.socket.deafen()

    async def clients(self, count: int, hearing: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while self._clients() != (count, hearing):  # noqa: ASYNC110  nobody is told
                await asyncio.sleep(0.01)

    def _clients(self) -> tuple[int, int]:
        socket = self._emulator.socket
        return socket.clients, len(socket.audience())

    async def restart(self) -> None:
        await self._emulator.socket.restart()

    async def away(self) -> None:
        await self._emulator.stop()

    async def back(self) -> None:
        await self._emulator.start()


class NodeRig(RealRig):
    """The official server."""

    def __init__(self, server: NodeServer) -> None:
        super().__init__(server.url, recovery=True)
        self._server = server

    async def emit(self, *bodies: object) -> None:
        await self._server.emit(*bodies)

    async def emit_wanting_ack(self, body: object) -> None:
        await self._server.emit(body, how="ack")

    async def acknowledged(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(acks := await self._acks()) < count:  # noqa: ASYNC110  nobody is told
                await asyncio.sleep(0.02)
        assert len(acks) == count

    async def _acks(self) -> list[object]:
        acks: list[object] = (await self._server.status())["acks"]
        return acks

    async def abandoned(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while (await self._server.status())["clients"]:  # noqa: ASYNC110  nobody is told
                await asyncio.sleep(0.02)

    async def cut(self) -> None:
        await self._server.drop()

    async def kick(self) -> None:
        await self._server.kick()

    async def deafen(self) -> None:
        await self._server.deafen()

    async def clients(self, count: int, hearing: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while await self._clients() != (count, hearing):  # noqa: ASYNC110  nobody is told
                await asyncio.sleep(0.02)

    async def _clients(self) -> tuple[int, int]:
        status = await self._server.status()
        return status["clients"], status["audience"]

    async def restart(self) -> None:
        await self._server.restart()


# ------------------------------------------------------------------------------- playing

Scene = Callable[[Any], Awaitable[None]]
Play = Callable[..., None]
"""``play(scene, join=…, token=…, window_s=…)``: on a loop of its own."""
Make = Callable[..., AbstractAsyncContextManager[Any]]


@asynccontextmanager
async def scripted_on(**options: Any) -> AsyncIterator[ScriptedRig]:
    yield ScriptedRig(recovery=True, **options)


@asynccontextmanager
async def scripted_off(**options: Any) -> AsyncIterator[ScriptedRig]:
    yield ScriptedRig(recovery=False, **options)


@asynccontextmanager
async def emulated(*, join: bool = False, token: bool = False) -> AsyncIterator[EmulatorRig]:
    options = Options(
        join_event=JOIN if join else None,
        socket_auth={"token": "another"} if token else None,
        transports=("websocket",),
    )
    async with Emulator(options) as emulator:
        yield EmulatorRig(emulator)


@asynccontextmanager
async def official(
    *, join: bool = False, token: bool = False, window_s: float = 120
) -> AsyncIterator[NodeRig]:
    options: dict[str, object] = {"recovery_ms": round(window_s * 1000)}
    if join:
        options["join"] = JOIN
    if token:
        options["token"] = "another"
    async with NodeServer(**options) as server:
        yield NodeRig(server)


RIGS: dict[str, Make] = {
    "official": official,
    "scripted-recovery": scripted_on,
    "emulator": emulated,
    "scripted": scripted_off,
}
RECOVERING = ("official", "scripted-recovery")
ENDURING = ("scripted-recovery", "emulator", "scripted")
"""Those that can be away and come back."""


def player(name: str) -> Play:
    """Plays scenes over one kind of rig."""

    def play(scene: Scene, **options: Any) -> None:
        async def main(*_: object) -> None:
            async with RIGS[name](**options) as rig:
                await scene(rig)

        if name.startswith("scripted"):
            run_virtual(1, main)
            return
        try:
            asyncio.run(main())
        except ToolMissing as missing:
            pytest.skip(str(missing))

    return play


def subscribing() -> dict[str, Any]:
    """Options of a source that must join."""
    return {"on_connect": [OnConnect(JOIN)]}
