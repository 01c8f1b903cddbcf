"""What every connection of a source has in common: plain values, and callables that make them."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from listener.adapters.credentials import Fresh

from .overhearing import Overhearing
from .reception import ReadEvent


@dataclass(frozen=True, slots=True)
class OnConnect:
    """An emit that subscribes us. ``ack_timeout_s``: how long the server may take to acknowledge
    it; None, it is not asked to."""

    event: str
    args: tuple[object, ...] = field(default=(), repr=False)
    ack_timeout_s: float | None = 10.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What every connection of a source has in common."""

    url: Callable[[], str]
    path: str
    namespace: str
    event: str
    others: frozenset[str]
    read: ReadEvent
    auth: Fresh
    headers: Fresh
    query: Fresh
    transports: tuple[str, ...]
    on_connect: tuple[OnConnect, ...]
    connect_timeout_s: float
    silence_margin_s: float
    max_message_bytes: int
    fast_path: bool
    ssl_context: ssl.SSLContext | None
    proxy: str | None = field(repr=False)
    overhearing: Overhearing

    def url_with(self, query: Mapping[str, Any]) -> str:
        """The URL of this attempt. Raises ValueError for one that cannot be connected to."""
        parts = urlsplit(self.url())
        if parts.scheme not in {"http", "https", "ws", "wss"} or not parts.hostname:
            raise ValueError("expected the socket's URL to be http(s):// or ws(s)://, with a host")
        both = "&".join(filter(None, (parts.query, urlencode(query))))
        return urlunsplit((parts.scheme, parts.netloc, "/", both, ""))
