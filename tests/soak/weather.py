"""What happens to the daemon, and when: drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

KINDS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "socket cut": (0.2, 8.0),
        "socket half open": (10.0, 14.0),
        "socket refused": (3.0, 15.0),
        "kicked": (0.0, 0.0),
        "dropped": (0.0, 0.0),
        "socket server restarted": (2.0, 6.0),
        "events held back": (3.0, 12.0),
        "deafened": (0.0, 0.0),
        "API refused": (3.0, 20.0),
        "API reset": (2.0, 8.0),
        "API slow": (5.0, 15.0),
        "API stalled": (3.0, 8.0),
        "throttled": (0.0, 0.0),
        "readings fail": (0.0, 0.0),
        "killed": (0.0, 1.0),
        "terminated": (0.0, 1.0),
        "paused": (3.0, 12.0),
        "strangers' events": (0.0, 0.0),
        "strangers' updates": (0.0, 0.0),
        "hang up": (0.0, 0.0),
        "log unread": (60.0, 60.0),
    }
)
"""Each kind of bad weather, with the least and the most seconds that it lasts; 0: a moment."""

CALM_S = (4.0, 20.0)
FAULT_ODDS = 0.25
"""Of an update to meet a named fault of the upstream's, whatever the weather."""


@dataclass(frozen=True, slots=True)
class Spell:
    """One stretch of bad weather, ``after_s`` of calm."""

    kind: str
    after_s: float
    lasts_s: float


def forecast(seed: int, seconds: float) -> Iterator[Spell]:
    """Every kind comes once before any comes again, each time in another order; the last is over
    within ``seconds``, and one that is too long for what is left is left out."""
    rng = random.Random(seed)
    left, came = seconds, True
    while came:
        came = False
        for kind in rng.sample(list(KINDS), len(KINDS)):
            spell = Spell(kind, rng.uniform(*CALM_S), rng.uniform(*KINDS[kind]))
            if spell.after_s + spell.lasts_s <= left:
                left -= spell.after_s + spell.lasts_s
                came = True
                yield spell
