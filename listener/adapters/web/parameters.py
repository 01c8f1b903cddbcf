"""What a request may say beside its body: read, and described, by one and the same table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from aiohttp import web

from .problems import Refused

Schema = Mapping[str, Any]

_MOMENT = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:[0-5]\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})", re.ASCII
)
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


@dataclass(frozen=True, slots=True)
class Kind:
    """A form that a value can have. ``expected`` completes a refusal; ``read`` raises ValueError
    for a text that has another form, all others of ``schema`` being good."""

    expected: str
    schema: Schema
    read: Callable[[str], Any]


def word(words: type[StrEnum]) -> Kind:
    """One word of a closed vocabulary."""
    known = [item.value for item in words]
    return Kind(f"one of {', '.join(known)}", {"type": "string", "enum": known}, words)


def number(least: int, most: int, default: int) -> Kind:
    """A whole number within bounds."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise ValueError
        return int(text)

    schema = {"type": "integer", "minimum": least, "maximum": most, "default": default}
    return Kind(f"a whole number from {least} to {most}", schema, read)


def text(pattern: str, expected: str) -> Kind:
    """A text of this form as a whole."""

    def read(given: str) -> str:
        if not re.fullmatch(pattern, given):
            raise ValueError
        return given

    return Kind(expected, {"type": "string", "pattern": f"^(?:{pattern})$"}, read)


def words(pattern: str, expected: str) -> Kind:
    """Texts of this form with commas between, as a set."""
    read = text(rf"{pattern}(?:,{pattern})*", expected)
    return Kind(expected, read.schema, lambda given: frozenset(read.read(given).split(",")))


def _flag(given: str) -> bool:
    return {"true": True, "false": False}[given]


def _moment(given: str) -> int:
    """Milliseconds since the epoch: the first that is not before it."""
    if not _MOMENT.fullmatch(given):
        raise ValueError
    since = datetime.fromisoformat(given.upper()) - _EPOCH
    return -(-since // _MILLISECOND)


_MILLISECOND = datetime.fromisoformat("1970-01-01T00:00:00.001+00:00") - _EPOCH

FLAG = Kind("true or false", {"type": "boolean"}, _flag)
SWITCH = Kind(
    "a name alone, or true or false",
    {"type": "string", "enum": ["", "true", "false"]},
    lambda given: given == "" or _flag(given),
)
MOMENT = Kind(
    "a moment as in RFC 3339, such as 2026-01-31T12:00:00Z (in a URL a + is written %2B)",
    {"type": "string", "format": "date-time"},
    _moment,
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One name in a query, once at most."""

    name: str
    kind: Kind
    about: str


@dataclass(frozen=True, slots=True)
class Header:
    """One header of a request that means something here."""

    name: str
    schema: Schema
    about: str


_GIVEN = web.RequestKey("given", dict[str, Any])


def keep_query(request: web.Request, known: Iterable[Parameter]) -> None:
    """Read it, for ``given``. Raises Refused."""
    request[_GIVEN] = read_query(request, known)


def given(request: web.Request) -> dict[str, Any]:
    """What the query says, by name, as it was read before the handler was called."""
    return request[_GIVEN]


def read_query(request: web.Request, known: Iterable[Parameter]) -> dict[str, Any]:
    """What the query says, by name; what it does not say is left out. Raises Refused."""
    query, kinds = request.query, {parameter.name: parameter.kind for parameter in known}
    if "cv_code" in query:
        raise Refused(
            "invalid_query",
            "a cv_code is a secret and never stands in a URL; its cv_ref stands for it",
        )
    if len(set(query)) < len(query) or not query.keys() <= kinds.keys():
        names = ", ".join(kinds)
        other = "something twice, or of another name"
        what = f"once each at most: {names}; found {other}" if kinds else "no query, found one"
        raise Refused("invalid_query", f"expected {what}")
    found: dict[str, Any] = {}
    for name, value in query.items():
        try:
            found[name] = kinds[name].read(value)
        except (ValueError, KeyError, OverflowError):
            expected = f"expected {name} as {kinds[name].expected}, found another form"
            raise Refused("invalid_query", expected) from None
    return found
