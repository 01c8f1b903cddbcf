"""What the adapter sends, and what it makes of good answers."""

from __future__ import annotations

import asyncio
import gzip
import re
from typing import Any

import pytest

from listener.adapters.upstream_http import HttpUpstream
from listener.core.evidence import PostResult, UpstreamReply
from listener.core.names import PostKind
from listener.ports.upstream import NoReply, RawReply, Upstream
from tests.adapters.upstream_http.conftest import NOW, Make
from tests.adapters.upstream_http.raw_server import ACCEPTED, Talk, accepts, raw_server, reply
from tests.core.code_corpus import DOCUMENTED_ON_THE_WIRE

RECORD = b'{"status":"success","data":{"cv_path":"/1.pdf","status":"draft"}}'


def test_it_is_the_port(sender: Make) -> None:
    port: type[Upstream] = HttpUpstream
    assert port is HttpUpstream


async def test_an_update_arrives_whole_and_is_accepted(sender: Make) -> None:
    async with raw_server(accepts) as server, sender(server.port, size=700_000) as it:
        result = await it.post()
        assert result == PostResult(
            PostKind.ACCEPTED, "accepted", 200, reply=UpstreamReply(456, None, "draft")
        )
        (seen,) = server.seen
        assert seen.line == f"POST /cv-enhance/{DOCUMENTED_ON_THE_WIRE}/edits HTTP/1.1"
        boundary = seen.headers["content-type"].removeprefix("multipart/form-data; boundary=")
        assert (
            bytes(seen.body)
            == (
                f'--{boundary}\r\nContent-Disposition: form-data; name="cv"; filename="cv.pdf"\r\n'
                "Content-Type: application/pdf\r\n\r\n"
            ).encode()
            + it.file.read_bytes()
            + f"\r\n--{boundary}--\r\n".encode()
        )


async def test_headers_are_ours_and_the_operators(sender: Make) -> None:
    tokens = iter("abc")
    spoken = {"content-length": "1", "Transfer-Encoding": "chunked", "X-Request-Id": "theirs"}
    async with (
        raw_server(accepts) as server,
        sender(
            server.port,
            headers=lambda: {"Authorization": f"Bearer {next(tokens)}", **spoken},
        ) as it,
    ):
        await it.read()
        await it.post()
        get, post = server.seen
        assert get.headers["authorization"] == "Bearer a"
        assert post.headers["authorization"] == "Bearer b"
        for seen, request_id in ((get, "0199-r"), (post, "0199-1")):
            assert seen.headers["host"] == f"127.0.0.1:{server.port}"
            assert seen.headers["x-request-id"] == request_id
            assert seen.headers["accept-encoding"] == "identity"
            assert seen.headers["accept"] == "application/json"
            assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", seen.headers["traceparent"])
            assert "transfer-encoding" not in seen.headers
        assert get.headers["traceparent"] != post.headers["traceparent"]
        assert "content-length" not in get.headers
        assert post.whole and post.length > 1000


async def test_a_record_is_read(sender: Make) -> None:
    async with raw_server(accepts) as server, sender(server.port) as it:
        reading = await it.read()
        assert (reading.known, reading.status, reading.read_ms) == (True, "draft", NOW)
        assert server.seen[0].line == f"GET /cv-enhance/{DOCUMENTED_ON_THE_WIRE} HTTP/1.1"


async def test_a_cache_that_answers_all_the_same_is_reckoned_with(sender: Make) -> None:
    async def cached(talk: Talk) -> None:
        for head in ("Age: 40", "Age: 40\r\nAge: 7", "Age: soon"):
            await talk.request()
            await talk.say(reply(RECORD, "200 OK", head))

    async with raw_server(cached) as server, sender(server.port) as it:
        assert [(await it.read()).read_ms, (await it.read()).read_ms] == [NOW - 40_000] * 2
        reading = await it.read()
        assert (reading.known, reading.detail) == (False, "unreadable_age")
        for seen in server.seen:
            assert (seen.headers["cache-control"], seen.headers["pragma"]) == ("no-cache",) * 2


async def test_no_cache_is_sent_round_for_somebody_elses_reading(sender: Make) -> None:
    async with raw_server(accepts) as server, sender(server.port) as it:
        await it.upstream.fetch_record(it.code, request_id="1")
        await it.post()
        assert not any("cache-control" in seen.headers for seen in server.seen)


@pytest.mark.parametrize("size", [10, 300_000])
async def test_what_is_of_another_code_is_no_answer(sender: Make, size: int) -> None:
    theirs = b'{"status":"success","data":{"cv_code":"SOMEBODY","cv_data":"%s"}}' % (b"x" * size)

    async def mixed_up(talk: Talk) -> None:
        await talk.request()
        await talk.say(reply(theirs))

    async with (
        raw_server(mixed_up) as server,
        sender(server.port, max_response_bytes=2 * size + 1000) as it,
    ):
        told: list[RawReply] = []
        result = await it.upstream.post_update(
            it.code, it.file, it.facts, request_id="1", on_reply=told.append
        )
        assert result == PostResult(PostKind.POSSIBLY_SENT, "other_record", 200, resendable=False)
        assert told == []
        reading = await it.read()
        assert (reading.known, reading.detail) == (False, "other_record")
        fetched = await it.upstream.fetch_record(it.code, request_id="1")
        assert fetched == NoReply("other_record", timed_out=False)


async def test_readings_share_a_connection_and_each_update_has_its_own(sender: Make) -> None:
    async with raw_server(accepts) as server, sender(server.port) as it:
        for _ in range(3):
            await it.read()
            await it.post()
        assert server.connections == 1 + 3
        closing = [seen.headers.get("connection") == "close" for seen in server.seen]
        assert closing == [False, True] * 3


async def test_an_idle_connection_is_not_kept_for_long(sender: Make) -> None:
    async with raw_server(accepts) as server, sender(server.port, keepalive_s=0.01) as it:
        await it.read()
        await asyncio.sleep(0.05)
        await it.read()
        assert server.connections == 2


async def test_redirects_are_not_followed_and_cookies_not_kept(sender: Make) -> None:
    async def script(talk: Talk) -> None:
        while True:
            seen = await talk.request()
            assert "cookie" not in seen.headers
            where = f"Location: http://localhost:{talk.server.port}/elsewhere"
            await talk.say(reply(b"", "302 Found", where, "Set-Cookie: a=b; Path=/"))

    # By name, for cookie jars pass over bare addresses.
    async with (
        raw_server(script) as server,
        sender(f"http://localhost:{server.port}/cv-enhance") as it,
    ):
        assert (await it.post()).detail == "redirected"
        assert (await it.read()).detail == "http_302"
        assert len(server.seen) == 2


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        ("429 Slow", ("Retry-After: 7",), (PostKind.THROTTLED, 7_000)),
        (
            "429 Slow",
            ("Date: Tue, 14 Nov 2023 22:13:20 GMT", "Retry-After: Tue, 14 Nov 2023 22:13:29 GMT"),
            (PostKind.THROTTLED, 9_000),
        ),
        ("429 Slow", ("Retry-After: Tue, 14 Nov 2023 22:13:29 GMT",), (PostKind.THROTTLED, 9_000)),
        ("429 Slow", ("Retry-After: 9999",), (PostKind.THROTTLED, 60_000)),
        ("503 Busy", ("Retry-After: 5",), (PostKind.POSSIBLY_SENT, 5_000)),
        ("502 Bad Gateway", ("Retry-After: 5",), (PostKind.NOT_SENT, 5_000)),
        ("404 Not Found", (), (PostKind.REFUSED, None)),
        ("408 Timeout", (), (PostKind.POSSIBLY_SENT, None)),
    ],
)
async def test_statuses_decide(
    sender: Make, status: str, headers: tuple[str, ...], expected: tuple[PostKind, int | None]
) -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(reply(b"<html>", status, *headers))

    async with raw_server(script) as server, sender(server.port, not_applied_statuses=[502]) as it:
        result = await it.post()
        assert (result.kind, result.retry_after_ms) == expected


async def test_an_encoded_reply_is_not_decoded(sender: Make) -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(reply(gzip.compress(ACCEPTED), "200 OK", "Content-Encoding: gzip"))

    async with raw_server(script) as server, sender(server.port) as it:
        result = await it.post()
        assert (result.detail, result.resendable) == ("unreadable_reply", False)


# ------------------------------------------------------------------------------- before connecting


async def test_a_file_that_cannot_be_read_is_not_sent(sender: Make) -> None:
    async with raw_server(accepts) as server, sender(server.port) as it:
        lost = PostResult(PostKind.NOT_SENT, "file_lost", resendable=False)
        it.file.unlink()
        assert await it.post() == lost
        it.file.write_bytes(b"shorter")
        assert await it.post() == lost
        assert server.connections == 0


async def test_headers_that_cannot_be_had_are_not_sent(sender: Make) -> None:
    def headers() -> dict[str, str]:
        raise LookupError("the vault is sealed")

    async with raw_server(accepts) as server, sender(server.port, headers=headers) as it:
        assert await it.post() == PostResult(PostKind.NOT_SENT, "headers_failed")
        assert (await it.read()).detail == "headers_failed"
        assert server.connections == 0
        assert [type(fault) for fault in it.faults] == [LookupError, LookupError]


async def test_headers_that_http_cannot_carry_are_not_sent(sender: Make) -> None:
    async with (
        raw_server(accepts) as server,
        sender(server.port, headers=lambda: {"x": "a\r\nb: c"}) as it,
    ):
        assert await it.post() == PostResult(PostKind.NOT_SENT, "request_unsendable")
        assert server.seen == []


@pytest.mark.parametrize(
    "base",
    ["ftp://host/x", "host/x", "http:///x", "http://h/x?y=1", "http://h/x#y", "http://u:p@h/x"],
)
def test_a_base_url_that_cannot_be_is_refused_at_once(base: str) -> None:
    told: dict[str, Any] = {
        "timeout_s": 1,
        "upload_timeout_s": 1,
        "max_connections": 1,
        "max_response_bytes": 1,
        "retry_after_cap_ms": 1,
        "now_ms": lambda: NOW,
    }
    with pytest.raises(ValueError, match="base URL"):
        HttpUpstream(base_url=base, **told)


# ------------------------------------------------------------------------------------ its own end


async def test_after_the_close_nothing_is_sent(sender: Make) -> None:
    async with raw_server(accepts) as server, sender(server.port) as it:
        await it.post()
        await it.upstream.close()
        await it.upstream.close()
        assert await it.post() == PostResult(PostKind.NOT_SENT, "transport_closed")
        assert (await it.read()).detail == "transport_closed"
        assert len(server.seen) == 1


async def test_cancelling_passes_through_and_breaks_the_connection(sender: Make) -> None:
    arrived = asyncio.Event()

    async def script(talk: Talk) -> None:
        await talk.request()
        arrived.set()
        assert await talk.reader.read() == b""

    async with raw_server(script) as server, sender(server.port) as it:
        task = asyncio.create_task(it.post())
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.ended.wait()


async def test_what_nobody_foresaw_is_possibly_sent_and_told(
    sender: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **more: object) -> None:
        raise ZeroDivisionError

    async with raw_server(accepts) as server, sender(server.port) as it:
        monkeypatch.setattr("listener.core.wire.edits_url", broken)
        monkeypatch.setattr("listener.core.wire.record_url", broken)
        assert await it.post() == PostResult(PostKind.POSSIBLY_SENT, "internal_error")
        assert (await it.read()).detail == "internal_error"
        assert [type(fault) for fault in it.faults] == [ZeroDivisionError, ZeroDivisionError]


async def test_many_at_once_have_no_more_connections_than_allowed(sender: Make) -> None:
    open_now, most = 0, 0

    async def script(talk: Talk) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        await talk.request()
        open_now -= 1
        await talk.say(reply())

    async with raw_server(script) as server, sender(server.port, size=100_000) as it:
        results = await asyncio.gather(*(it.post() for _ in range(20)))
        assert {result.kind for result in results} == {PostKind.ACCEPTED}
        assert (server.connections, most) == (20, 4)
