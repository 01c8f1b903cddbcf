"""What systemd is told, over a real socket, by the real process: ready once it is, alive only while
its journal answers, reloading, stopping."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from listener.adapters.supervisor import SILENT, Supervisor
from listener.emulator import Emulator, Options
from tests.e2e.process import DaemonProcess

WATCHDOG_S = 0.6


class Systemd:
    """The other end: each message as its fields, in order."""

    def __init__(self, bound: socket.socket) -> None:
        self._socket = bound
        self.told: list[dict[str, str]] = []

    async def until(self, field: str, value: str | None = None) -> dict[str, str]:
        """The next message with that field, all before it kept in ``told``."""
        async with asyncio.timeout(30):
            while True:
                data = await asyncio.get_running_loop().sock_recv(self._socket, 4096)
                message = dict(line.split("=", 1) for line in data.decode().splitlines())
                self.told.append(message)
                if field in message and value in (None, message[field]):
                    return message


@contextmanager
def systemd(address: str) -> Iterator[Systemd]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.setblocking(False)
        bound.bind(address)
        yield Systemd(bound)


async def test_the_real_process_tells_systemd_how_it_stands(tmp_path: Path) -> None:
    async with Emulator(Options(extract=False)) as upstream:
        daemon = DaemonProcess(
            tmp_path,
            upstream.base_url,
            upstream.socket_url,
            module="tests.deploy.stuck_daemon",
            heartbeat=0.1,
        )
        stuck = tmp_path / "stuck"
        abstract = f"cv-listener-{os.getpid()}"
        with systemd(f"\0{abstract}") as other:
            daemon.environ = {
                "NOTIFY_SOCKET": f"@{abstract}",
                "WATCHDOG_USEC": str(round(WATCHDOG_S * 1e6)),
                "STUCK": str(stuck),
            }
            async with daemon:
                await ready_when_it_is(daemon, other)
                await fed_while_the_journal_answers(stuck, other)
                daemon.hang_up()
                reloading = await other.until("RELOADING")
                assert abs(int(reloading["MONOTONIC_USEC"]) - time.monotonic_ns() / 1e3) < 60e6
                await other.until("READY")
                await asyncio.gather(stopped(daemon), other.until("STOPPING"))
        assert int(other.told[-1]["EXTEND_TIMEOUT_USEC"]) == 30_000_000
        assert str(tmp_path) not in str(other.told)


async def ready_when_it_is(daemon: DaemonProcess, other: Systemd) -> None:
    await other.until("READY", "1")
    assert len(other.told) == 1
    async with httpx.AsyncClient(base_url=daemon.url) as client:
        assert (await client.get("/readyz")).status_code == 200
    assert [line["event"] for line in daemon.lines()].count("daemon.ready") == 1


async def fed_while_the_journal_answers(stuck: Path, other: Systemd) -> None:
    for _ in range(3):
        await other.until("WATCHDOG", "1")
    stuck.touch()
    await other.until("STATUS", SILENT)
    quiet = len(other.told)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2 * WATCHDOG_S):
            await other.until("WATCHDOG")
    assert other.told[quiet:] == []
    stuck.unlink()
    await other.until("STATUS")
    await other.until("WATCHDOG", "1")


async def stopped(daemon: DaemonProcess) -> None:
    assert await daemon.stop() == 0


async def alive() -> bool:
    return True


async def test_where_nobody_listens_nothing_is_said_and_nothing_fails(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    for environ in ({}, {"NOTIFY_SOCKET": "vsock:2:1"}, {"NOTIFY_SOCKET": gone}):
        one = Supervisor(environ)
        one.ready()
        one.reloading()
        one.stopping(1)
    await Supervisor({}).feed(alive, lambda: "well")  # returns at once


def test_the_watchdog_is_meant_for_one_process() -> None:
    mine, others = str(os.getpid()), "1"
    assert Supervisor({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": mine}).watchdog_s == 3
    assert Supervisor({"WATCHDOG_USEC": "3000000"}).watchdog_s == 3
    assert Supervisor({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": others}).watchdog_s is None
    assert Supervisor({"WATCHDOG_USEC": "soon"}).watchdog_s is None
    assert Supervisor({}).watchdog_s is None


async def test_a_socket_that_is_full_holds_nobody_up(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with systemd(address) as other:
        one = Supervisor({"NOTIFY_SOCKET": address})
        for _ in range(2_000):
            one.ready()
        await other.until("READY")
