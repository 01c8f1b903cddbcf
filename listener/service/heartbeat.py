"""One line every so often: that we live, and how well."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from listener.ports.clock import Clock
from listener.ports.event_source import EventSource
from listener.ports.journal import Journal
from listener.ports.log import Log

from .breaker import Breaker
from .dispatcher import Dispatcher
from .ear import Hearer
from .enquirer import Enquirer

ALIVE_S = 5.0


class Heartbeat:
    """Writes ``daemon.heartbeat``, and marks in the journal how long we were surely listening."""

    def __init__(
        self,
        journal: Journal,
        source: EventSource,
        hearer: Hearer,
        dispatcher: Dispatcher,
        enquirer: Enquirer,
        breaker: Breaker,
        clock: Clock,
        log: Log,
        *,
        every_s: float,
        paused_ms: Callable[[], int | None],
        dropped_lines: Callable[[], int],
        loop_lag_ms: Callable[[], int] = lambda: 0,
    ) -> None:
        self._journal = journal
        self._source = source
        self._hearer = hearer
        self._dispatcher = dispatcher
        self._enquirer = enquirer
        self._breaker = breaker
        self._clock = clock
        self._log = log
        self._every_s = every_s
        self._paused_ms = paused_ms
        self._dropped_lines = dropped_lines
        self._measured_lag_ms = loop_lag_ms
        self._loop_lag_ms = 0

    async def run(self) -> None:
        """Beat until cancelled."""
        loop = asyncio.get_running_loop()
        next_line = loop.time() + self._every_s
        while True:
            planned = loop.time() + min(ALIVE_S, self._every_s)
            await asyncio.sleep(planned - loop.time())
            self._loop_lag_ms = max(self._loop_lag_ms, round((loop.time() - planned) * 1000))
            if self._hearer.listening:
                await self._journal.mark_alive(self._hearer.listened_until_ms())
            if loop.time() >= next_line:
                next_line = loop.time() + self._every_s
                await self._line()
                self._loop_lag_ms = 0

    async def _line(self) -> None:
        now = self._clock.now_ms()
        tally = await self._journal.tally()
        frame, event = self._source.last_frame_ms, self._hearer.last_event_ms
        oldest = tally.oldest_open_ms
        p99 = self._journal.commit_p99_ms()
        self._log.emit(
            "daemon.heartbeat",
            open_by_state={state.value: count for state, count in tally.open_by_state.items()},
            oldest_wait_ms=None if oldest is None else max(0, now - oldest),
            connected=self._hearer.listening,
            last_frame_age_ms=None if frame is None else max(0, now - frame),
            last_event_age_ms=None if event is None else max(0, now - event),
            events_heard=self._hearer.heard_count,
            events_foreign=self._hearer.strangers.count,
            deaf_ms=self._hearer.deaf_for_ms(),
            deaf_total_ms=self._hearer.deaf_total_ms(),
            in_flight=self._dispatcher.in_flight,
            paused_ms=self._paused_ms(),
            held_ms=self._dispatcher.held_ms() or None,
            breaker=self._breaker.state(now),
            breaker_readings=self._enquirer.breaker.state(now),
            enquiries_waiting=self._enquirer.backlog,
            fsync_p99_ms=None if p99 is None else round(p99, 2),
            loop_lag_ms=max(self._loop_lag_ms, self._measured_lag_ms()),
            dropped_lines=self._dropped_lines(),
        )
