"""Whose turn it is: one after the other of a code, and again after a pause of what failed."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass


class Turn:
    """Of one file: after the one before it of the same code."""

    def __init__(self, before: Turn | None) -> None:
        self._before = before
        self._ended = asyncio.Event()
        self._over = False

    async def come(self) -> bool:
        """Wait for it. False: the one before is to be tried again, and this one after it."""
        before, self._before = self._before, None
        if before is None:
            return True
        await before._ended.wait()
        return before._over

    def end(self, over: bool) -> None:
        """``over``: the next one may go on."""
        self._over = over
        self._ended.set()

    @property
    def ended(self) -> bool:
        """Whether there is nothing to wait for any more."""
        return self._ended.is_set()


class Turns:
    """Of all codes."""

    def __init__(self) -> None:
        self._last: dict[str, Turn] = {}

    def next(self, code: str) -> Turn:
        """After all that were given of this code before."""
        self._last = {c: turn for c, turn in self._last.items() if not turn.ended}
        turn = self._last[code] = Turn(self._last.get(code))
        return turn


@dataclass(slots=True)
class _Failed:
    kind: str
    until: float
    pause_s: float


class Pauses:
    """Of what failed, each its own: ``first_s`` long, doubled each time up to ``cap_s``."""

    def __init__(self, first_s: float, cap_s: float) -> None:
        self._first_s = first_s
        self._cap_s = cap_s
        self._failed: dict[str, _Failed] = {}

    def over(self, name: str, now: float) -> bool:
        """Whether it may be tried, again or at all."""
        failed = self._failed.get(name)
        return failed is None or now >= failed.until

    def failed(self, name: str, kind: str, now: float) -> bool:
        """Whether that is new: it had not failed, or in another way."""
        before = self._failed.get(name)
        pause_s = self._first_s if before is None else min(self._cap_s, 2 * before.pause_s)
        self._failed[name] = _Failed(kind, now + pause_s, pause_s)
        return before is None or before.kind != kind

    def keep(self, names: Collection[str]) -> None:
        """Forget all others."""
        self._failed = {name: one for name, one in self._failed.items() if name in names}

    def forget(self, name: str) -> None:
        """It does well."""
        self._failed.pop(name, None)
