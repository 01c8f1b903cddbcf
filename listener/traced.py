"""Traces of what the log tells, where the settings want them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import listener
from listener.adapters.logs import StructuredLog
from listener.core.tracing import ids_of
from listener.settings import Settings, expect_traces


@asynccontextmanager
async def traced(settings: Settings, log: StructuredLog) -> AsyncIterator[None]:
    """Within the block each submission is a trace, whose ids stand in the log's lines, if the
    settings name a collector. What is queued at its end is sent, within a bound.

    Raises SettingsInvalid where the extra ``otel`` is not installed.
    """
    url = settings.traces_url_plain()
    if not url:
        yield
        return
    expect_traces()
    from listener.adapters import tracing

    exporter = tracing.Exporter(url)
    about = tracing.resource(listener.__version__, settings.replica)
    tracer = tracing.Tracer(exporter.send, about, settings.socket_event)
    unwatch, log.ids_of = log.watch(tracer.watch), ids_of
    try:
        yield
    finally:
        unwatch()
        log.ids_of = None
        await asyncio.to_thread(exporter.close)
