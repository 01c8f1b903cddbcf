"""The socket, its bounds, and its life."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from aiohttp import web

from listener.adapters.incidents import Incidents
from listener.core.errors import AddressUnusable
from listener.ports.front import Front
from listener.ports.log import Log

from .api import Api
from .control import Control
from .events import Events
from .forgetting import Forgetting
from .gate import Names, Tokens
from .gateway import Gateway, GatewayPolicy
from .gateway_operations import GATEWAY
from .openapi import Document
from .pictures import Pictures
from .probes import Figures, Probes
from .retries import Retries
from .shapes import Shapes
from .status_page import StatusPage
from .submissions import Submissions
from .traces import remove_address, write_address
from .upload import Uploads

CONNECTIONS = 1024
"""At once; further ones are told to come back."""
IDLE_S = 30.0
"""For the next request's head to arrive whole: it bounds slow and silent clients both."""
BODY_S = 120.0
HEAD_BYTES = 16 * 1024
LINGER_S = 3.0
CLOSE_S = 5.0

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nConnection: close\r\n"
    b"Content-Length: 0\r\n\r\n"
)
_NOT_UNDERSTOOD = (
    "expected an HTTP/1.1 request whose path is ASCII, percent-encoded; found another\n"
)


class _Full(asyncio.Protocol):
    """Answers one connection too many, and closes it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        connection = cast(asyncio.Transport, transport)
        connection.write(_FULL)
        connection.close()


class _Handler(web.RequestHandler):
    """Tells whoever it does not understand no more than that. aiohttp would show them what they
    sent; but a path holds a code, and an answer may be kept."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        return super().handle_error(request, status, exc, _NOT_UNDERSTOOD)


def _bounds(idle_timeout_s: float) -> dict[str, Any]:
    """What aiohttp is told for each connection."""
    return {
        "access_log": None,
        "logger": _silent(),
        "auto_decompress": False,
        "keepalive_timeout": idle_timeout_s,
        "lingering_time": LINGER_S,
        "max_line_size": HEAD_BYTES,
        "max_field_size": HEAD_BYTES,
    }


def _silent() -> logging.Logger:
    """Of no tree: the library's own lines show what was sent."""
    silent = logging.Logger("listener.web.silent")
    silent.addHandler(logging.NullHandler())
    return silent


class WebServer:
    """The HTTP API over a front, at ``host`` and ``port`` (0: any free one).

    ``names``: host names it answers to, beside its addresses and localhost. ``address_file``: where
    it says how it is reached, while it runs. It writes no access log.
    """

    def __init__(
        self,
        front: Front,
        log: Log,
        tokens: Tokens,
        *,
        host: str = "127.0.0.1",
        port: int = 8600,
        names: Iterable[str] = (),
        max_file_bytes: int = 5 << 20,
        version: str = "",
        address_file: Path | None = None,
        body_timeout_s: float = BODY_S,
        idle_timeout_s: float = IDLE_S,
        connections: int = CONNECTIONS,
        gateway: GatewayPolicy | None = None,
        figures: Figures | None = None,
        incidents: Incidents | None = None,
    ) -> None:
        self._log = log
        self._host = host
        self._port = port
        self._address_file = address_file
        self._connections = connections
        self._stopping = asyncio.Event()
        uploads = Uploads(front, max_file_bytes, body_timeout_s)
        known = Names([*names, host])
        policy = gateway or GatewayPolicy()
        passing = Gateway(front, uploads, tokens, known, log, policy, self._stopping)
        api = Api(front, tokens, known, log)
        self._events = Events(front, self._stopping)
        routes = [
            *Submissions(front, uploads, self._stopping).routes(),
            *Retries(front, uploads, self._stopping).routes(),
            *Control(front, version).routes(),
            *Forgetting(front, uploads).routes(),
            *Probes(front, figures).routes(),
            *StatusPage().routes(),
            *Pictures(front, incidents).routes(),
            *self._events.routes(),
            *Shapes(front, self._stopping).routes(),
        ]
        self.document = Document([*(route.operation for route in routes), *GATEWAY], version)
        routes += self.document.routes()
        self._bounds = _bounds(idle_timeout_s)
        self._runner = web.AppRunner(
            api.app(routes, passing),
            # A client that is gone waits for nothing.
            handler_cancellation=True,
            shutdown_timeout=CLOSE_S,
            **self._bounds,
        )
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._port

    @property
    def followed_by(self) -> int:
        """Clients that follow the stream of events."""
        return self._events.followed_by

    @property
    def connected(self) -> int:
        """Connections open now."""
        server = self._runner.server
        return 0 if server is None else len(server.connections)

    async def start(self) -> None:
        """Listen. Raises AddressUnusable where the address is taken or not ours."""
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        try:
            self._server = await self._listening(loop)
            self._port = self._server.sockets[0].getsockname()[1]
            if self._address_file is not None:
                write_address(self._address_file, self._host, self._port)
        except BaseException:
            await self.stop()
            raise
        self._log.emit("intake.opened", host=self._host, port=self._port)

    async def _listening(self, loop: asyncio.AbstractEventLoop) -> asyncio.Server:
        try:
            return await loop.create_server(self._protocol, self._host, self._port)
        except OSError as error:
            why = os.strerror(error.errno).lower() if error.errno else "no such address"
            raise AddressUnusable(
                f"expected to listen at CV_INTAKE_HOST {self._host}, CV_INTAKE_PORT {self._port}, "
                f"found: {why}"
            ) from error

    async def stop(self) -> None:
        """Stop listening, answer whoever waits, close every connection. Idempotent."""
        self._stopping.set()
        if self._address_file is not None:
            remove_address(self._address_file)
        server, self._server = self._server, None
        if server is not None:
            server.close()
        await self._runner.cleanup()
        if server is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await server.wait_closed()

    def _protocol(self) -> asyncio.BaseProtocol:
        server = self._runner.server
        if server is None or self.connected >= self._connections:
            return _Full()
        return _Handler(server, loop=asyncio.get_running_loop(), **self._bounds)
