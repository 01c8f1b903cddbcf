"""The one queue between the connection and the reader."""

from __future__ import annotations

import asyncio
from collections import Counter, deque

from listener.core.names import CvCode, Millis
from listener.ports.event_source import OtherEvent, OthersDropped, ReceivedEvent, Signal

OTHERS_MOST = 1_000
OTHERS_BYTES = 16 * 1024 * 1024
"""Other events that wait to be handed out: so many, and so much of payload."""


class SignalQueue:
    """Ordered; bounded in events, in that whoever fills it asks ``full`` first. One reader.

    Signals about the connection always have room: they are few, and none may be lost.
    """

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ValueError(f"expected room for one event at least, found a limit of {limit}")
        self.limit = limit
        self._signals: deque[Signal] = deque()
        self._codes: Counter[CvCode] = Counter()
        self._events = 0
        self._others = 0
        self._other_bytes = 0
        self._dropped: dict[str, OthersDropped] = {}
        self._arrived = asyncio.Event()
        self.heard = asyncio.Event()
        """Set with each event that is put; cleared by whoever waits for the next."""
        self._space = asyncio.Event()
        self._space.set()

    def __len__(self) -> int:
        """Signals not yet handed out."""
        return len(self._signals)

    @property
    def events(self) -> int:
        """Events not yet handed out."""
        return self._events

    @property
    def full(self) -> bool:
        """Whether the limit is reached; it stays so until half of it is free again."""
        return not self._space.is_set()

    @property
    def oldest_ms(self) -> Millis | None:
        """When the first signal that waits was received; None while none does."""
        if not self._signals:
            return None
        first = self._signals[0]
        return first.heard_ms if isinstance(first, ReceivedEvent | OtherEvent) else first.at_ms

    def put(self, signal: Signal) -> None:
        """Append. Never waits, never refuses."""
        self._signals.append(signal)
        if isinstance(signal, ReceivedEvent):
            self._events += 1
            self.heard.set()
            if signal.code is not None:
                self._codes[signal.code] += 1
            if self._events >= self.limit:
                self._space.clear()
        self._arrived.set()

    def put_other(self, event: OtherEvent) -> bool:
        """Append, if there is room. What there is none for is counted, and told with the next that
        are handed out."""
        size = len(event.payload)
        if self._others >= OTHERS_MOST or self._other_bytes + size > OTHERS_BYTES:
            before = self._dropped.get(event.name)
            count = 1 + (0 if before is None else before.count)
            self._dropped[event.name] = OthersDropped(event.heard_ms, event.name, count)
            return False
        self._others += 1
        self._other_bytes += size
        self.put(event)
        return True

    async def space(self) -> None:
        """Wait until the queue is not full."""
        await self._space.wait()

    async def take(self, limit: int) -> list[Signal]:
        """Wait for one signal, return up to ``limit``. Cancelled while waiting, it loses none."""
        await self._arrived.wait()
        return self.drain(limit)

    def drain(self, limit: int) -> list[Signal]:
        """Up to ``limit`` signals, without waiting for any."""
        signals = [self._signals.popleft() for _ in range(min(limit, len(self._signals)))]
        for signal in signals:
            if isinstance(signal, ReceivedEvent):
                self._forget(signal)
            elif isinstance(signal, OtherEvent):
                self._others -= 1
                self._other_bytes -= len(signal.payload)
        if self._dropped:
            signals += self._dropped.values()
            self._dropped.clear()
        if not self._signals:
            self._arrived.clear()
        if self._events <= self.limit // 2:
            self._space.set()
        return signals

    def holds(self, code: CvCode) -> bool:
        """Whether an event of this code waits here."""
        return code in self._codes

    def _forget(self, event: ReceivedEvent) -> None:
        self._events -= 1
        if event.code is None:
            return
        left = self._codes[event.code] - 1
        if left:
            self._codes[event.code] = left
        else:
            del self._codes[event.code]
