"""What one operation of the API is, as data.

The routes, the tokens' scopes, the reading of queries and ``/openapi.json`` are all made of it, so
that none can say what another does not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from .gate import Scope
from .parameters import Header, Parameter, Schema

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

JSON, PLAIN = "application/json", "text/plain"


@dataclass(frozen=True, slots=True)
class Answer:
    """How a request that is not refused is answered. ``schema``: the name of one of ``SCHEMAS``, or
    None for what is no JSON. ``also``: other media, where the client has it so. ``always`` and
    ``sometimes``: headers, named in ``ANSWER_HEADERS``. ``links``: operations that the answer leads
    to, by name, each with where in the answer their ``id`` stands."""

    about: str
    schema: str | None = None
    media: str = JSON
    also: tuple[str, ...] = ()
    always: tuple[str, ...] = ()
    sometimes: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Form:
    """A body of multipart/form-data. ``required``: whether there must be one."""

    schema: str
    about: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Operation:
    """``scope``: what a token must allow; None: it wants none. ``refusals``: the reasons of its
    problems, beside those that the gate gives to any. ``parameters`` None: its query means nothing.
    ``early``: refused before the body is asked for, where the client waits for that. ``any_host``:
    asked by whoever knows an address alone. ``passes_on``: it is the gateway's, which refuses in
    the upstream's shape, and may go without a token. ``answers`` under 0: whatever else."""

    method: str
    path: str
    name: str
    summary: str
    scope: Scope | None
    answers: Mapping[int, Answer]
    refusals: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] | None = ()
    headers: tuple[Header, ...] = ()
    ids: Mapping[str, Schema] = field(default_factory=dict)
    form: Form | None = None
    early: bool = False
    any_host: bool = False
    passes_on: bool = False
    about: str = ""

    @property
    def endless(self) -> bool:
        """Whether its answer is a stream: of that, there is no head alone."""
        return any(answer.media == "text/event-stream" for answer in self.answers.values())


@dataclass(frozen=True, slots=True)
class Route:
    """An operation, and what performs it."""

    operation: Operation
    handler: Handler
