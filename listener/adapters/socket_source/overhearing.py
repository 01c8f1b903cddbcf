"""Frames, for somebody who watches: their shapes, never what they say.

While nobody watches, a frame costs the reading of one attribute.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from listener.core.names import Millis
from listener.core.wire import EventBody, is_of_the_transport, overheard
from listener.core.wire.shape import shape_text

KEPT = 200
"""Frames that wait for one who watches; older ones go."""
A_SECOND = 50
"""Frames that are looked into within a second, however many come."""


class Ring:
    """Implements ``ports.event_source.Watching``."""

    def __init__(self) -> None:
        self._frames: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._news = asyncio.Event()
        self._missed = 0

    def put(self, told: dict[str, Any]) -> None:
        """The oldest goes, where it is full."""
        self._missed += len(self._frames) == KEPT
        self._frames.append(told)
        self._news.set()

    def skip(self) -> None:
        """One was not looked into."""
        self._missed += 1

    async def next(self, timeout_s: float) -> tuple[list[Mapping[str, Any]], int]:
        """As the port says."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        except TimeoutError:
            pass
        found: list[Mapping[str, Any]] = list(self._frames)
        missed = self._missed
        self._frames.clear()
        self._news.clear()
        self._missed = 0
        return found, missed


class Overhearing:
    """Implements ``ports.event_source.Overhears``. ``read``: what is made of our events.
    ``others``: names of events that are handed on as they are."""

    def __init__(
        self,
        now_ms: Callable[[], Millis],
        namespace: str = "/",
        event: str = "",
        read: Callable[[Sequence[object]], EventBody] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        others: Collection[str] = (),
    ) -> None:
        self._others = frozenset(others) - {event}
        self._now_ms = now_ms
        self._namespace = namespace
        self._event = event
        self._read = read
        self._monotonic = monotonic
        self._rings: list[Ring] = []
        self._second, self._looked = 0, 0
        self.watched = False
        """Whether anybody wants to be told of frames."""

    @contextmanager
    def watch(self) -> Iterator[Ring]:
        """As the port says."""
        ring = Ring()
        self._rings.append(ring)
        self.watched = True
        try:
            yield ring
        finally:
            self._rings.remove(ring)
            self.watched = bool(self._rings)

    def frame(self, data: object) -> None:
        """One was received. Never raises."""
        if is_of_the_transport(data):
            return
        if not self._may_look():
            for ring in self._rings:
                ring.skip()
            return
        told = self._told(data)
        for ring in self._rings:
            ring.put(told)

    def _may_look(self) -> bool:
        second = int(self._monotonic())
        if second != self._second:
            self._second, self._looked = second, 0
        self._looked += 1
        return self._looked <= A_SECOND

    def _told(self, data: object) -> dict[str, Any]:
        known = self._others | {self._event, self._namespace}
        found, arguments = overheard(data, known)
        return {
            "at_ms": self._now_ms(),
            **asdict(found),
            "text": ", ".join(shape_text(shape) for shape in found.arguments),
            "understood": self._understood(found.kind, found.namespace, found.name, arguments),
        }

    def _understood(
        self, kind: str, namespace: str | None, name: str | None, arguments: list[object]
    ) -> str:
        """``yes``; ``handed_on``: to a handler of the user's; ``other_namespace`` or
        ``other_event``: not what we listen for; a problem's word; or ``no_event``."""
        if kind != "event":
            return "no_event"
        if namespace != self._namespace:
            return "other_namespace"
        if name in self._others:
            return "handed_on"
        if name != self._event or self._read is None:
            return "other_event"
        try:
            return self._read(arguments).problem or "yes"
        except Exception:  # noqa: BLE001  it may be a user's; what is watched must not end our hearing
            return "reading_failed"
