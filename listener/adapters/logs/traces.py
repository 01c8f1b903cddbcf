"""Exceptions as fields: what and where, never with which values."""

from __future__ import annotations

import traceback

from .redaction import Redactor

LONGEST_TRACE = 4_000
LONGEST_MESSAGE = 500


def describe(error: BaseException, redactor: Redactor) -> dict[str, str]:
    """``error_type``, ``error`` and ``trace``; groups and causes are told, values are not."""
    leaves = _leaves(error)
    worst = leaves[0]
    words = "; ".join(redactor.clean(str(leaf))[:LONGEST_MESSAGE] for leaf in leaves[:3])
    return {
        "error_type": type(worst).__name__,
        "error": words,
        "trace": _trace(worst, redactor)[-LONGEST_TRACE:],
    }


def _leaves(error: BaseException) -> list[BaseException]:
    """The errors that a group is about."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]


def _trace(error: BaseException, redactor: Redactor) -> str:
    """File, line and function of each frame, and of each cause; no source lines, for a source line
    may hold a literal."""
    parts: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        frames = traceback.extract_tb(current.__traceback__)
        where = " > ".join(f"{_short(f.filename)}:{f.lineno} {f.name}" for f in frames)
        parts.append(f"{type(current).__name__} at {where or 'no frame'}")
        hidden = current.__context__ is None or current.__suppress_context__
        current = current.__cause__ or (None if hidden else current.__context__)
    return redactor.clean(" <- ".join(parts))


def _short(filename: str) -> str:
    return "/".join(filename.replace("\\", "/").split("/")[-3:])
