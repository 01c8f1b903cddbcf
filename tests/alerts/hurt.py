"""``python -m tests.alerts.hurt run``: the real daemon, with something of its own or of its machine
that can be hurt. The environment's ``HURT`` says what; it hurts while the file ``HURT_WHILE`` is
there. What is named in settings stands here, too."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import apsw

from listener.adapters.logs import Writer
from tests.adapters.journal_sqlite.hooked_disk import HookedDisk

CLOCK_AHEAD_S = 600
SLOW_SYNC_S = 0.3
HELD_UP_S, LET_GO_S = 1.8, 0.15
LOG_ROOM = 20
PIPE_ROOM = 4_096

_KEPT: set[asyncio.Task[None]] = set()


def hurts() -> bool:
    return Path(os.environ.get("HURT_WHILE", "/nowhere")).exists()


# ----------------------------------------------------------------------------- named in settings


def headers() -> dict[str, str]:
    """For CV_API_HEADERS."""
    if hurts():
        raise RuntimeError("the vault is sealed")
    return {"X-Made": "yes"}


async def failing(submission: dict[str, Any]) -> None:
    """A handler."""
    if hurts():
        raise RuntimeError(f"no room for outcome {submission['outcome']}")


async def failing_too(_event: object) -> None:
    """A function for other events."""
    if hurts():
        raise RuntimeError("not this one")


async def careless(_submission: dict[str, Any]) -> None:
    """A handler that begins something, and looks no more after it."""

    async def lost() -> None:
        raise RuntimeError("nobody looks")

    if hurts():
        asyncio.get_running_loop().create_task(lost())


async def greedy(_submission: dict[str, Any]) -> None:
    """A handler that leaves something in the loop, which holds it up again and again."""

    async def hold_up() -> None:
        while True:
            if hurts():
                time.sleep(HELD_UP_S)  # noqa: ASYNC251  that is the fault
            await asyncio.sleep(LET_GO_S)

    if not _KEPT:
        _KEPT.add(asyncio.get_running_loop().create_task(hold_up()))


# ---------------------------------------------------------------------------------- the machine's


def slow_disk(disk: HookedDisk) -> None:
    def asked(operation: str, _name: str) -> None:
        if operation == "sync" and hurts():
            time.sleep(SLOW_SYNC_S)

    disk.hook = asked


def broken_disk(disk: HookedDisk) -> None:
    def asked(operation: str, name: str) -> None:
        if operation == "sync" and name.endswith("-wal") and hurts():
            raise apsw.IOError("hurt")

    disk.hook = asked


def other_clock() -> None:
    real = time.time
    time.time = lambda: real() + CLOCK_AHEAD_S


def slow_reader() -> None:
    """Who reads the log stands still while it hurts. The log has less room than it would have."""
    Writer.__init__.__defaults__ = (LOG_ROOM, 8 << 20)
    out = os.dup(1)
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_ROOM)
    os.dup2(writing, 1)
    os.close(writing)

    def pump() -> None:
        while True:
            while hurts():
                time.sleep(0.02)
            data = os.read(reading, 4096)
            if not data:
                return
            os.write(out, data)

    threading.Thread(target=pump, daemon=True).start()


def main() -> int:
    disk = HookedDisk(default=True)
    match os.environ.get("HURT"):
        case "slow_disk":
            slow_disk(disk)
        case "broken_disk":
            broken_disk(disk)
        case "clock":
            other_clock()
        case "reader":
            slow_reader()
    from listener.__main__ import main as listener_main

    status = listener_main()
    disk.hook = lambda _operation, _name: None
    sys.stdout.flush()
    time.sleep(0.2)  # what the pump still has
    return status


if __name__ == "__main__":
    sys.exit(main())
