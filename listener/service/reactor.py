"""Outcome handlers: after the commit, at least once, keyed by id and version."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from listener.core.names import Millis, State, SubmissionId
from listener.core.view import public
from listener.ports.clock import Clock
from listener.ports.journal import Journal, Reaction
from listener.ports.log import Log
from listener.ports.reaction import OutcomeHandler

from .fact_log import retell

BATCH = 64
HANDLER_TIMEOUT_S = 30.0
LONGEST_SLEEP_S = 30.0


class Reactor:
    """Runs every handler for every new version of a closed submission. A handler that fails is
    asked again, later and later, ``max_tries`` times in all; it never changes an outcome."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        log: Log,
        handlers: Sequence[tuple[str, OutcomeHandler]],
        *,
        max_tries: int = 30,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._log = log
        self._handlers = handlers
        self._max_tries = max_tries
        self._news = asyncio.Event()

    def wake(self) -> None:
        """There is a new reaction in the journal."""
        self._news.set()

    async def recover(self) -> int:
        """Tell again the canonical lines that a crash may have taken; returns how many."""
        now = self._clock.now_ms()
        told = 0
        for reaction in await self._journal.due_reactions(now, 10_000):
            if reaction.tries:
                continue
            stored = await self._journal.submission(reaction.submission_id)
            if stored is not None and stored.submission.state is State.CLOSED:
                retell(self._log, stored.code, stored.submission)
                told += 1
        return told

    async def run(self) -> None:
        """Run handlers until cancelled."""
        while True:
            self._news.clear()
            due = await self._journal.due_reactions(self._clock.now_ms(), BATCH)
            if due:
                await asyncio.gather(*(self._react(reaction) for reaction in _one_each(due)))
                continue
            try:
                async with asyncio.timeout(LONGEST_SLEEP_S):
                    await self._news.wait()
            except TimeoutError:
                pass

    async def _react(self, reaction: Reaction) -> None:
        stored = await self._journal.submission(reaction.submission_id)
        failed = False
        if stored is not None and stored.submission.state is State.CLOSED:
            view = public(stored.submission, self._log.ref(stored.code))
            for name, handler in self._handlers:
                failed |= not await self._call(name, handler, view, reaction)
        if not failed or reaction.tries + 1 >= self._max_tries:
            await self._journal.finish_reaction(reaction.submission_id, reaction.version)
            return
        now = self._clock.now_ms()
        wait = min(3_600_000, 1_000 * 2 ** min(reaction.tries, 20))
        await self._journal.postpone_reaction(
            reaction.submission_id, reaction.version, Millis(now + wait)
        )

    async def _call(
        self, name: str, handler: OutcomeHandler, view: dict[str, object], reaction: Reaction
    ) -> bool:
        try:
            async with asyncio.timeout(HANDLER_TIMEOUT_S):
                await handler(view)
        except Exception as error:  # noqa: BLE001  # a user's handler may raise anything: it is told, and asked again
            self._log.emit(
                "handler.failed",
                handler=name,
                submission_id=reaction.submission_id,
                tries=reaction.tries + 1,
                error_type=type(error).__name__,
            )
            return False
        return True


def _one_each(due: Sequence[Reaction]) -> list[Reaction]:
    """The first of each submission: its handlers never run twice at once, nor out of order."""
    first: dict[SubmissionId, Reaction] = {}
    for reaction in due:
        first.setdefault(reaction.submission_id, reaction)
    return list(first.values())
