"""``python -m tests.faults.behaviours [--updates N] [--record]``: fifteen ways in which the
upstream may behave, so many updates under each, over real sockets; every end is held against its
ledger."""

from __future__ import annotations

import argparse
import asyncio
import io
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx

from listener.compose import open_log, open_world, service_policy
from listener.core.names import CvCode, State, SubmissionId
from listener.core.submission import Submission
from listener.core.view import verdicts
from listener.core.wire import edits_url
from listener.emulator import Emulator, Options
from listener.emulator.plan import Plan
from listener.service.intake import Accepted
from listener.service.service import Service, World
from listener.settings import load
from tests.record import write_record

from .judge import Case, judge, posts_too_many

FILE = b"%PDF-1.7\n" + b"x" * 2_000
QUIET_S = 120.0
"""The bound on all waiting for what is still to come."""

BREAKER_MS = 50
"""With the usual half minute, what one update met would keep all the others waiting."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long is waited for what: the event, the record to settle, the reply."""

    confirm_s: float
    settle_s: float
    reply_s: float


FEW, MANY = Pace(2.0, 2.0, 1.5), Pace(8.0, 6.0, 8.0)
"""For a handful of updates; for hundreds on a slow machine."""


@dataclass(slots=True)
class Home:
    """A daemon's rooms, and the upstream that they send to."""

    service: Service
    world: World
    upstream: Emulator
    pace: Pace
    said: io.StringIO
    submissions: dict[SubmissionId, CvCode] = field(default_factory=dict)

    async def submit(self, code: CvCode) -> SubmissionId:
        async def chunks() -> AsyncIterator[bytes]:
            yield FILE

        answer = await self.service.intake.submit(code, chunks(), "cv.pdf")
        assert isinstance(answer, Accepted)
        self.submissions[answer.submission_id] = code
        return answer.submission_id

    async def closed(self, name: SubmissionId) -> Submission:
        with self.service.bulletin.watch(name) as news:
            async with asyncio.timeout(QUIET_S):
                while True:
                    news.clear()
                    found = await self.world.journal.submission(name)
                    assert found is not None
                    if found.submission.state is State.CLOSED:
                        return found.submission
                    await news.wait()

    async def somebody_elses(self, code: CvCode, *, events: int) -> None:
        """Another party's POST to this code; returns when so many events of the code are out."""
        url = edits_url(self.upstream.base_url, code)
        async with httpx.AsyncClient(timeout=30) as client:
            answer = await client.post(url, files={"cv": ("theirs.pdf", FILE, "application/pdf")})
        assert answer.status_code == 200
        await self.upstream.ledger.until(
            lambda told: len(told.events(code)) >= events, seconds=QUIET_S
        )

    async def quiet(self, events: int) -> None:
        """All is closed, the ``events`` of each update applied are heard, and no lane rests."""
        for name in list(self.submissions):
            await self.closed(name)
        await self.upstream.ledger.until(
            lambda told: len(told.events()) >= events * sum(p.applied for p in told.posts()),
            seconds=QUIET_S,
        )
        async with asyncio.timeout(QUIET_S):
            for code in set(self.submissions.values()):
                while True:
                    if await self._rests_no_more(code):
                        break
                    await asyncio.sleep(0.05)  # that a rest is over is told to nobody

    async def _rests_no_more(self, code: CvCode) -> bool:
        hearer = self.service.hearer
        if hearer.heard_count < len(self.upstream.ledger.events()) or hearer.pending(code):
            return False
        return (await self.service.engine.lane(code)).rest_until_ms is None


@asynccontextmanager
async def home(folder: Path, pace: Pace) -> AsyncIterator[Home]:
    """The daemon's rooms, as ``listener.compose`` makes them, but for the breaker's pause."""
    said = io.StringIO()
    async with Emulator(Options(extract=False, job_ms=3_600_000)) as upstream:
        settings = load(
            {
                "CV_API_BASE_URL": upstream.base_url,
                "CV_SOCKET_URL": upstream.socket_url,
                "CV_STATE_DIR": str(folder / "state"),
                "CV_API_TIMEOUT": str(pace.reply_s),
                "CV_API_UPLOAD_TIMEOUT": str(pace.reply_s),
                "CV_CONFIRM_TIMEOUT": str(pace.confirm_s),
                "CV_SETTLE_PERIOD": str(pace.settle_s),
                "CV_ENQUIRIES": str(pace.settle_s),
                "CV_MAX_IN_FLIGHT": "50",
                "CV_LOG_FORMAT": "json",
            },
            dotenv=None,
        )
        log = open_log(settings, said, strict=True)
        try:
            async with open_world(settings, log) as world, asyncio.TaskGroup() as group:
                policy = replace(service_policy(settings), breaker_open_ms=BREAKER_MS)
                service = Service(world, policy)
                running = group.create_task(service.run())
                await service.ready.wait()
                async with asyncio.timeout(30):
                    while not service.hearer.listening:
                        await service.hearer.wait_change()
                yield Home(service, world, upstream, pace, said)
                service.stop()
                await running
        finally:
            log.close()


# ------------------------------------------------------------------------------ the behaviours

Story = Callable[[Home, CvCode, int], Coroutine[Any, Any, None]]


async def sent(home: Home, code: CvCode, number: int) -> None:
    """One update."""
    await home.closed(await home.submit(code))


async def closed_before_any_event(home: Home, code: CvCode, number: int) -> None:
    """One update, whose event is held back until all have closed without theirs."""
    home.upstream.socket.pause()
    await sent(home, code, number)


async def beside_somebody_else(home: Home, code: CvCode, number: int) -> None:
    """One update, and somebody else's of the same code: between an update of ours and this one;
    after our reading of the record, its event before our POST or after it; or after our POST was
    applied, its event before ours."""
    ledger, plan = home.upstream.ledger, home.upstream.plan
    match number % 4:
        case 0:
            await home.closed(await home.submit(code))
            await home.somebody_elses(code, events=2)
            name = await home.submit(code)
        case 1 | 2:
            early = number % 4 == 1
            plan(code, Plan(on="get", answer="slow", slow_ms=600))
            plan(code, Plan(event_delay_ms=20 if early else 900))
            plan(code, Plan(event_delay_ms=1_200))
            name = await home.submit(code)
            await ledger.until(lambda told: told.readings(code), seconds=QUIET_S)
            await home.somebody_elses(code, events=1)
        case _:
            plan(code, Plan(event_delay_ms=900))
            name = await home.submit(code)
            await ledger.until(lambda told: any(p.applied for p in told.posts(code)), seconds=30)
            await home.somebody_elses(code, events=1)
    await home.closed(name)


REFUSALS = (404, 400, 401, 403, 409, 413, 415, 422)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """``ends``: what updates end as, in turn. ``plans``: the treatment of the POSTs of one code, in
    turn. ``events``: how many follow each update that is applied. ``pause_ms``: least time from a
    POST to the next."""

    name: str
    ends: tuple[str, ...]
    plans: Callable[[int], Sequence[Plan]] = lambda number: ()
    story: Story = sent
    events: int = 1
    pause_ms: int = 0


def _always(**changes: object) -> Callable[[int], Sequence[Plan]]:
    plan = Plan(**changes)  # type: ignore[arg-type]  # fields of Plan, checked when it is made
    return lambda number: (plan,)


def _refused(number: int) -> Sequence[Plan]:
    return (Plan(answer="error", status=REFUSALS[number % len(REFUSALS)], apply="never"),)


def _throttled(number: int) -> Sequence[Plan]:
    form = ("seconds", "date")[number % 2]
    return (Plan(answer="throttled", apply="never", retry_after_s=3, retry_after_form=form),)


def _unreadable(number: int) -> Sequence[Plan]:
    return (Plan(answer="unreadable", apply=("before", "never")[number % 2]),)


BY_EVENT = "confirmed exclusive, 1 POST, inferred"
BY_BOTH = "confirmed contended, 1 POST, corroborated"
AGAIN = "confirmed exclusive, 2 POSTs, corroborated"
"""An update that was not applied was sent again; what its event says, the record says too: it was
read at the end of the lane's rest."""

BEHAVIOURS = (
    Behaviour("event before the reply", (BY_EVENT,), _always(event_first=True, reply_delay_ms=300)),
    Behaviour(
        "event after the deadline",
        ("confirmed exclusive, late, 1 POST, corroborated",),
        story=closed_before_any_event,
    ),
    Behaviour("no event", ("unconfirmed, 1 POST, indicated",), _always(events=0), events=0),
    Behaviour("event three times", (BY_BOTH,), _always(events=3), events=3),
    Behaviour("4xx", ("rejected, 1 POST, unknown",), _refused),
    Behaviour("500, not applied", (AGAIN,), _always(answer="error", apply="never")),
    Behaviour("500, applied", (BY_EVENT,), _always(answer="error")),
    Behaviour("hangs, not applied", (AGAIN,), _always(answer="hang", apply="never")),
    Behaviour("hangs, applied", (BY_EVENT,), _always(answer="hang")),
    Behaviour("reset, not applied", (AGAIN,), _always(answer="reset", apply="never")),
    Behaviour("reset, applied", (BY_EVENT,), _always(answer="reset")),
    Behaviour("429", ("confirmed exclusive, 2 POSTs, inferred",), _throttled, pause_ms=2_000),
    Behaviour(
        "unreadable 200, applied or not", (BY_EVENT, "unconfirmed, 1 POST, unknown"), _unreadable
    ),
    Behaviour("payload wrapped in `data`", (BY_EVENT,), _always(payload="wrapped")),
    Behaviour("somebody else's update between", (BY_BOTH,), story=beside_somebody_else),
)


# -------------------------------------------------------------------------------- playing them


@dataclass(frozen=True, slots=True)
class Played:
    """What came of so many updates under one behaviour. ``broken``: what the ledger does not allow.
    ``ends``: in words, of each update; ``wanted``: what they should be. ``too_many``: POSTs."""

    behaviour: Behaviour
    broken: list[str]
    ends: Counter[str]
    wanted: Counter[str]
    submissions: int
    posts: int
    readings: int
    events: int
    too_many: int


async def play(behaviour: Behaviour, updates: int, pace: Pace, folder: Path) -> Played:
    """So many updates at once, each of a code of its own, until nothing more is to come."""
    codes = [CvCode(f"Cv9E#nH4$/{behaviour.name}/{number:02d}?%") for number in range(updates)]
    async with home(folder, pace) as opened:
        for number, code in enumerate(codes):
            for plan in behaviour.plans(number):
                opened.upstream.plan(code, plan)
        async with asyncio.TaskGroup() as group:
            for number, code in enumerate(codes):
                group.create_task(behaviour.story(opened, code, number))
        opened.upstream.socket.resume()
        await opened.quiet(behaviour.events)
        return await _judged(behaviour, opened, codes)


async def _judged(behaviour: Behaviour, opened: Home, codes: Sequence[CvCode]) -> Played:
    ledger, policy = opened.upstream.ledger, opened.service.engine.policy
    broken, too_many = [], 0
    last: dict[CvCode, Submission] = {}
    for name, code in opened.submissions.items():
        found = await opened.world.journal.submission(name)
        assert found is not None
        last[code] = found.submission
        case = Case(found.submission, code, ledger, policy)
        broken += [*judge(case), *_too_soon(case, behaviour.pause_ms)]
        too_many += len(list(posts_too_many(case)))
    broken += [problem for code in codes for problem in _secret(opened.said, code)]
    return Played(
        behaviour,
        broken,
        ends=Counter(_words(last[code]) for code in codes),
        wanted=Counter(behaviour.ends[n % len(behaviour.ends)] for n in range(len(codes))),
        submissions=len(opened.submissions),
        posts=sum(1 for post in ledger.posts() if post.request_id is not None),
        readings=len(ledger.readings()),
        events=len(ledger.events()),
        too_many=too_many,
    )


def _too_soon(case: Case, pause_ms: int) -> list[str]:
    times = [post.received_ms for post in case.posts]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    return [f"sent again after {pause} ms" for pause in pauses if pause < pause_ms]


def _secret(said: io.StringIO, code: CvCode) -> list[str]:
    return ["a code stands in the log"] if code in said.getvalue() else []


def _words(submission: Submission) -> str:
    """``confirmed exclusive, late, 2 POSTs, corroborated``."""
    end = [str(submission.outcome)]
    if submission.attribution is not None:
        end.append(submission.attribution.value)
    count = len(submission.attempts)
    jobs = sorted({verdict.value for verdict, _ in verdicts(submission).values()})
    late = ["late"] if submission.late else []
    return ", ".join([" ".join(end), *late, f"{count} POST{'s' * (count != 1)}", *jobs])


async def play_all(updates: int, pace: Pace, folder: Path) -> list[Played]:
    """Every behaviour at once, each with a daemon and an upstream of its own."""
    playing = []
    for place, behaviour in enumerate(BEHAVIOURS):
        own = folder / str(place)
        own.mkdir()
        playing.append(play(behaviour, updates, pace, own))
    return list(await asyncio.gather(*playing))


def _record(updates: int, played: Sequence[Played], seconds: float) -> Path:
    return write_record(
        "behaviours",
        f"make behaviours UPDATES={updates}",
        {
            "behaviours": len(played),
            "submissions": sum(one.submissions for one in played),
            "POSTs": sum(one.posts for one in played),
            "POSTs too many": sum(one.too_many for one in played),
            "readings of the record": sum(one.readings for one in played),
            "events": sum(one.events for one in played),
            "ends that the ledger does not allow": sum(len(one.broken) for one in played),
            "seconds": round(seconds),
        },
        [
            {"behaviour": one.behaviour.name, "updates": count, "end": end}
            for one in played
            for end, count in sorted(one.ends.items())
        ],
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.behaviours", description=__doc__)
    parser.add_argument("--updates", type=int, default=50, help="under each behaviour")
    parser.add_argument("--record", action="store_true", help="write docs/proof/behaviours.json")
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="behaviours-") as folder:
        played = asyncio.run(play_all(given.updates, MANY, Path(folder)))
    broken = [f"{one.behaviour.name}: {problem}" for one in played for problem in one.broken]
    unlike = [one for one in played if one.ends != one.wanted]
    lines = [f"{one.behaviour.name}: {dict(one.ends)}" for one in played]
    lines += [f"{one.behaviour.name}: expected {dict(one.wanted)}" for one in unlike]
    sys.stdout.write("\n".join([*lines, *broken, f"{len(broken)} not allowed"]) + "\n")
    if given.record and not broken and not unlike:
        _record(given.updates, played, time.monotonic() - began)
    return 1 if broken or unlike else 0


if __name__ == "__main__":
    sys.exit(main())
