"""How settings that are JSON are read: by readers as those of :mod:`.forms`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .forms import read_seconds, read_token

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
SCOPES = ("read", "submit", "admin")
"""What a token may allow. Each includes those before it."""


@dataclass(frozen=True, slots=True)
class ConnectEmit:
    """An emit to send once connected. ``ack_timeout_s``: how long the server may take to
    acknowledge it; None: it is not asked to."""

    event: str
    args: tuple[object, ...] = field(default=(), repr=False)
    ack_timeout_s: float | None = 10.0


def _parsed(text: str) -> Any:
    """What JSON says. None where it is none, says a thing twice, or holds what cannot be sent on:
    numbers beyond all bounds, halves of characters."""
    try:
        value = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        # None, for nothing of the text may hang on as the context of what is raised.
        return None
    return value if _can_be_sent(value) else None


def _can_be_sent(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, TypeError, RecursionError):
        return False
    return True


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found


def _object(value: Any) -> Any:
    """A JSON object's mapping, from text."""
    if isinstance(value, str):
        value = _parsed(value)
        if not isinstance(value, dict):
            raise ValueError  # noqa: TRY004 - pydantic takes a ValueError for a wrong value
    return value


def read_object(value: Any) -> Any:
    """Any JSON object."""
    value = _object(value)
    if isinstance(value, Mapping) and not _can_be_sent(value):
        raise ValueError
    return value


def read_headers(value: Any) -> Any:
    """A JSON object of header names and values."""
    value = _object(value)
    if isinstance(value, Mapping):
        for name, text in value.items():
            if not isinstance(name, str) or _HEADER_NAME.fullmatch(name) is None:
                raise ValueError("a JSON object whose keys are header names")
            if not isinstance(text, str) or _HEADER_VALUE.fullmatch(text) is None:
                raise ValueError(
                    "a JSON object whose values are header values: texts without line breaks"
                )
    return value


def read_texts(value: Any) -> Any:
    """A JSON object of texts; a number is taken as it is written."""
    value = _object(value)
    if isinstance(value, Mapping):
        if any(isinstance(item, bool | list | dict) or item is None for item in value.values()):
            raise ValueError
        return {str(name): str(item) for name, item in value.items()}
    return value


def read_tokens(value: Any) -> Any:
    """Token → scope. What is read may be that, with a scope or a list of them, or the other way
    about, with a token or a list of them: no scope is long enough to be a token."""
    value = _object(value)
    if not isinstance(value, Mapping):
        return value
    found: dict[str, str] = {}
    for key, said in value.items():
        listed = said if isinstance(said, list) else [said]
        if not listed or not all(isinstance(word, str) for word in [key, *listed]):
            raise ValueError
        tokens = listed if key in SCOPES else [key]
        scopes = [key] if key in SCOPES else listed
        for token in tokens:
            read_token(token)
            if token in found:
                raise ValueError("a JSON object of tokens, none of which stands twice")
            # The furthest includes the others.
            found[token] = max(scopes, key=_reach)
    if not found:
        raise ValueError
    return found


def _reach(scope: str) -> int:
    if scope not in SCOPES:
        raise ValueError("a JSON object of tokens and scopes, each of these read, submit or admin")
    return SCOPES.index(scope)


def read_emits(value: Any) -> Any:
    """A JSON list of emits: a name, ``[name, args…]``, or an object with ``ack_timeout``."""
    if not isinstance(value, str):
        return value
    items = _parsed(value)
    if not isinstance(items, list):
        raise ValueError  # noqa: TRY004 - pydantic takes a ValueError for a wrong value
    return tuple(_emit(item) for item in items)


def _emit(item: object) -> ConnectEmit:
    if isinstance(item, str):
        item = [item]
    if isinstance(item, list) and item:
        item = {"event": item[0], "args": item[1:]}
    if not isinstance(item, dict) or not set(item) <= {"event", "args", "ack_timeout"}:
        raise ValueError
    event, args, wait = item.get("event"), item.get("args", []), item.get("ack_timeout", 10.0)
    if not isinstance(event, str) or not event or not isinstance(args, list):
        raise ValueError
    if wait is not None:
        wait = read_seconds(wait)
        if isinstance(wait, bool) or not isinstance(wait, int | float):
            raise ValueError
    return ConnectEmit(event, tuple(args), None if wait is None else float(wait))
