"""How a duration is written in a setting: seconds, or a number with a unit."""

from __future__ import annotations

import re
from decimal import Decimal

EXPECTED = "seconds, 0.001 or more, or a number with ms, s, m, h or d"
LEAST_S = 0.001
"""What is counted in."""
LONGEST_S = 100 * 365 * 86_400
"""A hundred years, which no clock overflows with."""

_WORTH = {"ms": "0.001", "s": "1", "": "1", "m": "60", "h": "3600", "d": "86400"}
_UNITS = {unit: Decimal(seconds) for unit, seconds in _WORTH.items()}
_WRITTEN = re.compile(
    r"((?:[0-9]{1,16}\.?[0-9]{0,16}|\.[0-9]{1,16})(?:e[+-]?[0-9]{1,3})?)\s*(ms|s|m|h|d|)"
)


def read_duration(text: str) -> float:
    """Seconds, within the bounds above. Raises ValueError."""
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        raise ValueError
    # Decimal: 0.1 with a unit is to be what it says.
    seconds = float(Decimal(found[1]) * _UNITS[found[2]])
    if not LEAST_S <= seconds <= LONGEST_S:
        raise ValueError
    return seconds
