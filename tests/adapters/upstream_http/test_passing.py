"""A reply that is handed on as it came."""

from __future__ import annotations

import pytest

from listener.adapters.upstream_http.upstream import MAX_FETCHED_BYTES
from listener.ports.upstream import NoReply, RawReply
from tests.adapters.upstream_http.conftest import Make
from tests.adapters.upstream_http.raw_server import Talk, raw_server, reply

BODY = b'{"status":"error",\r\n "message":"N\\u00e3o"}\x00\xff'
HEADERS = (
    "Content-Type: application/json; charset=utf-8",
    "date: Sat, 31 Jan 2026 12:00:00 GMT",
    "X-RateLimit-Remaining: 59",
    "Set-Cookie: a=1",
    "Set-Cookie: b=2",
    "Connection: close, X-Hop",
    "X-Hop: 1",
    "Keep-Alive: timeout=5",
)
PASSED = (
    ("Content-Type", "application/json; charset=utf-8"),
    ("date", "Sat, 31 Jan 2026 12:00:00 GMT"),
    ("X-RateLimit-Remaining", "59"),
    ("Set-Cookie", "a=1"),
    ("Set-Cookie", "b=2"),
)


@pytest.mark.parametrize("asked", ["post", "get"])
async def test_status_reason_headers_and_body_are_the_upstreams_own(
    sender: Make, asked: str
) -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(reply(BODY, "404 Nada Aqui", *HEADERS))

    async with raw_server(script) as server, sender(server.port) as it:
        raw: list[RawReply | NoReply] = []
        if asked == "post":
            await it.upstream.post_update(
                it.code, it.file, it.facts, request_id="1", on_reply=raw.append
            )
        else:
            raw.append(await it.upstream.fetch_record(it.code, request_id="1"))
        assert raw == [RawReply(404, "Nada Aqui", PASSED, BODY)]


async def test_a_head_may_be_as_long_as_other_clients_take_it(sender: Make) -> None:
    head = [("X-Long", "x" * 20_000), *((f"X-{number}", "y") for number in range(300))]

    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(reply(BODY, "200 OK", *(f"{name}: {value}" for name, value in head)))

    async with raw_server(script) as server, sender(server.port) as it:
        fetched = await it.upstream.fetch_record(it.code, request_id="1")
        assert fetched == RawReply(200, "OK", tuple(head), BODY)


@pytest.mark.parametrize("size", [100_001, MAX_FETCHED_BYTES + 1])
async def test_a_record_may_be_longer_than_what_we_read_ourselves(sender: Make, size: int) -> None:
    body = b"x" * size

    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(reply(body))

    async with raw_server(script) as server, sender(server.port) as it:
        assert (await it.read()).detail == "reply_too_large"
        fetched = await it.upstream.fetch_record(it.code, request_id="1")
        if size > MAX_FETCHED_BYTES:
            assert fetched == NoReply("reply_too_large", timed_out=False)
        else:
            assert isinstance(fetched, RawReply) and fetched.body == body
