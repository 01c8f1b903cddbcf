"""Where a fault is played: the real process between its upstream and a line each for HTTP and for
the socket, at sixty times the speed: what takes a minute out there takes a second here."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from listener.emulator import Emulator, Options, Plan
from tests.e2e.process import DaemonProcess
from tests.faults.proxy import FaultProxy

SPEED = 60
SCRAPE_S = 0.25
"""A quarter of a minute out there."""
PDF = b"%PDF-1.7\n" + b"x" * 4_000 + b"\n%%EOF\n"
SETTINGS: dict[str, object] = {
    "api_timeout": 1,
    "api_upload_timeout": 2,
    "confirm_timeout": 0.5,
    "settle_period": 0.5,
    "enquiries": "0.1,0.3",
    "give_up_after": 60,
    "listen_wait": 0.5,
    "heartbeat": 0.5,
    "socket_backoff_cap": 0.5,
    "drain_timeout": 3,
    "replica": "recorded",
    "log_level": "info",
}
SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")

Series = dict[str, list[tuple[int, float]]]
"""A series as it stands in a query → (number of the scrape, value)."""


class Stage:
    """What a scene has in hand. ``began``: the first scrape's time, by the wall's clock."""

    def __init__(
        self, upstream: Emulator, http: FaultProxy, socket: FaultProxy, daemon: DaemonProcess
    ) -> None:
        self.upstream = upstream
        self.http = http
        self.socket = socket
        self.daemon = daemon
        self.hurt = daemon.state_dir.parent / "hurt"
        self.file = daemon.state_dir.parent / "cv.pdf"
        self.file.write_bytes(PDF)
        self.series: Series = {}
        self.began = time.time()
        self._numbers = 0

    async def submit(self, count: int = 1, fault: str | Plan | None = None, **plan: Any) -> None:
        """So many, each of its own code, the upstream's treatment of it planned."""
        for _ in range(count):
            self._numbers += 1
            code = f"CODE{self._numbers:06}"
            if fault is not None:
                self.upstream.plan(code, fault, **plan)
            await self.daemon.submit(code, self.file)

    async def traffic(self, seconds: float, every: float = 0.5, fault: str | None = None) -> None:
        """Updates that end well, unless ``fault`` says how not."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await self.submit(fault=fault)
            await asyncio.sleep(every)

    @contextlib.contextmanager
    def hurting(self) -> Any:
        self.hurt.touch()
        try:
            yield
        finally:
            self.hurt.unlink()

    async def scrape(self) -> None:
        """Every so often, until cancelled."""
        tick = 0
        async with httpx.AsyncClient(timeout=5) as client:
            while True:
                tick += 1
                await asyncio.sleep(max(0.0, self.began + tick * SCRAPE_S - time.time()))
                tick = max(tick, int((time.time() - self.began) / SCRAPE_S))
                if self.daemon.address is None:
                    continue
                with contextlib.suppress(httpx.HTTPError, OSError):
                    answer = await client.get(
                        f"{self.daemon.address.rstrip('/')}/metrics",
                        headers={"Authorization": f"Bearer {self.daemon.token}"},
                    )
                    if answer.status_code == 200:
                        self._take(tick, answer.text)

    def _take(self, tick: int, text: str) -> None:
        for line in text.splitlines():
            if (found := SAMPLE.match(line)) and found[1].startswith("cv_listener_"):
                name = found[1] + (f"{{{found[2]}}}" if found[2] else "")
                self.series.setdefault(name, []).append((tick, float(found[3])))


@asynccontextmanager
async def stage(
    folder: Path, hurt: str = "", options: dict[str, Any] | None = None, **settings: object
) -> AsyncIterator[Stage]:
    given: dict[str, Any] = {"extract": False, "job_ms": 60_000, "ping_interval_s": 0.5}
    given |= {"ping_timeout_s": 2.0, **(options or {})}
    async with Emulator(Options(**given)) as upstream:
        port = urlsplit(upstream.socket_url).port
        assert port is not None
        async with FaultProxy("127.0.0.1", port) as http, FaultProxy("127.0.0.1", port) as socket:
            daemon = DaemonProcess(
                folder,
                f"http://127.0.0.1:{http.port}/cv-enhance",
                f"http://127.0.0.1:{socket.port}",
                module="tests.alerts.hurt",
                **(SETTINGS | settings),
            )
            opened = Stage(upstream, http, socket, daemon)
            daemon.environ = {"HURT": hurt, "HURT_WHILE": str(opened.hurt)}
            scraping = asyncio.create_task(opened.scrape())
            try:
                async with daemon:
                    yield opened
            finally:
                scraping.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await scraping
