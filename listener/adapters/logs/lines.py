"""From an event's fields to one line: JSON's own types, bounded in bytes, harmless to read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from enum import Enum
from pathlib import PurePath
from typing import Any

import orjson

LONGEST_LINE = 16 * 1024
"""Bytes of a line, its newline included."""
LONGEST_TEXT = 4_000
"""Bytes of one text, as JSON writes it."""
LONGEST_NAME = 200
MOST_ITEMS = 100
DEEPEST = 5
OVERHEAD = 4
"""What a value costs besides its text: quotes, colon, comma."""

_UNSAFE = re.compile(
    "[\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
"""What JSON lets through and a terminal obeys, or what turns a text around."""
_COSTLY = re.compile(r"[^ !#-\[\]-~]")
"""What JSON may write in more than one byte."""


def as_it_is(text: str) -> str:
    return text


class Plain:
    """Makes values plain, within one budget of bytes. ``truncated``: something was left out.

    Of an object of an unknown class only the class is shown: its ``repr`` could show a code. Never
    raises, whatever it is given.
    """

    def __init__(self, budget: int) -> None:
        self._left = budget
        self.truncated = False

    def value(
        self, given: object, clean: Callable[[str], str] = as_it_is, depth: int = 0
    ) -> object:
        """The same, in JSON's types. ``clean`` sees each text whole, before anything is cut off."""
        try:
            return self._value(given, clean, depth)
        except Exception as wrong:  # noqa: BLE001 - a value may fail in any way; the line is told
            return self.text(f"<{type(given).__name__}: {type(wrong).__name__}>", as_it_is)

    def _value(self, given: object, clean: Callable[[str], str], depth: int) -> object:
        match given:
            case None | bool():
                self._left -= 5 + OVERHEAD
                return given
            case Enum():
                return self.value(given.value, clean, depth)
            case int():
                self._left -= 20 + OVERHEAD
                fits = -(2**63) <= given < 2**64
                return int(given) if fits else self.text(_digits(given), as_it_is)
            case float():
                self._left -= 24 + OVERHEAD
                return float(given)
            case str():
                return self.text(given, clean)
            case PurePath():
                return self.text(str(given), clean)
            case datetime():
                return self.text(given.isoformat(), clean)
            case Mapping() if depth < DEEPEST:
                return self.mapping(given, clean, depth + 1)
            case list() | tuple() | set() | frozenset() if depth < DEEPEST:
                return self._items(given, clean, depth + 1)
            case _:
                return self.text(f"<{type(given).__name__}>", as_it_is)

    def mapping(
        self, given: Mapping[Any, object], clean: Callable[[str], str] = as_it_is, depth: int = 0
    ) -> dict[str, object]:
        """Each key a text."""
        self._left -= OVERHEAD
        found: dict[str, object] = {}
        for key, item in given.items():
            if self.spent(len(found)):
                break
            found[self.name(key, clean)] = self.value(item, clean, depth)
        return found

    def name(self, given: object, clean: Callable[[str], str] = as_it_is) -> str:
        """A key, as a text of its own."""
        name = given.value if isinstance(given, Enum) else given
        text = name if isinstance(name, str) else str(self.value(name, clean))
        return self.text(text, clean, LONGEST_NAME)

    def text(self, given: str, clean: Callable[[str], str], longest: int = LONGEST_TEXT) -> str:
        """Cut to what there is room for."""
        text = _cleaned(given, clean)[: longest + 1]
        room = max(0, min(self._left - OVERHEAD, longest))
        cost = _cost(text)
        if cost > room:
            self.truncated = True
            text = _cut(text, room)
            cost = _cost(text)
        self._left -= cost + OVERHEAD
        return text

    def _items(
        self, given: Iterable[object], clean: Callable[[str], str], depth: int
    ) -> list[object]:
        self._left -= OVERHEAD
        found: list[object] = []
        for item in given:
            if self.spent(len(found)):
                break
            found.append(self.value(item, clean, depth))
        return found

    def spent(self, count: int) -> bool:
        """Whether there is no room for another beside so many."""
        spent = self._left <= 0 or count >= MOST_ITEMS
        self.truncated |= spent
        return spent


def _cleaned(given: str, clean: Callable[[str], str]) -> str:
    try:
        # A plain ``str``, not a subclass; and half of a surrogate pair cannot be written as UTF-8.
        return clean(str.__str__(given).encode("utf-8", "replace").decode())
    except Exception as wrong:  # noqa: BLE001 - what cannot be cleaned is not shown
        return f"<{type(given).__name__}: {type(wrong).__name__}>"


def _cost(text: str) -> int:
    """Bytes of the text in a line."""
    if not _COSTLY.search(text):
        return len(text)
    return len(_escaped(orjson.dumps(text).decode()).encode()) - 2


def _cut(text: str, room: int) -> str:
    """As much of the beginning as takes no more than the room, and a mark."""
    left = room - 3
    for end, character in enumerate(text):
        left -= _cost(character)
        if left < 0:
            return text[:end] + "…"
    return text


def _digits(number: int) -> str:
    # Python refuses to write out a number of thousands of digits.
    return str(number) if number.bit_length() < 1_024 else f"<int of {number.bit_length()} bits>"


def json_line(fields: Mapping[str, object]) -> str:
    """One line of JSON, of plain values. What would steer a terminal is escaped in it, too."""
    return _escaped(orjson.dumps(fields).decode())


def _escaped(text: str) -> str:
    if text.isascii() and "\x7f" not in text:
        return text
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
