"""Values out of a line's fields, which may be of any type: of the wanted one, or nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from typing import Any, TypeVar

LONGEST_WORD = 48
GREATEST = 10**15

Key = TypeVar("Key", bound=Hashable)


def word(fields: Mapping[str, Any], name: str) -> str:
    """A text, cut to what a stable word could be; empty where it is none."""
    value = fields.get(name)
    return value[:LONGEST_WORD] if isinstance(value, str) else ""


def count(fields: Mapping[str, Any], name: str) -> int | None:
    """A whole number from 0 on, within reason."""
    value = fields.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= GREATEST:
        return value
    return None


def measure(fields: Mapping[str, Any], name: str) -> float | None:
    """A number from 0 on, within reason."""
    value = fields.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= GREATEST:
        return float(value)
    return None


def words(fields: Mapping[str, Any], name: str, most: int = 8) -> tuple[str, ...]:
    """The texts of a list, so many at most."""
    value = fields.get(name)
    if not isinstance(value, list):
        return ()
    return tuple(sorted(item[:LONGEST_WORD] for item in value[:most] if isinstance(item, str)))


def bump(counter: Counter[Key], key: Key, rest: Key, most: int, by: int = 1) -> None:
    """Count under the key; under ``rest`` where there are ``most`` keys already."""
    if key in counter or len(counter) < most:
        counter[key] += by
    else:
        counter[rest] += by
