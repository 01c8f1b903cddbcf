"""No connection had: not a byte can have left, so it is *not sent*, through a proxy too."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from listener.core import wire
from listener.core.evidence import PostResult
from listener.core.names import PostKind
from tests.adapters.upstream_http.conftest import Make
from tests.adapters.upstream_http.raw_server import BOUND_S, Talk, accepts, raw_server, reply

NOT_SENT = PostKind.NOT_SENT


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


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
