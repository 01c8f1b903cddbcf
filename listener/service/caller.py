"""Calls one handler of the users' for each errand that the journal has for it, until it succeeds.

What one handler does is its own affair: it neither holds up nor repeats another. Errands that fail
are put off, each ever longer. A handler that fails for all of them is not asked about each: after
some failures in a row one is tried at a time, ever more rarely, and the others wait untouched. One
that has done nothing but fail for days is disabled: told as such, and tried twice a day.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from listener.core.names import Millis
from listener.ports.clock import Clock
from listener.ports.log import Log

from .breaker import Breaker
from .calling import Made, begin, cancelled, made_within
from .failure import Failure

BATCH = 256
LONGEST_SLEEP_MS = 30_000
FIRST_WAIT_MS = 1_000
LONGEST_WAIT_MS = 6 * 3_600_000
"""Between the tries of one errand: each wait is four times as long as the one before."""
IN_A_ROW = 5
PAUSE_MS = 1_000
LONGEST_PAUSE_MS = 15 * 60_000
"""Of a handler that failed so often in a row: between the errands that it is tried with."""
DISABLED_AFTER_MS = 5 * 24 * 3_600_000
PROBE_EVERY_MS = 12 * 3_600_000
CALM_MS = 60_000
"""A success so long after the last failure ends an incident, whatever still waits."""
AILING_MOST = 10_000
NEVER = Millis(1 << 62)


@dataclass(frozen=True, slots=True)
class Errand:
    """One call to be made. Two of one ``key`` are never under way together. ``about``: what lines
    of the log tell of it."""

    key: str
    version: int
    tries: int
    due_ms: Millis
    about: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """An errand, ready to be made. ``version``: what the handler hears of by it."""

    make: Callable[[], Awaitable[None]]
    version: int


class Errands(Protocol):
    """Where the errands of one handler are kept. Raises JournalFault."""

    async def due(self, until_ms: Millis, limit: int) -> Sequence[Errand]:
        """Those whose time comes by then, in the order in which they are to be made."""
        ...

    async def prepare(self, errand: Errand) -> Call | None:
        """None: there is nothing to be done any more."""
        ...

    async def finish(self, errand: Errand, version: int) -> None:
        """It is done, and all that came before that version. Idempotent."""
        ...

    async def postpone(self, errand: Errand, due_ms: Millis) -> None:
        """It failed: again at ``due_ms``."""
        ...

    async def hasten(self, now_ms: Millis) -> None:
        """What was put off is due now."""
        ...

    async def waiting(self) -> int:
        """How many there are."""
        ...


@dataclass(slots=True)
class Incident:
    """A handler that fails, from its first line to its last."""

    start_ms: Millis
    last_ms: Millis
    failures: int = 0


class Caller:
    """One handler. ``run`` calls it until cancelled."""

    def __init__(
        self,
        name: str,
        errands: Errands,
        clock: Clock,
        log: Log,
        *,
        at_once: int = 64,
        timeout_s: float = 30.0,
        longest_wait_ms: int = LONGEST_WAIT_MS,
    ) -> None:
        """``longest_wait_ms``: between the tries of one errand."""
        self.name = name
        self._errands = errands
        self._clock = clock
        self._log = log
        self._at_once = at_once
        self._timeout_s = timeout_s
        self._longest_wait_ms = longest_wait_ms
        self._news = asyncio.Event()
        self._busy: set[str] = set()
        self._ended: set[str] = set()
        self._gate = Breaker(IN_A_ROW, PAUSE_MS, LONGEST_PAUSE_MS)
        self._incident: Incident | None = None
        self._ailing: set[str] = set()
        self._failing_since_ms: Millis | None = None
        self._probe_ms: Millis | None = None
        self._quiet_until_ms = Millis(0)
        self.failures = 0
        """Calls that failed since the start."""

    def wake(self) -> None:
        """There may be a new errand."""
        self._news.set()

    @property
    def disabled(self) -> bool:
        """Whether it has done nothing but fail for days, or asked to be left alone."""
        return self._probe_ms is not None

    async def run(self) -> None:
        """One task for each errand, so that one that hangs holds up none but its own kind."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._news.clear()
                now = self._clock.now_ms()
                wake_ms = now + LONGEST_SLEEP_MS
                if self._room(now) > 0:
                    until, most = Millis(wake_ms), BATCH + len(self._busy)
                    self._ended.clear()
                    due = await self._errands.due(until, most)
                    for errand in due:
                        # Of what ended meanwhile the answer may be older than the end.
                        taken = errand.key in self._busy or errand.key in self._ended
                        ready = errand.due_ms <= now and not taken
                        if ready and self._room(now) > 0:
                            self._busy.add(errand.key)
                            group.create_task(self._see_to(errand, self._gate.began()))
                    later = [errand.due_ms for errand in due if errand.due_ms > now]
                    wake_ms = min(later, default=wake_ms)
                await self._sleep(min(wake_ms, self._opens_ms(now)) - now)

    def _room(self, now: Millis) -> int:
        """How many more calls may begin."""
        if now < max(self._probe_ms or 0, self._quiet_until_ms):
            return 0
        return self._at_once - len(self._busy) if self._gate.allows(now) else 0

    def _opens_ms(self, now: Millis) -> int:
        """When there may be room again without news: what is under way tells of its end."""
        gate = now + self._gate.opens_in_ms(now)
        opens = max(gate, self._probe_ms or 0, self._quiet_until_ms)
        return opens if opens > now else NEVER

    async def _sleep(self, milliseconds: int) -> None:
        try:
            async with asyncio.timeout(max(1, milliseconds) / 1000):
                await self._news.wait()
        except TimeoutError:
            pass

    async def _see_to(self, errand: Errand, attempt: object) -> None:
        try:
            call = await self._errands.prepare(errand)
            if call is None:
                await self._errands.finish(errand, errand.version)
            else:
                await self._make(errand, call, attempt)
        finally:
            self._gate.gone(attempt)
            self._busy.discard(errand.key)
            self._ended.add(errand.key)
            self._news.set()

    async def _make(self, errand: Errand, call: Call, attempt: object) -> None:
        made = begin(call.make, self.name)
        try:
            failure = await made_within(made, self._timeout_s)
        except asyncio.CancelledError:  # We stop; the call may clean up.
            await cancelled(made)
            raise
        if failure is None:
            await self._errands.finish(errand, call.version)
            await self._succeeded(errand)
        else:
            await self._failed(errand, failure)
            self._gate.gone(attempt)
            await self._outlast(made, errand, failure)

    async def _outlast(self, made: Made, errand: Errand, failure: Failure) -> None:
        """A call that goes on though it was cancelled keeps its place. Whenever its errand would be
        tried again, that fails: two of one key are never under way together."""
        while not made.done():
            wait_ms = wait_after(errand, self._longest_wait_ms)
            await asyncio.wait({made}, timeout=wait_ms / 1000)
            if not made.done():
                errand = replace(errand, tries=errand.tries + 1)
                await self._failed(errand, failure)

    # --------------------------------------------------------------------------- how it fares

    async def _succeeded(self, errand: Errand) -> None:
        now = self._clock.now_ms()
        self._ailing.discard(errand.key)
        reopened = self._gate.record(True, now) is not None or self.disabled
        since, self._failing_since_ms, self._probe_ms = self._failing_since_ms, None, None
        if reopened and since is not None and now - since >= CALM_MS:
            # It serves again: what was put off meanwhile need not wait any longer.
            await self._errands.hasten(now)
        incident = self._incident
        if incident is not None and (not self._ailing or now - incident.last_ms >= CALM_MS):
            self._incident = None
            self._log.emit(
                "handler.recovered",
                handler=self.name,
                failures=incident.failures,
                duration_ms=now - incident.start_ms,
            )

    async def _failed(self, errand: Errand, failure: Failure) -> None:
        """All is noted before the first await: meanwhile another call may succeed."""
        now = self._clock.now_ms()
        self.failures += 1
        self._gate.record(False, now)
        since = self._failing_since_ms = self._failing_since_ms or now
        if len(self._ailing) < AILING_MOST:
            self._ailing.add(errand.key)
        incident = self._incident = self._incident or Incident(now, now)
        incident.failures += 1
        incident.last_ms = now
        failures, was = incident.failures, self._probe_ms
        if failure.quiet:
            self._quiet_until_ms = Millis(max(self._quiet_until_ms, now + failure.again_ms))
        if failure.gone or now - since >= DISABLED_AFTER_MS:
            self._probe_ms = NEVER if failure.gone else Millis(now + PROBE_EVERY_MS)
        wait_ms = max(wait_after(errand, self._longest_wait_ms), failure.again_ms)
        await self._errands.postpone(errand, Millis(now + wait_ms))
        if not self.disabled and failures & (failures - 1) == 0:
            # Powers of two: a flood of them is some lines, not as many.
            self._log.emit(
                "handler.failed",
                handler=self.name,
                **errand.about,
                tries=errand.tries + 1,
                failures=failures,
                retry_in_s=wait_ms / 1000,
                error_type=failure.kind,
                error=failure.words,
            )
        elif self.disabled and was != NEVER:
            self._log.emit(
                "handler.disabled",
                handler=self.name,
                reason="gone" if failure.gone else "failing",
                failures=failures,
                duration_ms=now - since,
                waiting=await self._errands.waiting(),
                error=failure.words,
            )


def wait_after(errand: Errand, longest_ms: int = LONGEST_WAIT_MS) -> int:
    """How long a failed errand is put off, in milliseconds. Errands that fail together do not come
    again together: each has a spread of its own, of a fifth more or less, always the same."""
    wait = min(longest_ms, FIRST_WAIT_MS << 2 * min(errand.tries, 16))
    chance = zlib.crc32(f"{errand.key} {errand.tries}".encode()) / 2**32
    return round(wait * (0.8 + 0.4 * chance))
