"""Lines for people: aligned, coloured where a terminal is, safe against what they may hold."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from listener.core.catalogue import Level

_COLOURS = {
    Level.DEBUG: "\x1b[2m",
    Level.INFO: "\x1b[32m",
    Level.WARNING: "\x1b[33m",
    Level.ERROR: "\x1b[31m",
    Level.CRITICAL: "\x1b[1;97;41m",
}
_RESET, _DIM, _BOLD = "\x1b[0m", "\x1b[2m", "\x1b[1m"
_HEAD = ("timestamp", "level", "event")
_LEFT_OUT = {"v", "service", "version", "run_id", "replica", *_HEAD}
_FIRST = ("cv_ref", "submission_id", "outcome", "result", "state", "reason", "detail")


def render(line: Mapping[str, object], colour: bool) -> str:
    """One line: time, level, event, then fields, the most telling first."""
    level = Level(str(line["level"]))
    clock = str(line["timestamp"])[11:23]
    event = safe(str(line["event"]))
    fields = " ".join(
        f"{_dim(name, colour)}={_show(line[name])}" for name in _ordered(line) if name in line
    )
    if not colour:
        return f"{clock} {level.value:<8} {event:<26} {fields}".rstrip()
    paint = _COLOURS[level]
    head = f"{_DIM}{clock}{_RESET} {paint}{level.value:<8}{_RESET} {_BOLD}{event:<26}{_RESET}"
    return f"{head} {fields}".rstrip()


def _ordered(line: Mapping[str, object]) -> list[str]:
    rest = [name for name in line if name not in _LEFT_OUT and name not in _FIRST]
    return [*(name for name in _FIRST if name in line), *rest]


def _dim(name: str, colour: bool) -> str:
    return f"{_DIM}{safe(name)}{_RESET}" if colour else safe(name)


def _show(value: object) -> str:
    if isinstance(value, Mapping):
        inner = ", ".join(f"{safe(str(k))}: {_show(v)}" for k, v in value.items())
        return "{" + inner + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_show(item) for item in value) + "]"
    text = safe(str(value))
    return f'"{text}"' if " " in text or not text else text


def safe(text: str) -> str:
    """No control character, no escape sequence, nothing that turns the text around."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c if unicodedata.category(c)[0] not in "CZ" or c == " " else f"\\u{ord(c):04x}"
        for c in text
    )
