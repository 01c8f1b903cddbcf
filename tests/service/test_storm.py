"""An outage with ten thousand open updates is no storm: what is asked of the upstream stays within
the budget, whoever is open closes, and whoever is new is not kept waiting."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import pairwise

import pytest

from listener.core.names import CvCode, State
from listener.core.policy import Policy
from tests.fakes.upstream_scripted import Pace

from .storm import QUICK, Storm, stormy
from .test_rooms import crash, service_of, start, submit, until

PACE_S, AT_ONCE = 0.01, 8
A_MOMENT_S = 2.0
"""Nobody who is new waits for longer because others are many."""


class Traffic:
    """Events of lanes that wait, and updates of new codes, one of each every ``every_s``."""

    def __init__(self, storm: Storm, name: str, codes: list[CvCode], every_s: float) -> None:
        self._storm = storm
        self._name = name
        self._codes = codes
        self._every_s = every_s
        self.emitted: dict[CvCode, float] = {}
        self.submitted: dict[str, float] = {}

    async def run(self) -> None:
        life = self._storm.life
        for number, code in enumerate(self._codes):
            self.emitted[code] = life.loop.time()
            life.upstream.emit(code)
            began_s = life.loop.time()
            new = await submit(life, CvCode(f"Sim#{self._name}/{number:05d}"))
            self.submitted[new] = began_s
            await asyncio.sleep(self._every_s)

    def held_up(self) -> list[str]:
        """Whoever waited for longer than a moment."""
        storm, found = self._storm, []
        heard = {str(f["submission_id"]): at_s for at_s, f in storm.lines("event.correlated")}
        for code, at_s in self.emitted.items():
            waited_s = heard.get(f"waits-{code[-5:]}", 1e9) - at_s
            if waited_s > A_MOMENT_S:
                found.append(f"an event waited {waited_s:.2f} s")
        begun = {str(fields["submission_id"]): at for at, fields in storm.lines("attempt.began")}
        for new, at_s in self.submitted.items():
            waited_s = begun.get(new, 1e9) - at_s
            if waited_s > A_MOMENT_S:
                found.append(f"an update waited {waited_s:.2f} s to be sent")
        return found


def lost_and_restored(lanes: int, traffic: int) -> None:
    """The subscription is lost for a minute and not recovered; much later all deadlines come at
    one moment. After both there is traffic."""
    policy = Policy(confirm_timeout_ms=900_000)

    async def story(storm: Storm) -> None:
        life, enquirer = storm.life, service_of(storm.life).enquirer
        deadline_s = storm.accepted_s + 900
        await storm.idle(lanes / 50 + 60)
        await storm.away(60)
        every_s = min(0.5, lanes / 100 / traffic)
        first = Traffic(storm, "first", storm.codes[:traffic], every_s)
        await first.run()
        await storm.idle(lanes / 50 + 60)
        await asyncio.sleep(deadline_s - 0.1 - life.loop.time())
        assert storm.outcomes()["awaiting", None] == lanes - traffic
        second = Traffic(storm, "second", storm.codes[traffic : 2 * traffic], every_s)
        await second.run()
        most_s = lanes / 80 + 30
        await asyncio.sleep(max(0.0, deadline_s + most_s - life.loop.time()))
        assert storm.outcomes().keys() == {("closed", "confirmed"), ("closed", "presumed")}
        await storm.idle(lanes / 50 + 60)
        assert enquirer.backlog == 0
        await asyncio.sleep(120)
        assert [*first.held_up(), *second.held_up()] == []
        within_the_budget(storm)
        as_often_as_the_rules_ask(storm)
        for new in (*first.submitted, *second.submitted):
            await until(life, new, State.CLOSED)  # type: ignore[arg-type]  # an id

    stormy(story, lanes, policy=policy)


def within_the_budget(storm: Storm) -> None:
    enquiries = storm.enquiries
    assert max(read.at_once for read in enquiries) <= AT_ONCE
    assert all(b.began_s - a.began_s > PACE_S - 1e-6 for a, b in pairwise(enquiries))


def as_often_as_the_rules_ask(storm: Storm) -> None:
    """At the start, after the gap, at the deadline, and at the end of the lane's rest. Once more
    where an enquiry waited for a minute. Never for one that is confirmed."""
    times = Counter(read.code for read in storm.enquiries)
    assert max(times.values()) <= 5
    assert sum(times.values()) <= 4.04 * len(storm.codes)
    closed = {
        f"Sim#storm/{str(fields['submission_id'])[-5:]}": at_s
        for at_s, fields in storm.lines("submission.closed")
        if fields["outcome"] == "confirmed" and str(fields["submission_id"]).startswith("waits")
    }
    assert closed
    late = [r for r in storm.enquiries if r.began_s > closed.get(r.code, 1e9) + PACE_S + 1e-6]
    assert late == []


def test_a_loss_that_is_not_recovered_is_no_storm() -> None:
    lost_and_restored(lanes=400, traffic=20)


@pytest.mark.prove
def test_a_loss_that_is_not_recovered_is_no_storm_for_ten_thousand() -> None:
    lost_and_restored(lanes=10_000, traffic=200)


@pytest.mark.parametrize("how", ["get_hang", "get_refused", "get_error", "get_throttled"])
def test_an_upstream_that_does_not_serve_is_asked_less_and_less(how: str) -> None:
    """Each GET fails, after ten seconds or at once: one is made at a time, and the pauses grow.
    Once it serves again all that wait are read, in the usual pace."""
    lanes = 300

    async def story(storm: Storm) -> None:
        life = storm.life
        await storm.idle(60)
        before = len(storm.reads)
        life.upstream.draw_read = lambda code: how
        await storm.away(60)
        await asyncio.sleep(600)
        ((paused_s, _),) = storm.lines("upstream.readings_paused")
        asked = storm.reads[before:]
        # What had its turn already when the pause began is no probe of it.
        probes = [read for read in asked if read.began_s > paused_s + 2 * PACE_S]
        assert 5 <= len(asked) - len(probes) < 2 * AT_ONCE
        assert {read.at_once for read in probes[1:]} == {1}
        pauses = [b.began_s - (a.ended_s or b.began_s) for a, b in pairwise(probes)]
        assert 0.9 < pauses[0] < 9
        for earlier, later in pairwise(pauses):
            assert later == pytest.approx(min(30, 2 * earlier), abs=0.05)
        assert pauses[-1] > 29
        assert service_of(life).enquirer.backlog >= lanes - len(asked)
        life.upstream.draw_read = lambda code: "ok"
        mended_s = life.loop.time()
        await storm.idle(45 + lanes / 20)
        after = [read for read in storm.reads if read.began_s > mended_s]
        assert after[0].began_s <= mended_s + 31
        assert {read.code for read in (*asked, *after)} == set(storm.codes)
        assert len(storm.lines("upstream.readings_resumed")) == 1
        within_the_budget(storm)

    stormy(story, lanes, policy=Policy(confirm_timeout_ms=1_800_000))


def test_an_answer_that_says_nothing_is_a_sign_of_life() -> None:
    """Each reading is a 404: nobody pauses for it."""

    async def story(storm: Storm) -> None:
        storm.life.upstream.draw_read = lambda code: "get_not_found"
        await storm.idle(60)
        assert len(storm.enquiries) >= 100
        assert storm.lines("upstream.readings_paused") == []

    stormy(story, 100, policy=Policy(confirm_timeout_ms=600_000))


def test_what_waits_to_be_sent_again_is_enquired_of_before_those_that_only_wait() -> None:
    slow = Pace(get_s=(0.1, 0.1), event_s=(0.01, 0.5))

    async def story(storm: Storm) -> None:
        life = storm.life
        life.upstream.draw = lambda post: "error_before" if post.request_id.endswith("-1") else "ok"
        name = await submit(life, CvCode("Sim#new"))
        async with asyncio.timeout(60):
            await until(life, name, State.CLOSED)
        first, second = life.upstream.ledger.of(name)
        assert second.began_s - first.began_s < 30 + A_MOMENT_S
        assert service_of(life).enquirer.backlog > 100, "the others were not done yet"

    stormy(story, 2_000, policy=Policy(confirm_timeout_ms=900_000), pace=slow)


def test_those_that_only_wait_are_enquired_of_in_every_fourth_turn() -> None:
    async def story(storm: Storm) -> None:
        await storm.idle(60)
        place = {read.code: at for at, read in reversed(list(enumerate(storm.enquiries)))}
        only_wait = [place[code] for code in storm.codes[200:]]
        assert len(only_wait) == 20
        assert max(only_wait) < 4 * 20 + 2 * AT_ONCE

    stormy(story, 220, policy=Policy(confirm_timeout_ms=900_000), behind=200)


def test_lanes_that_were_not_told_of_a_gap_before_a_crash_are_told_after_it() -> None:
    """They closed without their event before a gap; it ended, and the process died at once. The
    next one recovers the session, and would know of no gap of its own."""

    async def story(storm: Storm) -> None:
        life = storm.life
        await asyncio.sleep(120)
        assert storm.outcomes() == {("closed", "presumed"): len(storm.codes)}
        whole = len(storm.reads)
        life.server.restart()
        life.disk.delay_s = lambda: 0.05  # type: ignore[method-assign]  # a slow disk
        await service_of(life).hearer.wait_change()
        await service_of(life).hearer.wait_change()
        life.upstream.emit(CvCode("Sim#another"))
        await asyncio.sleep(0.5)
        await crash(life)
        before = len(storm.reads)
        untold = set(storm.codes) - {read.code for read in storm.reads[whole:]}
        assert len(untold) > 100
        await start(life)
        await asyncio.sleep(60)
        (*_, again) = storm.lines("subscription.established")
        assert again[1]["recovered"] is True
        assert {read.code for read in storm.reads[before:]} >= untold

    stormy(story, 300, policy=Policy(), recovery=True)


def test_an_event_does_not_wait_until_all_lanes_are_told_of_a_gap() -> None:
    """On a disk that takes a tenth of a second for each commit."""

    async def story(storm: Storm) -> None:
        life = storm.life
        await storm.idle(300)
        life.disk.delay_s = lambda: 0.05  # type: ignore[method-assign]  # a slow disk
        await storm.away(60)
        traffic = Traffic(storm, "new", storm.codes[-1:], 0)
        await traffic.run()
        await asyncio.sleep(60)
        assert traffic.held_up() == []

    stormy(story, 1_500, policy=Policy(confirm_timeout_ms=900_000), pace=QUICK)
