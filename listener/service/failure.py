"""What a handler's error says, read once, and as one reads a stranger's: it may say anything."""

from __future__ import annotations

import math
from dataclasses import dataclass

from listener.core.errors import place_of
from listener.ports.reaction import HandlerFailed

AGAIN_MOST_S = 30 * 86_400
"""No handler is heeded that asks for a longer pause."""
WORDS_MOST = 4_000
"""As much of a text as a line of the log holds."""


@dataclass(frozen=True, slots=True)
class Failure:
    """How a call failed. ``words``: for the log; of what is no ``HandlerFailed``, none of its own.
    ``kind``: the type of what was raised, or of what caused it. ``again_ms``: not before so long
    from now; ``quiet``: nor any other call of this handler."""

    words: str
    kind: str
    again_ms: int = 0
    quiet: bool = False
    gone: bool = False


def failure_of(error: BaseException) -> Failure:
    """Never raises: an error of the users' may be of a class of theirs, with a text, a number and
    properties that fail in their own way."""
    kind = type(error).__name__
    plain = f"raised {kind} at {place_of(error)}"
    if not isinstance(error, HandlerFailed):
        return Failure(plain, kind)
    try:
        return _as_it_says(error)
    except KeyboardInterrupt:
        raise
    except BaseException as own:  # noqa: BLE001  # a user's code: whatever it raises, this must be told
        found = f"{type(own).__name__} at {place_of(own)}"
        return Failure(f"{plain}: expected its text and its again_in_s, found {found}", kind)


def _as_it_says(error: HandlerFailed) -> Failure:
    words, cause = str(error)[:WORDS_MOST], error.__cause__
    again_ms = _asked_ms(error.again_in_s)
    if again_ms is None:
        words += " (expected again_in_s to be seconds from 0 on, found what is not: left out)"
    kind = type(error if cause is None else cause).__name__
    return Failure(words, kind, again_ms or 0, bool(error.quiet), bool(error.gone))


def _asked_ms(seconds: object) -> int | None:
    """None: that is no time to wait."""
    if not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:
        return None
    return round(min(seconds, AGAIN_MOST_S) * 1000)
