"""One cell of the matrix: a real source, behind the proxy, in front of the official server; the
fault for a while; and then how soon the subscription is back, and what became of each event."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace

from listener.ports.event_source import Listening
from tests.adapters.socket_source.ear import Ear, now_ms
from tests.interop.node_server import NodeServer

from .account import Account, Emission
from .modes import Slow
from .proxy import FaultProxy
from .spoils import (
    Fault,
    Impossible,
    Phase,
    Place,
    Setting,
    Spoil,
    body_of,
    burst,
    code_of,
    hit_of,
    spoil,
)

CAP_S = 1.0
"""The backoff's cap. Each delay is as long as that, which is the longest that it can be."""
CONNECT_TIMEOUT_S = 1.2
PING_INTERVAL_MS, PING_TIMEOUT_MS = 500, 1500
PATIENCE_S = (PING_INTERVAL_MS + PING_TIMEOUT_MS) / 1000
"""After so long without a frame the ear leaves a line for dead."""
MARGIN_S = 0.3
"""By which our own frame clock is slower than the library's."""

FAULT_S = 2.6
"""How long a fault lasts: past the patience, and into the second attempt of a handshake that never
ends. What happens does not hang on some tenths of a second more or less."""
PROBE_S = 0.1
ANSWERED_S = PING_INTERVAL_MS / 3000
"""In which a ping is answered, and over polling the next poll is there."""
UNHINDERED = 1_000_000_000
STEADY_S = 0.7
"""A subscription that stands for so long after the fault is back for good: a ping went by."""
LONGEST_S = 60.0

DETECTION_S = max(PATIENCE_S + MARGIN_S, CONNECT_TIMEOUT_S)
STANDING = frozenset({Phase.IDLE, Phase.MID_EVENT})
"""A line stands when the fault comes."""

LEAVES_A_DEAD_LINE = frozenset({Fault.HALF_OPEN, Fault.STALL})
"""Only time tells that it is dead, also where the fault has gone meanwhile."""


@dataclass(frozen=True, slots=True)
class Cell:
    setting: Setting
    phase: Phase
    fault: Fault

    @property
    def bound_s(self) -> float:
        """How soon, after the fault, the subscription must be back."""
        dead = DETECTION_S if self.fault in LEAVES_A_DEAD_LINE else 0.0
        return 2 * CAP_S + dead

    @property
    def impossible(self) -> str | None:
        """Why there is no such cell."""
        done = spoil(self.setting, self.phase, self.fault, "")
        return done.reason if isinstance(done, Impossible) else None

    def __str__(self) -> str:
        return f"{self.setting.words}: {self.fault.words} at {self.phase.words}"


@dataclass(frozen=True, slots=True)
class Measured:
    """``told``: what the ear said, "lost REASON" and "failed REASON". ``fate`` of the event that
    was hit, or else of one that was emitted as the fault bit: heard, replayed, or the reason of the
    gap it stands in. ``transport``: in the end. ``back_s``: from the fault's end until there was
    the subscription that then stayed; 0, it was there. ``late_s``: how late this process was in
    all, by no fault of the ear's. ``wrong``: what must not be."""

    told: frozenset[str]
    fate: str
    transport: str
    back_s: float
    late_s: float
    wrong: tuple[str, ...]


class Meter:
    """How late this process is: on a busy machine everything takes longer, the ear too."""

    STEP_S = 0.02
    FAIR_S = 0.03

    def __init__(self) -> None:
        self.late_s = 0.0

    async def run(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(self.STEP_S)
            self.late_s += max(0.0, time.monotonic() - before - self.STEP_S - self.FAIR_S)


class Unbitten(Exception):
    """The fault went by, and the body that it waited for never came."""


class Trial:
    """One cell, once. ``name`` is no other trial's."""

    def __init__(self, cell: Cell, name: str, server: NodeServer, meter: Meter) -> None:
        self._cell = cell
        self._name = name
        self._server = server
        self._meter = meter
        self._events = 0
        self._fault_ms = 0
        self._ends_at = 0.0
        done = spoil(cell.setting, cell.phase, cell.fault, name)
        assert isinstance(done, Spoil), done
        self._spoil = done

    async def run(self) -> Measured:
        """Raises TimeoutError where the subscription does not come back at all, Unbitten."""
        late_before_s = self._meter.late_s
        measured = await self._measure()
        return replace(measured, late_s=self._meter.late_s - late_before_s)

    async def _measure(self) -> Measured:
        async with FaultProxy("127.0.0.1", self._server.port) as proxy, asyncio.timeout(LONGEST_S):
            if self._cell.phase is Phase.HANDSHAKE:
                await self._begin(proxy)
                async with self._ear(proxy) as account:
                    return await self._go_on(proxy, account)
            async with self._ear(proxy) as account:
                listening = await self._emit_until_heard(account)
                assert listening.transport == self._cell.setting.transports[-1]
                if self._cell.phase in STANDING:
                    await self._ping(proxy)
                await self._begin(proxy)
                if self._cell.phase in {Phase.RECONNECT, Phase.UPGRADE}:
                    proxy.cut(politely=True)
                    await account.until_deaf()
                account.told.clear()
                return await self._go_on(proxy, account)

    async def _ping(self, proxy: FaultProxy) -> None:
        """Returns when a ping was answered, and long before the next."""
        ping = body_of(self._cell.setting, Phase.IDLE, self._name).midst
        for way, mark in ((proxy.down, ping), (proxy.up, Place())):
            way.mode = Slow(UNHINDERED, mark.after, mark.mark)
            await way.bitten.wait()
        proxy.heal()
        await asyncio.sleep(ANSWERED_S)

    async def _begin(self, proxy: FaultProxy) -> None:
        """The fault is on when this returns."""
        proxy.down.mode, proxy.up.mode = self._spoil.down, self._spoil.up
        if self._spoil.refuse:
            await proxy.refuse()
        self._fault_ms = now_ms()
        self._ends_at = time.monotonic() + FAULT_S

    async def _go_on(self, proxy: FaultProxy, account: Account) -> Measured:
        subject = await self._meet(proxy)
        await asyncio.sleep(self._ends_at - time.monotonic())
        lifted_ms = now_ms()
        proxy.heal()
        await proxy.start()
        listening = await self._emit_until_heard(account)
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(STEADY_S):
                    await account.until_deaf()
            if account.listening is listening:
                break
            listening = await self._emit_until_heard(account)
        told = frozenset(account.told)
        emitted = await self._emitted()
        return Measured(
            told=told,
            fate=account.fates(emitted, self._fault_ms)[subject],
            transport=listening.transport,
            back_s=max(0, listening.at_ms - lifted_ms) / 1000,
            late_s=0.0,
            wrong=tuple(account.wrong(emitted, self._fault_ms)),
        )

    async def _meet(self, proxy: FaultProxy) -> str:
        """The event in question is emitted, in the midst of the fault; its code."""
        if self._cell.phase is Phase.MID_EVENT:
            await self._server.emit_to(self._name, *burst(self._name))
            await self._bitten(proxy)
            return code_of(self._name, hit_of(self._cell.setting))
        await self._bitten(proxy)
        return await self._emit()

    async def _bitten(self, proxy: FaultProxy) -> None:
        """Waits until the fault has acted on a body. To refuse is to act."""
        if self._spoil.refuse:
            return
        # Where a line stands, what it brings has the body; a pong of ours may be hit before that.
        ways = (proxy.down,) if self._cell.phase in STANDING else (proxy.down, proxy.up)
        bites = [asyncio.ensure_future(way.bitten.wait()) for way in ways]
        left_s = self._ends_at - time.monotonic()
        try:
            bitten, _ = await asyncio.wait(bites, timeout=left_s, return_when="FIRST_COMPLETED")
            if not bitten:
                raise Unbitten(str(self._cell))
        finally:
            for bite in bites:
                bite.cancel()
            await asyncio.wait(bites)

    async def _emit(self) -> str:
        self._events += 1
        code = code_of(self._name, f"e{self._events}")
        await self._server.emit_to(self._name, {"cv_code": code, "cv_updated": True})
        return code

    async def _emit_until_heard(self, account: Account) -> Listening:
        """One event after the other, from now on, until one of them is heard; by which
        subscription."""
        codes: list[str] = []
        while True:
            codes.append(await self._emit())
            with suppress(TimeoutError):
                async with asyncio.timeout(PROBE_S):
                    return await account.until_heard(*codes)

    async def _emitted(self) -> list[Emission]:
        ours = f"{self._name}."
        every = await self._server.emissions()
        return [(code, at) for code, at in every if code is not None and code.startswith(ours)]

    @asynccontextmanager
    async def _ear(self, proxy: FaultProxy) -> AsyncIterator[Account]:
        account = Account(now_ms())
        ear = Ear(
            f"http://127.0.0.1:{proxy.port}",
            transports=self._cell.setting.transports,
            query=lambda: {"audience": self._name},
            backoff_first_s=CAP_S,
            backoff_cap_s=CAP_S,
            connect_timeout_s=CONNECT_TIMEOUT_S,
            silence_margin_s=MARGIN_S,
            random=lambda: 1.0,
        )

        async def read() -> None:
            while True:
                account.take(await ear.next())

        async with ear:
            reading = asyncio.create_task(read())
            try:
                yield account
            finally:
                reading.cancel()
                with suppress(asyncio.CancelledError):
                    await reading
