"""Who waits for news of a submission."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from listener.core.names import SubmissionId


class Bulletin:
    """Wakes waiters when a submission has a new version. In memory alone: a waiter reads the
    journal after each wake, so nothing depends on a wake that a crash took."""

    def __init__(self) -> None:
        # In the order in which they came: a set's would be another in each process.
        self._waiters: dict[SubmissionId, dict[asyncio.Event, None]] = {}
        self._any = asyncio.Event()

    def next_of_any(self) -> asyncio.Event:
        """Set once there is any news from now on."""
        return self._any

    def stir(self) -> None:
        """Something was committed."""
        self._any.set()
        self._any = asyncio.Event()

    def post(self, submission_id: SubmissionId) -> None:
        """There is news of this submission."""
        for event in self._waiters.get(submission_id, ()):
            event.set()

    def watched(self, submission_id: SubmissionId) -> bool:
        """Whether anybody waits for news of it."""
        return submission_id in self._waiters

    @contextmanager
    def watch(self, submission_id: SubmissionId) -> Iterator[asyncio.Event]:
        """An event that is set at each piece of news from now on; clear it before reading."""
        event = asyncio.Event()
        self._waiters.setdefault(submission_id, {})[event] = None
        try:
            yield event
        finally:
            waiters = self._waiters[submission_id]
            del waiters[event]
            if not waiters:
                del self._waiters[submission_id]
