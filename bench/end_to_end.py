"""``python -m bench.end_to_end [UPDATES] [AT_ONCE]``: the whole daemon as a process, against the
embedded upstream in this one: updates confirmed a second, and what each costs the daemon."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import psutil

from listener.emulator import Emulator, Options
from tests.e2e.process import DaemonProcess

FILE = b"%PDF-1.7\n" + b"x" * 99_991


async def main(updates: int, at_once: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cv.pdf"
        file.write_bytes(FILE)
        options = Options(extract=False, event_delay_ms=0, job_ms=3_600_000)
        async with Emulator(options) as upstream:
            daemon = DaemonProcess(
                Path(folder),
                upstream.base_url,
                upstream.socket_url,
                confirm_timeout=120,
                log_level="info",
            )
            async with daemon:
                await _measure(daemon, file, updates, at_once)
                await daemon.stop()


async def _measure(daemon: DaemonProcess, file: Path, updates: int, at_once: int) -> None:
    process = psutil.Process(daemon.pid)
    before = process.cpu_times()
    began = time.perf_counter()
    limit = asyncio.Semaphore(at_once)
    ids: list[str] = []

    async def one(number: int) -> None:
        async with limit:
            name = await daemon.submit(f"Bench#{number}", file)
            assert name is not None
            ids.append(name)

    async with asyncio.TaskGroup() as group:
        for number in range(updates):
            group.create_task(one(number))
    ends = await daemon.closed(ids, 600)
    wall = time.perf_counter() - began
    after = process.cpu_times()
    cpu = after.user + after.system - before.user - before.system
    confirmed = sum(end["outcome"] == "confirmed" for end in ends.values())
    print(
        f"{confirmed} of {updates} updates of 100 KB confirmed, {at_once} submitted at once: "
        f"{updates / wall:.0f} a second, {cpu / updates * 1000:.1f} ms of the daemon's CPU each, "
        f"{process.memory_info().rss >> 20} MiB resident"
    )


if __name__ == "__main__":
    asyncio.run(
        main(*(int(given) for given in (*sys.argv[1:], *("1000", "16")[len(sys.argv) - 1 :])))
    )
