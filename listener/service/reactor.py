"""Outcome handlers: after the commit, at least once, keyed by id and version, each for itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from listener.core.names import CvCode, Millis, State, SubmissionId
from listener.core.view import public
from listener.ports.clock import Clock
from listener.ports.journal import Journal
from listener.ports.log import Log
from listener.ports.reaction import ANNOUNCED, Handler, OutcomeHandler, Reaction

from .caller import BATCH, Call, Caller, Errand
from .fact_log import retell

UNREAD_S = 2.0
"""A log whose lines wait for longer has nobody who reads it."""
HELD_MOST = 10_000
"""So many are remembered until somebody reads; the log's own queue holds no more lines either."""
LONGEST_SLEEP_S = 30.0

Announced = tuple[SubmissionId, int]


async def at_once() -> None:
    """Lines that wait nowhere."""


EVER = Millis(1 << 62)


class Reactor:
    """Gives each new version of a closed submission out to every handler, and has each called for
    it until it succeeds; no handler ever changes an outcome.

    ``told`` returns once every decision made on a lane so far has been told of in the log;
    ``written`` once every line so far has left this process. Where nobody reads the log, handlers
    go on, but what was announced is not crossed off: a start tells again what a crash took from
    the queue."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        log: Log,
        handlers: Sequence[Handler],
        told: Callable[[CvCode], Awaitable[object]],
        written: Callable[[], Awaitable[None]] = at_once,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._log = log
        self._told = told
        self._written = written
        self._unread = False
        self._unread_told = asyncio.Event()
        self._held: set[Announced] = set()
        self._news = asyncio.Event()
        self._callers = [
            Caller(
                handler.name,
                Outcomes(handler.name, handler.handle, journal, log),
                clock,
                log,
                at_once=handler.at_once,
                timeout_s=handler.timeout_s,
            )
            for handler in handlers
        ]

    @property
    def callers(self) -> Sequence[Caller]:
        """One for each handler."""
        return self._callers

    def wake(self) -> None:
        """There is a new reaction in the journal."""
        self._news.set()

    async def recover(self) -> int:
        """Tell again the canonical lines that a crash may have taken; returns how many.

        What an earlier run put off is due at once: its clock may have been another. A handler that
        waits for outcomes and is no longer named is told of: they are kept for it."""
        told = 0
        for reaction in await self._journal.due_reactions(ANNOUNCED, EVER, HELD_MOST):
            stored = await self._journal.submission(reaction.submission_id)
            if stored is not None and stored.submission.state is State.CLOSED:
                retell(self._log, stored.code, stored.submission)
                told += 1
        named = {ANNOUNCED, *(caller.name for caller in self._callers)}
        for name, count in sorted((await self._journal.reactions_waiting()).items()):
            if name in named:
                await self._journal.hasten_reactions(name, self._clock.now_ms())
            else:
                self._log.emit("handler.unnamed", handler=name, waiting=count)
        return told

    async def run(self) -> None:
        """Give out, and run handlers, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_log())
            for caller in self._callers:
                group.create_task(caller.run())
            while True:
                self._news.clear()
                most = BATCH + len(self._held)
                found = await self._journal.due_reactions(ANNOUNCED, EVER, most)
                new = [r for r in found if (r.submission_id, r.version) not in self._held]
                if new:
                    await self._give_out(new)
                    continue
                try:
                    async with asyncio.timeout(LONGEST_SLEEP_S):
                        await self._news.wait()
                except TimeoutError:
                    pass

    async def _give_out(self, reactions: Sequence[Reaction]) -> None:
        """A commit can be read before the one who made it knows of it: its line comes first, or a
        crash in between would take the line with it."""
        for name in dict.fromkeys(reaction.submission_id for reaction in reactions):
            stored = await self._journal.submission(name)
            if stored is not None:
                await self._told(stored.code)
        these = [(reaction.submission_id, reaction.version) for reaction in reactions]
        told = await self._lines_out() or len(self._held) > HELD_MOST
        await self._journal.give_out(these, [caller.name for caller in self._callers], told)
        if not told:
            self._held.update(these)
        for caller in self._callers:
            caller.wake()

    async def _lines_out(self) -> bool:
        """Whether the lines so far have left us. Where nobody reads, one wait is enough for all."""
        if self._unread:
            return False
        try:
            async with asyncio.timeout(UNREAD_S):
                await self._written()
        except TimeoutError:
            self._unread = True
            self._unread_told.set()
            return False
        return True

    async def _watch_log(self) -> None:
        """Whenever nobody reads: wait for somebody, then cross off what was held back."""
        while True:
            self._unread_told.clear()
            await self._unread_told.wait()
            await self._written()
            self._unread = False
            held = tuple(self._held)
            await self._journal.give_out(held, (), True)
            self._held.difference_update(held)
            self._news.set()


class Outcomes:
    """What one handler is still to hear of."""

    def __init__(self, name: str, handle: OutcomeHandler, journal: Journal, log: Log) -> None:
        self._name = name
        self._handle = handle
        self._journal = journal
        self._log = log

    async def due(self, until_ms: Millis, limit: int) -> list[Errand]:
        """Oldest first."""
        found = await self._journal.due_reactions(self._name, until_ms, limit)
        return [
            Errand(
                r.submission_id, r.version, r.tries, r.due_ms, {"submission_id": r.submission_id}
            )
            for r in found
        ]

    async def prepare(self, errand: Errand) -> Call | None:
        """How the submission stands now: the newest version is told, and no other."""
        stored = await self._journal.submission(SubmissionId(errand.key))
        if stored is None or stored.submission.state is not State.CLOSED:
            return None
        view = public(stored.submission, self._log.ref(stored.code))
        return Call(partial(self._handle, view), stored.submission.version)

    async def finish(self, errand: Errand, version: int) -> None:
        """And of every version before."""
        newest = max(version, errand.version)
        await self._journal.finish_reaction(SubmissionId(errand.key), newest, self._name)

    async def postpone(self, errand: Errand, due_ms: Millis) -> None:
        """One try more."""
        key = SubmissionId(errand.key)
        await self._journal.postpone_reaction(key, errand.version, self._name, due_ms)

    async def hasten(self, now_ms: Millis) -> None:
        """All of them."""
        await self._journal.hasten_reactions(self._name, now_ms)

    async def waiting(self) -> int:
        """Given out, and not heard of."""
        return (await self._journal.reactions_waiting()).get(self._name, 0)
