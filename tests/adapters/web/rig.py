"""A whole daemon but for the network beyond it: the real service, journal, spool and web server."""

from __future__ import annotations

import asyncio
import io
import time
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import httpx

from listener.adapters.journal_sqlite import SqliteJournal
from listener.adapters.kept_by_once import KeptByOnce
from listener.adapters.metrics import Build, Counts, Machine, Metrics
from listener.adapters.socket_source.overhearing import Overhearing
from listener.adapters.spool import DiskSpool
from listener.adapters.web import Figures, GatewayPolicy, Scope, Tokens, WebServer
from listener.core.evidence import PostResult, Reading, UpstreamReply
from listener.core.names import CvCode, GapReason, LanePolicy, Millis, PostKind, SubmissionId
from listener.core.policy import Policy
from listener.core.submission import FileFacts
from listener.core.wire import cv_ref, read_event
from listener.ports.event_source import Listening, Lost, ReceivedEvent, Signal
from listener.ports.journal import Journal, Query
from listener.ports.upstream import NoReply, OnReply, RawReply, unheeded
from listener.service.front import ServiceFront
from listener.service.service import Service, ServicePolicy, World

from .conformance import Described

CODE = "Cv9E#nH4$xTz8!pY2aW^mK6rL"
ALL, SUBMIT, READ = "token-of-all", "token-of-submit", "token-of-read"
REF_KEY = b"key"
MAX_FILE = 256 * 1024
OPEN = GatewayPolicy(open=True, wait_s=60)
PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"


def docx() -> bytes:
    """A small DOCX."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("_rels/.rels", "<Relationships/>")
        archive.writestr("word/document.xml", "<w:document/>")
    return content.getvalue()


def pdf_of(size: int) -> bytes:
    """A PDF of just this many bytes."""
    return b"%PDF-1.7\n%" + b"x" * (size - 17) + b"\n%%EOF\n"


class RealClock:
    """Implements ``ports.clock.Clock``."""

    def __init__(self) -> None:
        self._start = time.time() - time.monotonic()

    def now_ms(self) -> Millis:
        return Millis(int((self._start + time.monotonic()) * 1000))


@dataclass
class Lines:
    """Implements ``ports.log.Log``: keeps what was emitted."""

    lines: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def emit(self, event: str, /, **fields: object) -> None:
        self.lines.append((event, fields))

    def ref(self, code: CvCode) -> str:
        return cv_ref(REF_KEY, code)

    def of(self, event: str) -> list[dict[str, object]]:
        """The fields of every such line."""
        return [fields for name, fields in self.lines if name == event]


class Ear:
    """Implements ``ports.event_source.EventSource``: connected from the start, hears at call."""

    def __init__(self, clock: RealClock, highest_seq: int) -> None:
        self._clock = clock
        self._seq = count(highest_seq + 1)
        self._queue: asyncio.Queue[Signal] = asyncio.Queue()
        self._queued: list[CvCode] = []
        self.overhearing = Overhearing(clock.now_ms, "/", "cv_updated", read_event)

    async def run(self) -> None:
        now = self._clock.now_ms()
        self._queue.put_nowait(Listening(now, False, GapReason.STARTED, None, "websocket"))
        await asyncio.Event().wait()

    def lose(self, reason: str) -> None:
        """The subscription is lost, and back at once."""
        now = self._clock.now_ms()
        self._queue.put_nowait(Lost(now, reason))
        self._queue.put_nowait(Listening(now, False, GapReason(reason), None, "websocket"))

    def lose_for_good(self, reason: str) -> None:
        """The subscription is lost, and stays so."""
        self._queue.put_nowait(Lost(self._clock.now_ms(), reason))

    def hear(self, text: str) -> None:
        """One event arrives."""
        code = CvCode(text)
        self._queued.append(code)
        self._queue.put_nowait(ReceivedEvent(next(self._seq), self._clock.now_ms(), code, "{}"))

    async def next_batch(self, limit: int) -> list[Signal]:
        batch = [await self._queue.get()]
        while len(batch) < limit and not self._queue.empty():
            batch.append(self._queue.get_nowait())
        for signal in batch:
            if isinstance(signal, ReceivedEvent) and signal.code is not None:
                self._queued.remove(signal.code)
        return batch

    def pending(self, code: CvCode) -> bool:
        return code in self._queued

    def committed(self, offset: str) -> None:
        return None

    def doubt(self) -> None:
        return None

    def hurry(self) -> None:
        return None

    @property
    def backlog(self) -> int:
        return self._queue.qsize()

    @property
    def handed_out_until_ms(self) -> Millis | None:
        return self._clock.now_ms()

    @property
    def last_frame_ms(self) -> Millis | None:
        return self._clock.now_ms()


class Beyond:
    """Implements ``ports.upstream.Upstream``: accepts each update, and the event follows at once
    where ``emits``; ``open`` cleared, a request hangs until it is set. ``ends``: of the next POSTs,
    in place of ``reply``, without an event. ``fetches``: what a fetched record is."""

    def __init__(self, clock: RealClock, ear: Ear) -> None:
        self._clock = clock
        self._ear = ear
        self.emits = True
        self.open = asyncio.Event()
        self.open.set()
        self.arrived = asyncio.Event()
        self.posted: list[tuple[str, bytes, str]] = []
        self.reply = RawReply(200, "OK", (("Content-Type", "application/json"),), b"{}")
        self.fetched: list[str] = []
        self.fetches: RawReply | NoReply = self.reply
        self.fetching = asyncio.Event()
        self.ends: list[tuple[PostResult, RawReply | None]] = []

    async def read_record(self, code: CvCode, *, request_id: str) -> Reading:
        digest = str(sum(1 for posted, _, _ in self.posted if posted == code))
        return Reading(self._clock.now_ms(), True, path_digest=digest)

    async def fetch_record(self, code: CvCode, *, request_id: str) -> RawReply | NoReply:
        self.fetched.append(code)
        self.fetching.set()
        await self.open.wait()
        return self.fetches

    async def post_update(
        self,
        code: CvCode,
        file: Path,
        facts: FileFacts,
        *,
        request_id: str,
        on_reply: OnReply = unheeded,
    ) -> PostResult:
        self.posted.append((code, await asyncio.to_thread(file.read_bytes), facts.name))
        self.arrived.set()
        await self.open.wait()
        if self.ends:
            result, raw = self.ends.pop(0)
            if raw is not None:
                on_reply(raw)
            return result
        if self.emits:
            self._ear.hear(code)
        on_reply(self.reply)
        return PostResult(
            PostKind.ACCEPTED, "ok", 200, reply=UpstreamReply(cv_id=456, status="draft")
        )

    async def close(self) -> None:
        return None


@dataclass
class Daemon:
    """What a test has in hand."""

    web: WebServer
    service: Service
    journal: Journal
    spool: Path
    upstream: Beyond
    log: Lines
    http: httpx.AsyncClient
    address_file: Path
    ear: Ear

    async def post(
        self,
        code: str | bytes = CODE,
        file: bytes = PDF,
        *,
        name: str = "cv.pdf",
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """Submit, the usual way."""
        return await self.http.post(
            "/v1/submissions",
            data={"cv_code": code},
            files={"cv": (name, file)},
            headers=headers,
        )

    async def deaf(self, reason: str) -> None:
        """A gap, from its beginning to its end."""
        before = len(self.log.of("subscription.restored"))
        self.ear.lose(reason)
        await until(lambda: len(self.log.of("subscription.restored")) > before)

    async def assert_nothing_stored(self) -> None:
        """Neither in the journal nor in the spool."""
        assert await self.journal.submissions(Query()) == []
        assert list(self.spool.iterdir()) == []

    async def raw(self, sent: bytes) -> bytes:
        """Send these bytes, and read until the server closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.web.port)
        try:
            writer.write(sent)
            await writer.drain()
            async with asyncio.timeout(30):
                answer = await reader.read()
            described(self.web).of_bytes(sent, answer)
            return answer
        finally:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)


_DESCRIBED: list[Described] = []


def described(web: WebServer) -> Described:
    """What its answers must fit; it is the same for every daemon of a run."""
    if not _DESCRIBED:
        _DESCRIBED.append(Described(web.document.described))
    return _DESCRIBED[0]


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what nothing announces."""
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - a library's state: there is no event to wait for
            await asyncio.sleep(0.01)


def form(*parts: tuple[str, str | None, bytes], boundary: str = "b0undary") -> bytes:
    """A form's body, written by hand: (name, file name, data) each."""
    body = b""
    for name, filename, data in parts:
        also = "" if filename is None else f'; filename="{filename}"'
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{also}\r\n\r\n'
        body += head.encode() + data + b"\r\n"
    return body + f"--{boundary}--\r\n".encode()


def request(
    body: bytes,
    *,
    boundary: str = "b0undary",
    length: int | None = None,
    token: str = ALL,
    more: str = "Connection: close\r\n",
) -> bytes:
    """The whole request that posts a form, as bytes."""
    return (
        "POST /v1/submissions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {token}\r\n{more}"
        f"Content-Type: multipart/form-data; boundary={boundary}\r\n"
        f"Content-Length: {len(body) if length is None else length}\r\n\r\n"
    ).encode() + body


@asynccontextmanager
async def daemon(
    folder: Path,
    *,
    lane_policy: LanePolicy = LanePolicy.QUEUE,
    quota: int = 64 << 20,
    journal: Journal | None = None,
    port: int = 0,
    names: tuple[str, ...] = (),
    body_timeout_s: float = 60.0,
    idle_timeout_s: float = 60.0,
    connections: int = 256,
    recovered: bool = True,
    gateway: GatewayPolicy = OPEN,
    policy: ServicePolicy | None = None,
    metrics_open: bool = False,
    fronted: type[ServiceFront] = ServiceFront,
    within_s: float = 100,
) -> AsyncIterator[Daemon]:
    """A daemon at a free port, stopped at the end. ``recovered`` False: its service never comes
    to run. ``within_s``: the longest that it is wanted."""
    clock, log = RealClock(), Lines()
    kept = journal or await SqliteJournal.open(folder / "journal.db")
    ear = Ear(clock, await kept.highest_seq())
    upstream = Beyond(clock, ear)
    spool_folder = folder / "spool"
    newest = await kept.submissions(Query(limit=1))
    numbers = count(1 + max([0, *(int(s.submission.id[-12:], 16) for s in newest)]))
    world = World(
        journal=kept,
        spool=DiskSpool(spool_folder, quota, MAX_FILE, reserve_bytes=0),
        upstream=upstream,
        source=ear,
        overhears=ear.overhearing,
        elsewhere=KeptByOnce(folder / "once"),
        clock=clock,
        log=log,
        new_id=lambda: SubmissionId(f"0199a1b2-0000-7000-8000-{next(numbers):012x}"),
    )
    service = Service(world, policy or ServicePolicy(core=Policy(lane_policy=lane_policy)))
    front = fronted(service, world)
    machine = Machine(0, 0, 0, quota, None)
    metrics = Metrics(front.vitals, lambda: machine, Counts(), folder, Build("0", "3"))
    web = WebServer(
        front,
        log,
        Tokens({ALL: Scope.ADMIN, SUBMIT: Scope.SUBMIT, READ: Scope.READ}),
        port=port,
        names=names,
        max_file_bytes=MAX_FILE,
        version="0",
        address_file=folder / "intake.json",
        body_timeout_s=body_timeout_s,
        idle_timeout_s=idle_timeout_s,
        connections=connections,
        gateway=gateway,
        figures=Figures(metrics.scrape, metrics_open),
    )
    running = asyncio.create_task(service.run() if recovered else asyncio.sleep(0))
    await web.start()
    client = httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{web.port}",
        headers={"Authorization": f"Bearer {ALL}"},
        timeout=60,
        trust_env=False,
        event_hooks={"response": [described(web).of_client]},
    )
    try:
        async with client, asyncio.timeout(within_s):
            if recovered:
                await service.ready.wait()
            yield Daemon(
                web, service, kept, spool_folder, upstream, log, client, folder / "intake.json", ear
            )
    finally:
        await web.stop()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await kept.close()
