"""How commands end: the statuses beside the daemon's own, and failing with one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from listener.core.endings import (
    CONFIGURATION,
    INTERNAL,
    IO_FAILED,
    OK,
    PERMISSION,
    TRY_LATER,
    UNAVAILABLE,
)

__all__ = [
    "ALERTED",
    "BROKEN_PIPE",
    "CONFIGURATION",
    "INTERNAL",
    "INTERRUPTED",
    "IO_FAILED",
    "OBJECTED",
    "OK",
    "PERMISSION",
    "PRESUMED",
    "REJECTED",
    "TRY_LATER",
    "UNAVAILABLE",
    "UNCONFIRMED",
    "USAGE",
    "CommandFailed",
    "of_outcomes",
]

PRESUMED = 3
UNCONFIRMED = 4
REJECTED = 5
OBJECTED = 6
"""What is known speaks against sending it again, and nobody overruled it."""
ALERTED = 7
"""An alert would have fired."""
USAGE = 64
INTERRUPTED = 130
BROKEN_PIPE = 141

_OF_OUTCOME = {"confirmed": OK, "presumed": PRESUMED, "rejected": REJECTED}


class CommandFailed(Exception):
    """A command ends with ``status``, after ``message`` and ``hint`` on stderr."""

    def __init__(self, status: int, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.hint = hint


def of_outcomes(submissions: Iterable[Mapping[str, Any]]) -> int:
    """The exit status of a command that waited: the worst outcome's.

    0 all confirmed · 3 some presumed · 4 some neither · 5 some rejected.
    """
    return max(
        (_OF_OUTCOME.get(str(shown["outcome"]), UNCONFIRMED) for shown in submissions), default=OK
    )
