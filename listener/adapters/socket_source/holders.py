"""Whether a server has let go of the connections on which a session of ours may still live.

The official server recovers a session from what it kept at its last end; and having recovered it
once, it does so again, also while the connection that it did it for still stands, in its eyes. Both
connections are then one and the same to it. When it notices the end of the older one, it takes the
younger out of every room: no event comes any more, though all pings do. And at the next connection
it recovers a session that is in no room, and so, by its own word, missed nothing.

It has noticed every end that it was told of. But a line may end for us alone: a middlebox resets
our side, a process dies with its machine. So before a session is offered that may have been
recovered before, the server is asked whether it still knows the connections that held it. Of one
that it does not know it says so (Engine.IO: HTTP 400, code 1). Whatever else it says, the session
is not offered, and a gap is told.

A new process does not know the connections of the one before, and offers what the journal holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import orjson

UNKNOWN_TRANSPORT, UNKNOWN_SESSION = 0, 1
"""Engine.IO's codes."""

ASK_S = 2.0
"""For all that is asked. Asked over the transport that it uses, a server that does know does not
answer at all."""


async def let_go(
    session: aiohttp.ClientSession, url: str, path: str, engine_ids: Iterable[str]
) -> bool:
    """Whether the server says that it knows none of these connections. Never raises."""
    try:
        async with asyncio.timeout(ASK_S):
            for engine_id in engine_ids:
                if not await _unknown(session, url, path, engine_id):
                    return False
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
        return False
    return True


async def _unknown(session: aiohttp.ClientSession, url: str, path: str, engine_id: str) -> bool:
    # A server may take websockets alone, and then does not look for a session over polling.
    for transport in ("polling", "websocket"):
        code = await _code(session, _asking(url, path, transport, engine_id))
        if code != UNKNOWN_TRANSPORT:
            return code == UNKNOWN_SESSION
    return False


async def _code(session: aiohttp.ClientSession, url: str) -> object:
    # By no middleware of ours: what is answered here says nothing of the connection to come.
    async with session.get(url, allow_redirects=False, middlewares=()) as response:
        if response.status != 400:
            return None
        said = orjson.loads(await response.read())
        return said.get("code") if isinstance(said, dict) else None


def _asking(url: str, path: str, transport: str, engine_id: str) -> str:
    parts = urlsplit(url)
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    ours = f"EIO=4&transport={transport}&sid={engine_id}"
    query = f"{parts.query}&{ours}" if parts.query else ours
    return urlunsplit((scheme, parts.netloc, f"/{path.strip('/')}/", query, ""))
