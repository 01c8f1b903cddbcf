"""One life: the real process against the embedded upstream, through deaths, to a good end."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from listener.emulator import Emulator, Options, fault
from tests.e2e.process import DaemonDied, DaemonProcess

from . import witnesses
from .doomed import one_step_more
from .files import MARK, NAME, written
from .plans import Death, Plan
from .points import POINTS
from .upstream import recovering

DOCUMENTED = "Cv9E#nH4$xTz8!pY2aW^mK6rL"
SETTLE_S = 2
REACH_S = 30
CLOSE_S = 60
TELL_S = 5
STOP_AFTER_S = 0.25
GENTLE = ("event_first", "late_reply", "late_event", "close_after", "reset_after", "two_events")
UNAPPLIED = ("reset_before", "error_before", "unavailable")


@dataclass(slots=True)
class Told:
    """What became of a life. ``found``: broken promises, each after the name of the death that it
    showed up after. ``reached``: every death that came about, by name, in order. ``all_heard``:
    whatever was emitted while it was dead was replayed to it."""

    plan: Plan
    found: list[tuple[str, str]] = field(default_factory=list)
    reached: list[str] = field(default_factory=list)
    accepted: int = 0
    posts: int = 0
    all_heard: bool = False

    @property
    def problems(self) -> list[str]:
        """For people."""
        return [f"{problem} (after {death})" for death, problem in self.found]


@dataclass(frozen=True, slots=True)
class _Update:
    code: str
    file: Path
    key: str | None


class _Life:
    def __init__(self, folder: Path, plan: Plan, upstream: Emulator) -> None:
        self.plan = plan
        self.told = Told(plan)
        self.upstream = upstream
        self.accepted: dict[str, str] = {}
        self.keyed: dict[str, str] = {}
        self.muddied: set[str] = set()
        self._folder = folder
        self._rng = random.Random(plan.seed)
        self._unanswered: list[_Update] = []
        self._count = 0
        self._died = folder / "died"
        self.reacted = folder / "reacted"
        self._small, self._large = written(folder)
        self.daemon = DaemonProcess(
            folder,
            upstream.base_url,
            upstream.socket_url,
            module="tests.kills.doomed",
            confirm_timeout=SETTLE_S,
            settle_period=SETTLE_S,
            enquiries="0.5",
            heartbeat="0.5",
            drain_timeout=5,
            outcome_handlers="log,tests.kills.doomed:heard",
        )
        self.daemon.environ = {
            "DOOMED_REACTIONS": str(self.reacted),
            "DOOMED_TOLD": str(self._died),
        }
        if plan.bug is not None:
            self.daemon.environ["DOOMED_BUG"] = plan.bug

    # ------------------------------------------------------------------------------- what is sent

    def _draw(self, scene: str) -> list[_Update]:
        """The next updates: of each kind one, so that every point is passed."""
        updates = self._unanswered
        self._unanswered = []
        for place in range(8):
            self._count += 1
            code = f"{DOCUMENTED}/{self._count:04d}?%"
            key = f"key-{self._count}" if place % 2 else None
            if key is not None:
                self.keyed[code] = key
            file = self._large if place in (0, 5) else self._small
            updates.append(_Update(code, file, key))
            self._plan_fault(code, place, scene)
            if place == 4:
                # A second update of one lane waits for the first.
                updates.append(_Update(code, self._small, None))
                self.muddied.add(code)
        return updates

    def _plan_fault(self, code: str, place: int, scene: str) -> None:
        if place in (1, 2) and scene == "resend":
            name = self._rng.choice(UNAPPLIED)
        elif place in (3, 6):
            name = "event_first"
        elif place == 7 and self.plan.faults:
            name = self._rng.choice(GENTLE)
        else:
            return
        delays = {"late_reply": "reply_delay_ms", "late_event": "event_delay_ms"}
        changes = {delays[name]: 400} if name in delays else {}
        if name == "two_events":
            self.muddied.add(code)
        self.upstream.plan(code, fault(name, **changes))

    async def _submit(self, updates: list[_Update]) -> None:
        async def one(update: _Update) -> None:
            name = await self.daemon.submit(update.code, update.file, update.key)
            if name is not None:
                self.accepted[name] = update.code
            elif update.key is not None:
                self._unanswered.append(update)

        async with asyncio.TaskGroup() as group:
            for update in updates:
                group.create_task(one(update))

    # ------------------------------------------------------------------------------------- deaths

    async def die(self, death: Death) -> None:
        """One start, and its end."""
        scene = POINTS[death.point].scene if death.point else self._rng.choice(("flow", "resend"))
        self._died.unlink(missing_ok=True)
        self.daemon.environ.pop("DOOMED_AT", None)
        if death.point is not None:
            self.daemon.environ["DOOMED_AT"] = f"{death.point}:{death.passing}"
        self.daemon.environ.pop("DOOMED_UNREAD", None)
        if death.unread:
            self.daemon.environ["DOOMED_UNREAD"] = "1"
        if scene == "fresh" and not self.accepted:
            shutil.rmtree(self.daemon.state_dir, ignore_errors=True)
        if scene == "older":
            self.daemon.environ["DOOMED_STEPS"] = "1"
        await self.daemon.launch()
        flow = asyncio.create_task(self._flow(scene))
        try:
            if death.point is None:
                await self._end_at(death)
            else:
                await self._await_point(death)
        finally:
            await flow
        self.told.reached.append(death.name)
        scratch = self._folder / "autopsy"
        for problem in await witnesses.autopsy(self.daemon.state_dir, scratch, self.accepted):
            self.told.found.append((death.name, problem))

    async def _flow(self, scene: str) -> None:
        """Until it dies: ready, updates, perhaps SIGTERM."""
        updates = self._draw(scene)
        try:
            await self.daemon.ready()
        except DaemonDied as died:
            self._unanswered += [update for update in updates if update.key is not None]
            if died.status not in (-9, 0, -15):
                raise
            return
        going = asyncio.create_task(self._submit(updates))
        if scene == "stop":
            await asyncio.sleep(STOP_AFTER_S)  # amid them
            self.daemon.terminate()
        await going

    async def _end_at(self, death: Death) -> None:
        await asyncio.sleep(death.after_s)  # a moment that nothing tells of
        if not death.gently:
            await self.daemon.kill()
            return
        status = await self.daemon.stop()
        if status not in (0, -15):
            self.told.found.append((death.name, f"I9 it ended with {status} after SIGTERM"))

    async def _await_point(self, death: Death) -> None:
        try:
            status = await self.daemon.ended(REACH_S)
        except TimeoutError:
            await self.daemon.kill()
            raise AssertionError(f"{death} was not reached") from None
        said = self._died.read_text() if self._died.exists() else "nothing"
        assert (status, said) == (-9, death.point), f"expected {death}, ended {status}: {said}"

    # ------------------------------------------------------------------------------------ the end

    async def end(self) -> witnesses.Evidence:
        """The last start: nobody kills it, and everything closes."""
        self.daemon.environ.pop("DOOMED_AT", None)
        self.daemon.environ.pop("DOOMED_UNREAD", None)
        await self.daemon.start()
        await self._submit(self._draw("flow"))
        unclosed: list[str] = []
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._all_closed()
        except TimeoutError:
            unclosed = [f"{row['id']} ({row['state']})" for row in await self._open()]
        with contextlib.suppress(TimeoutError):  # what is still owed stands in the journal
            async with asyncio.timeout(TELL_S):
                await self._all_told()
        status = await self.daemon.stop()
        if status:
            unclosed.append(f"the daemon (exit status {status})")
        return await self._evidence(tuple(unclosed))

    async def _open(self) -> list[dict[str, Any]]:
        return [row for row in await self.daemon.listed() if row["state"] != "closed"]

    async def _all_closed(self) -> None:
        """Every submission, acknowledged or not."""
        while rows := await self._open():
            await self.daemon.closed([row["id"] for row in rows], CLOSE_S)

    async def _all_told(self) -> None:
        """Handlers heard of every close."""
        while True:
            rows = await self.daemon.listed()
            heard = witnesses.reactions(self.reacted)
            if all(heard[(row["id"], _said(row))] for row in rows):
                return
            await asyncio.sleep(0.05)  # another process writes that file

    async def _evidence(self, unclosed: tuple[str, ...]) -> witnesses.Evidence:
        lines = self.daemon.lines()
        return witnesses.Evidence(
            ledger=self.upstream.ledger,
            books=await witnesses.read_books(self.daemon.state_dir / "journal.db"),
            daemon=self.daemon,
            lines=lines,
            accepted=self.accepted,
            keyed={u: k for u, k in self.keyed.items() if u in self.accepted.values()},
            reacted=witnesses.reactions(self.reacted),
            recovering=self.plan.recovering and _never_deaf(lines),
            muddied=frozenset(self.muddied),
            settle_ms=SETTLE_S * 1_000,
            stopped_ms=round(time.time() * 1_000),
            unclosed=unclosed,
            secrets=(MARK, NAME.encode()),
        )


def _said(row: dict[str, Any]) -> str:
    """As the handler notes it."""
    return f"{row['outcome']} {row['attribution']} {row['late']}"


def _never_deaf(lines: list[dict[str, Any]]) -> bool:
    """Whether every subscription but the very first took up where the last one ended."""
    made = [line for line in lines if line["event"] == "subscription.established"]
    return all(line["recovered"] for line in made[1:])


async def play(folder: Path, plan: Plan) -> Told:
    """Play a life in a folder of its own, which must exist and be empty."""
    older = any(death.point and POINTS[death.point].scene == "older" for death in plan.deaths)
    options = Options(event_delay_ms=150, reply_delay_ms=60, job_ms=300, extract=False)
    with recovering(plan.recovering), one_step_more(older):
        async with Emulator(options) as upstream:
            life = _Life(folder, plan, upstream)
            try:
                for death in plan.deaths:
                    await life.die(death)
                if plan.bug and life.told.found:
                    return life.told
                evidence = await life.end()
            finally:
                with contextlib.suppress(AssertionError):
                    await life.daemon.kill()
            told = life.told
            told.all_heard = evidence.recovering
            told.accepted = len(life.accepted)
            told.posts = len(upstream.ledger.posts())
            told.found += [("the last start", p) for p in witnesses.violations(evidence)]
    return told
