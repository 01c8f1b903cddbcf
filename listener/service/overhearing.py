"""Where the event source shows no frames: whoever watches sees none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any


class Silent:
    """Implements ``ports.event_source.Overhears`` and ``Watching``, with nothing."""

    @contextmanager
    def watch(self) -> Iterator[Silent]:
        """As the port says."""
        yield self

    async def next(self, timeout_s: float) -> tuple[list[Mapping[str, Any]], int]:
        """As the port says."""
        await asyncio.sleep(timeout_s)
        return [], 0
