"""Faults to plant in the fast path: a fuzzer that does not find them proves nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import orjson

from listener.adapters.socket_source.reception import Reception

Take = Callable[[Reception, str], bool]

SOUND: Take = Reception.take


def swallows(reception: Reception, encoded: str) -> bool:
    """What it cannot read it throws away, where it should hand it on."""
    SOUND(reception, encoded)
    return True


def first_key_wins(reception: Reception, encoded: str) -> bool:
    """Of a key that stands twice it takes the first."""

    def first(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return dict(reversed(pairs))

    try:
        args = json.loads(encoded, object_pairs_hook=first)
    except ValueError:
        return False
    return SOUND(reception, orjson.dumps(args, option=orjson.OPT_NON_STR_KEYS).decode())


def forgets_offsets(reception: Reception, encoded: str) -> bool:
    """It takes the event, and leaves what came after it."""
    try:
        args = orjson.loads(encoded)
    except ValueError:
        return False
    return SOUND(reception, orjson.dumps(args[:2]).decode())


FAULTS: dict[str, Take] = {
    take.__name__: take for take in (swallows, first_key_wins, forgets_offsets)
}


@contextmanager
def planted(name: str | None) -> Iterator[None]:
    """That fault in the fast path; None: none."""
    if name is not None:
        Reception.take = FAULTS[name]  # type: ignore[method-assign,assignment]  # it is a fault
    try:
        yield
    finally:
        Reception.take = SOUND  # type: ignore[method-assign,assignment]  # and mended
