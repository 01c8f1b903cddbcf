"""The transport by itself, under ``httpx.AsyncClient``: it raises what httpx says it raises, and no
exception carries the URL."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator

import httpx
import pytest

from listener.adapters.upstream_http.faults import slug
from listener.adapters.upstream_http.transport import AiohttpTransport
from listener.adapters.upstream_http.witness import PhaseClock, Upload, Witness
from tests.adapters.upstream_http.raw_server import (
    ACCEPTED,
    BOUND_S,
    Script,
    Talk,
    accepts,
    raw_server,
    reply,
)
from tests.core.code_corpus import DOCUMENTED_ON_THE_WIRE


def transport() -> AiohttpTransport:
    return AiohttpTransport(max_connections=4, max_response_bytes=100_000)


def client() -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=transport(), timeout=BOUND_S, trust_env=False)


async def test_it_serves_httpxs_client() -> None:
    async with raw_server(accepts) as server, client() as http:
        base = f"http://127.0.0.1:{server.port}"
        got = await http.get(f"{base}/a%24%2f/b?c=%24&d=1", headers={b"x": "é".encode()})
        assert got.json()["status"] == "success"
        posted = await http.post(f"{base}/edits", files={"cv": ("cv.pdf", b"abc")})
        assert posted.content == ACCEPTED
        empty = await http.post(f"{base}/empty")
        assert empty.status_code == 200
        assert [seen.line for seen in server.seen] == [
            "GET /a%24%2f/b?c=%24&d=1 HTTP/1.1",
            "POST /edits HTTP/1.1",
            "POST /empty HTTP/1.1",
        ]
        assert server.seen[2].headers["content-length"] == "0"


async def test_credentials_in_the_url_go_as_httpx_sends_them() -> None:
    async with raw_server(accepts) as server, client() as http:
        await http.get(f"http://me:pass@127.0.0.1:{server.port}/x")
        assert server.seen[0].headers["authorization"].startswith("Basic ")


async def test_a_body_without_a_length_goes_in_chunks() -> None:
    async def script(talk: Talk) -> None:
        await talk.head()
        assert await talk.reader.readuntil(b"0\r\n\r\n") == b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"
        await talk.say(reply())

    async def body() -> AsyncIterator[bytes]:
        yield b"abc"
        yield b"def"

    async with raw_server(script) as server, client() as http:
        witness = Witness()
        answer = await http.post(
            f"http://127.0.0.1:{server.port}/", content=body(), extensions={"witness": witness}
        )
        assert answer.content == ACCEPTED
        assert (witness.connected, witness.handed, witness.unsent) == (True, 6, False)


async def test_what_the_body_raises_is_raised() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"abc"
        raise LookupError("no more")

    async with raw_server(accepts) as server, client() as http:
        witness = Witness()
        with pytest.raises(LookupError, match="no more"):
            await http.post(
                f"http://127.0.0.1:{server.port}/",
                content=body(),
                headers={"content-length": "6"},
                extensions={"witness": witness},
            )
        assert witness.unsent
        await server.ended.wait()
        assert not server.seen[0].whole


async def test_a_body_shorter_than_announced_is_never_whole() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"abc"

    async with raw_server(accepts) as server, client() as http:
        with pytest.raises(httpx.LocalProtocolError):
            await http.post(
                f"http://127.0.0.1:{server.port}/",
                content=body(),
                headers={"content-length": "6"},
            )


async def closes(talk: Talk) -> None:
    await talk.request()


async def resets(talk: Talk) -> None:
    await talk.request()
    talk.reset()


async def garbles(talk: Talk) -> None:
    await talk.request()
    await talk.say(b"not http\r\n\r\n")


async def breaks_off(talk: Talk) -> None:
    await talk.request()
    await talk.say(reply()[:-3])


async def floods(talk: Talk) -> None:
    await talk.request()
    await talk.say(reply(b"x" * 200_000))


async def falls_silent(talk: Talk) -> None:
    await talk.request()
    await talk.stall()


@pytest.mark.parametrize(
    ("script", "kind", "name"),
    [
        (closes, httpx.RemoteProtocolError, "disconnected"),
        (resets, httpx.ReadError, "connection_reset"),
        (garbles, httpx.RemoteProtocolError, "reply_garbled"),
        (breaks_off, httpx.RemoteProtocolError, "reply_garbled"),
        (floods, httpx.RemoteProtocolError, "reply_too_large"),
        (falls_silent, httpx.ReadTimeout, "read_timeout"),
        (None, httpx.ConnectError, "connect_refused"),
    ],
)
async def test_each_failure_is_httpxs_and_holds_no_url(
    script: Script | None, kind: type[httpx.TransportError], name: str
) -> None:
    # Not under httpx's client: that one logs the URL.
    async with raw_server(script or accepts) as server, transport() as sending:
        port = server.port if script else 1
        patience = 0.5 if script is falls_silent else BOUND_S
        request = httpx.Request(
            "POST",
            f"http://127.0.0.1:{port}/cv-enhance/{DOCUMENTED_ON_THE_WIRE}/edits",
            content=b"x",
            extensions={"timeout": {"read": patience}},
        )
        with pytest.raises(kind) as caught:
            await (await sending.handle_async_request(request)).aread()
        assert slug(caught.value) == name
        assert caught.value.__cause__ is None
        assert DOCUMENTED_ON_THE_WIRE not in "".join(traceback.format_exception(caught.value))
        seen: BaseException | None = caught.value
        while seen is not None:
            assert DOCUMENTED_ON_THE_WIRE not in f"{seen!r} {seen}"
            seen = seen.__context__


async def test_an_unread_reply_breaks_its_connection_and_frees_its_place() -> None:
    async with raw_server(accepts) as server, client() as http:
        url = f"http://127.0.0.1:{server.port}/"
        for _ in range(6):
            async with http.stream("GET", url):
                pass
        async with asyncio.timeout(BOUND_S):
            assert (await http.get(url)).status_code == 200


class Chunks(httpx.AsyncByteStream):
    """Three chunks of one byte."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in (b"a", b"b", b"c"):
            yield chunk


async def test_writing_is_bounded_chunk_by_chunk() -> None:
    clock = PhaseClock({"write": BOUND_S, "read": 2 * BOUND_S})
    witness = Witness()
    witness.expected = 3
    upload = Upload(Chunks(), witness, clock)
    async with clock.running("write"):
        deadline = clock._deadline
        assert deadline is not None
        ends = []
        async for _ in upload:
            ends.append(deadline.when() or 0)
            await asyncio.sleep(0.001)
        assert ends[0] < ends[1] < ends[2]
        # All handed over: from here on the reply is waited for.
        assert (deadline.when() or 0) > ends[2] + BOUND_S / 2
    assert (clock.failure(), witness.unsent) == (None, True)
    clock.enter("read")  # of a request that is over: nobody's


async def test_what_is_asked_for_after_the_end_is_not_handed_over() -> None:
    witness = Witness()
    witness.expected = 3
    upload = Upload(Chunks(), witness, PhaseClock({}))
    assert await anext(upload) == b"a"
    upload.stop()
    with pytest.raises(httpx.LocalProtocolError):
        await anext(upload)
    assert witness.handed == 1
