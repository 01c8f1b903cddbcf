"""Which plan a request gets: one queued for its code, or else by the flags' counts and chances."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace

from .plan import FAULTS, Plan, PlanInvalid

ANY_CODE = "*"
"""In place of a code: a plan for the next requests of whichever code."""


@dataclass(frozen=True, slots=True)
class Odds:
    """How often a named fault strikes: the ``first`` requests of its kind, then by ``chance``."""

    chance: float = 0.0
    first: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.chance <= 1:
            raise PlanInvalid(f"expected a chance from 0 to 1, found {self.chance}")
        if self.first < 0:
            raise PlanInvalid(f"expected a count of 0 at least, found {self.first}")


def read_odds(text: str) -> tuple[str, Odds]:
    """``reset_after=5%`` or ``=0.05``: a chance of each request; ``=x3``: the first three.

    Raises PlanInvalid.
    """
    name, _, amount = text.partition("=")
    if name not in FAULTS:
        known = ", ".join(sorted(FAULTS))
        raise PlanInvalid(f"expected the name of a fault ({known}), found {name!r}")
    try:
        if amount.startswith("x"):
            return name, Odds(first=int(amount[1:]))
        if amount.endswith("%"):
            return name, Odds(chance=float(amount[:-1]) / 100)
        return name, Odds(chance=float(amount))
    except ValueError as error:
        if isinstance(error, PlanInvalid):
            raise
        raise PlanInvalid(f"expected {name}=5%, =0.05 or =x3, found {amount!r}") from None


class FaultBook:
    """Plans by code, and the odds. The same seed and the same order of requests strike alike."""

    def __init__(self, odds: Mapping[str, Odds], seed: int) -> None:
        self._odds = dict(odds)
        self._seed = seed
        self.clear()

    def clear(self) -> None:
        """Forget what is queued; counts and chances begin anew."""
        self._rng = random.Random(self._seed)  # noqa: S311  chance that a seed reproduces
        self._left = {name: odds.first for name, odds in self._odds.items()}
        self._queued: dict[str, deque[Plan]] = {}

    def queue(self, code: str, plan: Plan) -> None:
        """After what is queued already for this code (or ANY_CODE)."""
        self._queued.setdefault(code, deque()).append(plan)

    def queued(self) -> int:
        """How many plans still wait for a request."""
        return sum(plan.times for plans in self._queued.values() for plan in plans)

    def take(self, on: str, code: str) -> Plan:
        """The plan of one request of kind ``on`` (``post`` or ``get``), used up by it."""
        for key in (code, ANY_CODE):
            if plan := self._next_queued(on, key):
                return plan
        return self._drawn(on) or Plan(on=on)

    def _next_queued(self, on: str, key: str) -> Plan | None:
        plans = self._queued.get(key, deque())
        for place, plan in enumerate(plans):
            if plan.on == on:
                if plan.times > 1:
                    plans[place] = replace(plan, times=plan.times - 1)
                else:
                    del plans[place]
                return plan
        return None

    def _drawn(self, on: str) -> Plan | None:
        kinds = [name for name in self._odds if FAULTS[name].on == on]
        for name in kinds:
            if self._left[name] > 0:
                self._left[name] -= 1
                return FAULTS[name]
        if not any(self._odds[name].chance for name in kinds):
            return None
        point = self._rng.random()
        for name in kinds:
            point -= self._odds[name].chance
            if point < 0:
                return FAULTS[name]
        return None
