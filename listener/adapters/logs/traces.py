"""Exceptions as fields: what and where, never with which values."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from types import TracebackType

from listener.core.errors import CvListenerError

from .redaction import Redactor

LONGEST_TRACE = 4_000
LONGEST_MESSAGE = 500
FRAMES = 12
LINKS = 8
LEAVES = 3
MOST_LOOKED_AT = 1_000
"""Of a group's members, however deep."""


def describe(error: BaseException, redactor: Redactor) -> dict[str, str]:
    """``error_type`` and ``error`` of the error (of a group: of those in it), and ``trace``: what
    was raised where, and because of what. No source lines and no values: they may hold a code."""
    leaves = list(_leaves(error))
    worst = leaves[0]
    words = [_words(leaf, redactor) for leaf in leaves[:LEAVES]]
    if len(leaves) > LEAVES:
        words.append(f"and {len(leaves) - LEAVES} more")
    return {
        "error_type": type(worst).__name__,
        "error": "; ".join(word for word in words if word),
        "trace": " <- ".join(_links(worst, redactor))[:LONGEST_TRACE],
    }


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors that a group is about, ours first; without one, the group itself."""
    found: list[BaseException] = []
    left = [error]
    for _ in range(MOST_LOOKED_AT):
        if not left:
            break
        one = left.pop()
        if isinstance(one, BaseExceptionGroup):
            left += reversed(one.exceptions)
        else:
            found.append(one)
    yield from sorted(found or [error], key=lambda leaf: not isinstance(leaf, CvListenerError))


def _words(error: BaseException, redactor: Redactor) -> str:
    """Our own errors hold no code, and say what to do; those of others may hold anything."""
    try:
        said = str(error)
    except Exception as wrong:  # noqa: BLE001 - an error whose text cannot be had is an error still
        return f"no text ({type(wrong).__name__})"
    ours = isinstance(error, CvListenerError)
    clean = redactor.clean(said) if ours else redactor.clean_foreign(said)
    return clean if len(clean) <= LONGEST_MESSAGE else clean[:LONGEST_MESSAGE] + "…"


def _links(error: BaseException, redactor: Redactor) -> Iterator[str]:
    """The error, then what it was raised from, and so on."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen and len(seen) < LINKS:
        # The error's own words stand in a field of their own.
        words = f": {_words(link, redactor)}" if seen else ""
        seen.add(id(link))
        yield f"{type(link).__name__}{words} at {_where(link)}"
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _where(error: BaseException) -> str:
    # By hand: the traceback module reads source files, and nothing of them is shown.
    innermost = deque(_steps(error.__traceback__), maxlen=FRAMES)
    return " > ".join(innermost) or "an unknown place"


def _steps(step: TracebackType | None) -> Iterator[str]:
    while step is not None:
        code = step.tb_frame.f_code
        yield f"{_short(code.co_filename)}:{step.tb_lineno} {code.co_name}"
        step = step.tb_next


def _short(filename: str) -> str:
    return "/".join(filename.replace("\\", "/").split("/")[-3:])
