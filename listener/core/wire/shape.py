"""The shape of a payload: its keys and types, never a value. Pure.

Not even each key: where objects are keyed by code, a key is one. So a key is shown where its name
is known, or where it reads like an identifier: words of letters, 40 characters at most, joined by
``_``, ``-``, ``.``, ``:`` or a space, digits only at a word's end, two at most, not in capitals
throughout nor changing between large and small letters as no word does. Of all others it is told
how many there are, and what they hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .events import KNOWN_FIELDS

Shape = str | Mapping[str, Any]
"""A type's name; or of an object ``{"object": {key: shape}, "hidden": [shapes], "left_out": n}``;
or of a list ``{"list": [different shapes], "length": n}``."""

KNOWN = frozenset(
    {*KNOWN_FIELDS, "cv_code", "data", "cv_path", "cv_data", "enhancement_result"}
    | {"position_match", "message", "sid", "pid", "_placeholder", "num"}
)
LONGEST_NAME = 40
DEEPEST = 6
MOST_KEYS = 40
MOST_ITEMS = 20

_JOINT = re.compile(r"[_.: -]")
_WORD = re.compile(r"[$]?[A-Za-z]+[0-9]{0,2}", re.ASCII)
_PIECE = re.compile(r"[A-Z]+[a-z]*|[a-z]+")
SHORT_PIECES = 2.5
"""``cvEnhanceStatus`` is of pieces of 5 letters each; letters drawn by chance are of 2."""


def reads_like_a_name(text: str) -> bool:
    """Whether it may be shown."""
    if text in KNOWN:
        return True
    if len(text) > LONGEST_NAME or text.upper() == text:
        return False
    words = _JOINT.split(text.strip("_"))
    return all(_WORD.fullmatch(word) and _of_pieces(word) for word in words)


def _of_pieces(word: str) -> bool:
    pieces = _PIECE.findall(word)
    return len(pieces) <= 2 or sum(map(len, pieces)) / len(pieces) >= SHORT_PIECES


def shape_of(value: object, depth: int = 0) -> Shape:
    """Of a decoded JSON value, or of bytes. Bounded in depth and width; what is cut off says so."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case bytes() | bytearray():
            return "binary"
        case Mapping() if depth < DEEPEST:
            return _of_object(value, depth)
        case list() | tuple() if depth < DEEPEST:
            return _of_list(value, depth)
        case Mapping():
            return "object"
        case _:
            return "list"


def _of_object(value: Mapping[Any, object], depth: int) -> Shape:
    if value.get("_placeholder") is True and set(value) == {"_placeholder", "num"}:
        return "binary"
    shown: dict[str, Shape] = {}
    hidden: list[Shape] = []
    for key, item in list(value.items())[:MOST_KEYS]:
        shape = shape_of(item, depth + 1)
        if isinstance(key, str) and reads_like_a_name(key):
            shown[key] = shape
        else:
            hidden.append(shape)
    found: dict[str, Any] = {"object": shown}
    if hidden:
        found |= {"hidden": _different(hidden), "hidden_keys": len(hidden)}
    if len(value) > MOST_KEYS:
        found["left_out"] = len(value) - MOST_KEYS
    return found


def _of_list(value: Sequence[object], depth: int) -> Shape:
    shapes = [shape_of(item, depth + 1) for item in value[:MOST_ITEMS]]
    found: dict[str, Any] = {"list": _different(shapes), "length": len(value)}
    if len(value) > MOST_ITEMS:
        found["left_out"] = len(value) - MOST_ITEMS
    return found


def _different(shapes: Iterable[Shape]) -> list[Shape]:
    found: list[Shape] = []
    for shape in shapes:
        if shape not in found:
            found.append(shape)
    return found


def shape_text(shape: Shape) -> str:
    """On one line: ``{cv_code: string, data: {cv_id: integer}, (2 hidden): string}``."""
    if isinstance(shape, str):
        return shape
    left_out = [f"… {shape['left_out']} more"] if shape.get("left_out") else []
    if "list" in shape:
        items = " | ".join(shape_text(item) for item in shape["list"])
        inner = [items] if items else []
        return f"[{', '.join([*inner, *left_out])}] × {shape['length']}"
    members = [f"{key}: {shape_text(item)}" for key, item in shape["object"].items()]
    if shape.get("hidden_keys"):
        held = " | ".join(shape_text(item) for item in shape["hidden"])
        members.append(f"({shape['hidden_keys']} hidden): {held}")
    return "{" + ", ".join([*members, *left_out]) + "}"
