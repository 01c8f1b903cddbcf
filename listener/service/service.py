"""The whole service under one TaskGroup: start from the journal alone, run, drain."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field

from listener.core.effects import Announce, Dispatch, Doubt, HoldAll, ReleaseFile
from listener.core.errors import JournalFault
from listener.core.inputs import Restarted
from listener.core.names import CvCode, Millis, SubmissionId
from listener.core.policy import Policy
from listener.core.standing import holds_up_sending
from listener.core.submission import Lane
from listener.core.tracing import attempt_name
from listener.ports.clock import Clock
from listener.ports.event_source import EventSource, Overhears
from listener.ports.inbound import EventHandler
from listener.ports.journal import Journal, StoredSubmission
from listener.ports.log import Log
from listener.ports.reaction import Handler
from listener.ports.spool import Orphans, Spool
from listener.ports.upstream import Upstream

from .aftermath import Aftermath
from .breaker import Breaker
from .bulletin import Bulletin
from .dispatcher import Dispatcher, SendingPolicy
from .ear import Hearer
from .engine import Engine
from .enquirer import Enquirer
from .fan_out import for_each
from .forgetting import Elsewhere, Forgetting
from .gap_book import GapBook
from .heartbeat import Heartbeat
from .housekeeping import Housekeeping
from .inbound import Inbound
from .intake import Intake
from .owed import Owed
from .pausing import Pause
from .reactor import Reactor, at_once
from .references import References
from .replies import Replies
from .retrying import Retrying
from .silence import Silence
from .telling import Telling
from .timers import Timers

RECOVER_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class World:
    """What the service is given: every port, and where chance comes from."""

    journal: Journal
    spool: Spool
    upstream: Upstream
    source: EventSource
    clock: Clock
    log: Log
    new_id: Callable[[], SubmissionId]
    handlers: Sequence[Handler] = ()
    event_handlers: Sequence[EventHandler] = ()
    dropped_lines: Callable[[], int] = lambda: 0
    tells_each: Callable[[], bool] = lambda: True
    """Whether lines of detail are written."""
    written: Callable[[], Awaitable[None]] = at_once
    orphans: Orphans | None = None
    elsewhere: Elsewhere | None = None
    overhears: Overhears | None = None
    loop_lag_ms: Callable[[], int] = lambda: 0
    """The longest delay of the loop since this was last asked, as far as somebody looks."""
    found_by: Callable[[CvCode], tuple[str, ...]] | None = None
    """Every ``cv_ref`` that stands for a code now, whether it is in use or only kept. None: the
    log's."""


@dataclass(frozen=True, slots=True)
class ServicePolicy:
    """The service's own numbers, beside the core's. ``listens_for``: which events, in words."""

    core: Policy = field(default_factory=Policy)
    sending: SendingPolicy = field(default_factory=SendingPolicy)
    heartbeat_s: float = 30.0
    retention_days: int = 30
    drain_s: float = 10.0
    breaker_failures: int = 5
    breaker_open_ms: int = 30_000
    enquiry_pace_ms: int = 10
    listens_for: str = ""
    enquiry_pause_ms: int = 1_000
    journal_silent_s: float = 20.0
    """A journal that answers nothing for so long counts as dead."""
    loop_lag_s: float = 5.0
    """And so does a loop of which one turn takes longer."""


class Service:
    """The rooms, wired. ``run`` starts and serves until cancelled or drained."""

    def __init__(self, world: World, policy: ServicePolicy) -> None:
        self._world = world
        self.policy = policy
        journal, clock, log = world.journal, world.clock, world.log
        self.bulletin = Bulletin()
        self.replies = Replies(journal, self.bulletin)
        self.engine = Engine(journal, clock, policy.core, log, world.found_by)
        self.aftermath = Aftermath(self.engine)
        self.inbound = Inbound(journal, clock, log, world.event_handlers)
        self.hearer = Hearer(
            world.source,
            journal,
            self.engine,
            clock,
            log,
            unsettled_ms=2 * policy.sending.listen_wait_ms,
            late_window_ms=policy.core.late_window_ms,
            gap_ended=self.aftermath.gap_ended,
            inbound=self.inbound,
            tells_each=world.tells_each,
        )
        self.breaker = Breaker(policy.breaker_failures, policy.breaker_open_ms)
        self.dispatcher = Dispatcher(
            self.engine,
            world.upstream,
            world.spool,
            self.hearer,
            clock,
            log,
            self.breaker,
            policy.sending,
            attempt_name,
            self.replies,
        )
        self.pause = Pause(journal, self.dispatcher, clock, log, self.fail)
        self.enquirer = self._enquirer()
        self.references = References(journal, self.engine.found_by)
        self.timers = Timers(journal, self.engine, clock)
        self.housekeeping = self._housekeeping()
        self.reactor = Reactor(
            journal, clock, log, world.handlers, told=self.engine.lane, written=world.written
        )
        self.gap_book = GapBook(journal, clock, log, world.written)
        self.owed = Owed(journal, clock)
        self.intake = Intake(
            self.engine, journal, world.spool, clock, log, world.new_id, self.fail, self.owed
        )
        self.retrying = Retrying(
            journal, world.spool, world.upstream, self.intake, clock, log, world.new_id
        )
        self.telling = self._telling()
        self.forgetting = self._forgetting()
        self.heartbeat = self._heartbeat()
        self.silence = Silence(journal, log, lambda: self.hearer.heard_count, policy.listens_for)
        self.engine.connect(self.hearer, self)
        self.engine.on_closed = self.silence.closed
        self.engine.on_facts = self.bulletin.stir
        self.ready = asyncio.Event()
        self._stop = asyncio.Event()
        self._fault: JournalFault | None = None

    def _forgetting(self) -> Forgetting:
        world = self._world
        return Forgetting(
            self.engine,
            world.journal,
            world.spool,
            world.orphans,
            world.clock,
            world.log,
            self.fail,
            world.elsewhere,
        )

    def _heartbeat(self) -> Heartbeat:
        world = self._world
        return Heartbeat(
            world.journal,
            world.source,
            self.hearer,
            self.dispatcher,
            self.enquirer,
            self.breaker,
            world.clock,
            world.log,
            every_s=self.policy.heartbeat_s,
            paused_ms=self.pause.for_ms,
            dropped_lines=world.dropped_lines,
            loop_lag_ms=world.loop_lag_ms,
        )

    def _telling(self) -> Telling:
        world = self._world
        return Telling(
            world.journal,
            self.engine,
            self.hearer,
            self.dispatcher,
            self.enquirer,
            self.pause,
            world.clock,
            world.log,
        )

    def _housekeeping(self) -> Housekeeping:
        world, policy = self._world, self.policy
        return Housekeeping(
            world.journal,
            world.spool,
            world.clock,
            world.log,
            retention_days=policy.retention_days,
            orphans=world.orphans,
            keep_orphans_ms=policy.core.keep_unresolved_ms,
        )

    def _enquirer(self) -> Enquirer:
        """With a breaker of its own: that files are not taken does not say that nothing is read."""
        world, policy = self._world, self.policy
        pause_ms, most_ms = policy.enquiry_pause_ms, policy.breaker_open_ms
        enquirer = Enquirer(
            self.engine,
            world.upstream,
            world.new_id,
            world.clock,
            world.log,
            Breaker(policy.breaker_failures, pause_ms, most_ms),
            pace_ms=policy.enquiry_pace_ms,
        )
        enquirer.on_answer = self.dispatcher.gates.answered
        return enquirer

    # What the engine asks to be performed.

    def dispatch(self, code: CvCode, effect: Dispatch) -> None:
        """A lane's head may be sent."""
        self.dispatcher.offer(code, effect.submission_id, effect.not_before_ms)

    def enquire(self, code: CvCode, lane: Lane) -> None:
        """A lane asks for a reading."""
        self.enquirer.ask(code, first=holds_up_sending(lane))

    def hold_all(self, effect: HoldAll) -> None:
        """The upstream asked for quiet."""
        self.dispatcher.hold(effect.until_ms, restarted=effect.restarted)

    def doubt(self, effect: Doubt) -> None:
        """The subscription may be deaf."""
        self.hearer.doubt(effect.since_ms)

    def release_file(self, effect: ReleaseFile) -> None:
        """A file is no longer needed."""
        self.housekeeping.release(effect.at_ms)

    def announce(self, code: CvCode, effect: Announce) -> None:
        """A submission has a new version."""
        self.bulletin.post(effect.submission_id)
        self.reactor.wake()
        self.gap_book.wake()

    def due(self, at_ms: Millis) -> None:
        """A lane wants to be woken then."""
        self.timers.note(at_ms)

    # Life.

    async def recover(self) -> None:
        """From the journal alone: correlate what was heard, then hold every lane's timers against
        this run's clock, then clean up. Before anything is sent or any timer runs (rule 14)."""
        journal, log = self._world.journal, self._world.log
        await self.gap_book.recover()
        found = await journal.first_look()
        self.pause.recover(found.notes)
        await self.owed.recover(found.notes)
        await self.inbound.recover(found.inbound)
        codes = found.lanes
        self.engine.remember(codes)
        await self.silence.recover()
        events = await self.hearer.recover(await journal.last_alive_ms())

        async def one(code: CvCode) -> None:
            await self.engine.give(code, lambda m: Restarted(at_ms=m.at_ms, hearing=m.hearing))

        await for_each(codes, RECOVER_AT_ONCE, one)
        files = await self.housekeeping.recover()
        retold = await self.reactor.recover()
        tally = await journal.tally()
        log.emit(
            "journal.recovered",
            lanes=len(codes),
            open=sum(tally.open_by_state.values()),
            events=events,
            files_swept=files,
            retold=retold,
        )

    async def run(self) -> None:
        """Serve until :meth:`stop` is called (then drain, within the bound) or cancelled.

        Raises JournalFault (in an ExceptionGroup) when the journal can no longer keep its promise.
        """
        async with asyncio.TaskGroup() as group:
            ear = group.create_task(self._endless("source", self._world.source.run))
            await self.recover()
            rooms = [
                ("hearer", self.hearer.run),
                ("aftermath", self.aftermath.run),
                ("dispatcher", self.dispatcher.run),
                ("enquirer", self.enquirer.run),
                ("timers", self.timers.run),
                ("housekeeping", self.housekeeping.run),
                ("reactor", self.reactor.run),
                ("gap book", self.gap_book.run),
                ("heartbeat", self.heartbeat.run),
            ]
            if not self.inbound.idle:
                rooms.append(("inbound", self.inbound.run))
            tasks = [ear, *(group.create_task(self._endless(*room)) for room in rooms)]
            self.ready.set()
            await self._stop.wait()
            self._raise_fault()
            await self._drain()
            self._raise_fault()
            for task in tasks:
                task.cancel()

    async def _endless(
        self, name: str, room: Callable[[], Coroutine[object, object, None]]
    ) -> None:
        """Run a room that must not end before we do: one that dies unseen breaks the promise."""
        task = asyncio.current_task()
        try:
            await room()
        except asyncio.CancelledError:
            if task is not None and task.cancelling():
                raise
        raise RuntimeError(f"expected the room '{name}' to run until the end, found that it ended")

    def fail(self, fault: JournalFault) -> None:
        """A request met this fault, which no room may ever meet: end as for any other."""
        self._fault = self._fault or fault
        self._stop.set()

    def _raise_fault(self) -> None:
        if self._fault is not None:
            raise self._fault

    def stop(self) -> None:
        """Begin to drain. Idempotent."""
        self._stop.set()

    async def stopping(self) -> None:
        """Return once it was told to drain, by whomever, or met a fault."""
        await self._stop.wait()

    @property
    def draining(self) -> bool:
        """Whether the service is on its way out."""
        return self._stop.is_set()

    async def _drain(self) -> None:
        """Finish attempts under way and what intake began; what waits, waits in the journal."""
        log = self._world.log
        log.emit("daemon.drain_started", in_flight=self.dispatcher.in_flight)
        try:
            async with asyncio.timeout(self.policy.drain_s):
                await self.intake.drain()
                await self.dispatcher.drain()
                await self.housekeeping.sweep()
        except TimeoutError:
            log.emit("daemon.drain_cut_short", in_flight=self.dispatcher.in_flight)
        if self.hearer.listening:
            await self._world.journal.mark_alive(self.hearer.listened_until_ms())

    # Questions.

    async def submission(self, submission_id: SubmissionId) -> tuple[StoredSubmission, Lane] | None:
        """A submission and the lane it stands in, None if unknown."""
        stored = await self._world.journal.submission(submission_id)
        if stored is None:
            return None
        return stored, await self.engine.lane(stored.code)
