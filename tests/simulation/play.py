"""Play a scenario to its end: a busy time with faults, then a quiet one without."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from listener.core.names import CvCode
from listener.service.intake import Accepted

from .life import LONGEST_STALL_S, Life, build, kill, run_process
from .loop import VirtualLoop, run_virtual
from .scenario import Scenario, scenario

QUIET_S = 2 * 3600.0
"""The bound of I9: longer than every bound of the scenario's policy, one after another."""

LEAST_S = 1_800.0
"""No life is shorter."""

PROMPT_S = 60.0
"""Within this an update is confirmed where nothing is wrong."""

ROUSE_S = 90.0
"""Within this an update whose event is not heard has closed."""

ROUSING = 20

AFTERMATH_S = 120.0
"""For what may still correct, release or react once all is closed."""

RUSH = 5
"""So many updates come all at once."""


def play(drawn: Scenario, shuffle: bool = True) -> Life:
    """Run one scenario; what the witnesses saw is in the life that is returned. Its disk stays,
    to be read: ``life.disk.remove()`` ends it."""

    async def main(loop: VirtualLoop) -> Life:
        life = build(loop, drawn)
        keeper = asyncio.create_task(_keep_running(life))
        await _busy(life)
        await _quiet(life)
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        return life

    life: Life = run_virtual(drawn.seed, main, shuffle)
    return life


def play_seed(seed: int) -> Life:
    """Run the scenario that a seed stands for."""
    return play(scenario(seed))


async def _keep_running(life: Life) -> None:
    """What an init system does: a process that ends is started again, after a while."""
    try:
        while True:
            await run_process(life)
            if life.scenario.clock_jumps and life.quiet_since_s is None:
                life.skew_ns += life.rng.choice([0, 3_600, -3_600, 45]) * 10**9
            soon = life.rng.random() < 0.3
            await asyncio.sleep(life.rng.uniform(0.1, 2.0 if soon else 90.0))
    finally:
        process = life.process
        if process is not None and process.task is not None:
            kill(process)
            await asyncio.gather(process.task, return_exceptions=True)


async def _busy(life: Life) -> None:
    drawn, rng = life.scenario, life.rng
    codes = [CvCode(f"Sim#{drawn.seed}/{i}?%") for i in range(drawn.codes)]
    planned = {
        "submit": drawn.submissions,
        "cut": drawn.cuts,
        "half open": drawn.half_open,
        "kick": drawn.kicks,
        "deafen": drawn.deafens,
        "burst": drawn.bursts,
        "kill": drawn.kills,
        "stop": drawn.stops,
        "disk fault": drawn.disk_faults,
        "outage": drawn.outages,
        "cancel": drawn.cancels,
        "foreign": drawn.foreign,
        "stall": drawn.stalls,
        "rush": drawn.rushes,
        "server restart": drawn.cuts // 3,
        "clock jump": 2 if drawn.clock_jumps else 0,
    }
    kinds = [kind for kind, count in planned.items() for _ in range(count)]
    moments = [(rng.uniform(0, drawn.busy_s), kind) for kind in kinds]
    clients: list[asyncio.Task[None]] = []
    for moment, kind in sorted(moments):
        await asyncio.sleep(max(0.0, moment - life.loop.time()))
        life.passed[f"world: {kind}"] += 1
        if kind == "submit":
            key = f"key-{len(clients)}"
            clients.append(life.loop.create_task(_submit(life, rng.choice(codes), key)))
        elif kind == "rush":
            for _ in range(RUSH):
                key = f"key-{len(clients)}"
                clients.append(life.loop.create_task(_submit(life, rng.choice(codes), key)))
            life.crowded_until_s = life.loop.time() + rng.uniform(0.5, 60.0)
            if rng.random() < 0.5:
                life.loop.call_later(rng.uniform(0.5, 20.0), _happen, life, "kill", codes)
        elif kind == "cancel":
            clients.append(life.loop.create_task(_cancel(life)))
        else:
            _happen(life, kind, codes)
    await asyncio.gather(*clients)


def _happen(life: Life, kind: str, codes: list[CvCode]) -> None:
    rng, process = life.rng, life.process
    match kind:
        case "cut":
            life.server.cut()
        case "half open":
            life.server.go_quiet(rng.choice([None, 5.0]))
        case "kick":
            life.server.kick()
        case "deafen":
            life.server.deafen()
        case "burst":
            for _ in range(20):
                life.upstream.emit(CvCode("Sim#another"))
        case "server restart":
            life.server.restart()
        case "outage":
            life.upstream.down, life.server.up = True, rng.random() < 0.5
            if not life.server.up:
                life.server.cut()
            life.loop.call_later(rng.uniform(5, 200), _mend, life)
        case "foreign":
            life.upstream.foreign_update(rng.choice(codes))
        case "kill" if process is not None and life.quiet_since_s is None:
            kill(process)
        case "stop" if process is not None and process.service is not None:
            process.service.stop()
        case "disk fault":
            life.disk.fail_next = rng.choice(["before", "after"])
        case "stall":
            life.loop.stall(rng.choice([0.5, 5.0, LONGEST_STALL_S]))
        case "clock jump":
            life.skew_ns += rng.choice([3_600, -3_600, 45]) * 10**9
        case _:
            pass


async def _submit(life: Life, code: CvCode, key: str) -> None:
    """A client that gives up only once it was answered: each try has the same key."""
    while True:
        process = life.process
        if process is not None and process.open and process.service is not None:
            try:
                answer = await process.service.intake.submit(
                    code, _file(key), "Curriculum-of-Sim#Person.pdf", idempotency_key=key
                )
            except asyncio.CancelledError:
                if process.alive and process.task is not None and not process.task.done():
                    raise
            except Exception as error:  # noqa: BLE001  what a client gets for it is a 5xx: told below
                if process.alive and not life.disk.failed:
                    life.fell_over.append(f"intake: {error!r}")
            else:
                if isinstance(answer, Accepted):
                    life.accepted[answer.submission_id] = code
                    life.acceptances += 1
                    return
                if answer.reason != "draining":
                    return
        await asyncio.sleep(life.rng.uniform(0.5, 20.0))


async def _file(key: str) -> AsyncIterator[bytes]:
    yield b"%PDF-1.7 simulated "
    yield key.encode()


async def _cancel(life: Life) -> None:
    process = life.process
    if not life.accepted or process is None or not process.open or process.service is None:
        return
    chosen = life.rng.choice(sorted(life.accepted))
    try:
        await process.service.intake.cancel(chosen)
    except asyncio.CancelledError:
        if process.alive and process.task is not None and not process.task.done():
            raise
    except Exception as error:  # noqa: BLE001  as above
        if process.alive and not life.disk.failed:
            life.fell_over.append(f"cancel: {error!r}")


def _mend(life: Life) -> None:
    life.upstream.down, life.server.up = False, True


async def _quiet(life: Life) -> None:
    """No faults from here on: everything open must close, in bounded time."""
    _mend(life)
    life.quiet_since_s = life.loop.time()
    life.disk.fail_next = None
    if life.process is not None:
        life.process.doom = None
    while life.loop.time() < life.quiet_since_s + QUIET_S:
        if not life.disk.ask("SELECT 1 FROM submissions WHERE state != 'closed' LIMIT 1"):
            life.all_closed_s = life.loop.time()
            break
        await asyncio.sleep(20)
    await asyncio.sleep(AFTERMATH_S)
    await _rouse(life)
    await _probe(life)
    await asyncio.sleep(max(0.0, LEAST_S - life.loop.time()))


async def _rouse(life: Life) -> None:
    """Who is deaf and does not know finds out by updates: by the record of one, and the event of
    the next; by some more, where the second connection is deaf, too. Without baselines the record
    says nothing, and where the clock was set back a gap may lie in what is now the future: nothing
    makes the subscription doubtful then."""
    deaf = [wire for wire in life.server.wires if wire.deafened]
    if not life.scenario.policy.baseline or life.scenario.clock_jumps:
        for wire in deaf:
            wire.deafened = False
    for number in range(ROUSING):
        if not any(wire.deafened for wire in life.server.wires):
            break
        await _submit(life, CvCode(f"Sim#rouse/{number}"), f"rouse-{number}")
        await asyncio.sleep(ROUSE_S)


async def _probe(life: Life) -> None:
    """The world is whole again: new updates, two of one code among them, go through at once."""
    codes = [CvCode(f"Sim#probe/{number}") for number in (0, 0, 1, 2)]
    probes = [_submit(life, code, f"probe-{n}") for n, code in enumerate(codes)]
    await asyncio.gather(*probes)
    await asyncio.sleep(PROMPT_S)
    life.dawdling = life.disk.ask(
        "SELECT id, state, outcome FROM submissions WHERE code LIKE 'Sim#probe%'"
        " AND coalesce(outcome, '') NOT IN ('confirmed', 'superseded')"
    )
