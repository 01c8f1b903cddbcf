"""The whole daemon, with a line each for HTTP and for the socket, that can be spoiled."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from listener.adapters.logs import StructuredLog
from listener.compose import Daemon, daemon, open_log
from listener.core.names import SubmissionId
from listener.core.submission import Attempt, Submission
from listener.emulator import Emulator, Options
from listener.service.intake import Accepted
from listener.settings import load

from .proxy import FaultProxy

FILE = b"%PDF-1.7\n" + b"x" * 200_000
CODE = "Cv9E#nH4$xTz8!pY2aW^mK6rL"


@dataclass(slots=True)
class House:
    """The daemon, its upstream, and a line each for HTTP and for the socket."""

    running: Daemon
    upstream: Emulator
    http: FaultProxy
    socket: FaultProxy
    said: io.StringIO

    async def submit(self, code: str = CODE) -> SubmissionId:
        async def chunks() -> AsyncIterator[bytes]:
            yield FILE

        answer = await self.running.service.intake.submit(code, chunks(), "cv.pdf")
        assert isinstance(answer, Accepted)
        return answer.submission_id

    async def closed(self, name: SubmissionId, seconds: float = 60) -> Submission:
        service, journal = self.running.service, self.running.world.journal
        with service.bulletin.watch(name) as news:
            async with asyncio.timeout(seconds):
                while True:
                    news.clear()
                    stored = await journal.submission(name)
                    assert stored is not None
                    if stored.submission.outcome is not None:
                        return stored.submission
                    await news.wait()

    async def first_attempt(self, name: SubmissionId, seconds: float = 30) -> Attempt:
        """Once it has ended."""
        async with asyncio.timeout(seconds):
            while True:
                stored = await self.running.world.journal.submission(name)
                assert stored is not None
                attempts = stored.submission.attempts
                if attempts and attempts[0].ended_ms:
                    return attempts[0]
                await asyncio.sleep(0.02)  # an attempt's end is told to nobody but the journal

    async def listening(self) -> None:
        async with asyncio.timeout(30):
            while not self.running.service.hearer.listening:
                await self.running.service.hearer.wait_change()


@asynccontextmanager
async def house(folder: Path, **changes: str) -> AsyncIterator[House]:
    said = io.StringIO()
    async with Emulator(Options(extract=False, event_delay_ms=50, job_ms=60_000)) as upstream:
        port = urlsplit(upstream.socket_url).port
        assert port is not None
        async with FaultProxy("127.0.0.1", port) as http, FaultProxy("127.0.0.1", port) as ear:
            settings = load(
                {
                    "CV_API_BASE_URL": f"http://127.0.0.1:{http.port}/cv-enhance",
                    "CV_SOCKET_URL": f"http://127.0.0.1:{ear.port}",
                    "CV_STATE_DIR": str(folder / "state"),
                    "CV_INTAKE_PORT": "0",
                    "CV_API_TIMEOUT": "1",
                    "CV_API_UPLOAD_TIMEOUT": "2",
                    "CV_CONFIRM_TIMEOUT": "2",
                    "CV_SETTLE_PERIOD": "2",
                    "CV_ENQUIRIES": "1",
                    "CV_LISTEN_WAIT": "5",
                    "CV_LOG_FORMAT": "json",
                    **changes,
                },
                dotenv=None,
            )
            log: StructuredLog = open_log(settings, said, strict=True)
            try:
                async with daemon(settings, log, web=False) as running:
                    opened = House(running, upstream, http, ear, said)
                    await opened.listening()
                    yield opened
            finally:
                log.close()
    assert CODE not in said.getvalue()


def applied(home: House, code: str = CODE) -> int:
    return sum(post.applied for post in home.upstream.ledger.posts(code))
