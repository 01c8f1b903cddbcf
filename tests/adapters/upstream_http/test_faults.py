"""Every way a request can fail, and what is then known: never *not sent* of what arrived whole."""

from __future__ import annotations

import asyncio
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.adapters.upstream_http import HttpUpstream
from listener.core import wire
from listener.core.evidence import PostResult
from listener.core.names import FileKind, Millis, PostKind
from listener.core.submission import FileFacts
from tests.adapters.upstream_http.conftest import Make
from tests.adapters.upstream_http.raw_server import (
    ACCEPTED,
    BIG,
    BOUND_S,
    SMALL_BUFFER,
    Script,
    Talk,
    accepts,
    raw_server,
    reply,
)

NOT_SENT, POSSIBLY = PostKind.NOT_SENT, PostKind.POSSIBLY_SENT
RECORD = b'{"status":"success","data":{"cv_path":"/1.pdf"}}'


# -------------------------------------------------------------------------- once a connection was


async def at_once(talk: Talk) -> None:
    talk.reset()


async def in_mid_body(talk: Talk) -> None:
    await talk.body(await talk.head(), limit=1000)
    talk.reset()


async def closes_in_mid_body(talk: Talk) -> None:
    await talk.body(await talk.head(), limit=1000)


async def after_the_body(talk: Talk) -> None:
    await talk.request()
    talk.reset()


async def closes_after_the_body(talk: Talk) -> None:
    await talk.request()


async def garbage(talk: Talk) -> None:
    await talk.request()
    await talk.say(b"\x00\x01\x02 SSH-2.0\r\n\r\n\r\n")


async def half_a_head(talk: Talk) -> None:
    await talk.request()
    await talk.say(b"HTTP/1.1 200 OK\r\nContent-Le")


async def half_a_body(talk: Talk) -> None:
    await talk.request()
    await talk.say(reply()[:-10])


async def reset_in_the_reply(talk: Talk) -> None:
    await talk.request()
    await talk.say(reply()[:-10])
    # The client must have had the head first: it asks for no more, so a moment of the loop does.
    await asyncio.sleep(0.1)
    talk.reset()


async def bad_chunks(talk: Talk) -> None:
    await talk.request()
    await talk.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
    await talk.stall()


async def endless_headers(talk: Talk) -> None:
    await talk.request()
    await talk.say(b"HTTP/1.1 200 OK\r\n")
    while True:
        await talk.say(b"X-More: " + b"x" * 4000 + b"\r\n")


async def one_endless_header(talk: Talk) -> None:
    await talk.request()
    await talk.say(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        await talk.say(b"x" * 4000)


async def oversized(talk: Talk) -> None:
    await talk.request()
    await talk.say(reply(b'{"status":"success","x":"' + b"x" * 200_000 + b'"}'))


async def endless_body(talk: Talk) -> None:
    await talk.request()
    await talk.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await talk.say(b"1000\r\n" + b"x" * 4096 + b"\r\n")


@pytest.mark.parametrize(
    ("script", "size", "expected"),
    [
        (at_once, BIG, (NOT_SENT, {"write_failed", "disconnected"}, None, True)),
        (in_mid_body, BIG, (NOT_SENT, {"write_failed", "disconnected"}, None, True)),
        (closes_in_mid_body, BIG, (NOT_SENT, {"write_failed", "disconnected"}, None, True)),
        (after_the_body, 1000, (POSSIBLY, {"connection_reset"}, None, True)),
        (after_the_body, BIG, (POSSIBLY, {"connection_reset"}, None, True)),
        (closes_after_the_body, 1000, (POSSIBLY, {"disconnected"}, None, True)),
        (garbage, 1000, (POSSIBLY, {"reply_garbled"}, None, False)),
        (half_a_head, 1000, (POSSIBLY, {"reply_garbled"}, None, False)),
        (half_a_body, 1000, (POSSIBLY, {"reply_garbled"}, 200, False)),
        (reset_in_the_reply, 1000, (POSSIBLY, {"reply_garbled", "connection_reset"}, 200, False)),
        (bad_chunks, 1000, (POSSIBLY, {"reply_garbled"}, None, False)),
        (endless_headers, 1000, (POSSIBLY, {"reply_garbled"}, None, False)),
        (one_endless_header, 1000, (POSSIBLY, {"reply_garbled"}, None, False)),
        (oversized, 1000, (POSSIBLY, {"reply_too_large"}, 200, False)),
        (endless_body, 1000, (POSSIBLY, {"reply_too_large"}, 200, False)),
    ],
)
async def test_a_broken_exchange_says_how_it_broke(
    sender: Make,
    script: Script,
    size: int,
    expected: tuple[PostKind, set[str], int | None, bool],
) -> None:
    async with raw_server(script) as server, sender(server.port, size=size) as it:
        result = await it.post()
        kind, details, http_status, resendable = expected
        assert result.kind is kind
        assert result.detail in details
        assert (result.http_status, result.resendable) == (http_status, resendable)
        assert it.faults == []
        reading = await it.read()
        assert not reading.known
        assert reading.detail in {"connection_reset", "disconnected", *details}


async def test_a_refusal_stays_one_though_its_body_breaks_off(sender: Make) -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(reply(b"x" * 50, "404 Not Found")[:-10])

    async with raw_server(script) as server, sender(server.port) as it:
        assert await it.post() == PostResult(PostKind.REFUSED, "not_found", 404)


async def test_an_early_refusal_is_read_while_we_still_send(sender: Make) -> None:
    async def script(talk: Talk) -> None:
        await talk.head()
        await talk.say(reply(b"", "413 Too Large"))
        await talk.stall()

    async with (
        raw_server(script, receive_buffer=SMALL_BUFFER) as server,
        sender(server.port, size=BIG) as it,
    ):
        assert await it.post() == PostResult(PostKind.REFUSED, "file_too_large", 413)


# ---------------------------------------------------------------------------- connections reused


async def test_a_connection_closed_while_idle_is_not_used_again(sender: Make) -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(reply(RECORD))

    async with raw_server(script) as server, sender(server.port) as it:
        for _ in range(2):
            assert (await it.read()).known
            await server.ended.wait()
            await asyncio.sleep(0.05)  # its FIN is read by the loop, of which nobody is told
        assert (server.connections, len(server.seen)) == (2, 2)


async def test_what_the_kernel_has_of_an_idle_connection_is_seen_before_the_loop_reads_it(
    sender: Make,
) -> None:
    async with raw_server(accepts) as server, sender(server.port) as it:
        assert (await it.read()).known
        (ours,) = server.open
        ours.shutdown(socket.SHUT_WR)
        assert (await it.read()).known, "the end lies there, and the loop has had no turn"
        assert (server.connections, len(server.seen)) == (2, 2)


@pytest.mark.parametrize("pause_s", [0.0, 0.05])
async def test_a_reply_that_came_twice_answers_nothing_else(sender: Make, pause_s: float) -> None:
    twice = asyncio.Semaphore(0)

    async def script(talk: Talk) -> None:
        while True:
            seen = await talk.request()
            number = len(talk.server.seen)
            said = reply(ACCEPTED if seen.line.startswith("POST") else _named(f"path-{number}"))
            await talk.say(said)
            await asyncio.sleep(pause_s)
            await talk.say(said)
            twice.release()

    async with raw_server(script) as server, sender(server.port) as it:
        digests = []
        for _ in range(3):
            digests.append((await it.read()).path_digest)
            await twice.acquire()
            assert (await it.post()).kind is PostKind.ACCEPTED
            await twice.acquire()
        assert len(set(digests)) == 3 and None not in digests
        assert server.connections == len(server.seen) == 6


def _named(path: str) -> bytes:
    return b'{"status":"success","data":{"cv_path":"%s"}}' % path.encode()


@pytest.mark.parametrize("close_after_s", [0.0, 0.001, 0.004])
async def test_a_server_that_closes_a_moment_after_a_reply_leaves_no_update_in_doubt(
    sender: Make, close_after_s: float
) -> None:
    async def script(talk: Talk) -> None:
        seen = await talk.request()
        await talk.say(reply(ACCEPTED if seen.line.startswith("POST") else RECORD))
        await asyncio.sleep(close_after_s)

    async with raw_server(script) as server, sender(server.port) as it:
        for _ in range(10):
            assert (await it.read()).known
            await asyncio.sleep(0.002)
            assert (await it.post()).kind is PostKind.ACCEPTED
        assert sum(seen.line.startswith("POST") for seen in server.seen) == 10


# -------------------------------------------------------------------------------------- the rule


ENDINGS: dict[str, bytes | None] = {
    "reset": None,
    "close": b"",
    "garbage": b"\x00\x00\r\n\r\n",
    "accepted": reply(),
    "truncated": reply()[:-5],
    "unreadable": reply(b"<html>"),
    "failed": reply(b"", "500 Oops"),
    "busy": reply(b"", "503 Busy", "Retry-After: 1"),
    "gateway": reply(b"", "502 Bad Gateway"),
    "throttled": reply(b"", "429 Slow", "Retry-After: 1"),
    "refused": reply(b"", "422 No"),
}


@given(
    size=st.sampled_from([1, 500, 65_000, 66_000, 300_000, 2_000_000]),
    share=st.sampled_from([0.0, 0.001, 0.5, 0.999, 1.0]),
    ending=st.sampled_from(sorted(ENDINGS)),
    small=st.booleans(),
)
def test_what_arrived_whole_is_never_said_to_be_unsent(
    tmp_path_factory: pytest.TempPathFactory, size: int, share: float, ending: str, small: bool
) -> None:
    file = tmp_path_factory.mktemp("rule") / "spooled"
    file.write_bytes(b"x" * size)
    facts = FileFacts(sha256="", size=size, kind=FileKind.PDF, name="cv.pdf")

    async def script(talk: Talk) -> None:
        seen = await talk.head()
        await talk.body(seen, limit=int(seen.length * share))
        said = ENDINGS[ending]
        if said is None:
            talk.reset()
        else:
            await talk.say(said)

    async def run() -> tuple[PostResult, bool]:
        async with raw_server(script, receive_buffer=SMALL_BUFFER if small else None) as server:
            upstream = HttpUpstream(
                base_url=f"http://127.0.0.1:{server.port}",
                timeout_s=BOUND_S,
                upload_timeout_s=BOUND_S,
                max_connections=1,
                max_response_bytes=10_000,
                retry_after_cap_ms=1000,
                now_ms=lambda: Millis(0),
                not_applied_statuses=[502],
            )
            try:
                code = wire.check_code("c")
                result = await upstream.post_update(code, file, facts, request_id="1")
            finally:
                await upstream.close()
            return result, server.seen[0].whole

    result, whole = asyncio.run(run())
    if whole and result.http_status not in (429, 502):
        assert result.kind not in (PostKind.NOT_SENT, PostKind.THROTTLED)
    if result.kind is PostKind.ACCEPTED:
        assert ending == "accepted"
    assert result.detail != "internal_error"
