"""Lines for people: aligned, coloured where a terminal is, safe against what they may hold."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping

from listener.core.event_spec import Level

_RESET, _DIM, _BOLD = "\x1b[0m", "\x1b[2m", "\x1b[1m"
_GREEN, _YELLOW, _RED, _CYAN = "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[36m"
_LEVELS = {
    Level.DEBUG: _DIM,
    Level.INFO: _GREEN,
    Level.WARNING: _YELLOW,
    Level.ERROR: _RED,
    Level.CRITICAL: "\x1b[1;97;41m",
}
_WORDS = {
    "confirmed": _GREEN,
    "accepted": _GREEN,
    "moved": _GREEN,
    "presumed": _YELLOW,
    "possibly_sent": _YELLOW,
    "not_sent": _YELLOW,
    "throttled": _YELLOW,
    "unconfirmed": _RED,
    "not_dispatched": _RED,
    "rejected": _RED,
    "refused": _RED,
    "undelivered": _RED,
    "cancelled": _DIM,
    "superseded": _DIM,
}
"""Words that say how it went, and their colours."""

_CALLING = {Level.ERROR, Level.CRITICAL}
_HINTED = {Level.WARNING, *_CALLING}
_FIRST = ("outcome", "result", "disposition", "movement", "state", "reason", "detail", "problem")
_IDS = ("cv_ref", "submission_id", "attempt", "duration_ms", "total_ms", "confirm_ms")
_NAMELESS = {"cv_ref", "submission_id"}
_BELOW = ("message", "error", "hint", "trace")
"""Long: each on a line of its own."""
_NOISE = (
    *("created_at", "sent_at", "accepted_at", "heard_at", "closed_at"),
    *("submission_version", "span_id"),
)
"""For programs: people have the line's own time, and the durations."""
_LEFT_OUT = {
    *("timestamp", "level", "event", "v", "service", "version", "run_id", "replica", "runbook"),
    *_FIRST,
    *_IDS,
    *_BELOW,
    *_NOISE,
}
_UNUSUAL = {"late", "deaf_ms", "duplicates", "replayed", "contended", "repeated", "evidence"}
"""Left out where there is nothing of it."""
COLUMNS = 100
EVENT_WIDTH = 24
INDENT = " " * 13
SHORT_ID = 8


def render(line: Mapping[str, object], colour: bool) -> str:
    """Time (UTC), level, event; how it went, whose it is, the rest; below that what is long, and
    what to do, and where that is written, from warnings on. Broken between fields, at ``COLUMNS``
    columns."""
    level = Level(str(line["level"]))
    clock = str(line["timestamp"])[11:23]
    event = f"{safe(str(line['event'])):<{EVENT_WIDTH}}"
    plain = f"{clock} {level.value.upper():<8} {event}"
    head = plain
    if colour:
        head = (
            f"{_DIM}{clock}{_RESET} {_LEVELS[level]}{level.value.upper():<8}{_RESET}"
            f" {_BOLD}{event}{_RESET}"
        )
    lines = _in_columns(head, len(plain), [_field(*each, colour) for each in _shown(line)])
    for name in _BELOW:
        if name in line and (name != "hint" or level in _HINTED):
            kind = f"{line['error_type']}: " if name == "error" and "error_type" in line else ""
            more = f" ({line['runbook']})" if name == "hint" and "runbook" in line else ""
            lines += _below(name, f"{kind}{line[name]}{more}", colour, quiet=level not in _CALLING)
    return "\n".join(lines)


def _shown(line: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """The fields of the line itself, the most telling first."""
    for name in (*_FIRST, *_IDS, *(name for name in line if name not in _LEFT_OUT)):
        if name not in line or (name in _UNUSUAL and not line[name]):
            continue
        if name == "detail" and line[name] == line.get("result"):
            continue
        if name == "error_type" and "error" in line:
            continue
        value = line[name]
        if isinstance(value, Mapping) and len(_show(value)) > COLUMNS - len(INDENT):
            yield from ((f"{name}.{key}", one) for key, one in value.items())
        else:
            yield name, value


def _in_columns(head: str, width: int, fields: list[tuple[str, int]]) -> list[str]:
    lines = [head]
    for text, size in fields:
        if width + 1 + size > COLUMNS and width > len(INDENT):
            lines.append(INDENT + text)
            width = len(INDENT) + size
        else:
            lines[-1] += f" {text}"
            width += 1 + size
    return [line.rstrip() for line in lines]


def _field(name: str, value: object, colour: bool) -> tuple[str, int]:
    """As it is shown, and how many columns it takes."""
    shown = _show(value)
    if name == "submission_id":
        # Its end: the beginning is the time, and much alike in all of them.
        shown = f"…{shown[-SHORT_ID:]}"
    elif name.endswith("_ms") and isinstance(value, int) and not isinstance(value, bool):
        name, shown = name.removesuffix("_ms"), _duration(value)
    elif name.endswith("_ms") and isinstance(value, float):
        name, shown = name.removesuffix("_ms"), f"{value:g} ms"
    elif name == "size" and isinstance(value, int):
        shown = _bytes(value)
    # These say themselves what they are.
    label = "" if name in _NAMELESS else f"{safe(name)}="
    size = len(label) + len(shown)
    if not colour:
        return f"{label}{shown}", size
    paint = _WORDS.get(str(value), _CYAN if name in _NAMELESS else "")
    label = f"{_DIM}{label}{_RESET}" if label else ""
    return f"{label}{paint}{shown}{_RESET if paint else ''}", size


def _below(name: str, text: str, colour: bool, *, quiet: bool) -> Iterator[str]:
    mark = {"hint": "→ ", "trace": "  "}.get(name, "")
    hint = _DIM if quiet else _CYAN
    paint = {"hint": hint, "trace": _DIM}.get(name, "") if colour else ""
    parts = text.split(" <- ") if name == "trace" else text.splitlines()
    for part in parts:
        broken = textwrap.wrap(
            safe(part),
            COLUMNS - len(INDENT),
            initial_indent=mark,
            subsequent_indent={"hint": "  ", "trace": "    "}.get(name, ""),
            break_on_hyphens=False,
        )
        yield from (f"{INDENT}{paint}{shown}{_RESET if paint else ''}" for shown in broken)


def _bytes(count: int) -> str:
    if count < 10_240:
        return f"{count} B"
    return f"{count // 1_024} KiB" if count < 10 << 20 else f"{count >> 20} MiB"


def _duration(ms: int) -> str:
    if abs(ms) < 1_000:
        return f"{ms} ms"
    if abs(ms) < 60_000:
        return f"{ms / 1_000:.1f} s"
    minutes, seconds = divmod(ms // 1_000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s"


def _show(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{safe(str(k))}: {_show(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_show(item) for item in value) + "]"
    text = safe(str(value))
    if text and " " not in text and '"' not in text:
        return text
    # So that no value can look like another field.
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def safe(text: str) -> str:
    """No control character, no escape sequence, nothing that turns the text around."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
