"""What a room of the API offers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from .gate import Scope

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """One way in. ``scope``: what a token must allow, checked before the handler is called; None:
    it wants none. ``early``: it is checked before the body is asked for, too (``Expect``)."""

    method: str
    path: str
    handler: Handler
    scope: Scope | None
    early: bool = False
