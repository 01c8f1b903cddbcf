"""Events other than ``cv_updated``, for functions of the users', and which are still to be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from listener.core.names import Millis

from .event_source import Resume

if TYPE_CHECKING:
    from .journal import InboxRow

PAYLOAD_MOST = 64 * 1024
"""Bytes of an event's arguments as JSON; a larger one is dropped."""
BACKLOG_MOST = 5_000
"""Events that wait for one function; what comes while so many do is dropped."""
KEPT_MS = 86_400_000
"""What nobody took in this time is given up."""


@dataclass(frozen=True, slots=True)
class InboundEvent:
    """What a function is given. ``args``: what the upstream emitted beside the event's name, as
    JSON has it. ``sequence`` grows with each event heard, over all runs: the same number is the
    same event, told again. ``heard_at`` is in UTC. ``replayed``: it came from the server's memory
    after a reconnect."""

    name: str
    args: tuple[object, ...] = field(repr=False)
    sequence: int
    heard_at: datetime
    replayed: bool


class InboundHandler(Protocol):
    """Called after the commit, at least once per sequence, one event at a time, in their order.

    Raising (or taking too long) means "again later": the events behind it wait, and nothing else
    does. After ``KEPT_MS`` an event is given up.
    """

    async def __call__(self, event: InboundEvent) -> None:
        """Safe to repeat: by ``event.sequence``."""
        ...


@dataclass(frozen=True, slots=True)
class EventHandler:
    """A function as it is composed. ``name``: ``package.module:function``, under which the journal
    keeps what it has not taken yet. ``events``: whose names it is called for."""

    name: str
    handle: InboundHandler
    events: frozenset[str]
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True)
class InboundRow:
    """An event to be kept, once for each of ``handlers``. ``payload``: its arguments as JSON."""

    event: str
    payload: str = field(repr=False)
    heard_ms: Millis
    replayed: bool
    handlers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of a row: its sequence, and for which of its handlers there was no room."""

    sequence: int
    full: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Untaken:
    """An event that one handler has not taken."""

    sequence: int
    event: str
    payload: str = field(repr=False)
    heard_ms: Millis
    replayed: bool
    tries: int
    due_ms: Millis


class InboundJournal(Protocol):
    """The journal's part in it. Durable when awaited, as all of it."""

    async def append_inbound(
        self, events: Sequence[InboundRow], rows: Sequence[InboxRow], resume: Resume | None = None
    ) -> list[Placed]:
        """As ``append_events``, with these events in the same transaction. Each gets the next
        sequence, which no event had before, whatever was deleted since; a handler for which
        ``BACKLOG_MOST`` wait is left out. Raises ValueError, changing nothing, for text that is not
        UTF-8."""
        ...

    async def first_inbound(self, handler: str) -> Untaken | None:
        """What is the handler's turn: of what waits for it, the lowest sequence."""
        ...

    async def finish_inbound(self, handler: str, sequence: int) -> None:
        """This handler took it: it is deleted. Idempotent."""
        ...

    async def postpone_inbound(self, handler: str, sequence: int, due_ms: Millis) -> None:
        """This handler failed: again at ``due_ms``, one try more."""
        ...

    async def hasten_inbound(self, handler: str, now_ms: Millis) -> None:
        """What this handler's was put off beyond ``now_ms`` is due then."""
        ...

    async def expire_inbound(self, heard_before_ms: Millis) -> dict[tuple[str, str], int]:
        """Delete what was heard before that, whoever's; how many, by handler and event."""
        ...

    async def inbound_waiting(self) -> dict[str, int]:
        """How many wait for each handler; those with none left out."""
        ...
