"""Whatever the server does, a request ends in time, and nothing of it leaves afterwards."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from listener.adapters.upstream_http.body import CHUNK_BYTES
from listener.core import wire
from listener.core.evidence import PostResult
from listener.core.names import PostKind
from tests.adapters.upstream_http.conftest import Make
from tests.adapters.upstream_http.raw_server import (
    BIG,
    SMALL_BUFFER,
    Talk,
    raw_server,
    reply,
)

PATIENCE_S = 1.0
"""The step's timeout where it is to pass."""

NOT_SENT, POSSIBLY = PostKind.NOT_SENT, PostKind.POSSIBLY_SENT


async def test_a_silent_server_is_waited_for_and_no_longer(sender: Make) -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.stall()

    async with raw_server(script) as server, sender(server.port, upload_timeout_s=PATIENCE_S) as it:
        assert await it.post() == PostResult(POSSIBLY, "read_timeout")
        assert server.seen[0].whole


async def test_a_get_is_bounded_too(sender: Make) -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.stall()

    async with raw_server(script) as server, sender(server.port, timeout_s=0.5) as it:
        assert (await it.read()).detail == "read_timeout"


async def test_a_reply_that_stalls_midway_was_a_success_all_the_same(sender: Make) -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(reply()[:-10])
        await talk.stall()

    async with raw_server(script) as server, sender(server.port, upload_timeout_s=PATIENCE_S) as it:
        result = await it.post()
        assert (result.kind, result.detail) == (POSSIBLY, "read_timeout")
        assert (result.http_status, result.resendable) == (200, False)


@pytest.mark.parametrize("http_status", ["200 OK", "404 Not Found"])
async def test_a_reply_that_trickles_is_bounded_as_a_whole(sender: Make, http_status: str) -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(f"HTTP/1.1 {http_status}\r\nContent-Length: 1000\r\n\r\n".encode())
        while True:
            await talk.say(b" ")
            await asyncio.sleep(0.01)

    async with (
        raw_server(script) as server,
        sender(server.port, timeout_s=0.3, upload_timeout_s=0.3) as it,
    ):
        result = await it.post()
        if http_status.startswith("200"):
            assert (result.kind, result.detail) == (POSSIBLY, "total_timeout")
            assert not result.resendable
        else:
            assert result.kind is PostKind.REFUSED
        assert (await it.read()).known is False


async def test_a_server_that_stops_reading_never_gets_the_rest(sender: Make) -> None:
    timed_out = asyncio.Event()

    async def script(talk: Talk) -> None:
        seen = await talk.head()
        await timed_out.wait()
        await talk.body(seen)

    async with (
        raw_server(script, receive_buffer=SMALL_BUFFER) as server,
        sender(server.port, size=BIG, upload_timeout_s=PATIENCE_S) as it,
    ):
        assert await it.post() == PostResult(NOT_SENT, "write_timeout")
        timed_out.set()
        await server.ended.wait()
        # No more than its own side held already: what we and our kernel held was dropped.
        assert len(server.seen[0].body) < CHUNK_BYTES


async def test_a_slow_line_that_goes_on_is_waited_for(sender: Make) -> None:
    """Longer than all steps together; and most of it is in the kernel when the last is begun."""
    step_s, pieces = 0.2, 16

    async def script(talk: Talk) -> None:
        seen = await talk.head()
        for piece in range(1, pieces + 1):
            await asyncio.sleep(step_s / 2)
            await talk.body(seen, limit=seen.length * piece // pieces)
        await talk.say(reply())

    async with (
        raw_server(script, receive_buffer=SMALL_BUFFER) as server,
        sender(server.port, size=BIG, timeout_s=step_s, upload_timeout_s=step_s) as it,
    ):
        assert 4 * step_s < pieces * step_s / 2
        assert (await it.post()).kind is PostKind.ACCEPTED
        assert server.seen[0].whole


async def test_a_line_that_is_slower_than_any_is_given_up(
    sender: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "longest_upload_s", lambda length: 0.0)

    async def script(talk: Talk) -> None:
        seen = await talk.head()
        while not seen.whole:
            await talk.body(seen, limit=len(seen.body) + 10_000)
            await asyncio.sleep(0.02)

    async with (
        raw_server(script, receive_buffer=SMALL_BUFFER) as server,
        sender(server.port, size=BIG, timeout_s=0.2, upload_timeout_s=0.2) as it,
    ):
        assert (await it.post()).detail == "total_timeout"
        assert not server.seen[0].whole


async def test_what_waits_in_our_buffers_goes_nowhere_after_the_end(sender: Make) -> None:
    """All was handed over, so it is possibly sent; but it was still on our side, and stays there:
    applied after the last enquiry it would be applied twice."""
    timed_out = asyncio.Event()

    async def script(talk: Talk) -> None:
        seen = await talk.head()
        await timed_out.wait()
        await talk.body(seen)

    async with (
        raw_server(script, receive_buffer=SMALL_BUFFER) as server,
        sender(server.port, size=60_000, upload_timeout_s=PATIENCE_S) as it,
    ):
        assert await it.post() == PostResult(POSSIBLY, "read_timeout")
        timed_out.set()
        await server.ended.wait()
        assert not server.seen[0].whole


async def test_a_file_that_shrinks_midway_is_not_sent(sender: Make) -> None:
    shrunk = asyncio.Event()
    files: list[Path] = []

    async def script(talk: Talk) -> None:
        seen = await talk.head()
        files[0].write_bytes(b"short")
        shrunk.set()
        await talk.body(seen)

    async with (
        raw_server(script, receive_buffer=SMALL_BUFFER) as server,
        sender(server.port, size=BIG) as it,
    ):
        files.append(it.file)
        assert await it.post() == PostResult(NOT_SENT, "file_lost", resendable=False)
        await server.ended.wait()
        assert shrunk.is_set() and not server.seen[0].whole
