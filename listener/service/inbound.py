"""Events other than ``cv_updated``: kept before they are told, then told to whom they are for.

What is heard is one matter, and what a function makes of it another: it is told from the journal,
in a task of its own, so that one that fails or hangs holds up its own events and nothing else.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from listener.core.names import Millis
from listener.ports.clock import Clock
from listener.ports.event_source import OtherEvent, OthersDropped, Resume
from listener.ports.inbound import (
    KEPT_MS,
    EventHandler,
    InboundEvent,
    InboundHandler,
    InboundJournal,
    InboundRow,
    Untaken,
)
from listener.ports.journal import InboxRow, Journal
from listener.ports.log import Log

from .caller import LONGEST_PAUSE_MS, Call, Caller, Errand

EXPIRE_EVERY_S = 60.0
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Inbound:
    """Keeps what is heard for the handlers, and has each called for it, one at a time, in order."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        log: Log,
        handlers: Sequence[EventHandler] = (),
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._log = log
        self._dropped: Counter[tuple[str, str]] = Counter()
        self._left_behind = False
        self._for: dict[str, tuple[str, ...]] = defaultdict(tuple)
        self._callers: dict[str, Caller] = {}
        for handler in handlers:
            for event in handler.events:
                self._for[event] += (handler.name,)
            self._callers[handler.name] = Caller(
                handler.name,
                Turns(handler.name, handler.handle, journal, clock, log),
                clock,
                log,
                at_once=1,
                timeout_s=handler.timeout_s,
                longest_wait_ms=LONGEST_PAUSE_MS,
            )

    @property
    def callers(self) -> Sequence[Caller]:
        """One for each function."""
        return tuple(self._callers.values())

    # What the ear has heard.

    async def journal(
        self, rows: Sequence[InboxRow], resume: Resume | None, heard: Sequence[object]
    ) -> None:
        """Store the inbox's rows and the cursor, and in one transaction with them what was heard
        for the handlers, in order, for each that it is for."""
        events = [event for event in heard if isinstance(event, OtherEvent)]
        if not events:
            await self._journal.append_events(rows, resume)
            return
        fit = [event for event in events if event.problem is None]
        kept = [
            InboundRow(e.name, e.payload, e.heard_ms, e.replayed, self._for[e.name]) for e in fit
        ]
        placed = await self._journal.append_inbound(kept, rows, resume)
        for event in events:
            if event.problem is not None:
                self._drop(event.name, event.problem, 1, size=event.size)
        for event, place in zip(fit, placed, strict=True):
            for name in self._for[event.name]:
                if name in place.full:
                    self._drop(event.name, "backlog_full", 1, size=event.size, handler=name)
                else:
                    self._say_stored(event, place.sequence, name)
                    self._callers[name].wake()

    def _say_stored(self, event: OtherEvent, sequence: int, handler: str) -> None:
        self._log.emit(
            "event.stored",
            heard_event=event.name,
            handler=handler,
            seq=sequence,
            size=event.size,
            replayed=event.replayed,
        )

    def lose(self, signal: OthersDropped) -> None:
        """They never came so far as to be kept."""
        self._drop(signal.name, "flood", signal.count)

    def _drop(self, event: str, reason: str, count: int, **about: object) -> None:
        before = self._dropped[event, reason]
        after = self._dropped[event, reason] = before + count
        if before.bit_length() < after.bit_length():
            # Powers of two: a flood of them is some lines, not as many.
            self._log.emit("event.dropped", heard_event=event, reason=reason, count=after, **about)

    # From the journal, at start.

    async def recover(self, waiting: Mapping[str, int]) -> None:
        """``waiting``: how many events an earlier run left, by handler. They are due at once: its
        clock may have been another. Where a handler is not named any more, that is told."""
        self._left_behind = bool(waiting)
        for name, count in sorted(waiting.items()):
            if name in self._callers:
                await self._journal.hasten_inbound(name, self._clock.now_ms())
            else:
                self._log.emit("event.unclaimed", handler=name, waiting=count)

    # Live.

    @property
    def idle(self) -> bool:
        """Whether there will never be anything to do: ``run`` is then not needed."""
        return not self._callers and not self._left_behind

    async def run(self) -> None:
        """Call the handlers, and give up what is too old, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for caller in self._callers.values():
                group.create_task(caller.run())
            while True:
                await self._expire()
                await asyncio.sleep(EXPIRE_EVERY_S)

    async def _expire(self) -> None:
        before = Millis(self._clock.now_ms() - KEPT_MS)
        for (handler, event), count in sorted((await self._journal.expire_inbound(before)).items()):
            self._log.emit("event.expired", heard_event=event, handler=handler, count=count)


class Turns:
    """The events of one handler, as errands: the first alone, so that none overtakes another."""

    def __init__(
        self, name: str, handle: InboundHandler, journal: InboundJournal, clock: Clock, log: Log
    ) -> None:
        self._name = name
        self._handle = handle
        self._journal = journal
        self._clock = clock
        self._log = log
        self._first: Untaken | None = None

    async def due(self, until_ms: Millis, limit: int) -> list[Errand]:
        """One, or none."""
        first = self._first = await self._journal.first_inbound(self._name)
        if first is None or first.due_ms > until_ms:
            return []
        number = first.sequence
        about = {"heard_event": first.event, "seq": number, "size": _size(first.payload)}
        return [Errand(str(number), number, first.tries, first.due_ms, about)]

    async def prepare(self, errand: Errand) -> Call | None:
        """As it was heard."""
        first = self._first
        if first is None or first.sequence != errand.version:
            return None
        event = InboundEvent(
            first.event,
            tuple(json.loads(first.payload)),
            first.sequence,
            EPOCH + timedelta(milliseconds=first.heard_ms),
            first.replayed,
        )
        return Call(partial(self._handle, event), first.sequence)

    async def finish(self, errand: Errand, version: int) -> None:
        """It is deleted, and nothing of it stays."""
        first, self._first = self._first, None
        await self._journal.finish_inbound(self._name, errand.version)
        age_ms = None if first is None else max(0, self._clock.now_ms() - first.heard_ms)
        self._log.emit("event.handled", handler=self._name, duration_ms=age_ms, **errand.about)

    async def postpone(self, errand: Errand, due_ms: Millis) -> None:
        """It keeps its turn."""
        await self._journal.postpone_inbound(self._name, errand.version, due_ms)

    async def hasten(self, now_ms: Millis) -> None:
        """The one whose turn it is."""
        await self._journal.hasten_inbound(self._name, now_ms)

    async def waiting(self) -> int:
        """Heard, and not taken."""
        return (await self._journal.inbound_waiting()).get(self._name, 0)


def _size(payload: str) -> int:
    return len(payload.encode())
