"""An emulator, a client of its HTTP, and an ear."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
import socketio  # type: ignore[import-untyped]  # python-socketio ships no types
import yarl

from listener.emulator import Emulator, Options

DOCUMENTED = "Cv9E#nH4$xTz8!pY2aW^mK6rL"


@dataclass(slots=True)
class Reply:
    """What came back."""

    status: int
    body: Any
    headers: dict[str, str]


class Client:
    """Speaks to an emulator as the documentation has it."""

    def __init__(self, upstream: Emulator, session: aiohttp.ClientSession) -> None:
        self.upstream = upstream
        self._session = session

    def _url(self, code: str, tail: str = "") -> yarl.URL:
        return yarl.URL(f"{self.upstream.base_url}/{quote(code, safe='')}{tail}", encoded=True)

    async def get(self, code: str) -> Reply:
        return await self._ask("GET", self._url(code))

    async def post(self, code: str, content: bytes, name: str = "cv.pdf") -> Reply:
        form = aiohttp.FormData()
        form.add_field("cv", io.BytesIO(content), filename=name)
        return await self._ask("POST", self._url(code, "/edits"), data=form)

    async def control(self, path: str, **body: object) -> Reply:
        url = yarl.URL(f"{self.upstream.socket_url}{path}")
        return await self._ask("POST", url, json=body)

    async def ledger(self) -> Any:
        return (await self._ask("GET", yarl.URL(f"{self.upstream.socket_url}/_ledger"))).body

    async def _ask(self, method: str, url: yarl.URL, **how: Any) -> Reply:
        async with self._session.request(method, url, allow_redirects=False, **how) as answer:
            text = await answer.read()
            try:
                body = await answer.json(content_type=None)
            except ValueError:
                body = text
            return Reply(answer.status, body, {k.lower(): v for k, v in answer.headers.items()})


@pytest.fixture
async def upstream() -> AsyncIterator[Emulator]:
    async with Emulator(Options(event_delay_ms=10, job_ms=200)) as running:
        yield running


@pytest.fixture
async def client(upstream: Emulator) -> AsyncIterator[Client]:
    timeout = aiohttp.ClientTimeout(total=5)
    # A connection for each request: on a used one, aiohttp asks again after a reset.
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        yield Client(upstream, session)


@dataclass(slots=True)
class Ear:
    """What a Socket.IO client heard."""

    sio: Any
    heard: asyncio.Queue[Any]


@pytest.fixture
async def ear(upstream: Emulator) -> AsyncIterator[Ear]:
    sio = socketio.AsyncClient(reconnection=False, handle_sigint=False)
    heard: asyncio.Queue[Any] = asyncio.Queue()
    sio.on("cv_updated", lambda *args: heard.put_nowait(args[0] if args else None))
    await sio.connect(upstream.socket_url, transports=["websocket"])
    yield Ear(sio, heard)
    await sio.disconnect()
    await sio.eio.http.close() if sio.eio.http else None
