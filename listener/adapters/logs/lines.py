"""From an event's fields to one line: JSON's own types, bounded in size, harmless to read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum
from pathlib import PurePath
from typing import Any

import orjson

CHARACTERS = 10_000
"""Of all fields together. JSON takes six bytes for one character at most, so that no line is over
64 KiB."""
LONGEST_TEXT = 2_000
MOST_ITEMS = 100
DEEPEST = 5
OVERHEAD = 6
"""What a value costs besides its text: quotes, colon, comma."""

_UNSAFE = re.compile(
    "[\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
"""What JSON lets through and a terminal obeys, or what turns a text around."""


class Plain:
    """Makes values plain, within one budget for a line. ``truncated``: something was left out.

    Of an object of an unknown class only the class is shown: its ``repr`` could show a code.
    """

    def __init__(self, characters: int = CHARACTERS, longest: int = LONGEST_TEXT) -> None:
        self._left = characters
        self._longest = longest
        self.truncated = False

    def value(self, given: object, depth: int = 0) -> object:
        """The same, in JSON's types."""
        match given:
            case None | bool():
                return given
            case Enum():
                return self.value(given.value, depth)
            case int():
                self._left -= 20 + OVERHEAD
                return int(given) if -(2**63) <= given < 2**64 else self._text(_digits(given))
            case float():
                self._left -= 24 + OVERHEAD
                return float(given)
            case str():
                return self._text(given)
            case PurePath():
                return self._text(str(given))
            case datetime():
                return self._text(given.isoformat())
            case Mapping() if depth < DEEPEST:
                return self.mapping(given, depth + 1)
            case list() | tuple() | set() | frozenset() if depth < DEEPEST:
                return self._items(given, depth + 1)
            case _:
                return self._text(f"<{type(given).__name__}>")

    def mapping(self, given: Mapping[Any, object], depth: int = 0) -> dict[str, object]:
        """Each key a text."""
        found: dict[str, object] = {}
        for key, item in given.items():
            if self._spent(len(found)):
                break
            name = key.value if isinstance(key, Enum) else key
            text = name if isinstance(name, str) else str(self.value(name))
            found[self._text(text, 200)] = self.value(item, depth)
        return found

    def _items(self, given: Iterable[object], depth: int) -> list[object]:
        found: list[object] = []
        for item in given:
            if self._spent(len(found)):
                break
            found.append(self.value(item, depth))
        return found

    def _spent(self, count: int) -> bool:
        spent = self._left <= 0 or count >= MOST_ITEMS
        self.truncated |= spent
        return spent

    def _text(self, given: str, longest: int | None = None) -> str:
        most = max(0, min(self._left - OVERHEAD, longest or self._longest))
        text = given
        if len(text) > most:
            self.truncated = True
            text = text[:most] + "…"
        self._left -= len(text) + OVERHEAD
        # Half of a surrogate pair cannot be written as UTF-8.
        return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _digits(number: int) -> str:
    # Python refuses to write out a number of thousands of digits.
    return str(number) if number.bit_length() < 1_024 else f"<int of {number.bit_length()} bits>"


def json_line(fields: Mapping[str, object]) -> str:
    """One line of JSON, of plain values. What would steer a terminal is escaped in it, too."""
    text = orjson.dumps(fields).decode()
    if text.isascii() and "\x7f" not in text:
        return text
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
