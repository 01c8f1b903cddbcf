"""``python -m bench.hearing [--events N]``: what hearing an event costs.

The same burst of events, from a server in another process (the official one, or python-socketio's
where there is no Node), over our fast path, over our slow path, and over a bare aiohttp websocket
that does no more than read the JSON. Our figures are from the socket to the reader of the queue:
with the reading of the body, the number, and the queue.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

import aiohttp
import orjson

from listener.adapters.socket_source import SocketSource
from listener.core.names import Millis
from listener.core.wire import read_event
from listener.ports.event_source import Listening, Lost, ReceivedEvent
from tests.interop.node_server import NodeServer
from tests.tools import ToolMissing

RUNS = 3
BOUND_S = 50.0
"""For all of it: what has not been measured by then is left out, and that is said."""


class Bursts(Protocol):
    """A server that sends a burst when told to."""

    @property
    def url(self) -> str: ...

    async def burst(self, count: int, prefix: str = "code") -> None: ...


@dataclass(slots=True)
class Meter:
    """From the first event to the last."""

    count: int
    seen: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0

    def see(self, events: int) -> None:
        if self.seen == 0:
            self.wall_s, self.cpu_s = -time.perf_counter(), -time.process_time()
        self.seen += events
        if self.seen >= self.count:
            self.wall_s += time.perf_counter()
            self.cpu_s += time.process_time()

    @property
    def cpu_per_100k(self) -> float:
        return self.cpu_s / self.count * 100_000


async def over_source(server: Bursts, meter: Meter, *, fast_path: bool) -> None:
    source = SocketSource(
        url=server.url,
        now_ms=lambda: Millis(time.time_ns() // 1_000_000),
        first_seq=1,
        fast_path=fast_path,
        queue_limit=2 * meter.count,
    )
    running = asyncio.create_task(source.run())
    try:
        while not any(isinstance(s, Listening) for s in await source.next_batch(512)):
            pass
        await server.burst(meter.count)
        while meter.seen < meter.count:
            batch = await source.next_batch(512)
            assert not any(isinstance(signal, Lost) for signal in batch)
            meter.see(sum(isinstance(signal, ReceivedEvent) for signal in batch))
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def over_bare(server: Bursts, meter: Meter) -> None:
    url = f"{server.url}/socket.io/?EIO=4&transport=websocket"
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        await socket.receive_str()
        await socket.send_str("40")
        await socket.receive_str()
        await server.burst(meter.count)
        while meter.seen < meter.count:
            frame = await socket.receive_str()
            if frame == "2":
                await socket.send_str("3")
            elif frame.startswith("42") and orjson.loads(frame[2:])[1]["cv_code"]:
                meter.see(1)


Way = Callable[[Bursts, Meter], Awaitable[None]]
WAYS: dict[str, Way] = {
    "fast path": lambda server, meter: over_source(server, meter, fast_path=True),
    "slow path": lambda server, meter: over_source(server, meter, fast_path=False),
    "bare aiohttp": over_bare,
}


async def measure(server: Bursts, count: int) -> dict[str, Meter]:
    """The best of a few runs of each way, in turns, so that all meet the same machine."""
    best: dict[str, Meter] = {}
    ends = time.perf_counter() + BOUND_S
    for _ in range(RUNS):
        for name, way in WAYS.items():
            meter = Meter(count)
            try:
                async with asyncio.timeout(ends - time.perf_counter()):
                    await way(server, meter)
            except TimeoutError:
                print(f"{name}: not measured again, {BOUND_S:g} s are over")
                continue
            if name not in best or meter.cpu_s < best[name].cpu_s:
                best[name] = meter
    return best


@asynccontextmanager
async def python_server() -> AsyncIterator[Bursts]:
    """python-socketio's server, in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.adapters.socket_source.python_server",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None and process.stdout is not None
    stdin, port = process.stdin, int(await process.stdout.readline())

    class Remote:
        url = f"http://127.0.0.1:{port}"

        async def burst(self, count: int, prefix: str = "code") -> None:
            stdin.write(f"{count} {prefix}\n".encode())

    try:
        yield Remote()
    finally:
        stdin.close()
        await process.wait()


async def run(count: int) -> None:
    try:
        async with NodeServer(recovery_ms=0) as node:
            print(f"{count} events from the official server, in another process")
            best = await measure(node, count)
    except ToolMissing as missing:
        print(f"no official server ({missing})")
        async with python_server() as python:
            print(f"{count} events from python-socketio's server, in another process")
            best = await measure(python, count)
    bare = best.get("bare aiohttp")
    for name, meter in best.items():
        ratio = "" if bare is None else f"{meter.cpu_s / bare.cpu_s:8.2f} x bare"
        print(
            f"{name:14}{count / meter.wall_s:10.0f} events/s"
            f"{meter.cpu_per_100k:9.2f} s CPU per 100,000{ratio}"
        )
    print(
        f"{'the body alone':14}{'':20}{body_cpu_per_100k():9.2f} s CPU per 100,000, in both paths"
    )
    if "fast path" in best and "slow path" in best:
        print(f"slow : fast = {best['slow path'].cpu_s / best['fast path'].cpu_s:.1f} in CPU")


def body_cpu_per_100k() -> float:
    """What the core's reading of a body takes, of both paths' figures."""
    body = {"cv_code": "code-12345", "cv_id": 12345}
    began = time.process_time()
    for _ in range(20_000):
        read_event([body])
    return (time.process_time() - began) * 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    print(f"{os.cpu_count()} CPUs, Python {sys.version.split()[0]}")
    asyncio.run(run(parser.parse_args().events))


if __name__ == "__main__":
    main()
