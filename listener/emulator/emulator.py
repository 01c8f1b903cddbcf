"""The embedded upstream as one object, to be started and stopped inside any event loop."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from aiohttp import web

from .control import Control
from .faultbook import FaultBook
from .front import Front
from .ledger import Entry, EventEntry, ForeignEntry, Ledger, PostEntry
from .loudspeaker import Loudspeaker
from .options import Options
from .plan import Plan, fault
from .records import Records
from .upstream import Upstream

READERS = 2
"""Threads that read text out of files."""

LINGER_S = 2.0
"""How long a client that was answered early may still send."""

STOP_S = 1.0
"""How long a request under way may still take when the emulator stops."""


@dataclass(frozen=True, slots=True)
class _Running:
    runner: web.ServerRunner
    site: web.TCPSite
    speaker: Loudspeaker
    upstream: Upstream
    control: Control
    readers: ThreadPoolExecutor


class Emulator:
    """``async with Emulator(Options(…)) as upstream:``. No state is shared between two of them.

    Stopped and started again it keeps its port, its records and its ledger; connections, jobs
    under way, and events not yet emitted are lost, as they are when an upstream goes down.
    ``watch`` is called at every change in the ledger, with a word for it.
    """

    def __init__(
        self,
        options: Options | None = None,
        *,
        watch: Callable[[str, Entry], None] | None = None,
    ) -> None:
        self.options = options or Options()
        self.ledger = Ledger(watch)
        self._book = FaultBook(self.options.faults, self.options.seed)
        self._records = Records(
            self.ledger,
            self.options.codes,
            auto_create=self.options.auto_create,
            job_ms=self.options.job_ms,
            seed=self.options.seed,
        )
        self._port = self.options.port
        self._now: _Running | None = None

    async def start(self) -> None:
        """Listens when this returns. Raises OSError where the port is taken."""
        if self._now is not None:
            raise RuntimeError("expected a stopped emulator, found a running one: stop it first")
        readers = ThreadPoolExecutor(READERS, thread_name_prefix="emulator-reader")
        speaker = Loudspeaker(self.options, self.ledger)
        upstream = Upstream(self.options, self.ledger, self._book, self._records, speaker, readers)
        control = Control(self.ledger, self._book, self._records, speaker, upstream)
        front = Front(self.options, upstream, speaker, control)
        # No access log: paths hold codes. A parser that unpacked bodies would hash other bytes.
        server = web.Server(front, access_log=None, auto_decompress=False, lingering_time=LINGER_S)
        runner = web.ServerRunner(server, shutdown_timeout=STOP_S)
        try:
            await runner.setup()
            site = web.TCPSite(runner, self.options.host, self._port)
            await site.start()
        except BaseException:
            await speaker.close()
            await runner.cleanup()
            readers.shutdown(wait=False)
            raise
        self._port = runner.addresses[0][1]
        self._now = _Running(runner, site, speaker, upstream, control, readers)

    async def stop(self) -> None:
        """Nothing of it is left when this returns; does nothing where it does not run."""
        now, self._now = self._now, None
        if now is None:
            return
        await now.site.stop()
        now.upstream.stopping.set()
        self._records.lose_jobs()
        await now.upstream.forget_pending()
        await now.speaker.close()
        await now.runner.cleanup()
        # A request that was still being read may have left some work behind.
        await now.upstream.forget_pending()
        self._records.lose_jobs()
        now.readers.shutdown(wait=False, cancel_futures=True)
        for post in self.ledger.posts():
            if post.ended == "open":
                post.ended = "stopped"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    # ------------------------------------------------------------------------------- addresses

    @property
    def port(self) -> int:
        """0 until the first start, where any port would do."""
        return self._port

    @property
    def socket_url(self) -> str:
        """The origin: what a Socket.IO client connects to, and where the control routes are."""
        host = self.options.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self._port}"

    @property
    def base_url(self) -> str:
        """As ``CV_API_BASE_URL`` names it: a code follows."""
        return f"{self.socket_url}{self.options.base_path.rstrip('/')}"

    # --------------------------------------------------------------------------------- control

    @property
    def socket(self) -> Loudspeaker:
        """To kick, drop, restart, pause, resume or deafen those who listen."""
        return self._running.speaker

    def plan(self, code: str, plan: Plan | str, **changes: object) -> None:
        """The next requests of this code (``"*"``: of any) get this plan, or this named fault with
        some fields changed. Plans of one code queue up. Raises PlanInvalid."""
        self._book.queue(code, fault(plan, **changes) if isinstance(plan, str) else plan)

    def create(self, *codes: str) -> None:
        """Records of these codes, where there are none."""
        for code in codes:
            self._records.create(code)

    def record(self, code: str) -> dict[str, object] | None:
        """What a GET would say now; None where it would say 404."""
        found = self._records.find(code)
        return None if found is None else found.as_json()

    def stored(self) -> dict[str, int]:
        """The files in the upstream's store: the size of each, by path."""
        return dict(self._records.files)

    async def foreign_update(self, code: str) -> ForeignEntry:
        """Another party's update, applied when this returns; its event follows."""
        return await self._running.upstream.foreign_update(code)

    async def emit(self, body: object, code: str = "") -> EventEntry:
        """A bare event with this body; ``code`` is the one that the ledger has it for."""
        return await self._running.upstream.emit_bare(code, body)

    async def reset(self) -> None:
        """Records, plans and ledger as at the start."""
        await self._running.control.reset()

    async def posted(self, code: str, count: int = 1, *, seconds: float = 10) -> list[PostEntry]:
        """Once this code has had ``count`` POSTs that ended. Raises TimeoutError."""

        def ended(ledger: Ledger) -> list[PostEntry] | None:
            posts = [post for post in ledger.posts(code) if post.ended != "open"]
            return posts if len(posts) >= count else None

        found = await self.ledger.until(ended, seconds=seconds)
        assert found is not None  # noqa: S101  until gives what is true
        return found

    @property
    def _running(self) -> _Running:
        if self._now is None:
            raise RuntimeError("expected a running emulator, found a stopped one: start it first")
        return self._now
