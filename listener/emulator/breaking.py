"""Ways to answer badly, or not at all."""

from __future__ import annotations

import asyncio
import socket
import struct

from aiohttp import web

NO_LINGER = struct.pack("ii", 1, 0)
"""``SO_LINGER``, on, for no time: the kernel drops what is unsent and closes with an RST."""

LOOK_S = 0.05


def gone(request: web.BaseRequest) -> bool:
    """Whether the client, or somebody else, has ended the connection."""
    return request.transport is None or request.transport.is_closing()


def reset(request: web.BaseRequest) -> None:
    """A TCP RST, now. The client may have received nothing, whatever was written before."""
    if (transport := request.transport) is None:
        return
    if (link := transport.get_extra_info("socket")) is not None:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    transport.abort()


def close(request: web.BaseRequest) -> None:
    """A TCP FIN, after what was written."""
    if request.transport is not None:
        request.transport.close()


async def hang(request: web.BaseRequest, stopping: asyncio.Event) -> None:
    """Until the client leaves, or ``stopping`` is set."""
    while not gone(request) and not stopping.is_set():
        try:
            async with asyncio.timeout(LOOK_S):
                await stopping.wait()
        except TimeoutError:
            continue


async def truncated(request: web.BaseRequest, body: bytes, status: int) -> web.StreamResponse:
    """The head promises the whole body; half of it comes, then the end of the connection."""
    response = _head(body, status)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    close(request)
    return response


async def slow(
    request: web.BaseRequest, body: bytes, status: int, over_ms: int
) -> web.StreamResponse:
    """Whole, a few bytes at a time."""
    response = _head(body, status)
    await response.prepare(request)
    pieces = min(20, len(body))
    size = -(-len(body) // pieces)
    for start in range(0, len(body), size):
        await asyncio.sleep(over_ms / 1000 / pieces)
        await response.write(body[start : start + size])
    await response.write_eof()
    return response


def _head(body: bytes, status: int) -> web.StreamResponse:
    response = web.StreamResponse(status=status)
    response.content_type = "application/json"
    response.content_length = len(body)
    return response
