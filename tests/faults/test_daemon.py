"""The whole daemon behind a line that is spoiled: every end honest, nothing applied twice."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from listener.adapters.logs import StructuredLog
from listener.compose import Daemon, daemon, open_log
from listener.core.names import Outcome, SubmissionId
from listener.core.submission import Submission
from listener.emulator import Emulator, Options
from listener.service.intake import Accepted
from listener.settings import load

from .modes import Garbage, Reset, Slow, Stall, Swallow, Truncate
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


Spoil = Callable[[FaultProxy], None]


def up(mode: object) -> Spoil:
    return lambda line: setattr(line.up, "mode", mode)


def down(mode: object) -> Spoil:
    return lambda line: setattr(line.down, "mode", mode)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(up(Reset(after=2_000)), id="reset in the upload"),
        pytest.param(up(Truncate(after=2_000)), id="closed in the upload"),
        pytest.param(up(Stall(after=2_000)), id="stalled in the upload"),
        pytest.param(up(Swallow(after=2_000)), id="swallowed upload"),
        pytest.param(down(Reset(after=0)), id="reset before the reply"),
        pytest.param(down(Truncate(after=20)), id="closed in the reply"),
        pytest.param(down(Stall(after=0)), id="no reply"),
        pytest.param(down(Garbage()), id="garbage for a reply"),
        pytest.param(down(Slow(bytes_per_s=20)), id="a slow reply"),
    ],
)
async def test_a_spoiled_http_line(tmp_path: Path, spoil: Spoil) -> None:
    """Spoiled from the POST on until the attempt is over, then whole again: it ends confirmed, and
    was applied once."""
    async with house(tmp_path, CV_BASELINE="on") as home:
        before = await home.submit("first")
        assert (await home.closed(before)).outcome is Outcome.CONFIRMED
        readings = len(home.upstream.ledger.readings())
        name = await home.submit()
        await home.upstream.ledger.until(lambda told: len(told.readings()) > readings, seconds=20)
        spoil(home.http)
        async with asyncio.timeout(30):
            while True:
                stored = await home.running.world.journal.submission(name)
                assert stored is not None
                attempts = stored.submission.attempts
                if stored.submission.outcome or (attempts and attempts[0].ended_ms):
                    break
                await asyncio.sleep(0.02)  # the attempt's end is told to nobody but the journal
        home.http.heal()
        end = await home.closed(name)
        assert applied(home) == 1
        assert end.outcome is Outcome.CONFIRMED


@pytest.mark.parametrize("politely", [True, False])
async def test_an_ear_that_is_cut_after_the_update_was_applied(
    tmp_path: Path, politely: bool
) -> None:
    """Its event is lost: the record says that it was applied, and that we were deaf."""
    async with house(tmp_path) as home:
        home.upstream.plan(CODE, "late_event", event_delay_ms=300)
        name = await home.submit()
        await home.upstream.ledger.until(lambda _: applied(home), seconds=20)
        await home.socket.refuse()
        home.socket.cut(politely=politely)
        await home.upstream.ledger.until(lambda told: told.events(CODE), seconds=20)
        await home.socket.start()
        end = await home.closed(name)
        assert end.outcome is Outcome.PRESUMED
        assert end.deaf_ms > 0
        assert applied(home) == 1


async def test_an_upstream_that_is_away_for_a_while(tmp_path: Path) -> None:
    """Nothing listens on either line: what is accepted meanwhile goes out when they are back."""
    async with house(tmp_path) as home:
        await home.http.refuse()
        await home.socket.refuse()
        home.socket.cut()
        names = [await home.submit(f"{CODE}-{number}") for number in range(10)]
        await asyncio.sleep(1)  # some attempts find nobody
        await home.http.start()
        await home.socket.start()
        ends = [await home.closed(name) for name in names]
        assert {end.outcome for end in ends} == {Outcome.CONFIRMED}
        assert all(applied(home, f"{CODE}-{number}") == 1 for number in range(10))
