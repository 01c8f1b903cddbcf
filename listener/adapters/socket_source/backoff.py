"""How long to wait before the next attempt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

HURRY_S = 5.0
"""Whoever is in a hurry does not make it more attempts than one in so many seconds."""


@dataclass(frozen=True, slots=True)
class Delays:
    """``first_s``, doubled with each step, up to ``cap_s``."""

    first_s: float
    cap_s: float

    def at(self, step: int) -> float:
        """The delay of a step, counted from 1, before jitter."""
        return float(min(self.cap_s, self.first_s * 2.0 ** min(step - 1, 62)))


class Backoff:
    """Two policies: one for faults, one, slow, for refusals, that no hurry mends.

    The jitter is proportional: a delay is between half of its step's and the whole, so it never
    exceeds the cap. A connection that ends before it was stable is a step, too: a server that takes
    every connection and drops it at once is not asked twice a second.
    """

    def __init__(self, faults: Delays, refusals: Delays, random: Callable[[], float]) -> None:
        self._faults = faults
        self._refusals = refusals
        self._random = random
        self._step = 0

    def next_s(self, *, refused: bool) -> float:
        """Seconds to wait after one more failure."""
        self._step += 1
        delays = self._refusals if refused else self._faults
        return delays.at(self._step) * (0.5 + self._random() / 2)

    def settle(self) -> None:
        """A connection was up for long enough: start from the first delay again."""
        self._step = 0


class Rest:
    """The time between two attempts. ``patient``: no hurry shortens the next."""

    def __init__(self) -> None:
        self._hurried = asyncio.Event()
        self.patient = False

    async def wait(self, seconds: float) -> None:
        """So long, or until somebody is in a hurry, but ``HURRY_S`` at the least."""
        self._hurried.clear()
        least_s = seconds if self.patient else min(seconds, HURRY_S)
        await asyncio.sleep(least_s)
        if least_s < seconds:
            try:
                async with asyncio.timeout(seconds - least_s):
                    await self._hurried.wait()
            except TimeoutError:
                pass

    def hurry(self) -> None:
        """End the wait. Outside of one nothing happens."""
        self._hurried.set()
