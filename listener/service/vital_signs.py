"""How the service fares: whether it lives, whether it takes submissions, and its figures."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping

from listener.core.durations import clock, lasting
from listener.core.errors import JournalFault
from listener.core.names import BreakerState, Disposition, Gate, Millis
from listener.ports.journal import Tally
from listener.ports.vitals import (
    BreakerName,
    Check,
    HandlerVitals,
    Liveness,
    QueueName,
    Readiness,
    Vitals,
)

from .breaker import Breaker
from .service import Service, World

JOURNAL_ANSWERS_S = 2.0
"""For a journal that takes longer, submissions should not come here."""
LOOK_S = 0.5
"""How long a look at whether it lives waits for the journal."""
ONCE_S = 1.0
"""Who asks within so long shares one write."""
FAILED = "failed; the log says how"


class VitalSigns:
    """Looks without a hand in anything: all that it changes is one number of the journal's."""

    def __init__(self, service: Service, world: World) -> None:
        self._service = service
        self._world = world
        self._journal = world.journal
        self._proof: asyncio.Task[bool] | None = None
        self._asked_at = 0.0

    # Whether it lives, and is ready.

    async def alive(self) -> Liveness:
        """As the port says."""
        loop, policy = asyncio.get_running_loop(), self._service.policy
        began = loop.time()
        await asyncio.sleep(0)
        turn_s = loop.time() - began
        turns = turn_s <= policy.loop_lag_s
        silent_s = await self._silent_s(LOOK_S)
        if silent_s is None:
            journal = Check("journal", False, True, FAILED)
        else:
            answers = silent_s <= policy.journal_silent_s
            journal = Check("journal", answers, True, _silence(silent_s))
        told = "turns" if turns else f"one turn took {turn_s:.1f} s"
        return Liveness((Check("loop", turns, True, told), journal))

    async def readiness(self) -> Readiness:
        """As the port says."""
        return Readiness((await self._journal_check(), *self._other_checks()))

    async def _journal_check(self) -> Check:
        """A journal that cannot write has stopped the daemon; one that is stuck does not answer."""
        silent_s = await self._silent_s(JOURNAL_ANSWERS_S)
        told = FAILED if silent_s is None else _silence(silent_s)
        return Check("journal", silent_s == 0, True, told)

    async def _silent_s(self, wait_s: float) -> float | None:
        """0: it has answered, and what we wrote is on disk. Else for how long it has not; None: it
        failed."""
        loop = asyncio.get_running_loop()
        if self._proof is None or (self._proof.done() and loop.time() - self._asked_at >= ONCE_S):
            self._asked_at = loop.time()
            self._proof = loop.create_task(self._prove())
        proof = self._proof
        await asyncio.wait({proof}, timeout=wait_s)
        if not proof.done():
            return loop.time() - self._asked_at
        return 0 if proof.result() else None

    async def _prove(self) -> bool:
        """By a write and a read, which have a thread each."""
        try:
            await self._journal.prove()
            await self._journal.last_alive_ms()
        except JournalFault as fault:
            self._service.fail(fault)
            return False
        return True

    def _other_checks(self) -> Iterator[Check]:
        service = self._service
        recovered = service.ready.is_set()
        yield Check(
            "recovery",
            recovered,
            True,
            "done" if recovered else "what an earlier run left is still being correlated",
        )
        draining = service.draining
        yield Check("intake", not draining, True, "draining" if draining else "open")
        refuses = service.intake.incidents.open
        yield Check(
            "spool", not refuses, False, "refuses; the log says why" if refuses else "takes"
        )
        listening, hearer = service.hearer.listening, service.hearer
        told = "listening"
        if not listening:
            why = hearer.deaf_reason
            because = "" if why is None else f" ({why})"
            told = f"deaf for {lasting(hearer.deaf_for_ms())}{because}"
        # Accepting goes on while deaf: what is accepted waits in the journal, and is not lost.
        yield Check("subscription", listening, False, told)
        yield self._sending_check()
        yield self._readings_check()

    def _sending_check(self) -> Check:
        """Whether what is accepted is sent now: it waits in the journal, and is not lost."""
        service, now = self._service, self._world.clock.now_ms()
        quiet = service.dispatcher.quiet
        why, until_ms = (None, None) if quiet is None else (quiet.why, quiet.until_ms)
        until = "" if until_ms is None else f" until {clock(until_ms, now)}"
        since_ms = service.pause.since_ms
        if service.draining:
            return _not_sending("draining: it is sent after the next start")
        if since_ms is not None:
            return _not_sending(f"paused since {clock(since_ms, now)}; cv-listener resume")
        if why is Gate.HOLD:
            return _not_sending(f"the upstream asked for quiet{until}")
        if service.breaker.state(now) is not BreakerState.CLOSED:
            return _not_sending(f"circuit open{_next_try(service.breaker, now)}")
        if why is Gate.LISTENING:
            return _not_sending(f"updates wait for it to listen{until} at most")
        if service.hearer.listening:
            return Check("sending", True, False, "goes on")
        words = service.dispatcher.gates.deaf_words
        return Check("sending", True, False, f"goes on, though deaf: {words}")

    def _readings_check(self) -> Check:
        """Whether records are read: what is in doubt waits for that."""
        breaker, now = self._service.enquirer.breaker, self._world.clock.now_ms()
        if breaker.state(now) is BreakerState.CLOSED:
            return Check("readings", True, False, "go on")
        return Check("readings", False, False, f"paused{_next_try(breaker, now)}")

    # Its figures.

    async def vitals(self) -> Vitals:
        """As the port says."""
        found = await self._from_journal()
        tally, waiting = (None, None) if found is None else found
        service, source, hearer = self._service, self._world.source, self._service.hearer
        now = self._world.clock.now_ms()
        return Vitals(
            now_ms=now,
            tally=tally,
            connected=hearer.listening,
            deaf_total_ms=hearer.deaf_total_ms(),
            last_frame_ms=source.last_frame_ms,
            last_event_ms=hearer.last_event_ms,
            events_received=hearer.heard_count,
            unlogged={
                Disposition.FOREIGN: hearer.strangers.count,
                Disposition.MALFORMED: hearer.malformed_count,
            },
            connect_failures=dict(hearer.connect_failures),
            in_flight=service.dispatcher.in_flight,
            paused=service.pause.since_ms is not None,
            draining=service.draining,
            held_ms=service.dispatcher.held_ms(),
            breakers={
                BreakerName.SENDING: service.breaker.state(now),
                BreakerName.READINGS: service.enquirer.breaker.state(now),
            },
            queues={
                QueueName.EAR: source.backlog,
                QueueName.SENDING: service.dispatcher.backlog,
                QueueName.ENQUIRIES: service.enquirer.backlog,
            },
            handlers=self._handlers(waiting),
            spool_bytes=self._world.spool.used_bytes(),
        )

    def _handlers(self, waiting: Mapping[str, int] | None) -> dict[str, HandlerVitals]:
        """Of outcomes and of other events: a function that is named for both is one."""
        callers = (*self._service.reactor.callers, *self._service.inbound.callers)
        return {
            name: HandlerVitals(
                None if waiting is None else waiting.get(name, 0),
                sum(caller.failures for caller in callers if caller.name == name),
                any(caller.disabled for caller in callers if caller.name == name),
            )
            for name in dict.fromkeys(caller.name for caller in callers)
        }

    async def _from_journal(self) -> tuple[Tally, Counter[str]] | None:
        """And how much waits for each handler. None where it does not answer in time."""
        try:
            async with asyncio.timeout(JOURNAL_ANSWERS_S):
                tally = await self._journal.tally()
                waiting = Counter(await self._journal.reactions_waiting())
                if self._service.inbound.callers:
                    waiting.update(await self._journal.inbound_waiting())
                return tally, waiting
        except TimeoutError:
            return None
        except JournalFault as fault:
            self._service.fail(fault)
            return None


def _not_sending(told: str) -> Check:
    return Check("sending", False, False, told)


def _next_try(breaker: Breaker, now_ms: Millis) -> str:
    """Why it opened, and when somebody tries again; nobody, where nothing asks to be tried."""
    wait_ms = breaker.opens_in_ms(now_ms)
    at = f"at {clock(now_ms + wait_ms, now_ms)}" if wait_ms else "with what comes next"
    return f" ({breaker.why}), next try {at}"


def _silence(silent_s: float) -> str:
    return "answers" if silent_s == 0 else f"no answer for {silent_s:.1f} s"
