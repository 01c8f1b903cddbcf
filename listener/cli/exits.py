"""How commands end: exit statuses (sysexits.h, and ours for outcomes), and failing with one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

OK = 0
PRESUMED = 3
UNCONFIRMED = 4
REJECTED = 5
USAGE = 64
UNAVAILABLE = 69
INTERNAL = 70
IO_FAILED = 74
TRY_LATER = 75
PERMISSION = 77
CONFIGURATION = 78
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
