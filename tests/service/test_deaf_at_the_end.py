"""A process that ends while its connection is dead, and nobody knows it yet, was deaf from the last
frame on: the gap that the next one opens begins there."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from listener.adapters.clock import SystemClock
from listener.core.names import CvCode, SubmissionId
from listener.service.service import Service, ServicePolicy, World
from tests.fakes.journal_memory import MemoryJournal
from tests.fakes.socket_server import SocketServer
from tests.fakes.source_scripted import ScriptedSource
from tests.fakes.spool_memory import MemorySpool
from tests.fakes.upstream_scripted import ScriptedUpstream
from tests.simulation.loop import VirtualLoop, run_virtual


class Unread:
    """Implements ``ports.log.Log``."""

    def emit(self, event: str, /, **fields: object) -> None:
        """Nobody reads it."""

    def ref(self, code: CvCode) -> str:
        return "cv_0"


def kill(service: Service, running: asyncio.Task[None]) -> None:
    running.cancel()


def stop(service: Service, running: asyncio.Task[None]) -> None:
    service.stop()


@pytest.mark.parametrize("end", [kill, stop])
def test_the_gap_of_a_process_that_ended_deaf_begins_at_its_last_frame(
    end: Callable[[Service, asyncio.Task[None]], None],
) -> None:
    async def main(loop: VirtualLoop) -> None:
        service, server, journal = await served(loop)
        running = asyncio.create_task(service.run())
        await asyncio.sleep(60)
        assert service.hearer.listening
        quiet_ms = service._world.clock.now_ms()
        server.go_quiet()
        server.emit("missed")
        await asyncio.sleep(15)
        end(service, running)
        await asyncio.gather(running, return_exceptions=True)
        alive_ms = await journal.last_alive_ms()
        assert alive_ms is not None
        # The last ping before it may be as old as the server's interval.
        assert quiet_ms - 25_000 <= alive_ms <= quiet_ms

    run_virtual(1, main)


async def served(loop: VirtualLoop) -> tuple[Service, SocketServer, MemoryJournal]:
    """A service on virtual time, with its server and its journal."""
    clock = SystemClock(
        lambda: 1_700_000_000 * 10**9 + int(loop.time() * 1e9), lambda: int(loop.time() * 1e9)
    )
    rng = random.Random(1)
    server = SocketServer(recovery=False, delay=lambda: 0.01)
    journal = MemoryJournal()
    world: dict[str, Any] = {
        "journal": journal,
        "spool": MemorySpool(),
        "upstream": ScriptedUpstream(rng=rng, now_ms=clock.now_ms, server=server),
        "source": ScriptedSource(server, now_ms=clock.now_ms, first_seq=1, random=rng.random),
        "clock": clock,
        "log": Unread(),
        "new_id": lambda: SubmissionId("none"),
        "handlers": [],
    }
    return Service(World(**world), ServicePolicy()), server, journal
