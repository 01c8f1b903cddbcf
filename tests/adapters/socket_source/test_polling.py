"""Long polling, request by request."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

import engineio  # type: ignore[import-untyped]  # python-engineio ships no types
import pytest
from aiohttp import web

from listener.ports.event_source import ConnectFailed, Listening, Lost, ReceivedEvent, Resume
from tests.adapters.upstream_http.raw_server import Script, Talk, raw_server, reply

from .ear import Ear, codes
from .scripted_server import HANDSHAKE, event_frame

ADMITTED = '40{"sid":"session"}'


@dataclass(frozen=True)
class Broken:
    """The connection ends after so much of an answer; None, before any of it."""

    text: str | None


Body = str | list[str] | Broken


class PollingServer:
    """Answers the polls of any client with the bodies given, one each, then keeps it waiting.

    A body is a text, or a list of packets, or broken. Answers to POSTs come in two pieces.
    ``upgrade``: a websocket is offered, and cut once it is there.
    """

    def __init__(self, *bodies: Body, upgrade: bool = False) -> None:
        self._upgrades = ["websocket"] if upgrade else []
        self._bodies = ["\x1e".join(body) if isinstance(body, list) else body for body in bodies]
        self._sent: dict[str, int] = {}
        self.posted: asyncio.Queue[str] = asyncio.Queue()
        self.peers: set[object] = set()

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        self.peers.add(request.transport.get_extra_info("peername"))
        if request.query["transport"] == "websocket":
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            request.transport.abort()
            return socket
        if request.method == "POST":
            self.posted.put_nowait(await request.text())
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"o")
            await asyncio.sleep(0.01)
            await response.write(b"k")
            return response
        sid = request.query.get("sid")
        if sid is None:
            sid = str(len(self._sent))
            self._sent[sid] = 0
            handshake = {**HANDSHAKE, "sid": sid, "upgrades": self._upgrades}
            return web.Response(text="0" + json.dumps(handshake))
        if self._sent[sid] == len(self._bodies):
            await asyncio.Event().wait()
        self._sent[sid] += 1
        body = self._bodies[self._sent[sid] - 1]
        if not isinstance(body, Broken):
            return web.Response(text=body)
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        if body.text is not None:
            await response.prepare(request)
            await response.write(body.text.encode())
        request.transport.abort()
        return response


@pytest.mark.parametrize("body", ["4" + "x" * 5000, [event_frame("x" * 100)] * 50])
async def test_a_response_over_the_limit_ends_the_connection(body: str | list[str]) -> None:
    async with (
        PollingServer(ADMITTED, event_frame("before"), body) as server,
        Ear(server.url, transports=("polling",), max_message_bytes=4000) as ear,
    ):
        for _ in range(2):
            await ear.until(Listening)
            assert codes(await ear.hear(1)) == ["before"]
            assert (await ear.until(Lost)).reason == "message_too_big"


async def test_what_cannot_be_read_ends_the_connection_or_is_counted() -> None:
    async with (
        PollingServer([ADMITTED, "42[", event_frame("a")], "no packet") as server,
        Ear(server.url, transports=("polling",)) as ear,
    ):
        await ear.until(Listening)
        broken, sound = await ear.hear(2)
        assert (broken.problem, sound.code) == ("bad_packet", "a")
        assert (await ear.until(Lost)).reason == "transport_closed"


@pytest.mark.parametrize("broken", [Broken(None), Broken(""), Broken(event_frame("b"))])
async def test_a_poll_whose_answer_is_lost_is_not_asked_again(broken: Broken) -> None:
    """What it held is lost, and no second poll brings it: the connection is over."""
    said: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
    async with (
        PollingServer(ADMITTED, event_frame("a"), broken, event_frame("c")) as server,
        Ear(server.url, transports=("polling",)) as ear,
    ):
        for _ in range(2):
            await ear.until(Listening)
            assert codes(await ear.hear(1)) == ["a"]
            lost = await ear.next()
            assert isinstance(lost, Lost)
            assert lost.reason == "transport_closed"
    assert said == []


HEAD = b"HTTP/1.1 200 OK\r\n"
SOME = (event_frame("a") + "\x1e" + event_frame("b")).encode()


def whole(body: str) -> bytes:
    return reply(body.encode())


async def broken_off(talk: Talk) -> None:
    await talk.say(HEAD + b"Content-Length: 500\r\n\r\n" + SOME)


async def broken_off_in_a_chunk(talk: Talk) -> None:
    await talk.say(HEAD + b"Transfer-Encoding: chunked\r\n\r\n64\r\n" + SOME)


async def reset(talk: Talk) -> None:
    await broken_off(talk)
    talk.reset()


async def stalled(talk: Talk) -> None:
    await broken_off(talk)
    await talk.stall()


async def gone(talk: Talk) -> None:
    talk.reset()


async def not_a_success(talk: Talk) -> None:
    await talk.say(reply(b'{"code":1,"message":"Session ID unknown"}', "400 Bad Request"))


async def a_failure_that_breaks_off(talk: Talk) -> None:
    await talk.say(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 500\r\n\r\n<html>")


BROKEN = [
    (broken_off, "transport_closed"),
    (broken_off_in_a_chunk, "transport_closed"),
    (stalled, "silent"),
    (not_a_success, "http_400"),
    (a_failure_that_breaks_off, "http_502"),
]


@pytest.mark.parametrize(("breaks", "reason"), BROKEN)
async def test_a_poll_that_breaks_off_ends_the_connection_and_no_more(
    breaks: Script, reason: str
) -> None:
    """What it brought is not taken, the next connection is made, and nothing of ours fails."""
    failed = list[dict[str, object]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context))
    quick = {**HANDSHAKE, "pingInterval": 200, "pingTimeout": 100}
    opened, admitted = 0, set[str]()

    async def script(talk: Talk) -> None:
        nonlocal opened
        while True:
            seen = await talk.request()
            sid = parse_qs(urlsplit(seen.line.split()[1]).query).get("sid", [""])[0]
            if seen.line.startswith("POST"):
                await talk.say(reply(b"ok"))
            elif not sid:
                opened += 1
                told = quick if reason == "silent" else HANDSHAKE
                await talk.say(whole("0" + json.dumps({**told, "sid": f"sid-{opened}"})))
            elif sid not in admitted:
                admitted.add(sid)
                await talk.say(whole(ADMITTED))
            else:
                await breaks(talk)
                return

    async with (
        raw_server(script) as server,
        Ear(
            f"http://127.0.0.1:{server.port}", transports=("polling",), silence_margin_s=0.1
        ) as ear,
    ):
        for _ in range(2):
            await ear.until(Listening)
            assert (await ear.until(Lost)).reason == reason
        assert not [signal for signal in ear.signals if isinstance(signal, ReceivedEvent)]
    assert failed == []


@pytest.mark.parametrize("breaks", [broken_off, broken_off_in_a_chunk, reset, gone])
async def test_a_handshake_that_breaks_off_is_a_failure_with_a_name(breaks: Script) -> None:
    async def script(talk: Talk) -> None:
        await talk.head()
        await breaks(talk)

    async with (
        raw_server(script) as server,
        Ear(f"http://127.0.0.1:{server.port}", transports=("polling",)) as ear,
    ):
        failed = await ear.until(ConnectFailed)
        assert (failed.reason, failed.refused) == ("transport_closed", False)


@pytest.mark.prove
async def test_an_answer_that_stalls_for_longer_than_the_library_waits_is_an_end_too() -> None:
    """It waits for five seconds more than between two pings, by default less than we do."""
    failed = list[dict[str, object]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context))
    admitted = asyncio.Event()

    async def script(talk: Talk) -> None:
        while True:
            seen = await talk.request()
            if seen.line.startswith("POST"):
                await talk.say(reply(b"ok"))
            elif "sid=" not in seen.line:
                quick = {**HANDSHAKE, "pingInterval": 200, "pingTimeout": 100}
                await talk.say(whole("0" + json.dumps(quick)))
            elif not admitted.is_set():
                admitted.set()
                await talk.say(whole(ADMITTED))
            else:
                await stalled(talk)

    url_of = "http://127.0.0.1:{}".format
    async with (
        raw_server(script) as server,
        Ear(url_of(server.port), transports=("polling",), silence_margin_s=60) as ear,
    ):
        lost = await ear.until(Lost)
    assert (lost.reason, lost.detail) == (
        "transport_closed",
        "a response broke off (TimeoutError)",
    )
    assert failed == []


OF_2_5 = (
    '95:0{"sid":"RlgURvjWIV9Y4hExAAAA","upgrades":["websocket"],"pingInterval":2000,'
    '"pingTimeout":1500}2:40'
)
"""What a server of version 2.5 answers to our handshake."""


@pytest.mark.parametrize("transports", [("polling",), ("polling", "websocket")])
async def test_a_2x_server_is_named(transports: tuple[str, ...]) -> None:
    async def script(talk: Talk) -> None:
        await talk.head()
        await talk.say(whole(OF_2_5))

    async with (
        raw_server(script) as server,
        Ear(f"http://127.0.0.1:{server.port}", transports=transports) as ear,
    ):
        failed = await ear.until(ConnectFailed)
        assert (failed.reason, failed.refused) == ("server_2x", True)


async def test_a_server_whose_connect_has_no_session_is_a_2x_one() -> None:
    async with (
        PollingServer("40") as server,
        Ear(server.url, transports=("polling",)) as ear,
    ):
        assert (await ear.until(ConnectFailed)).reason == "server_2x"


async def test_a_stop_in_the_midst_of_a_poll_leaves_nothing() -> None:
    async with PollingServer(ADMITTED) as server:
        async with Ear(server.url, transports=("polling",)) as ear:
            await ear.until(Listening)
        assert engineio.base_client.connected_clients == []


async def test_connections_are_used_again() -> None:
    async with (
        PollingServer(ADMITTED, *["2"] * 10) as server,
        Ear(server.url, transports=("polling",)) as ear,
    ):
        await ear.until(Listening)
        pongs = 0
        async with asyncio.timeout(60):
            while pongs < 10:
                pongs += (await server.posted.get()).count("3")
        assert len(server.peers) <= 3


async def test_where_the_change_to_a_websocket_breaks_off_nothing_more_is_said() -> None:
    """A CONNECT over polling, with our offer, would have the server recover the session for a
    connection that we have left: twice recovered, it is heard by nobody, and looks recovered."""
    resume = Resume("pid", "1")
    async with (
        PollingServer(ADMITTED, upgrade=True) as server,
        Ear(server.url, transports=("polling", "websocket"), resume=resume) as ear,
    ):
        for _ in range(3):
            assert (await ear.until(ConnectFailed)).reason == "transport_closed"
        assert server.posted.empty()
