"""One daemon, one upstream and one browser for all scenes; each scene has a tab of its own."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Error, Page, async_playwright

from listener.emulator import Emulator, Options
from tests.e2e.process import ROOT, DaemonProcess

SAMPLE = sorted((ROOT / "demo").iterdir())[0]
PICTURES = ROOT / ".build" / "screenshots"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
"""It is to talk to the daemon alone."""
CAUSED_HERE = ("ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION_RESET")
"""What a browser says by itself of a daemon that was killed."""


@dataclass
class Scene:
    """What a scene plays with. ``complaints``: of the browser's console, and of the page."""

    daemon: DaemonProcess
    upstream: Emulator
    browser: Browser
    complaints: list[str] = field(default_factory=list)

    async def submit(self, code: str) -> str:
        name = await self.daemon.submit(code, SAMPLE)
        assert name is not None
        return name

    @asynccontextmanager
    async def page(
        self,
        *,
        width: int = 1280,
        height: int = 900,
        scheme: Literal["dark", "light"] = "light",
        token: str | None = None,
    ) -> AsyncIterator[Page]:
        """A tab that has opened the page, and given its token (``""``: has not). What the browser
        complained of meanwhile fails the scene."""
        self.complaints.clear()
        context = await self.browser.new_context(
            timezone_id="Asia/Kathmandu",
            viewport={"width": width, "height": height},
            color_scheme=scheme,
        )
        try:
            page = await context.new_page()
            page.on("pageerror", self._failed)
            page.on("console", self._said)
            await page.goto(self.daemon.url + "/")
            if token != "":
                await page.fill("#token", self.daemon.token if token is None else token)
                await page.keyboard.press("Enter")
                await page.wait_for_selector("#link[data-state=live]")
            yield page
            assert self.complaints == []
        finally:
            await context.close()

    def _failed(self, error: Error) -> None:
        self.complaints.append(str(error))

    def _said(self, said: ConsoleMessage) -> None:
        expected = any(word in said.text for word in CAUSED_HERE)
        if said.type in ("error", "warning") and not expected:
            self.complaints.append(said.text)

    async def picture(self, page: Page, name: str) -> None:
        """To be looked at."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        await page.screenshot(path=PICTURES / f"{name}.png", full_page=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("needs: chromium on PATH")
    folder: Path = tmp_path_factory.mktemp("page")
    async with Emulator(Options(extract=False)) as upstream:
        daemon = DaemonProcess(
            folder,
            upstream.base_url,
            upstream.socket_url,
            confirm_timeout=1,
            settle_period=1,
            enquiries="0.5",
            socket_backoff_cap=1,
        )
        async with daemon, async_playwright() as player:
            browser = await player.chromium.launch(executable_path=found, args=list(QUIET))
            try:
                yield Scene(daemon, upstream, browser)
            finally:
                await browser.close()
