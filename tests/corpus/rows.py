"""The corpora, read: each row is an input with what must come of it, written down by hand.

``codes.json``: ``code`` with ``wire`` (its percent-encoded form) or ``refused`` (the reason).
``events.json``: ``args`` of one event, or ``frames`` of the websocket, with what is ``heard``, in
order (absent: whatever it is, both paths hear the same). A frame is a text, or an object:
``binary`` (hex), ``broken`` (a websocket close code: aiohttp could not read it), or ``before``,
``repeat``, ``times``, ``after`` for what is too long to write out. ``lives`` false: the connection
is ended over it, with the reason ``end`` where we name one.
``found.json``: what the fuzzers found, by target, in the form that it takes, as hex.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class CodeRow:
    """One of ``wire`` and ``refused`` is None."""

    code: str
    wire: str | None
    refused: str | None


@dataclass(frozen=True, slots=True)
class Broken:
    """A frame that aiohttp refuses, with this close code."""

    close_code: int


Frame = str | bytes | Broken


@dataclass(frozen=True, slots=True)
class HeardRow:
    """One event that must come of a row. ``payload`` or ``ack`` None: not said."""

    code: str | None
    problem: str | None
    payload: Mapping[str, object] | None
    offset: str | None
    ack: bool | None


@dataclass(frozen=True, slots=True)
class EventRow:
    """``args`` None: the row is one of frames alone. ``session``: one that can be recovered."""

    name: str
    args: tuple[Any, ...] | None
    frames: tuple[Frame, ...]
    namespace: str
    event: str
    session: bool
    heard: tuple[HeardRow, ...] | None
    lives: bool
    end: str | None


def _frame(given: str | dict[str, Any]) -> Frame:
    match given:
        case str():
            return given
        case {"binary": text}:
            return bytes.fromhex(text)
        case {"broken": close_code}:
            return Broken(close_code)
        case {"before": before, "repeat": unit, "times": times, "after": after}:
            return str(before + unit * times + after)
    raise ValueError(f"expected a frame of the corpus, found {given!r}")


def _heard(given: dict[str, Any]) -> HeardRow:
    return HeardRow(
        given.get("code"),
        given.get("problem"),
        given.get("payload"),
        given.get("offset"),
        given.get("ack", False),
    )


def _event(given: dict[str, Any]) -> EventRow:
    event, args = given.get("event", "cv_updated"), given.get("args")
    frames = given.get("frames") or ["42" + json.dumps([event, *given["args"]])]
    return EventRow(
        name=given["name"],
        args=None if args is None else tuple(args),
        frames=tuple(map(_frame, frames)),
        namespace=given.get("namespace", "/"),
        event=event,
        session=given.get("session", False),
        heard=tuple(map(_heard, given["heard"])) if "heard" in given else None,
        lives=given.get("lives", True),
        end=given.get("end"),
    )


def _read(name: str) -> Any:
    return json.loads((HERE / name).read_text(encoding="utf-8"))


CODES = tuple(CodeRow(r["code"], r.get("wire"), r.get("refused")) for r in _read("codes.json"))
EVENTS = tuple(map(_event, _read("events.json")))
FOUND: dict[str, tuple[bytes, ...]] = {
    target: tuple(map(bytes.fromhex, rows)) for target, rows in _read("found.json").items()
}
