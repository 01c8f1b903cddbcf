"""One soak: the real process, an upstream with faults, a spoiled line to each of its two doors."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from listener.emulator import Emulator, Options
from listener.emulator.plan import FAULTS
from tests.e2e.process import ROOT
from tests.faults.modes import Pass, Slow, Stall, Swallow
from tests.faults.proxy import FaultProxy

from .piped import PipedDaemon
from .weather import FAULT_ODDS, Spell, forecast

SAMPLES = sorted((ROOT / "demo").iterdir())
DOCUMENTED = "Cv9E#nH4$xTz8!pY2aW^mK6rL"
AGAIN_ODDS = 0.1
"""Of an update to be one more of a recent code."""
QUIET_S = 300.0
"""The bound on what is still open once all faults are over."""
STRANGERS = 200
PING_S, PONG_S = 5, 4

# Short, so that what waits for an end reaches it within the soak.
SETTINGS: Mapping[str, object] = {
    "api_timeout": 2,
    "api_upload_timeout": 4,
    "confirm_timeout": 4,
    "settle_period": 4,
    "enquiries": "1,2",
    "listen_wait": 3,
    "give_up_after": 60,
    "deliver_within": 120,
    "socket_backoff_cap": 4,
    "log_level": "info",
}

FAULT_NAMES = [name for name, plan in FAULTS.items() if plan.on == "post"]


@dataclass(slots=True)
class Soak:
    """What was done, and to whom. ``accepted``: code by submission id."""

    daemon: PipedDaemon
    upstream: Emulator
    http: FaultProxy
    socket: FaultProxy
    seed: int
    updates_per_s: float
    accepted: dict[str, str] = field(default_factory=dict)
    met: Counter[str] = field(default_factory=Counter)
    kills: list[int] = field(default_factory=list)
    """When, in milliseconds of the wall clock."""
    unread_s: float = 0.0
    seconds: float = 0.0

    async def live(self, seconds: float) -> None:
        """Bad weather for so long, then calm until nothing is open; stops the daemon."""
        began = time.monotonic()
        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._submit_until(over))
            spent = 0.0
            for spell in forecast(self.seed, seconds):
                await asyncio.sleep(max(0.0, began + spent + spell.after_s - time.monotonic()))
                spent += spell.after_s + spell.lasts_s
                self.met[spell.kind] += 1
                await self._bring(spell)
            await asyncio.sleep(max(0.0, began + seconds - time.monotonic()))
            over.set()
        await self._closed()
        assert await self.daemon.stop() == 0
        self.seconds = time.monotonic() - began

    async def _closed(self) -> None:
        """Nothing is open any more."""
        async with asyncio.timeout(QUIET_S):
            for name in self.accepted:
                shown: Mapping[str, object] = {"state": None}
                while shown["state"] != "closed":
                    shown = await self.daemon.get(f"/v1/submissions/{name}")
                    if shown["state"] != "closed":
                        await self.daemon.closed([name], QUIET_S)

    # ------------------------------------------------------------------------------ updates

    async def _submit_until(self, over: asyncio.Event) -> None:
        rng = random.Random(self.seed + 1)
        async with asyncio.TaskGroup() as group:
            number = 0
            while not over.is_set():
                number += 1
                group.create_task(self._submit(number, random.Random(rng.random())))
                await asyncio.sleep(rng.expovariate(self.updates_per_s))

    async def _submit(self, number: int, rng: random.Random) -> None:
        """Again under the same key, where the daemon died or stopped before it answered."""
        recent = list(self.accepted.values())[-20:]
        again = bool(recent) and rng.random() < AGAIN_ODDS
        code = rng.choice(recent) if again else f"{DOCUMENTED}/{number:06d}"
        if rng.random() < FAULT_ODDS:
            self.upstream.plan(code, rng.choice(FAULT_NAMES))
        file = rng.choice(SAMPLES)
        while True:
            name = await self.daemon.submit(code, file, key=f"key-{number}")
            if name is not None:
                self.accepted[name] = code
                return
            await asyncio.sleep(0.1)  # it is being started again

    # ------------------------------------------------------------------------------ weather

    async def _bring(self, spell: Spell) -> None:
        speaker = self.upstream.socket
        ways: dict[str, Callable[[], Awaitable[object]]] = {
            "socket cut": lambda: self._cut(spell),
            "socket half open": lambda: self._half_open(spell),
            "socket refused": lambda: self._refused(self.socket, spell),
            "kicked": speaker.kick,
            "dropped": lambda: _now(speaker.drop),
            "socket server restarted": lambda: speaker.restart(round(spell.lasts_s * 1000)),
            "events held back": lambda: self._held_back(spell),
            "deafened": lambda: _now(speaker.deafen),
            "API refused": lambda: self._refused(self.http, spell),
            "API reset": lambda: self._reset(spell),
            "API slow": lambda: self._slowed(spell),
            "API stalled": lambda: self._stalled(spell),
            "throttled": lambda: self._planned("throttled", 20),
            "readings fail": lambda: self._planned("get_error", 20),
            "killed": lambda: self._killed(spell),
            "terminated": lambda: self._terminated(spell),
            "paused": lambda: self._paused(spell),
            "strangers' events": self._strangers,
            "strangers' updates": self._their_updates,
            "hang up": lambda: _now(self.daemon.hang_up),
            "log unread": lambda: self._unread(spell),
        }
        await ways[spell.kind]()

    async def _cut(self, spell: Spell) -> None:
        self.socket.reset_on_accept = True
        self.socket.cut(politely=spell.lasts_s > 2)
        await asyncio.sleep(spell.lasts_s)
        self.socket.reset_on_accept = False

    async def _half_open(self, spell: Spell) -> None:
        self.socket.up.mode = self.socket.down.mode = Swallow()
        await asyncio.sleep(spell.lasts_s)
        self.socket.up.mode = self.socket.down.mode = Pass()

    async def _refused(self, line: FaultProxy, spell: Spell) -> None:
        await line.refuse()
        line.cut()
        await asyncio.sleep(spell.lasts_s)
        await line.start()

    async def _held_back(self, spell: Spell) -> None:
        self.upstream.socket.pause()
        await asyncio.sleep(spell.lasts_s)
        self.upstream.socket.resume()

    async def _reset(self, spell: Spell) -> None:
        self.http.reset_on_accept = True
        self.http.cut()
        await asyncio.sleep(spell.lasts_s)
        self.http.reset_on_accept = False

    async def _slowed(self, spell: Spell) -> None:
        self.http.up.mode = Slow(bytes_per_s=20_000)
        await asyncio.sleep(spell.lasts_s)
        self.http.up.mode = Pass()

    async def _stalled(self, spell: Spell) -> None:
        self.http.down.mode = Stall()
        await asyncio.sleep(spell.lasts_s)
        self.http.down.mode = Pass()

    async def _planned(self, fault: str, times: int) -> None:
        self.upstream.plan("*", fault, times=times)

    async def _killed(self, spell: Spell) -> None:
        self.kills.append(time.time_ns() // 1_000_000)
        await self.daemon.kill()
        await asyncio.sleep(spell.lasts_s)
        await self.daemon.start()

    async def _terminated(self, spell: Spell) -> None:
        assert await self.daemon.stop() == 0
        await asyncio.sleep(spell.lasts_s)
        await self.daemon.start()

    async def _paused(self, spell: Spell) -> None:
        assert (await self.daemon.post("/v1/pause")).status_code == 200
        await asyncio.sleep(spell.lasts_s)
        assert (await self.daemon.post("/v1/resume")).status_code == 200

    async def _strangers(self) -> None:
        """Events of codes that nobody here knows, some of them no events at all."""
        for number in range(STRANGERS):
            code = f"{DOCUMENTED}/stranger-{number}"
            body: object = {"cv_code": code, "cv_id": number} if number % 5 else {"cv_code": -7}
            await self.upstream.emit(body, code)

    async def _their_updates(self) -> None:
        """Somebody else's of the codes that were ours most recently."""
        for code in dict.fromkeys(list(self.accepted.values())[-5:]):
            if self.upstream.record(code) is not None:
                await self.upstream.foreign_update(code)

    async def _unread(self, spell: Spell) -> None:
        self.daemon.unread()
        await asyncio.sleep(spell.lasts_s)
        self.daemon.read()
        self.unread_s = max(self.unread_s, spell.lasts_s)


async def _now(do: Callable[[], object]) -> object:
    return do()


@asynccontextmanager
async def house(folder: Path, seed: int, updates_per_s: float) -> AsyncIterator[Soak]:
    """A daemon that runs, with nothing accepted yet, in a folder that must exist and be empty."""
    options = Options(
        extract=False,
        event_delay_ms=150,
        reply_delay_ms=30,
        job_ms=1_500,
        ping_interval_s=PING_S,
        ping_timeout_s=PONG_S,
        seed=seed,
    )
    async with Emulator(options) as upstream:
        port = urlsplit(upstream.socket_url).port
        assert port is not None
        async with FaultProxy("127.0.0.1", port) as http, FaultProxy("127.0.0.1", port) as ear:
            daemon = PipedDaemon(
                folder,
                f"http://127.0.0.1:{http.port}/cv-enhance",
                f"http://127.0.0.1:{ear.port}",
                **SETTINGS,
            )
            async with daemon:
                yield Soak(daemon, upstream, http, ear, seed, updates_per_s)


def keep(soak: Soak, folder: Path) -> None:
    """What a judge needs, as files: the ledger and what was accepted, beside the log."""
    told = {
        "accepted": soak.accepted,
        "met": soak.met,
        "kills": soak.kills,
        "unread_s": soak.unread_s,
        "seconds": soak.seconds,
        "slowest_line_ms": float(soak.daemon.slowest.read_text()),
    }
    (folder / "ledger.json").write_text(json.dumps(soak.upstream.ledger.as_json()))
    (folder / "soak.json").write_text(json.dumps(told))
