"""Hearing: what the event source says goes to disk in order, then to the lanes; gaps are kept."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import assert_never

from listener.core.evidence import Gap, Heard, Hearing
from listener.core.inputs import EventHeard
from listener.core.names import Comparison, CvCode, Disposition, GapReason, Millis
from listener.core.view import rfc3339
from listener.ports.clock import Clock
from listener.ports.event_source import (
    Compared,
    ConnectFailed,
    EventSource,
    Listening,
    Lost,
    OtherEvent,
    OthersDropped,
    ReceivedEvent,
    Resume,
)
from listener.ports.journal import InboxRow, Journal
from listener.ports.log import Log

from .denials import tell_denials
from .engine import Engine, Moment
from .inbound import Inbound
from .incident import Incident
from .strangers import Strangers

Connection = Listening | Lost | ConnectFailed | Compared | OthersDropped
Step = tuple[ReceivedEvent, InboxRow] | OtherEvent

BATCH = 512


class Hearer:
    """Reads the event source for ever. Implements the engine's ``Ear``.

    ``unsettled_ms`` bounds how long, after a loss, no reading of the record decides anything
    because a replay may still come. ``gap_ended`` is called when a gap is over whose events will
    not be replayed, and when we first listen.
    """

    def __init__(
        self,
        source: EventSource,
        journal: Journal,
        engine: Engine,
        clock: Clock,
        log: Log,
        *,
        unsettled_ms: int,
        late_window_ms: int,
        gap_ended: Callable[[], None],
        inbound: Inbound | None = None,
        tells_each: Callable[[], bool] = lambda: True,
    ) -> None:
        self._source = source
        self._journal = journal
        self._engine = engine
        self._clock = clock
        self._log = log
        self._unsettled_ms = unsettled_ms
        self._late_window_ms = late_window_ms
        self._gap_ended = gap_ended
        self._inbound = inbound or Inbound(journal, clock, log)
        self.strangers = Strangers(clock, log, tells_each)
        self._uncorrelated: Counter[CvCode] = Counter()
        self._gaps: tuple[Gap, ...] = ()
        self._listening = False
        self._listening_changed = asyncio.Event()
        self._deaf_since_ms: Millis = clock.now_ms()
        self._pid: str | None = None
        self._incident: Incident | None = None
        self._ever_listened = False
        self._doubted_from_ms: Millis | None = None
        self._doubt_ms: Millis | None = None
        self._doubts = 0
        self._in_hand_ms: Millis | None = None
        self.last_event_ms: Millis | None = None
        self._deaf_from_ms: Millis = self._deaf_since_ms
        self._deaf_before_ms = 0
        self._deaf_told_ms = 0
        self.heard_count = 0
        self.malformed_count = 0
        self.connect_failures: Counter[str] = Counter()
        """By reason, since the start."""

    # What the ear knows.

    def hearing(self) -> Hearing:
        """What the ear knows now."""
        now = self._clock.now_ms()
        settled = self._listening or now - self._deaf_since_ms > self._unsettled_ms
        return Hearing(listening=self._listening, settled=settled, gaps=self._gaps)

    def pending(self, code: CvCode) -> bool:
        """Whether an event of this code was received and is not correlated yet."""
        return self._uncorrelated[code] > 0 or self._source.pending(code)

    @property
    def listening(self) -> bool:
        """Whether a subscription is up."""
        return self._listening

    def deaf_for_ms(self) -> int:
        """How long we have been deaf; 0 while listening."""
        return 0 if self._listening else max(0, self._clock.now_ms() - self._deaf_since_ms)

    def deaf_total_ms(self) -> int:
        """How long we were deaf since the start, the present deafness included: from the last frame
        of a connection that was lost, as its incident counts. Never falls."""
        now_ms = 0 if self._listening else self._clock.now_ms() - self._deaf_from_ms
        self._deaf_told_ms = max(self._deaf_told_ms, self._deaf_before_ms + max(0, now_ms))
        return self._deaf_told_ms

    @property
    def deaf_reason(self) -> str | None:
        """Why there is no subscription, as far as is known."""
        incident = self._incident
        return None if incident is None else incident.last_reason or incident.reason

    def listened_until_ms(self) -> Millis:
        """Until when we surely heard, and have it on disk: a connection may be dead since its last
        frame, though nobody noticed yet, and what waits in a queue dies with us. One in doubt
        proves nothing since what it is doubted for."""
        now, waiting = self._clock.now_ms(), self._source.handed_out_until_ms
        times = (now, waiting, self._in_hand_ms, self._doubted_from_ms)
        return Millis(min(time for time in times if time is not None))

    def doubt(self, since_ms: Millis) -> None:
        """An update that began to be sent then was applied, we listened, and no event came: ask for
        a second opinion (rule 11). Not where any event was heard since then, for that is a
        subscription that hears. Told once, until an event is heard or the connection ends."""
        heard_since = self.last_event_ms is not None and self.last_event_ms >= since_ms
        if heard_since or not self._listening:
            return
        self._doubts += 1
        before = self._doubted_from_ms
        self._doubted_from_ms = since_ms if before is None else min(before, since_ms)
        if before is None:
            self._doubt_ms = self._doubt_ms or self._clock.now_ms()
            self._log.emit("subscription.doubted", last_event_age_ms=self._event_age_ms())
        self._source.doubt()

    def _event_age_ms(self) -> int | None:
        last = self.last_event_ms
        return None if last is None else max(0, self._clock.now_ms() - last)

    def hurry(self) -> None:
        """We are deaf, and something could be sent, or the upstream answers: listen soon."""
        if not self._listening:
            self._source.hurry()

    async def wait_change(self) -> None:
        """Wait until a subscription is won or lost."""
        await self._listening_changed.wait()

    # From the journal, at start.

    async def recover(self, last_alive_ms: Millis | None) -> int:
        """Correlate what an earlier run heard and did not get to. Before anything else.

        A gap is opened from when that run was last known to listen. Returns how many events.
        """
        # Since before the source began to connect: it may listen already, and a gap that ended
        # before it began would say of nobody that we were deaf.
        now = self._deaf_since_ms
        self._pid = (await self._journal.resume_cursor()).pid
        start = now if last_alive_ms is None else Millis(min(last_alive_ms, now))
        for gap in await self._journal.gaps_since(now):
            if gap.end_ms is None and gap.start_ms > now:
                # Begun by a clock that has been set back since: it would end before it began.
                await self._journal.drop_gap()
        await self._journal.open_gap(Gap(start_ms=start, reason=GapReason.STARTED))
        await self._refresh_gaps()
        rows = await self._journal.undisposed()
        for row in rows:
            if row.code is not None:
                await self._correlate(row.code, row.heard)
        return len(rows)

    # Live.

    async def run(self) -> None:
        """Handle signals, in order, until cancelled."""
        while True:
            self._in_hand_ms = None
            signals = await self._source.next_batch(BATCH)
            first = signals[0]
            self._in_hand_ms = first.at_ms if isinstance(first, Connection) else first.heard_ms
            # All at once and before any await: from here on the queue no longer says "pending".
            steps = [(s, self._row(s)) if isinstance(s, ReceivedEvent) else s for s in signals]
            events: list[Step] = []
            for step in steps:
                if not isinstance(step, Connection):
                    events.append(step)
                    continue
                await self._take(events)
                events = []
                await self._connection(step)
            await self._take(events)

    async def _connection(self, signal: Connection) -> None:
        match signal:
            case Listening():
                await self._on_listening(signal)
            case Lost():
                await self._on_lost(signal)
            case ConnectFailed():
                self._on_connect_failed(signal)
            case Compared():
                self._on_compared(signal)
            case OthersDropped():
                self._inbound.lose(signal)
            case _:
                assert_never(signal)

    async def _take(self, run: Sequence[Step]) -> None:
        """Journal a run of events, acknowledge them, then give each of ours to its lane."""
        if not run:
            return
        events = [step if isinstance(step, OtherEvent) else step[0] for step in run]
        rows = [step[1] for step in run if isinstance(step, tuple)]
        offset = next((e.offset for e in reversed(events) if e.offset is not None), None)
        resume = None if offset is None else Resume(pid=self._pid, offset=offset)
        await self._inbound.journal(rows, resume, events)
        if offset is not None:
            self._source.committed(offset)
        if ours := [event for event in events if isinstance(event, ReceivedEvent)]:
            self._count(ours)
            self.strangers.take(rows)
            tell_denials(rows, self._log)
        acks = [e.acknowledge for e in events if e.acknowledge is not None]
        if acks:
            await _all(acks)
        by_code: dict[CvCode, list[Heard]] = {}
        for row in rows:
            if row.code is not None and row.disposition is None:
                by_code.setdefault(row.code, []).append(row.heard)
        if by_code:
            async with asyncio.TaskGroup() as group:
                for code, heard in by_code.items():
                    group.create_task(self._correlate_run(code, heard))

    def _row(self, event: ReceivedEvent) -> InboxRow:
        heard = Heard(event.seq, event.heard_ms, event.replayed)
        disposition: Disposition | None = None
        if event.code is None:
            disposition = Disposition.MALFORMED
        elif not self._engine.knows(event.code):
            disposition = Disposition.FOREIGN
            self._engine.foreign.note(event.code, event.heard_ms)
        else:
            self._uncorrelated[event.code] += 1
        return InboxRow(heard, event.code, event.payload, disposition)

    def _count(self, events: Sequence[ReceivedEvent]) -> None:
        self._doubted_from_ms = None
        self.heard_count += len(events)
        self.last_event_ms = events[-1].heard_ms
        for event in events:
            if event.code is None:
                self.malformed_count += 1
                seen = self.malformed_count
                if seen & (seen - 1) == 0:
                    # Powers of two: a flood of them is some lines, not as many.
                    self._log.emit(
                        "event.malformed", seq=event.seq, problem=event.problem, count=seen
                    )

    async def _correlate_run(self, code: CvCode, run: Sequence[Heard]) -> None:
        for heard in run:
            try:
                await self._correlate(code, heard)
            finally:
                self._uncorrelated[code] -= 1
                if self._uncorrelated[code] <= 0:
                    del self._uncorrelated[code]

    async def _correlate(self, code: CvCode, heard: Heard) -> None:
        def make(moment: Moment) -> EventHeard:
            return EventHeard(at_ms=moment.at_ms, hearing=moment.hearing, heard=heard)

        await self._engine.give(code, make)

    # Gaps and incidents.

    async def _on_lost(self, signal: Lost) -> None:
        now, ours = self._clock.now_ms(), signal.reason == Comparison.DISPLACED
        # It ended before anybody could say whether it heard: what it is doubted for may be so. Not
        # where we ended it ourselves, by asking: that says nothing against it.
        doubted = None if ours else self._doubted_from_ms
        start = Millis(min(signal.at_ms, now, now if doubted is None else doubted))
        if self._listening:
            self._deaf_from_ms = start
        self._set_listening(False)
        self._doubted_from_ms = None
        self._deaf_since_ms = self._clock.now_ms()
        await self._journal.open_gap(Gap(start_ms=start, reason=signal.reason))
        await self._refresh_gaps()
        if self._incident is None:
            self._incident = Incident(start, signal.reason)
            self._log.emit(
                "subscription.lost",
                reason=signal.reason,
                error=signal.detail or None,
                watched=len(self._engine.watched()),
            )

    def _on_compared(self, signal: Compared) -> None:
        began = signal.at_ms if self._doubt_ms is None else self._doubt_ms
        self._log.emit(
            "subscription.compared",
            verdict=signal.verdict,
            duration_ms=max(0, signal.at_ms - began),
            submissions=self._doubts,
        )
        if signal.verdict is not Comparison.SECOND_FAILED:
            self._doubt_ms, self._doubts = None, 0

    async def _on_listening(self, signal: Listening) -> None:
        gap: Gap | None = None
        # Before the gap ends: a process that dies after its end must leave word of when it heard.
        await self._journal.mark_alive(signal.at_ms)
        if signal.recovered:
            await self._journal.drop_gap()
            if signal.pid != self._pid:
                await self._journal.store_resume(Resume(pid=signal.pid))
        else:
            await self._journal.store_resume(Resume(pid=signal.pid))
            reason = signal.gap_reason or GapReason.NOT_RECOVERED
            gap = await self._journal.close_gap(signal.at_ms, reason)
        # A doubt ends with its connection.
        self._doubt_ms, self._doubts = None, 0
        self._pid = signal.pid
        await self._refresh_gaps()
        if not self._listening:
            self._deaf_before_ms += max(0, signal.at_ms - self._deaf_from_ms)
        self._set_listening(True)
        if not signal.recovered or not self._ever_listened:
            # An earlier run may have died before all were told of the last gap that it knew of.
            self._gap_ended()
        touched = 0 if gap is None else (await self._journal.gap_account(gap)).touched
        self._say_listening(signal, gap, touched)

    def _say_listening(self, signal: Listening, gap: Gap | None, touched: int) -> None:
        incident, self._incident = self._incident, None
        first, self._ever_listened = not self._ever_listened, True
        known: dict[str, object] = {
            "transport": signal.transport,
            "recovered": signal.recovered,
            "gap_reason": signal.gap_reason,
        }
        if incident is not None:
            known |= incident.told(signal.at_ms)
        if incident is None or first:
            if gap is not None:
                # An earlier run's last sign of life may lie before the incident's beginning.
                known |= {"since": rfc3339(gap.start_ms), "until": rfc3339(gap.end_ms)}
            offered = signal.pid is not None
            self._log.emit("subscription.established", recovery_offered=offered, **known)
            return
        self._log.emit(
            "subscription.restored",
            last_event_age_ms=self._event_age_ms(),
            touched=touched,
            **known,
        )

    def _on_connect_failed(self, signal: ConnectFailed) -> None:
        if self._incident is None:
            self._incident = Incident(signal.at_ms, signal.reason)
        self.connect_failures[signal.reason] += 1
        self._incident.failed(signal, self._log)

    async def _refresh_gaps(self) -> None:
        since = Millis(self._clock.now_ms() - 2 * self._late_window_ms)
        self._gaps = tuple(await self._journal.gaps_since(since))

    def _set_listening(self, listening: bool) -> None:
        if listening != self._listening:
            self._listening = listening
            event, self._listening_changed = self._listening_changed, asyncio.Event()
            event.set()


async def _all(acks: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """Acknowledge; a connection that is gone loses its acks, and the upstream sends again."""
    await asyncio.gather(*(ack() for ack in acks), return_exceptions=True)
