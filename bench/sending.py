"""``python -m bench.sending [--seconds N] [--size BYTES]``: what sending costs, by transport.

Uploads a second and their latency at 16, 64 and 256 in flight: httpx over its own transport, httpx
over ours, and the daemon's whole adapter (ours, with the file read from disk). The upstream is a
small aiohttp server in a process of its own; it reads each body to its end and answers at once.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from aiohttp import web

from listener.adapters.upstream_http import HttpUpstream
from listener.adapters.upstream_http.transport import AiohttpTransport
from listener.core import wire
from listener.core.names import FileKind, Millis, PostKind
from listener.core.submission import FileFacts

IN_FLIGHT = (16, 64, 256)
CODE = wire.check_code("Cv9E#nH4$xTz8!pY2aW^mK6rL")
REPLY = b'{"status":"success","data":{"cv_id":456,"status":"draft","cv_updated":true}}'
TIMEOUT_S = 30.0

Send = Callable[[], Awaitable[bool]]
Sender = Callable[[str, bytes, int], AbstractAsyncContextManager[Send]]


@dataclass(frozen=True)
class Figures:
    """Of one run: good uploads a second, milliseconds of latency, and what failed."""

    rate: float
    p50_ms: float
    p99_ms: float
    failed: int


# ---------------------------------------------------------------------------------------- upstream


async def serve() -> None:
    """The upstream: says its port on stdout, ends when stdin does."""

    async def update(request: web.Request) -> web.Response:
        async for _ in request.content.iter_any():
            pass
        return web.Response(body=REPLY, content_type="application/json")

    app = web.Application(client_max_size=2**30)
    app.router.add_post("/cv-enhance/{code}/edits", update)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


@asynccontextmanager
async def upstream() -> AsyncIterator[str]:
    """Its base URL."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.sending",
        "--serve",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        async with asyncio.timeout(TIMEOUT_S):
            port = int(await process.stdout.readline())
        yield f"http://127.0.0.1:{port}/cv-enhance"
    finally:
        process.stdin.close()
        await process.wait()


# ---------------------------------------------------------------------------------------- senders


@asynccontextmanager
async def plain(
    base: str, content: bytes, transport: httpx.AsyncBaseTransport
) -> AsyncIterator[Send]:
    """httpx's client over a transport, the body in memory."""
    url = wire.edits_url(base, CODE)
    frame = wire.frame("b" * 32, "cv.pdf", FileKind.PDF, len(content))
    body = frame.head + content + frame.tail
    headers = {"content-type": frame.content_type}
    async with httpx.AsyncClient(transport=transport, timeout=TIMEOUT_S, trust_env=False) as client:

        async def send() -> bool:
            try:
                reply = await client.post(url, content=body, headers=headers)
            except httpx.TransportError:
                return False
            return reply.status_code == 200

        yield send


def own(base: str, content: bytes, in_flight: int) -> AbstractAsyncContextManager[Send]:
    limits = httpx.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
    return plain(base, content, httpx.AsyncHTTPTransport(limits=limits, trust_env=False))


def ours(base: str, content: bytes, in_flight: int) -> AbstractAsyncContextManager[Send]:
    return plain(
        base, content, AiohttpTransport(max_connections=in_flight, max_response_bytes=100_000)
    )


def spool(folder: Path, content: bytes) -> Path:
    file = folder / "spooled"
    file.write_bytes(content)
    return file


@asynccontextmanager
async def adapter(base: str, content: bytes, in_flight: int) -> AsyncIterator[Send]:
    """The daemon's adapter, the file on disk."""
    with tempfile.TemporaryDirectory() as folder:
        file = spool(Path(folder), content)
        facts = FileFacts("ab" * 32, len(content), FileKind.PDF, "cv.pdf")
        sending = HttpUpstream(
            base_url=base,
            timeout_s=TIMEOUT_S,
            upload_timeout_s=TIMEOUT_S,
            max_connections=in_flight,
            max_response_bytes=100_000,
            retry_after_cap_ms=1000,
            now_ms=lambda: Millis(0),
        )

        async def send() -> bool:
            result = await sending.post_update(CODE, file, facts, request_id="bench")
            return result.kind is PostKind.ACCEPTED

        try:
            yield send
        finally:
            await sending.close()


SENDERS: dict[str, Sender] = {"httpx's own": own, "ours": ours, "the adapter": adapter}


# --------------------------------------------------------------------------------------- measuring


async def measure(send: Send, in_flight: int, seconds: float) -> Figures:
    """Keep ``in_flight`` uploads under way for so long; those begun are waited for."""
    latencies: list[float] = []
    failed = 0

    async def sender() -> None:
        nonlocal failed
        while (began := time.perf_counter()) < ends:
            if await send():
                latencies.append((time.perf_counter() - began) * 1000)
            else:
                failed += 1

    began = time.perf_counter()
    ends = began + seconds
    await asyncio.gather(*(sender() for _ in range(in_flight)))
    took = time.perf_counter() - began
    if len(latencies) < 2:
        return Figures(0, 0, 0, failed)
    cuts = statistics.quantiles(latencies, n=100)
    return Figures(len(latencies) / took, cuts[49], cuts[98], failed)


async def run(seconds: float, size: int) -> None:
    content = b"%PDF-1.7 ".ljust(size, b"x")
    print(f"{size:,} bytes an upload, {seconds:g} s a run\n")
    print(f"{'in flight':>9}  {'transport':<12} {'a second':>9} {'p50 ms':>8} {'p99 ms':>8}  ratio")
    async with upstream() as base:
        for in_flight in IN_FLIGHT:
            floor: float | None = None
            for name, make in SENDERS.items():
                async with make(base, content, in_flight) as send:
                    await measure(send, in_flight, seconds / 10)
                    found = await measure(send, in_flight, seconds)
                floor = floor or found.rate
                ratio = f"{found.rate / floor:.1f}x" if floor else "-"
                print(
                    f"{in_flight:>9}  {name:<12} {found.rate:>9.0f} {found.p50_ms:>8.1f}"
                    f" {found.p99_ms:>8.1f}  {ratio:>5}"
                    + (f"  {found.failed} failed" if found.failed else ""),
                    flush=True,
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each of the nine runs")
    parser.add_argument("--size", type=int, default=100_000, help="bytes of each upload")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    asyncio.run(serve() if given.serve else run(given.seconds, given.size))


if __name__ == "__main__":
    main()
