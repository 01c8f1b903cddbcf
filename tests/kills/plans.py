"""What is to happen in one life: drawn from its seed, and from nothing else."""

from __future__ import annotations

import random
from dataclasses import dataclass

from .points import POINTS

NAMED_IN_A_LIFE = 5
LONGEST_S = 2.2
"""After a launch: start-up takes about one second of it."""

GENTLY = "SIGTERM at any moment"

_NEEDS = {"start.event_uncorrelated": "event.appended"}
"""Deaths that only another can prepare."""


@dataclass(frozen=True, slots=True)
class Death:
    """One end of the process: at the n-th passing of a point; or so many seconds after its launch,
    by SIGKILL or by SIGTERM. ``unread``: until then nobody reads the log from the first canonical
    line on, so that all later lines wait in the process."""

    point: str | None = None
    passing: int = 1
    after_s: float = 0.0
    gently: bool = False
    unread: bool = False

    @property
    def name(self) -> str:
        """As the record has it."""
        if self.unread:
            return "SIGKILL while nobody reads the log"
        return self.point or (GENTLY if self.gently else "SIGKILL at any moment")


@dataclass(frozen=True, slots=True)
class Plan:
    """A life: its deaths in order, then a last start, at which all must end well.

    ``recovering``: the upstream keeps for us what we miss. ``faults``: it errs, too."""

    seed: int
    deaths: tuple[Death, ...]
    recovering: bool = True
    faults: bool = True
    bug: str | None = None


def at_points(*names: str, bug: str | None = None, recovering: bool = True) -> Plan:
    """A life that dies at these points, one after the other, with no fault of the upstream."""
    deaths = tuple(Death(name) for name in names)
    return Plan(0, deaths, recovering=recovering, faults=False, bug=bug)


def at_moments(seed: int, count: int) -> Plan:
    """A life that dies at random moments."""
    rng = random.Random(seed)
    return Plan(seed, tuple(_moment(rng) for _ in range(count)), recovering=seed % 2 == 0)


def drawn(seed: int) -> Plan:
    """A life of the long proof: five points, four moments (at one of them the log is unread, in
    every third life), one SIGTERM. Lives that follow one another come by every point in turn."""
    rng = random.Random(seed)
    turn = list(POINTS)
    random.Random(0).shuffle(turn)
    first = seed * NAMED_IN_A_LIFE
    named = [turn[at % len(turn)] for at in range(first, first + NAMED_IN_A_LIFE)]
    deaths = [Death(name, rng.randint(1, POINTS[name].most)) for name in named]
    deaths += [_moment(rng) for _ in range(3)]
    deaths.append(Death(after_s=LONGEST_S, unread=True) if seed % 3 == 0 else _moment(rng))
    deaths.append(Death(after_s=rng.uniform(0.5, LONGEST_S), gently=True))
    rng.shuffle(deaths)
    # What only a first start passes comes first; what finds work left over, after that was left.
    deaths.sort(key=_place)
    return Plan(seed, tuple(_prepared(deaths)), recovering=seed % 2 == 0)


def _moment(rng: random.Random) -> Death:
    return Death(after_s=rng.uniform(0.0, LONGEST_S))


def _place(death: Death) -> int:
    scene = POINTS[death.point].scene if death.point else "flow"
    return {"fresh": 0, "first": 1, "start": 3, "older": 4}.get(scene, 2)


def _prepared(deaths: list[Death]) -> list[Death]:
    found: list[Death] = []
    for death in deaths:
        if death.point in _NEEDS:
            found.append(Death(_NEEDS[death.point]))
        found.append(death)
    return found
