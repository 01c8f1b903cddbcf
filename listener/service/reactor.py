"""Outcome handlers: after the commit, at least once, keyed by id and version."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from listener.core.names import CvCode, Millis, State, SubmissionId
from listener.core.view import public
from listener.ports.clock import Clock
from listener.ports.journal import Journal, Reaction
from listener.ports.log import Log
from listener.ports.reaction import OutcomeHandler

from .fact_log import retell

BATCH = 256
AT_ONCE = 64
HANDLER_TIMEOUT_S = 30.0
LONGEST_SLEEP_MS = 30_000
UNREAD_S = 2.0
"""A log whose lines wait for longer has nobody who reads it."""
HEARD_MOST = 10_000
"""So many are remembered until somebody reads; the log's own queue holds no more lines either."""


async def at_once() -> None:
    """Lines that wait nowhere."""


EVER = Millis(1 << 62)


class Reactor:
    """Runs every handler for every new version of a closed submission. A handler that fails is
    asked again, later and later, ``max_tries`` times in all; it never changes an outcome.

    ``told`` returns once every decision made on a lane so far has been told of in the log;
    ``written`` once every line so far has left this process. Where nobody reads the log, handlers
    go on, but no reaction is crossed off: a start tells again what a crash took from the queue."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        log: Log,
        handlers: Sequence[tuple[str, OutcomeHandler]],
        told: Callable[[CvCode], Awaitable[object]],
        written: Callable[[], Awaitable[None]] = at_once,
        *,
        max_tries: int = 30,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._log = log
        self._handlers = handlers
        self._told = told
        self._written = written
        self._unread = False
        self._unread_told = asyncio.Event()
        self._heard: set[tuple[SubmissionId, int]] = set()
        self._max_tries = max_tries
        self._news = asyncio.Event()
        self._busy: set[SubmissionId] = set()

    def wake(self) -> None:
        """There is a new reaction in the journal."""
        self._news.set()

    async def recover(self) -> int:
        """Tell again the canonical lines that a crash may have taken; returns how many.

        What an earlier run put off is due at once: its clock may have been another."""
        now = self._clock.now_ms()
        told = 0
        for reaction in await self._journal.due_reactions(EVER, 10_000):
            if reaction.due_ms > now:
                await self._journal.postpone_reaction(reaction.submission_id, reaction.version, now)
            stored = await self._journal.submission(reaction.submission_id)
            if stored is not None and stored.submission.state is State.CLOSED:
                retell(self._log, stored.code, stored.submission)
                told += 1
        return told

    async def run(self) -> None:
        """Run handlers until cancelled: one task for each submission, so that a handler that hangs
        holds up nobody else's."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_log())
            while True:
                self._news.clear()
                now = self._clock.now_ms()
                until, most = Millis(now + LONGEST_SLEEP_MS), BATCH + len(self._heard)
                due = await self._journal.due_reactions(until, most)
                for reaction in due:
                    if self._ready(reaction, now) and len(self._busy) < AT_ONCE:
                        self._busy.add(reaction.submission_id)
                        group.create_task(self._react(reaction))
                later = [r.due_ms - now for r in due if r.due_ms > now]
                await self._sleep(min(later, default=LONGEST_SLEEP_MS))

    def _ready(self, reaction: Reaction, now: Millis) -> bool:
        held = self._unread and (reaction.submission_id, reaction.version) in self._heard
        return reaction.due_ms <= now and reaction.submission_id not in self._busy and not held

    async def _sleep(self, milliseconds: int) -> None:
        try:
            async with asyncio.timeout(milliseconds / 1000):
                await self._news.wait()
        except TimeoutError:
            pass

    async def _react(self, reaction: Reaction) -> None:
        try:
            await self._ask_all(reaction)
        finally:
            self._busy.discard(reaction.submission_id)
            self._news.set()

    async def _ask_all(self, reaction: Reaction) -> None:
        this = (reaction.submission_id, reaction.version)
        if this in self._heard:
            await self._finish(reaction)
            return
        stored = await self._journal.submission(reaction.submission_id)
        failed = False
        if stored is not None and stored.submission.state is State.CLOSED:
            # A commit can be read before the one who made it knows of it: its line comes first,
            # or a crash in between would take the line with it.
            await self._told(stored.code)
            view = public(stored.submission, self._log.ref(stored.code))
            for name, handler in self._handlers:
                failed |= not await self._call(name, handler, view, reaction)
        if not failed or reaction.tries + 1 >= self._max_tries:
            self._heard.add(this)
            await self._finish(reaction)
            return
        wait = min(3_600_000, 1_000 * 2 ** min(reaction.tries, 20))
        await self._journal.postpone_reaction(
            reaction.submission_id, reaction.version, Millis(self._clock.now_ms() + wait)
        )

    async def _finish(self, reaction: Reaction) -> None:
        """Handlers heard of it: cross it off, unless its line could still be lost."""
        if await self._lines_out() or len(self._heard) > HEARD_MOST:
            await self._journal.finish_reaction(reaction.submission_id, reaction.version)
            self._heard.discard((reaction.submission_id, reaction.version))

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
        """Whenever nobody reads: wait for somebody, then have crossed off what was held back."""
        while True:
            self._unread_told.clear()
            await self._unread_told.wait()
            await self._written()
            self._unread = False
            self._news.set()

    async def _call(
        self, name: str, handler: OutcomeHandler, view: dict[str, object], reaction: Reaction
    ) -> bool:
        try:
            async with asyncio.timeout(HANDLER_TIMEOUT_S):
                await handler(view)
        except BaseException as error:  # a user's: SystemExit is told too
            if _we_are_stopping(error):
                raise
            self._log.emit(
                "handler.failed",
                handler=name,
                submission_id=reaction.submission_id,
                tries=reaction.tries + 1,
                error_type=type(error).__name__,
            )
            return False
        return True


def _we_are_stopping(error: BaseException) -> bool:
    """Whether a cancellation is meant for us, and is not one that a handler let escape."""
    task = asyncio.current_task()
    if isinstance(error, KeyboardInterrupt):
        return True
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0
