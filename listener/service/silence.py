"""Never an event, though updates were sent while we listened: probably for the wrong thing."""

from __future__ import annotations

import json
from collections.abc import Callable

from listener.core.facts import SubmissionClosed
from listener.core.names import Outcome
from listener.core.submission import Submission
from listener.ports.journal import Journal, Query
from listener.ports.log import Log

ENOUGH = 3
"""So many updates without their event make a silent ear suspicious."""

_MAYBE = (Outcome.UNCONFIRMED, Outcome.NOT_DISPATCHED, Outcome.PRESUMED)
"""As what an update may stand in the journal that was not heard. ``presumed`` by a correction: any
gap within its late window makes it that, for the event might have come then."""


def should_have_been_heard(submission: Submission, reason: str | None) -> bool:
    """Whether it closed, for this reason, without its event, though it was accepted, or applied for
    all that the record says, and we listened until the deadline."""
    if reason == "listened_record_moved":
        return True
    listened = reason is not None and (reason == "record_unmoved" or reason.startswith("listened"))
    return listened and submission.accepted_ms is not None


class Silence:
    """Tells of it: once there are ``ENOUGH`` of them since the last that was confirmed, and again
    whenever they are twice as many; in each run anew, but only once one more was not heard: the
    settings may have been mended between two. A run that has heard any event is not silent."""

    def __init__(
        self, journal: Journal, log: Log, heard_count: Callable[[], int], listens_for: str
    ) -> None:
        self._journal = journal
        self._log = log
        self._heard_count = heard_count
        self._listens_for = listens_for
        self._unheard = 0
        self._next = ENOUGH

    async def recover(self) -> None:
        """Count what earlier runs did not hear, as far as it matters."""
        confirmed = await self._newest(Outcome.CONFIRMED, 1)
        known_ms = max((one.heard_ms or 0 for one in confirmed), default=0)
        for outcome in _MAYBE:
            for one in await self._newest(outcome, ENOUGH):
                # Sent before one was heard, it says of the ear that heard that one nothing.
                sent_ms = max((attempt.began_ms for attempt in one.attempts), default=0)
                later = sent_ms > known_ms
                if later and should_have_been_heard(one, await self._first_reason(one)):
                    self._unheard += 1

    def closed(self, submission: Submission) -> None:
        """One closed, for the first time."""
        if self._heard_count() or not should_have_been_heard(submission, submission.reason):
            return
        self._unheard += 1
        if self._unheard >= self._next:
            self._next = 2 * self._unheard
            self._log.emit(
                "event.never_heard", submissions=self._unheard, listens_for=self._listens_for
            )

    async def _newest(self, outcome: Outcome, limit: int) -> list[Submission]:
        found = await self._journal.submissions(Query(outcome=outcome, limit=limit))
        return [stored.submission for stored in found]

    async def _first_reason(self, submission: Submission) -> str | None:
        """Of its close, whatever corrected it since."""
        told = await self._journal.facts_of(submission.id)
        closes = [body for _, event, body in told if event == SubmissionClosed.event]
        reason: str | None = json.loads(closes[0])["reason"] if closes else None
        return reason
