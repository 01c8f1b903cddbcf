"""A daemon to be fuzzed: in a thread of its own, and with a front that nothing sent to it ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from listener.adapters.web import Figures, Scope, Tokens, WebServer
from listener.core.names import SubmissionId
from listener.ports.front import Awaited, Front, Public, Sending
from listener.ports.upstream import RawReply
from listener.service.front import ServiceFront

from .rig import ALL, Daemon, Lines, daemon

LONGEST_S = 0.05


class Unending(ServiceFront):
    """The service's own, but that it drains in word alone, and waits no longer than a moment."""

    def drain(self) -> Sending:
        """As the port says, save that nothing ends."""
        now = self.sending()
        return Sending(now.paused_ms, True, now.in_flight)

    async def wait_closed(self, submission_id: SubmissionId, timeout_s: float) -> Public | None:
        """As the port says, for a moment."""
        return await super().wait_closed(submission_id, min(timeout_s, LONGEST_S))

    async def wait_reply(
        self, submission_id: SubmissionId, timeout_s: float, *, until_closed: bool = False
    ) -> Awaited | None:
        """As the port says, for a moment."""
        wait_s = min(timeout_s, LONGEST_S)
        return await super().wait_reply(submission_id, wait_s, until_closed=until_closed)


def document() -> dict[str, Any]:
    """What any daemon serves, of one that never runs."""
    nobody, tokens = cast(Front, None), Tokens({ALL: Scope.ADMIN})
    figures = Figures(cast(Callable[[str], Awaitable[tuple[bytes, str]]], None), open=False)
    return WebServer(nobody, Lines(), tokens, figures=figures).document.described


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Where it is reached, while it runs."""
    loop, up, over = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    found: list[str] = []

    async def live() -> None:
        async with daemon(folder, fronted=Unending, within_s=900) as house:
            await furnish(house)
            found.append(f"http://127.0.0.1:{house.web.port}")
            up.set()
            await over.wait()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            try:
                runner.run(live())
            finally:
                up.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert up.wait(60) and found
        yield found[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(60)


async def furnish(house: Daemon) -> None:
    """Something to be found, of each kind there is."""
    record = b'{"status": "success", "data": {"cv_id": 456, "status": "draft"}}'
    headers = (("Content-Type", "application/json"),)
    house.upstream.reply = house.upstream.fetches = RawReply(200, "OK", headers, record)
    await house.post(headers={"Prefer": "wait=5"})
    await house.deaf("polling")
