"""What things in the watched folder are called, and which names are free."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

SIDECAR = ".code"
RESULT = ".result.json"
NAME_BYTES = 255
UNFINISHED = (".part", ".partial", ".tmp", ".crdownload", ".filepart", ".swp", "~")
"""What programs call a file that they are still writing."""

ROOM = NAME_BYTES - len(RESULT)
"""Bytes of a name that its result has room for."""

LONGEST_ENDING = 8


def is_a_cv(name: str) -> bool:
    """Whether a file of that name may be one: it is not hidden, no sidecar, and its name does not
    say that it is unfinished."""
    unfinished = name.lower().endswith(UNFINISHED)
    return not (unfinished or name.startswith(".") or name.endswith(SIDECAR))


def fits(name: str) -> bool:
    """Whether a file can be called so."""
    return len(_bytes(name)) <= NAME_BYTES


def result_of(name: str) -> str:
    """What the result of a file is called."""
    return _bytes(name)[:ROOM].decode("utf-8", "ignore") + RESULT


def free_name(shelf: Path, name: str, taken: Collection[str] = ()) -> str:
    """Numbered where it is taken; then so short that its result has room for the number, too."""
    stem, dot, ending = name.rpartition(".")
    if not stem or len(ending) > LONGEST_ENDING or not ending.isascii():
        stem, dot, ending = name, "", ""
    free, number = name, 1
    while free in taken or (shelf / free).exists() or (shelf / result_of(free)).exists():
        number += 1
        tail = f" ({number}){dot}{ending}"
        free = _bytes(stem)[: ROOM - len(tail)].decode("utf-8", "ignore") + tail
    return free


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
