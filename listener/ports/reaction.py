"""What is done on each outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class OutcomeHandler(Protocol):
    """Called after the commit, at least once per (id, version), never concurrently for one id.

    Raising (or taking too long) means "again later"; it never changes an outcome, and holds up no
    other handler.
    """

    async def __call__(self, submission: Mapping[str, object]) -> None:
        """``submission`` is the public JSON form: it holds ``cv_ref``, never the code. What it
        says is how things stand at the call: perhaps a later version than was announced."""
        ...


class HandlerFailed(Exception):
    """What a handler raises that can say what went wrong. Its text goes into the log.

    ``again_in_s``: not before then, as who was called asked for. ``gone``: who was called wants to
    hear nothing more; the handler is not asked again until the next start.
    """

    def __init__(self, words: str, *, again_in_s: float = 0.0, gone: bool = False) -> None:
        super().__init__(words)
        self.again_in_s = again_in_s
        self.gone = gone


@dataclass(frozen=True, slots=True)
class Handler:
    """A handler as it is composed. ``name`` is that of the settings; the journal keeps what it has
    not heard of yet under it. ``at_once``: how many calls at one time. ``timeout_s``: how long one
    may take; it is then cancelled."""

    name: str
    handle: OutcomeHandler
    at_once: int = 64
    timeout_s: float = 30.0
