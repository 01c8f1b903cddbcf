"""What the ear's signals say of a subscription, and what became of each event that was emitted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from listener.core.evidence import Gap
from listener.core.names import GapReason, Millis
from listener.ports.event_source import (
    Compared,
    ConnectFailed,
    Listening,
    Lost,
    ReceivedEvent,
    Signal,
)

ROUNDING_MS = 1
"""Between two clocks that count whole milliseconds, one that rounds and one that cuts off."""

HEARD, REPLAYED, MISSED = "heard", "replayed", "missed"

Emission = tuple[str, int]
"""The code of an event, and when it was emitted, in milliseconds."""


@dataclass(slots=True)
class Account:
    """Signals, read as the service reads them. ``told``: "lost REASON" and "failed REASON"."""

    began_ms: Millis
    told: list[str] = field(default_factory=list)
    heard: list[ReceivedEvent] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    listening: Listening | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gaps.append(Gap(start_ms=self.began_ms, reason=GapReason.STARTED))

    def take(self, signal: Signal) -> None:
        match signal:
            case ReceivedEvent():
                self.heard.append(signal)
            case Lost():
                self.told.append(f"lost {signal.reason}")
                self.listening = None
                self.gaps.append(Gap(start_ms=signal.at_ms, reason=signal.reason))
            case ConnectFailed():
                self.told.append(f"failed {signal.reason}")
            case Listening():
                self.listening = signal
                gap = self.gaps.pop()
                if not signal.recovered:
                    reason = signal.gap_reason or GapReason.NOT_RECOVERED
                    self.gaps.append(replace(gap, end_ms=signal.at_ms, reason=reason))
            case Compared():
                raise AssertionError("nobody doubted the subscription")
        self._news.set()

    async def until_heard(self, *codes: str) -> Listening:
        """Wait until one of them was heard and a subscription stands, which is returned."""
        while self.listening is None or not any(event.code in codes for event in self.heard):
            await self.until_news()
        return self.listening

    async def until_deaf(self) -> None:
        while self.listening is not None:
            await self.until_news()

    async def until_news(self) -> None:
        """Wait for the next signal."""
        self._news.clear()
        await self._news.wait()

    def fates(self, emitted: Sequence[Emission], fault_ms: int) -> dict[str, str]:
        """Code of each emitted event → heard, replayed, the reason of the gap that it stands in, or
        missed. ``emitted`` is in order; ``fault_ms``: when the fault began."""
        heard: dict[str, ReceivedEvent] = {event.code or "": event for event in self.heard}
        fates: dict[str, str] = {}
        for number, (code, at_ms) in enumerate(emitted):
            if (event := heard.get(code)) is not None:
                fates[code] = REPLAYED if event.replayed else HEARD
                continue
            gap = self._gap_of(at_ms)
            if gap is None and at_ms >= fault_ms - ROUNDING_MS:
                later = [heard[code] for code, _ in emitted[number + 1 :] if code in heard]
                gap = self._lost_on_its_way(at_ms, later)
            fates[code] = MISSED if gap is None else gap.reason
        return fates

    def wrong(self, emitted: Sequence[Emission], fault_ms: int) -> list[str]:
        """What must not be: no event is missed silently, none is heard twice, none out of order."""
        order = {code: number for number, (code, _) in enumerate(emitted)}
        codes = [event.code or "(no code)" for event in self.heard]
        fates = self.fates(emitted, fault_ms)
        told = {
            "missed, in no gap": [code for code, fate in fates.items() if fate == MISSED],
            "heard twice": sorted({code for code in codes if codes.count(code) > 1}),
            "never emitted": [code for code in codes if code not in order],
            "out of order": [b for a, b in pairwise(codes) if order.get(a, 0) > order.get(b, 0)],
        }
        return [f"{what}: {', '.join(names)}" for what, names in told.items() if names]

    def _gap_of(self, at_ms: int) -> Gap | None:
        for gap in self.gaps:
            ended = gap.end_ms is not None and gap.end_ms + ROUNDING_MS < at_ms
            if gap.start_ms - ROUNDING_MS <= at_ms and not ended:
                return gap
        return None

    def _lost_on_its_way(self, at_ms: int, later: Sequence[ReceivedEvent]) -> Gap | None:
        """A gap begins with the last frame that came. What was emitted before that and was still on
        its way belongs to it, if nothing that was emitted later came through before it."""
        gap = next((gap for gap in self.gaps if gap.start_ms >= at_ms), None)
        if gap is None or any(event.heard_ms <= gap.start_ms for event in later):
            return None
        return gap
