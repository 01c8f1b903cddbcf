"""The simulated socket: connects, drops, replays or forgets, as the seed has it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from listener.core.names import CvCode, GapReason, Millis
from listener.ports.event_source import (
    ConnectFailed,
    Listening,
    Lost,
    ReceivedEvent,
    Resume,
    Signal,
)


@dataclass(slots=True)
class SimServer:
    """The upstream's Socket.IO side: sessions, and what it remembers for recovery."""

    rng: random.Random
    recovery: bool
    window_s: float = 120.0
    up: bool = True
    session: int = 0
    history: list[tuple[int, float, CvCode]] = field(default_factory=list)
    offset: int = 0
    emissions: list[tuple[int, float, CvCode]] = field(default_factory=list)
    """The ledger: (number, when, code) of every event there ever was."""
    subscriber: Callable[[CvCode, int], None] | None = None

    def emit(self, code: CvCode) -> None:
        """One event to whoever is subscribed; remembered for those who come back."""
        self.offset += 1
        now = asyncio.get_running_loop().time()
        self.history.append((self.offset, now, code))
        self.emissions.append((self.offset, now, code))
        if self.subscriber is not None and self.up:
            self.subscriber(code, self.offset)

    def restart(self) -> None:
        """Forget everything, as a server that restarts does."""
        self.session += 1
        self.history.clear()

    def missed(self, offset: str | None, pid: str | None) -> list[tuple[int, CvCode]] | None:
        """What came after an offset, or None where that cannot be known."""
        if not self.recovery or offset is None or pid != self.pid():
            return None
        after = int(offset)
        now = asyncio.get_running_loop().time()
        rows = [row for row in self.history if row[0] > after]
        if rows and now - rows[0][1] > self.window_s:
            return None
        return [(number, code) for number, _, code in rows]

    def pid(self) -> str:
        """The session's private id."""
        return f"pid-{self.session}"


class SimSource:
    """Implements ``ports.event_source.EventSource``: one process's ear."""

    def __init__(
        self,
        server: SimServer,
        rng: random.Random,
        now_ms: Callable[[], Millis],
        first_seq: int,
        resume: Resume,
    ) -> None:
        self._server = server
        self._rng = rng
        self._now_ms = now_ms
        self._seq = first_seq
        self._offset = resume.offset
        self._pid = resume.pid
        self._queue: asyncio.Queue[Signal] = asyncio.Queue()
        self._waiting: dict[CvCode, int] = {}
        self._cut = asyncio.Event()
        self._first = True

    def cut(self) -> None:
        """Drop the connection."""
        self._cut.set()

    def pending(self, code: CvCode) -> bool:
        return self._waiting.get(code, 0) > 0

    def committed(self, offset: str) -> None:
        return None

    @property
    def last_frame_ms(self) -> Millis | None:
        return self._now_ms()

    async def next_batch(self, limit: int) -> list[Signal]:
        batch = [await self._queue.get()]
        while len(batch) < limit and not self._queue.empty():
            batch.append(self._queue.get_nowait())
        for signal in batch:
            if isinstance(signal, ReceivedEvent) and signal.code is not None:
                self._waiting[signal.code] -= 1
        return batch

    async def run(self) -> None:
        failures = 0
        try:
            while True:
                await asyncio.sleep(self._rng.uniform(0.05, 1.0) * min(1 + failures, 20))
                if not self._server.up:
                    failures += 1
                    self._queue.put_nowait(
                        ConnectFailed(self._now_ms(), "connect_refused", "", False, 1.0, failures)
                    )
                    continue
                failures = 0
                self._connect()
                self._cut.clear()
                await self._cut.wait()
                self._server.subscriber = None
                self._queue.put_nowait(Lost(self._now_ms(), "reset"))
        finally:
            self._server.subscriber = None

    def _connect(self) -> None:
        server = self._server
        missed = server.missed(self._offset, self._pid)
        for offset, code in missed or []:
            self._hear(code, offset, replayed=True)
        recovered = missed is not None
        reason = None
        if not recovered:
            reason = GapReason.STARTED if self._first else GapReason.NOT_RECOVERED
            self._offset = None
        self._first = False
        self._pid = server.pid() if server.recovery else None
        server.subscriber = lambda code, offset: self._arrive(code, offset)
        self._queue.put_nowait(Listening(self._now_ms(), recovered, reason, self._pid, "websocket"))

    def _arrive(self, code: CvCode, offset: int) -> None:
        """A frame reaches us a little later, if the connection still stands: never out of order."""
        if not self._cut.is_set():
            self._hear(code, offset, replayed=False)

    def _hear(self, code: CvCode, offset: int, replayed: bool) -> None:
        self._seq += 1
        self._waiting[code] = self._waiting.get(code, 0) + 1
        shown = str(offset) if self._server.recovery else None
        self._offset = shown or self._offset
        self._queue.put_nowait(
            ReceivedEvent(self._seq, self._now_ms(), code, str(offset), replayed=replayed, offset=shown)
        )
