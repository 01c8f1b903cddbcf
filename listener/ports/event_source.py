"""The ear: where ``cv_updated`` events come from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from listener.core.names import Comparison, CvCode, GapReason, Millis


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """One event as it came in. ``seq`` was stamped before any await, starting above the journal's
    highest. ``code`` None: malformed, and ``problem`` says how (a stable slug). ``payload`` is a
    small JSON text of the fields known (never the whole of a hostile one). ``offset`` is the
    server's, where it offers recovery: of the session that the reader knows of (from its journal,
    or by a ``Listening`` before); an event of a newer one carries none. ``acknowledge``: the
    upstream asked for an ack; to be called once, after the commit."""

    seq: int
    heard_ms: Millis
    code: CvCode | None = field(repr=False)
    payload: str
    problem: str | None = None
    replayed: bool = False
    offset: str | None = None
    acknowledge: Callable[[], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True)
class OtherEvent:
    """An event of another name that the source was asked to hear, too. ``payload``: its arguments
    as JSON; empty where ``problem`` says why they cannot be kept (``too_large``, ``not_json``).
    ``size``: in bytes. The rest as ``ReceivedEvent`` has it."""

    name: str
    heard_ms: Millis
    payload: str = field(repr=False)
    size: int
    problem: str | None = None
    replayed: bool = False
    offset: str | None = None
    acknowledge: Callable[[], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True)
class OthersDropped:
    """So many other events of one name came faster than they were handed out, and were dropped: for
    them nothing else is held up. ``at_ms``: the last of them."""

    at_ms: Millis
    name: str
    count: int


@dataclass(frozen=True, slots=True)
class Listening:
    """A connection is up and subscribed (on-connect emits acknowledged). ``recovered``: it is
    proven that nothing was missed since the last one, by the server or by an overlap; otherwise
    ``gap_reason`` says why not. ``pid`` is the server's session id for recovery, None where it
    offers none."""

    at_ms: Millis
    recovered: bool
    gap_reason: GapReason | None
    pid: str | None
    transport: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection ended, or was given up. ``at_ms`` is when the last frame was received: from
    then on we may have been deaf. Where we had stood still, what was read right after that does not
    count: it may have waited for us. ``reason`` is a stable slug, ``detail`` says more in words fit
    for a log. ``overflow``: we dropped it because our queue was full."""

    at_ms: Millis
    reason: str
    overflow: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ConnectFailed:
    """One attempt to connect failed; another follows after ``retry_in_s``. ``refused``: the server
    answered and said no (authentication, namespace): somebody must look."""

    at_ms: Millis
    reason: str
    detail: str
    refused: bool
    retry_in_s: float
    failures: int


@dataclass(frozen=True, slots=True)
class Compared:
    """The word on a ``doubt``. ``first_hears``: it heard an event since, and stays; the second one
    is gone. ``first_deaf``: it did not hear what the second one heard. It comes between a
    ``Lost``, of when the first one last heard anything, and a ``Listening``, of when the second one
    began; the events that the second one heard come after that. ``second_failed``: a second one
    cannot be had; told once, it is tried again. ``displaced``: the server ended the first one for
    it, so that it took its place. It comes between a ``Lost`` of that reason and a ``Listening``,
    which is ``recovered`` where the second one listened before the first ended."""

    at_ms: Millis
    verdict: Comparison


Signal = ReceivedEvent | OtherEvent | OthersDropped | Listening | Lost | ConnectFailed | Compared


@dataclass(frozen=True, slots=True)
class Resume:
    """What to offer a server for recovery: its session id and the last offset on disk."""

    pid: str | None = None
    offset: str | None = None


class EventSource(Protocol):
    """One ordered stream of signals. Replayed events come before the ``Listening`` that proves
    them complete."""

    async def run(self) -> None:
        """Keep connected until cancelled. Never returns otherwise, never raises for anything the
        network or the server does."""
        ...

    async def next_batch(self, limit: int) -> list[Signal]:
        """Wait for at least one signal, return up to ``limit`` in order of receipt."""
        ...

    def pending(self, code: CvCode) -> bool:
        """Whether an event of this code is in the queue, not yet handed out by ``next_batch``."""
        ...

    def doubt(self) -> None:
        """Records move, and no event comes: is the subscription deaf, though connected? Opens a
        second connection beside the one that stands, and keeps whichever hears the next event.
        Returns at once; the word on it is a ``Compared``. A connection that ends takes the doubt
        with it. To doubt again while a second one is open renews that one, ever more rarely. Where
        none stands nothing happens, nor for long after one was ``displaced``."""
        ...

    def hurry(self) -> None:
        """There is reason to think that a connection can be had now, or is wanted now: the wait
        until the next attempt ends, once it has lasted a few seconds. That after a refusal does
        not, for no hurry mends one. Where a connection stands, or is being made, nothing happens.
        Returns at once."""
        ...

    def committed(self, offset: str) -> None:
        """The event that carried this offset is on disk: what a reconnect may offer."""
        ...

    @property
    def backlog(self) -> int:
        """Signals that wait to be handed out."""
        ...

    @property
    def handed_out_until_ms(self) -> Millis | None:
        """Up to when all that we were sent was handed out by ``next_batch``: when the first signal
        that still waits was received, or else the last frame. None before the first frame."""
        ...

    @property
    def last_frame_ms(self) -> Millis | None:
        """When a frame of any kind was last received."""
        ...


class Watching(Protocol):
    """One who watches frames by their shape, while it is watched."""

    async def next(self, timeout_s: float) -> tuple[list[Mapping[str, Any]], int]:
        """What was received since, ``timeout_s`` at most: each frame with ``at_ms``, the fields of
        ``core.wire.overheard.Overheard``, its arguments' shapes as ``text``, and ``understood``;
        and how many were not looked into. It holds no value of a payload."""
        ...


class Overhears(Protocol):
    """Where the shapes of what is received can be watched, whatever it is."""

    def watch(self) -> AbstractContextManager[Watching]:
        """From now on, within the block. Outside of any it costs nothing."""
        ...
