"""What is done on each outcome, and what of it is still to be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

from listener.core.names import Millis, SubmissionId

CALLED: ContextVar[str] = ContextVar("CALLED", default="")
"""Whose call runs here: the name of a handler of outcomes, or of a function for other events. Empty
in all that is the daemon's own."""


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

    ``again_in_s``: not before then, as who was called asked for. ``quiet``: nor anything else: the
    handler is not called at all before then. ``gone``: who was called wants to hear nothing more;
    the handler is not asked again until the next start.
    """

    def __init__(
        self, words: str, *, again_in_s: float = 0.0, quiet: bool = False, gone: bool = False
    ) -> None:
        super().__init__(words)
        self.again_in_s = again_in_s
        self.quiet = quiet
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


ANNOUNCED = ""
"""Whose reaction it is, before it is given out to the handlers."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """One outcome that ``handler`` has not heard of. At least once, keyed by id and version. Until
    it is given out to the handlers it is ``ANNOUNCED``, which is nobody's."""

    submission_id: SubmissionId
    version: int
    handler: str
    tries: int
    due_ms: Millis


class Reactions(Protocol):
    """The journal's part in it. Durable when awaited, as all of it."""

    async def due_reactions(self, handler: str, now_ms: Millis, limit: int) -> list[Reaction]:
        """One handler's reactions whose time has come, oldest first; ``ANNOUNCED``: those that are
        not given out."""
        ...

    async def give_out(
        self,
        announced: Sequence[tuple[SubmissionId, int]],
        handlers: Sequence[str],
        told: bool,
    ) -> None:
        """Of what is announced still, give each handler a reaction of its own, due at once; one
        that it has keeps its tries. ``told``: the announcement itself is crossed off with it."""
        ...

    async def finish_reaction(
        self, submission_id: SubmissionId, version: int, handler: str
    ) -> None:
        """This handler heard of that version, and so of every earlier one. Idempotent."""
        ...

    async def postpone_reaction(
        self, submission_id: SubmissionId, version: int, handler: str, due_ms: Millis
    ) -> None:
        """This handler failed: again at ``due_ms``, one try more."""
        ...

    async def hasten_reactions(self, handler: str, now_ms: Millis) -> None:
        """What this handler's was put off beyond ``now_ms`` is due then."""
        ...

    async def reactions_waiting(self) -> dict[str, int]:
        """How many reactions each handler has, ``ANNOUNCED`` included; those with none left out."""
        ...
