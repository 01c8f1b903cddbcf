"""A daemon with its upstream, hurt and healed: what was acknowledged, and what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from listener.emulator import Emulator, Options
from tests.e2e.process import DaemonDied, DaemonProcess, no_code_in

from .hurt_daemon import Hurt

MODULE = "tests.disks.hurt_daemon"
PDF = b"%PDF-1.7\n" + b"x" * 20_000 + b"\n%%EOF\n"
CODE = "Cv9E#nH4$xTz8!pY2aW^mK6rL"
REFUSALS = {503, 507}
APPLIED = ("confirmed", "presumed")


@dataclass
class Ward:
    """One daemon and one upstream, for all its lives."""

    upstream: Emulator
    daemon: DaemonProcess
    fault: Path
    """While this file is there, it hurts."""
    accepted: dict[str, str] = field(default_factory=dict)
    """Id → code, of what was acknowledged."""
    tried: set[str] = field(default_factory=set)

    @property
    def state(self) -> Path:
        """Its state folder."""
        return self.daemon.state_dir

    def hurt(self, **how: Any) -> None:
        """What the next life can suffer."""
        self.daemon.module = MODULE
        self.daemon.environ = Hurt(str(self.fault), **how).environ()

    def heal(self) -> None:
        """The next life is the plain program's."""
        self.fault.unlink(missing_ok=True)
        self.daemon.module, self.daemon.environ = "listener", {}

    async def submit(self, number: int) -> httpx.Response | None:
        """The answer; None if the daemon ended before it gave one. A refusal is a problem."""
        code = f"{CODE}/{number:03d}"
        self.tried.add(code)
        try:
            answer = await self.http().post(
                "/v1/submissions",
                data={"cv_code": code},
                files={"cv": ("cv.pdf", PDF, "application/pdf")},
            )
        except httpx.TransportError:
            return None
        if answer.status_code == 202:
            self.accepted[answer.json()["id"]] = code
        else:
            assert answer.status_code in REFUSALS, answer.text
            assert answer.headers["Content-Type"] == "application/problem+json"
        return answer

    def http(self) -> httpx.AsyncClient:
        """The daemon's door."""
        client = self.daemon._client
        assert client is not None
        return client

    async def until_refused(self, first: int = 100, most: int = 400) -> httpx.Response | None:
        """Submit one after another, until one is not accepted."""
        for number in range(first, first + most):
            answer = await self.submit(number)
            if answer is None or answer.status_code != 202:
                return answer
        raise AssertionError("everything was accepted")

    async def ends_with(self, status: int, *words: str) -> dict[str, Any]:
        """The daemon ends of itself; its last CRITICAL line."""
        assert await self.daemon.ended(60) == status
        return await self.said("daemon.failed", *words)

    async def refuses_to_start(self, status: int, *words: str) -> dict[str, Any]:
        """It ends before it is ready; its last CRITICAL line."""
        with pytest.raises(DaemonDied) as died:
            await self.daemon.start()
        assert died.value.status == status, died.value
        return await self.said("daemon.failed", *words)

    async def said(self, event: str, *words: str) -> dict[str, Any]:
        """The last line of this kind: what was expected and found, and what to do."""
        told = await self.told(event)
        assert told["level"] in ("critical", "error", "warning")
        for word in ("expected", "found", *words):
            assert word in told["error"], told["error"]
        if event == "daemon.failed":
            assert told["level"] == "critical" and told["hint"]
        return told

    async def told(self, event: str) -> dict[str, Any]:
        """The last line of this kind, once there is one."""
        async with asyncio.timeout(20):
            while not (lines := self.lines(event)):  # noqa: ASYNC110 - a file of another process tells nobody
                await asyncio.sleep(0.05)
        return lines[-1]

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Every line of this kind. A line may still be on its way."""
        return [line for line in self.daemon.lines() if line["event"] == event]

    async def all_closes(self, *outcomes: str) -> dict[str, dict[str, Any]]:
        """Whatever was acknowledged ends, nothing is applied twice, and nobody's code is told."""
        ends = await self.daemon.closed(self.accepted, 60)
        for name, code in self.accepted.items():
            assert ends[name]["outcome"] in (outcomes or APPLIED), ends[name]
            if ends[name]["outcome"] in APPLIED:
                assert any(post.applied for post in self.upstream.ledger.posts(code))
        for code in self.tried:
            posts = self.upstream.ledger.posts(code)
            assert sum(post.applied for post in posts) <= 1, "sent again although it was applied"
            answered = [post.number for post in posts if post.status == 200]
            assert answered == [post.number for post in posts][-1:] or not answered
        assert await self.daemon.stop() == 0
        no_code_in(self.daemon, self.tried)
        return ends


@asynccontextmanager
async def ward(folder: Path, **settings: object) -> AsyncIterator[Ward]:
    """Not started yet."""
    async with Emulator(Options(extract=False, event_delay_ms=30, job_ms=200)) as upstream:
        daemon = DaemonProcess(
            folder,
            upstream.base_url,
            upstream.socket_url,
            "listener",
            **{"confirm_timeout": 5, "settle_period": 1, "enquiries": "0.5", **settings},
        )
        try:
            yield Ward(upstream, daemon, folder / "it-hurts")
        finally:
            if daemon._process is not None and daemon._process.returncode is None:
                await daemon.kill()


async def submit_some(one: Ward, count: int) -> None:
    """All at once; all are accepted."""
    answers = await asyncio.gather(*(one.submit(number) for number in range(count)))
    assert [answer is not None and answer.status_code for answer in answers] == [202] * count
