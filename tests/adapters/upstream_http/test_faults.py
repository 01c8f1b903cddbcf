"""Every way a request can fail, and what is then known: never *not sent* of what arrived whole."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.adapters.upstream_http import HttpUpstream
from listener.adapters.upstream_http.body import CHUNK_BYTES
from listener.core import wire
from listener.core.evidence import PostResult
from listener.core.names import FileKind, Millis, PostKind
from listener.core.submission import FileFacts
from tests.adapters.upstream_http.conftest import Make
from tests.adapters.upstream_http.raw_server import (
    BOUND_S,
    Script,
    Talk,
    accepts,
    raw_server,
    reply,
)

BIG = 4_000_000
"""More than the kernel's buffers take on either side."""
SMALL_BUFFER = 4096
PATIENCE_S = 1.0
"""The step's timeout where it is to pass."""

NOT_SENT, POSSIBLY = PostKind.NOT_SENT, PostKind.POSSIBLY_SENT


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


# ------------------------------------------------------------------------------- no connection had


async def test_a_refused_port_is_not_sent(sender: Make) -> None:
    async with sender(free_port()) as it:
        assert await it.post() == PostResult(NOT_SENT, "connect_refused")
        assert (await it.read()).detail == "connect_refused"


async def test_a_host_without_a_name_is_not_sent(sender: Make) -> None:
    async with sender("http://no-such-host.invalid/cv-enhance") as it:
        assert await it.post() == PostResult(NOT_SENT, "host_unknown")
        assert (await it.read()).detail == "host_unknown"


async def test_a_host_that_answers_nothing_is_not_sent(sender: Make) -> None:
    # A listening socket whose queue is full drops what would connect to it.
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(0)
        port = sock.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        try:
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
            async with sender(port, timeout_s=0.3) as it:
                assert await it.post() == PostResult(NOT_SENT, "connect_timeout")
        finally:
            for filler in fillers:
                filler.close()


async def test_waiting_for_a_connection_is_bounded_and_not_sent(sender: Make) -> None:
    arrived = asyncio.Event()

    async def script(talk: Talk) -> None:
        await talk.head()
        arrived.set()
        await talk.stall()

    async with (
        raw_server(script) as server,
        sender(server.port, timeout_s=0.5, max_connections=1) as it,
    ):
        first = asyncio.create_task(it.post())
        await arrived.wait()
        assert await it.post() == PostResult(NOT_SENT, "pool_timeout")
        assert len(server.seen) == 1
        first.cancel()
        await asyncio.wait([first])


async def test_tls_with_who_speaks_none_is_not_sent(sender: Make) -> None:
    async def script(talk: Talk) -> None:
        await talk.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with (
        raw_server(script) as server,
        sender(f"https://127.0.0.1:{server.port}/x") as it,
    ):
        assert await it.post() == PostResult(NOT_SENT, "tls_failed")


def certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    if shutil.which("openssl") is None:
        pytest.skip("needs: openssl on PATH")
    cert, key = folder / "cert.pem", folder / "key.pem"
    request = (
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost "
        "-addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run(
        ["openssl", *request.split(), "-keyout", str(key), "-out", str(cert)],
        check=True,
        capture_output=True,
        timeout=BOUND_S,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return cert, context


async def test_an_unknown_authority_is_not_sent_and_a_private_one_is_trusted(
    sender: Make, tmp_path: Path
) -> None:
    cert, context = certificate(tmp_path)
    async with raw_server(accepts, tls=context) as server:
        base = f"https://127.0.0.1:{server.port}/cv-enhance"
        async with sender(base) as it:
            assert await it.post() == PostResult(NOT_SENT, "tls_failed")
        assert server.seen == []
        async with sender(base, ca_file=cert, size=300_000) as it:
            assert (await it.post()).kind is PostKind.ACCEPTED
        assert server.seen[0].whole


# ------------------------------------------------------------------------------------- the proxy


async def test_a_proxy_gets_the_whole_url_unchanged(sender: Make) -> None:
    async with raw_server(accepts) as server:
        proxy = f"http://user:secret@127.0.0.1:{server.port}"
        async with sender("http://upstream.invalid/cv-enhance", proxy=proxy) as it:
            assert (await it.post()).kind is PostKind.ACCEPTED
            url = wire.edits_url("http://upstream.invalid/cv-enhance", it.code)
        (seen,) = server.seen
        assert seen.line == f"POST {url} HTTP/1.1"
        assert seen.headers["proxy-authorization"].startswith("Basic ")


async def test_a_proxy_that_will_not_connect_is_not_sent(sender: Make) -> None:
    async def refuses(talk: Talk) -> None:
        await talk.head()
        await talk.say(reply(b"", "403 Forbidden"))

    async with raw_server(refuses) as server:
        proxy = f"http://127.0.0.1:{server.port}"
        async with sender("https://upstream.invalid/x", proxy=proxy) as it:
            assert await it.post() == PostResult(NOT_SENT, "proxy_failed")
        assert server.seen[0].line.startswith("CONNECT upstream.invalid:443 ")
    async with sender("http://upstream.invalid/x", proxy=f"http://127.0.0.1:{free_port()}") as it:
        assert await it.post() == PostResult(NOT_SENT, "proxy_failed")


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


# -------------------------------------------------------------------------------- bounded in time


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
        assert await it.post() == PostResult(NOT_SENT, "file_unreadable")
        await server.ended.wait()
        assert shrunk.is_set() and not server.seen[0].whole


# ---------------------------------------------------------------------------- connections reused


async def test_a_connection_closed_while_idle_is_not_used_again(sender: Make) -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(reply())

    async with raw_server(script) as server, sender(server.port) as it:
        assert (await it.post()).kind is PostKind.ACCEPTED
        await server.ended.wait()
        await asyncio.sleep(0.05)  # its FIN is read by the loop, of which nobody is told
        assert (await it.post()).kind is PostKind.ACCEPTED
        assert server.connections == 2


async def test_a_connection_that_closes_under_a_post_is_possibly_sent_and_sent_once(
    sender: Make,
) -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(reply())
        await talk.request()
        talk.reset()

    async with raw_server(script) as server, sender(server.port) as it:
        assert (await it.post()).kind is PostKind.ACCEPTED
        assert (await it.post()).kind is POSSIBLY
        assert (server.connections, len(server.seen)) == (1, 2)


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
