"""``python -m bench.storm [LANES]``: so many updates wait for their event when the subscription is
lost, and is not recovered. The whole daemon as a process, against the embedded upstream in this
one: how fast the records are read, and how long whoever comes meanwhile has to wait."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from listener.emulator import Emulator, Options
from listener.emulator.faultbook import ANY_CODE
from listener.emulator.ledger import NOBODY, Ledger
from tests.e2e.process import DaemonProcess

FILE = b"%PDF-1.7\n" + b"x" * 1_991
TRAFFIC = 200
"""Events, and updates of new codes, while the storm lasts."""


async def main(lanes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cv.pdf"
        file.write_bytes(FILE)
        async with Emulator(Options(extract=False, event_delay_ms=0, job_ms=3_600_000)) as upstream:
            daemon = DaemonProcess(
                Path(folder),
                upstream.base_url,
                upstream.socket_url,
                confirm_timeout=3_600,
                give_up_after=7_200,
                heartbeat=1,
                spool_quota=1 << 31,
            )
            async with daemon:
                await _wait_for_events(daemon, upstream, file, lanes)
                await _storm(daemon, upstream, file, lanes)
                await daemon.stop()


async def _wait_for_events(
    daemon: DaemonProcess, upstream: Emulator, file: Path, lanes: int
) -> None:
    upstream.plan(ANY_CODE, "no_event", times=lanes)
    limit = asyncio.Semaphore(16)
    began = time.perf_counter()

    async def one(number: int) -> None:
        async with limit:
            assert await daemon.submit(f"Bench#{number}", file) is not None

    async with asyncio.TaskGroup() as group:
        for number in range(lanes):
            group.create_task(one(number))
    await upstream.ledger.until(
        lambda told: sum(post.status == 200 for post in told.posts()) >= lanes, seconds=600
    )
    print(f"{lanes} updates sent within {time.perf_counter() - began:.0f} s; none was heard of")


async def _storm(daemon: DaemonProcess, upstream: Emulator, file: Path, lanes: int) -> None:
    process = psutil.Process(daemon.pid)
    rss, before = process.memory_info().rss, process.cpu_times()
    began_ms = round(time.time() * 1000)
    await upstream.socket.restart()
    await upstream.ledger.until(lambda told: _connected(told, began_ms), seconds=60)
    new: set[str | None] = set()
    for number in range(TRAFFIC):
        code = f"Bench#{lanes - 1 - number}"
        await upstream.emit({"cv_code": code}, code)
        new.add(await daemon.submit(f"Bench#new-{number}", file))
        await asyncio.sleep(0.1)
    async with asyncio.timeout(60 + lanes / 20):
        while True:
            beat = _last(daemon, "daemon.heartbeat")
            if not beat["enquiries_waiting"]:
                break
            await asyncio.sleep(1)
    after = process.cpu_times()
    cpu = after.user + after.system - before.user - before.system
    print(
        f"over after {(_ms(beat) - began_ms) / 1000:.0f} s; {cpu:.1f} s of the daemon's CPU, "
        f"{process.memory_info().rss - rss >> 20} MiB more resident than {rss >> 20}"
    )
    _tell(daemon, upstream.ledger, began_ms, new)


def _connected(ledger: Ledger, since_ms: int) -> bool:
    return any(e.what == "connected" and e.at_ms > since_ms for e in ledger.sockets())


def _last(daemon: DaemonProcess, event: str) -> dict[str, Any]:
    return [line for line in daemon.lines() if line["event"] == event][-1]


def _tell(daemon: DaemonProcess, ledger: Ledger, began_ms: int, new: set[str | None]) -> None:
    enquiries = [
        read
        for read in ledger.readings()
        if read.read_ms > began_ms and not (read.request_id or "").endswith("-baseline")
    ]
    by_second = Counter(read.read_ms // 1000 for read in enquiries)
    print(
        f"{len(enquiries)} enquiries of {len({read.code for read in enquiries})} records, "
        f"{max(by_second.values())} in one second at most"
    )
    lines = [line for line in daemon.lines() if _ms(line) >= began_ms]
    closed = [line for line in lines if line["event"] == "submission.closed"]
    sent = sorted(line["queued_ms"] for line in closed if line["submission_id"] in new)
    old = (line for line in closed if line["submission_id"] not in new)
    events = [event for event in ledger.events() if event.for_post == NOBODY]
    waited = sorted(_ms(line) - e.emitted_ms for e, line in zip(events, old, strict=True))
    lag = max(line["loop_lag_ms"] for line in lines if line["event"] == "daemon.heartbeat")
    for what, times in (("events, to be correlated", waited), ("updates, to be sent", sent)):
        print(f"{len(times)} {what}: {times[len(times) // 2]} ms, {times[-1]} ms at most")
    print(f"the event loop was {lag} ms late at most")


def _ms(line: dict[str, Any]) -> int:
    """When a line was written."""
    return round(datetime.fromisoformat(line["timestamp"]).timestamp() * 1000)


if __name__ == "__main__":
    asyncio.run(main(*(int(given) for given in (*sys.argv[1:], *("10000",)[len(sys.argv) - 1 :]))))
