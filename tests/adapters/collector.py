"""A collector that takes OTLP over HTTP, and keeps what it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass(slots=True)
class Collector:
    """``spans``: as they came; ``about``: what the last request says of its sender."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)
    about: dict[str, str] = field(default_factory=dict)
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, holds: Callable[[list[Span]], bool], seconds: float = 30) -> None:
        """Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not holds(self.spans):
                self._more.clear()
                await self._more.wait()

    async def take(self, request: web.Request) -> web.Response:
        """One export."""
        told = ExportTraceServiceRequest.FromString(await request.read())
        for part in told.resource_spans:
            self.about = {one.key: one.value.string_value for one in part.resource.attributes}
            for scope in part.scope_spans:
                self.spans += scope.spans
        self._more.set()
        return web.Response(body=b"", content_type="application/x-protobuf")


@asynccontextmanager
async def collector() -> AsyncIterator[Collector]:
    """Listens on a port of its own."""
    found = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", found.take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/traces"
        yield found
    finally:
        await runner.cleanup()


def attributes(span: Span) -> dict[str, object]:
    """By name."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}
