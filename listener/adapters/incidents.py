"""The signs of trouble of this run, from the log that is watched: what was said, how often, and
what to do."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from listener.core.catalogue import CATALOGUE, runbook
from listener.core.event_spec import Level

KINDS = 200
"""Different signs that are remembered; beyond, the one that was last seen longest ago goes."""

_LOUD = frozenset({Level.WARNING, Level.ERROR, Level.CRITICAL})
_WHY = ("reason", "detail", "gap_reason", "problem", "handler", "error_type")
"""Fields that tell one sign of an event from another: stable words, the first that is there."""


@dataclass(slots=True)
class Sign:
    """One kind of line of WARNING and above. ``reason``: the word that says why, where there is
    one. Times are milliseconds since the Unix epoch."""

    event: str
    reason: str | None
    level: Level
    count: int
    first_ms: int
    last_ms: int
    what_to_do: str
    runbook: str


class Incidents:
    """Watches a log (``StructuredLog.watch``)."""

    def __init__(self, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._now_ms = now_ms
        self._signs: OrderedDict[tuple[str, str | None], Sign] = OrderedDict()

    def watch(self, event: str, fields: Mapping[str, object]) -> None:
        """One event of the log."""
        spec = CATALOGUE.get(event)
        level = None if spec is None else spec.level_of(fields)
        if spec is None or level is None or level not in _LOUD:
            return
        reason = next((str(fields[name]) for name in _WHY if fields.get(name)), None)
        now, key = self._now_ms(), (event, reason)
        sign = self._signs.get(key)
        if sign is None:
            hint = spec.hint_of(fields)
            sign = Sign(event, reason, level, 0, now, now, hint, runbook(event))
            self._signs[key] = sign
        sign.count += 1
        sign.last_ms = now
        self._signs.move_to_end(key)
        if len(self._signs) > KINDS:
            self._signs.popitem(last=False)

    def signs(self) -> list[Sign]:
        """The last seen first."""
        return list(reversed(self._signs.values()))
