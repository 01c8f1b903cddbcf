"""The upstreams under the contract: the real adapter over the emulator, and the scripted one."""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

from listener.adapters.upstream_http import HttpUpstream
from listener.core.evidence import PostResult, Reading
from listener.core.names import CvCode, FileKind, Millis
from listener.core.submission import FileFacts
from listener.emulator import Emulator, Options
from listener.emulator.plan import Plan
from listener.ports.upstream import NoReply, RawReply, Upstream
from tests.adapters.upstream_http.raw_server import Talk, raw_server, reply
from tests.fakes.socket_server import SocketServer
from tests.fakes.upstream_scripted import ScriptedUpstream
from tests.fakes.upstream_scripts import Script, named
from tests.simulation.loop import run_virtual

CODE = CvCode("Cv9E#nH4$xTz8!pY2aW^mK6rL")
UNKNOWN = CvCode("nobody/knows it")
CAP_MS = 60_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One POST in the upstream's ledger."""

    request_id: str | None
    code: str
    applied: bool


class Rig(Protocol):
    """An upstream to be asked, and the means to spoil its answers. It knows CODE alone."""

    upstream: Upstream

    def plan(self, script: str | Script) -> None:
        """The next request of the script's kind gets this."""

    def posts(self) -> list[Entry]:
        """What the upstream received, in order."""

    def reads(self) -> list[str | None]:
        """The request ids of the readings that it received, in order."""

    def now_ms(self) -> Millis: ...

    async def settle(self, holds: Callable[[], bool]) -> None:
        """Wait until this holds of the ledger."""

    async def idle(self) -> None:
        """Wait for what is under way in the upstream and would show itself."""

    async def foreign_update(self) -> None:
        """Another party updates CODE."""

    async def unreachable(self) -> None:
        """Nobody reaches it from now on."""


@dataclass(frozen=True, slots=True)
class Asker:
    """A rig with one file, asked by CODE unless told otherwise."""

    rig: Rig
    file: Path
    facts: FileFacts

    async def post(self, code: CvCode = CODE, request_id: str = "0199-1") -> PostResult:
        return await self.rig.upstream.post_update(
            code, self.file, self.facts, request_id=request_id
        )

    async def posted(self, code: CvCode = CODE) -> list[RawReply]:
        """POST, for what was told of the reply."""
        raw: list[RawReply] = []
        await self.rig.upstream.post_update(
            code, self.file, self.facts, request_id="0199-1", on_reply=raw.append
        )
        return raw

    async def read(self, code: CvCode = CODE, request_id: str = "0199-r") -> Reading:
        return await self.rig.upstream.read_record(code, request_id=request_id)

    async def fetch(self, code: CvCode = CODE) -> RawReply | NoReply:
        return await self.rig.upstream.fetch_record(code, request_id="0199-f")


Scene = Callable[[Asker], Awaitable[None]]
Play = Callable[..., None]
"""``play(scene, size=…, timeout_s=…, upload_timeout_s=…)``: on a loop of its own."""


class Scripted:
    """The scripted upstream."""

    def __init__(self, timeout_s: float, upload_timeout_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._plans: dict[str, list[str]] = {"post": [], "get": []}
        self.upstream = ScriptedUpstream(
            rng=random.Random(1),
            now_ms=self.now_ms,
            server=SocketServer(recovery=False),
            draw=lambda _: self._next("post"),
            draw_read=lambda _: self._next("get"),
            auto_create=False,
            timeout_s=timeout_s,
            upload_timeout_s=upload_timeout_s,
            retry_after_cap_ms=CAP_MS,
            lost=lambda file, facts: not file.exists() or file.stat().st_size != facts.size,
        )
        self.upstream.create(CODE)

    def now_ms(self) -> Millis:
        return Millis(1_700_000_000_000 + round(self._loop.time() * 1000))

    def _next(self, on: str) -> str:
        return self._plans[on].pop(0) if self._plans[on] else "ok"

    def plan(self, script: str | Script) -> None:
        name = script if isinstance(script, str) else script.name
        self._plans[named(name).on].append(name)

    def posts(self) -> list[Entry]:
        return [
            Entry(post.request_id, post.code, post.applied_s is not None)
            for post in self.upstream.ledger.posts
        ]

    def reads(self) -> list[str | None]:
        return [request_id for request_id, _ in self.upstream.ledger.reads]

    async def settle(self, holds: Callable[[], bool]) -> None:
        for _ in range(600):
            if holds():
                return
            await asyncio.sleep(0.1)
        raise TimeoutError

    async def idle(self) -> None:
        await asyncio.sleep(600)

    async def foreign_update(self) -> None:
        self.upstream.foreign_update(CODE)

    async def unreachable(self) -> None:
        self.upstream.down = True


class Served:
    """The real adapter over the emulator, or over a server of bytes where that cannot say it."""

    def __init__(self, emulator: Emulator, upstream: HttpUpstream, faults: list[Exception]) -> None:
        self._emulator = emulator
        self._faults = faults
        self.upstream = upstream

    def now_ms(self) -> Millis:
        return Millis(time.time_ns() // 1_000_000)

    def plan(self, script: str | Script) -> None:
        found = named(script) if isinstance(script, str) else script
        given = {field.name: getattr(found, field.name) for field in fields(Plan)}
        if found.apply_late:
            given["apply_delay_ms"] = 200
        self._emulator.plan(CODE, Plan(**given))

    def posts(self) -> list[Entry]:
        return [
            Entry(post.request_id, post.code, post.applied)
            for post in self._emulator.ledger.posts()
        ]

    def reads(self) -> list[str | None]:
        return [reading.request_id for reading in self._emulator.ledger.readings()]

    async def settle(self, holds: Callable[[], bool]) -> None:
        await self._emulator.ledger.until(lambda _: holds())

    async def idle(self) -> None:
        await self._emulator.ledger.until(
            lambda ledger: all(post.ended != "open" for post in ledger.posts())
        )

    async def foreign_update(self) -> None:
        await self._emulator.foreign_update(CODE)

    async def unreachable(self) -> None:
        await self._emulator.stop()


@asynccontextmanager
async def served(timeout_s: float, upload_timeout_s: float) -> AsyncIterator[Served]:
    options = Options(codes=(CODE,), auto_create=False, extract=False, event_delay_ms=0)
    faults: list[Exception] = []
    async with Emulator(options) as emulator:
        upstream = adapter(emulator.base_url, faults, timeout_s, upload_timeout_s)
        try:
            yield Served(emulator, upstream, faults)
        finally:
            await upstream.close()
    assert faults == []


def adapter(
    base_url: str, faults: list[Exception], timeout_s: float, upload_timeout_s: float
) -> HttpUpstream:
    return HttpUpstream(
        base_url=base_url,
        timeout_s=timeout_s,
        upload_timeout_s=upload_timeout_s,
        max_connections=4,
        max_response_bytes=100_000,
        retry_after_cap_ms=CAP_MS,
        now_ms=lambda: Millis(time.time_ns() // 1_000_000),
        on_fault=faults.append,
    )


@asynccontextmanager
async def scripted(timeout_s: float, upload_timeout_s: float) -> AsyncIterator[Scripted]:
    yield Scripted(timeout_s, upload_timeout_s)


def a_file(folder: Path, size: int) -> tuple[Path, FileFacts]:
    content = (b"%PDF-1.7 " + bytes(range(256)) * (size // 256 + 1))[:size]
    file = folder / "spooled"
    file.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return file, FileFacts(sha256=digest, size=size, kind=FileKind.PDF, name="cv.pdf")


Make = Callable[[float, float], AbstractAsyncContextManager[Any]]


def player(make: Make, folder: Path, *, virtual: bool) -> Play:
    """Plays scenes, each on a loop of its own."""

    def play(
        scene: Scene, *, size: int = 1000, timeout_s: float = 20, upload_timeout_s: float = 20
    ) -> None:
        file, facts = a_file(folder, size)

        async def main(*_: object) -> None:
            async with make(timeout_s, upload_timeout_s) as rig:
                await scene(Asker(rig, file, facts))

        if virtual:
            run_virtual(1, main)
        else:
            asyncio.run(main())

    return play


@asynccontextmanager
async def saying(body: bytes) -> AsyncIterator[HttpUpstream]:
    """The real adapter over a server that answers everything with this."""

    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(reply(body))

    faults: list[Exception] = []
    async with raw_server(script) as server:
        upstream = adapter(f"http://127.0.0.1:{server.port}", faults, 20, 20)
        try:
            yield upstream
        finally:
            await upstream.close()
    assert faults == []
