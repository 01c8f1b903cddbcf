"""Play a scenario to its end: a busy time with faults, then a quiet one without."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from listener.core.names import CvCode

from .loop import VirtualLoop, run_virtual
from .upstream import Odds
from .world import Life, Scenario, build, crash, scenario, start, submit

QUIET_S = 4 * 3600.0
"""Long enough for every bound of the scenario's policy to have passed, several times over."""


def play(drawn: Scenario, shuffle: bool = True) -> Life:
    """Run one scenario; what the witnesses saw is in the life that is returned."""

    async def main(loop: VirtualLoop) -> Life:
        life = build(loop, drawn)
        await start(life)
        await _busy(life)
        await _quiet(life)
        return life

    life: Life = run_virtual(drawn.seed, main, shuffle)
    return life


def play_seed(seed: int) -> Life:
    """Run the scenario that a seed stands for."""
    return play(scenario(seed))


async def _busy(life: Life) -> None:
    drawn, rng = life.scenario, life.rng
    codes = [CvCode(f"Sim#{drawn.seed}/{i}?%") for i in range(drawn.codes)]
    moments: list[tuple[float, str]] = []

    def plan(kind: str, count: int) -> None:
        moments.extend((rng.uniform(0, drawn.busy_s), kind) for _ in range(count))

    plan("submit", drawn.submissions)
    plan("cut", drawn.cuts)
    plan("crash", drawn.crashes)
    plan("outage", drawn.outages)
    plan("cancel", drawn.cancels)
    plan("foreign", drawn.foreign)
    plan("server_restart", drawn.cuts // 3)
    clients: list[asyncio.Task[object]] = []
    for moment, kind in sorted(moments):
        await asyncio.sleep(max(0.0, moment - life.loop.time()))
        await _happen(life, kind, codes, clients)
    await asyncio.gather(*clients, return_exceptions=True)


async def _happen(
    life: Life, kind: str, codes: list[CvCode], clients: list[asyncio.Task[object]]
) -> None:
    rng = life.rng
    match kind:
        case "submit":
            clients.append(life.loop.create_task(submit(life, rng.choice(codes))))
        case "cut":
            _cut(life)
        case "server_restart":
            life.server.restart()
            _cut(life)
        case "outage":
            life.upstream.down, life.server.up = True, rng.random() < 0.5
            if not life.server.up:
                _cut(life)
            life.loop.call_later(rng.uniform(5, 200), _mend, life)
        case "foreign":
            life.upstream.foreign_update(rng.choice(codes))
        case "cancel":
            if life.accepted and life.service is not None:
                chosen = rng.choice(sorted(life.accepted))
                clients.append(life.loop.create_task(life.service.intake.cancel(chosen)))
        case "crash":
            await crash(life)
            await asyncio.sleep(rng.uniform(0.1, 90))
            await start(life)


def _cut(life: Life) -> None:
    if life.source is not None:
        life.source.cut()


def _mend(life: Life) -> None:
    life.upstream.down, life.server.up = False, True


async def _quiet(life: Life) -> None:
    """No faults from here on: everything open must close, in bounded time."""
    _mend(life)
    life.upstream.odds = replace(Odds(), silent=0.0)
    end = life.loop.time() + QUIET_S
    while life.loop.time() < end:
        tally = await life.journal.tally()
        if not sum(tally.open_by_state.values()):
            break
        await asyncio.sleep(5)
    # What may still correct, release or react has its time too.
    await asyncio.sleep(120)
    await crash(life)
