"""Lines for people: aligned, coloured where a terminal is, safe against what they may hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from listener.core.catalogue import Level

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
_FIRST = ("outcome", "result", "disposition", "movement", "state", "reason", "detail", "problem")
_IDS = ("cv_ref", "submission_id", "attempt")
_BELOW = ("message", "error", "hint", "trace")
"""Long: each on a line of its own."""
_LEFT_OUT = {
    *("timestamp", "level", "event", "v", "service", "version", "run_id", "replica", "runbook"),
    *_FIRST,
    *_IDS,
    *_BELOW,
}
_UNUSUAL = {"late", "deaf_ms", "duplicates", "replayed", "contended", "repeated", "evidence"}
"""Left out where there is nothing of it."""
EVENT_WIDTH = 24
INDENT = " " * 13
SHORT_ID = 8


def render(line: Mapping[str, object], colour: bool) -> str:
    """Time (UTC), level, event; how it went, whose it is, the rest; below that what is long, and
    what to do where a person is called for."""
    level = Level(str(line["level"]))
    clock = str(line["timestamp"])[11:23]
    event = f"{safe(str(line['event'])):<{EVENT_WIDTH}}"
    head = f"{clock} {level.value.upper():<8} {event}"
    if colour:
        head = (
            f"{_DIM}{clock}{_RESET} {_LEVELS[level]}{level.value.upper():<8}{_RESET}"
            f" {_BOLD}{event}{_RESET}"
        )
    names = [*_FIRST, *_IDS, *(name for name in line if name not in _LEFT_OUT)]
    shown = (name for name in names if name in line and (line[name] or name not in _UNUSUAL))
    fields = (_field(name, line[name], colour) for name in shown)
    lines = [f"{head} {' '.join(fields)}".rstrip()]
    for name in _BELOW:
        if name in line and (name != "hint" or level in _CALLING):
            lines += _below(name, str(line[name]), colour)
    return "\n".join(lines)


def _field(name: str, value: object, colour: bool) -> str:
    if name == "submission_id":
        # Its end: the beginning is the time, and much alike in all of them.
        name, value = "id", f"…{str(value)[-SHORT_ID:]}"
    elif name.endswith("_ms") and isinstance(value, int) and not isinstance(value, bool):
        name, value = name.removesuffix("_ms"), _duration(value)
    shown = _show(value)
    if not colour:
        return f"{safe(name)}={shown}"
    paint = _WORDS.get(str(value), _CYAN if name in ("cv_ref", "id") else "")
    return f"{_DIM}{safe(name)}={_RESET}{paint}{shown}{_RESET if paint else ''}"


def _below(name: str, text: str, colour: bool) -> Iterator[str]:
    mark = {"hint": "→ ", "trace": "  "}.get(name, "")
    parts = text.split(" <- ") if name == "trace" else text.splitlines()
    for part in parts:
        shown = f"{mark}{safe(part)}"
        paint = _CYAN if name == "hint" else _DIM if name == "trace" else ""
        yield INDENT + (f"{paint}{shown}{_RESET}" if colour and paint else shown)


def _duration(ms: int) -> str:
    if abs(ms) < 1_000:
        return f"{ms}ms"
    if abs(ms) < 60_000:
        return f"{ms / 1_000:.2f}s"
    minutes, seconds = divmod(ms // 1_000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{seconds:02}s"


def _show(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{safe(str(k))}: {_show(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_show(item) for item in value) + "]"
    text = safe(str(value))
    return f'"{text}"' if " " in text or not text else text


def safe(text: str) -> str:
    """No control character, no escape sequence, nothing that turns the text around."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
