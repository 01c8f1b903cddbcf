"""Servers that are silent, strange, hostile or gone: each end has a name, and is outlived."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from listener.core.names import GapReason
from listener.ports.event_source import ConnectFailed, Listening, Lost, ReceivedEvent

from .ear import Ear, codes, now_ms
from .scripted_server import Peer, Scene, ScriptedServer, event_frame


def session(*frames: str | bytes, pid: str | None = None) -> Scene:
    """A sound connection, on which these frames are sent."""

    async def scene(peer: Peer) -> None:
        await peer.open()
        await peer.admit(pid)
        await peer.send(*frames)
        await peer.gone()

    return scene


def instead(*frames: str | bytes) -> Scene:
    """These frames in place of a handshake."""

    async def scene(peer: Peer) -> None:
        await peer.send(*frames)
        await peer.gone()

    return scene


# ------------------------------------------------------------------------------- no connection


async def silent(peer: Peer) -> None:
    await peer.gone()


async def no_answer(peer: Peer) -> None:
    await peer.open()
    await peer.gone()


async def gone_at_once(peer: Peer) -> None:
    return


async def gone_after_the_handshake(peer: Peer) -> None:
    await peer.open()


@pytest.mark.parametrize(
    ("scene", "reason"),
    [
        (silent, "connect_timeout"),
        (no_answer, "connect_timeout"),
        (gone_at_once, "transport_closed"),
        (gone_after_the_handshake, "transport_closed"),
        (instead("hello"), "bad_handshake"),
        (instead(""), "bad_handshake"),
        (instead("0"), "bad_handshake"),
        (instead("0[]"), "bad_handshake"),
        (instead('0{"sid":"x"}'), "bad_handshake"),
        (instead('0{"pingInterval":null,"pingTimeout":1}'), "bad_handshake"),
        (instead("0" + "[" * 5000), "bad_handshake"),
        (instead(b"\x00\x01"), "bad_handshake"),
        (instead("6", "6"), "bad_handshake"),
    ],
)
async def test_a_handshake_that_is_none(scene: Scene, reason: str, fast_path: bool) -> None:
    timeout_s = 0.3 if reason == "connect_timeout" else 30.0
    async with (
        ScriptedServer(scene, scene, session()) as server,
        Ear(server.url, fast_path=fast_path, connect_timeout_s=timeout_s) as ear,
    ):
        failures = [await ear.until(ConnectFailed) for _ in range(2)]
        assert {failure.reason for failure in failures} == {reason}
        assert [failure.failures for failure in failures] == [1, 2]
        assert not any(failure.refused for failure in failures)
        # Two failures later the server is well, and so are we.
        await ear.until(Listening)


@pytest.mark.parametrize("frames", [("40[1]",), ("40/other,{}",), ("4", "4x", "49", "43", "431")])
async def test_a_connect_that_is_none(frames: tuple[str, ...], fast_path: bool) -> None:
    async def scene(peer: Peer) -> None:
        await peer.open()
        await peer.send(*frames)
        await peer.gone()

    async with (
        ScriptedServer(scene, session()) as server,
        Ear(server.url, fast_path=fast_path, connect_timeout_s=0.5) as ear,
    ):
        failed = await ear.until(ConnectFailed)
        assert failed.reason in {"connect_timeout", "transport_closed"}
        await ear.until(Listening)


async def test_a_2x_server_is_named(fast_path: bool) -> None:
    async def scene(peer: Peer) -> None:
        # It does not wait for a CONNECT, and its own has no session.
        await peer.send('0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":5000}', "40")
        await peer.gone()

    async with ScriptedServer(scene) as server, Ear(server.url, fast_path=fast_path) as ear:
        failed = await ear.until(ConnectFailed)
        assert (failed.reason, failed.refused) == ("server_2x", True)
        assert "2.x" in failed.detail


async def test_nobody_listens_there(fast_path: bool) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        async with Ear(url, fast_path=fast_path) as ear:
            failed = await ear.until(ConnectFailed)
    assert (failed.reason, failed.refused) == ("unreachable", False)


async def test_a_host_that_has_no_address(fast_path: bool) -> None:
    async with Ear("http://no-such-host.invalid", fast_path=fast_path) as ear:
        assert (await ear.until(ConnectFailed)).reason in {"dns_failed", "unreachable"}


@pytest.mark.parametrize(
    ("status", "body", "refused"),
    [
        (401, b"", True),
        (403, b'{"code":4,"message":"Forbidden by s3cr3t"}', True),
        (404, b"<html>", True),
        (400, b'{"code":5,"message":"Unsupported protocol version"}', True),
        (400, b'"The client is using an unsupported version"', True),
        (429, b"", False),
        (503, b"gone", False),
        (200, b"", False),
    ],
)
@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_an_http_server_that_says_no(
    status: int, body: bytes, refused: bool, transport: str
) -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(status=status, body=body)

    async with served(answer) as url:
        query = {"key": "s3cr3t"}
        async with Ear(url, transports=(transport,), query=lambda: query) as ear:
            failed = await ear.until(ConnectFailed)
    assert failed.refused is refused
    if status == 200:
        assert failed.reason == "bad_handshake"
    else:
        assert failed.reason == f"http_{status}"
    assert "s3cr3t" not in failed.detail
    if b"Unsupported" in body:
        assert failed.detail == "HTTP 400 Unsupported protocol version"


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_a_redirect_is_not_followed(transport: str) -> None:
    asked = []

    async def answer(request: web.BaseRequest) -> web.Response:
        asked.append(request.path)
        return web.Response(status=302, headers={"Location": "/elsewhere/"})

    async with served(answer) as url, Ear(url, transports=(transport,)) as ear:
        failed = await ear.until(ConnectFailed)
    assert (failed.reason, failed.refused) == ("redirected", True)
    assert set(asked) == {"/socket.io/"}


async def test_headers_and_query_are_made_for_each_attempt() -> None:
    seen: list[tuple[str | None, str | None]] = []
    numbers = iter(range(100))

    async def answer(request: web.BaseRequest) -> web.Response:
        seen.append((request.headers.get("Authorization"), request.query.get("try")))
        return web.Response(status=503)

    def headers() -> dict[str, str]:
        return {"Authorization": f"Bearer {next(numbers)}"}

    async with served(answer) as url:
        options = {"headers": headers, "query": lambda: {"try": str(len(seen))}}
        async with Ear(lambda: f"{url}?a=1&b=2", **options) as ear:
            for _ in range(3):
                await ear.until(ConnectFailed)
    assert seen[:3] == [("Bearer 0", "0"), ("Bearer 1", "1"), ("Bearer 2", "2")]


async def test_credentials_that_cannot_be_had_are_asked_for_again(fast_path: bool) -> None:
    faults = iter([RuntimeError("s3cr3t"), OSError("s3cr3t")])

    def auth() -> dict[str, str]:
        for fault in faults:
            raise fault
        return {}

    async with (
        ScriptedServer(session()) as server,
        Ear(server.url, fast_path=fast_path, auth=auth) as ear,
    ):
        for kind in ("RuntimeError", "OSError"):
            failed = await ear.until(ConnectFailed)
            assert (failed.reason, failed.refused) == ("no_credentials", True)
            assert kind in failed.detail and "s3cr3t" not in failed.detail
        await ear.until(Listening)


async def test_a_refusal_that_repeats_our_secret_is_told_without_it(fast_path: bool) -> None:
    async def scene(peer: Peer) -> None:
        await peer.open()
        message = "the token s3cr3t-token is wrong \x1b[2J\n" + "x" * 1000
        await peer.send("44" + json.dumps({"message": message}))
        await peer.gone()

    auth = {"nested": {"token": "s3cr3t-token"}}
    async with (
        ScriptedServer(scene) as server,
        Ear(server.url, fast_path=fast_path, auth=lambda: auth) as ear,
    ):
        detail = (await ear.until(ConnectFailed)).detail
    assert detail == "the token … is wrong …"


# ---------------------------------------------------------------------------- connections that end


async def test_a_server_that_falls_silent_is_left(fast_path: bool) -> None:
    async def scene(peer: Peer) -> None:
        await peer.open(pingInterval=200, pingTimeout=100)
        await peer.admit()
        # The client's socket stays open, and nothing comes any more.
        await peer.gone()

    async with (
        ScriptedServer(scene, session()) as server,
        Ear(server.url, fast_path=fast_path, silence_margin_s=0.2) as ear,
    ):
        listening = await ear.until(Listening)
        lost = await ear.until(Lost)
        assert lost.reason == "silent"
        assert lost.at_ms <= listening.at_ms + 200
        await ear.until(Listening)


async def test_a_silence_that_begins_with_an_event_is_one_from_there_on(fast_path: bool) -> None:
    """On the fast path the library does not see the event: its own clock is told of it."""

    async def scene(peer: Peer) -> None:
        await peer.open(pingInterval=400, pingTimeout=400)
        await peer.admit()
        await asyncio.sleep(0.3)
        await peer.event("last")
        await peer.gone()

    async with (
        ScriptedServer(scene, session()) as server,
        Ear(server.url, fast_path=fast_path, silence_margin_s=0.2) as ear,
    ):
        (event,) = await ear.hear(1)
        lost = await ear.until(Lost)
        assert lost.reason == "silent"
        assert lost.at_ms - event.heard_ms <= 5
        assert now_ms() - event.heard_ms >= 700


async def test_we_were_deaf_from_the_last_frame_on(fast_path: bool) -> None:
    """What is told late of an end is no frame: between the two, anything may have been lost."""

    async def scene(peer: Peer) -> None:
        await peer.open()
        await peer.admit()
        await asyncio.sleep(0.3)
        assert peer.request.transport is not None
        peer.request.transport.abort()

    async with ScriptedServer(scene) as server, Ear(server.url, fast_path=fast_path) as ear:
        listening = await ear.until(Listening)
        assert (await ear.until(Lost)).at_ms <= listening.at_ms


async def test_after_a_sleep_of_the_machine_a_silent_connection_is_left(fast_path: bool) -> None:
    slept_s = 0.0

    async def scene(peer: Peer) -> None:
        # The library's own timer stood still as we slept, and has hours to go.
        await peer.open(pingTimeout=10_000_000)
        await peer.admit()
        await peer.gone()

    def monotonic() -> float:
        return time.monotonic() + slept_s

    async with (
        ScriptedServer(scene) as server,
        Ear(server.url, fast_path=fast_path, monotonic=monotonic) as ear,
    ):
        await ear.until(Listening)
        slept_s = 20_000.0
        assert (await ear.until(Lost)).reason == "silent"


async def test_a_stream_of_events_without_pings_is_no_silence(fast_path: bool) -> None:
    async def scene(peer: Peer) -> None:
        await peer.open(pingInterval=500, pingTimeout=500)
        await peer.admit()
        for number in range(75):
            await peer.event(f"code-{number}")
            await asyncio.sleep(0.02)
        await peer.gone()

    async with (
        ScriptedServer(scene) as server,
        Ear(server.url, fast_path=fast_path) as ear,
    ):
        assert codes(await ear.hear(75)) == [f"code-{number}" for number in range(75)]
        assert not [signal for signal in ear.signals if isinstance(signal, Lost)]


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        (("41",), "server_disconnect"),
        (("1",), "server_disconnect"),
        (("x",), "transport_closed"),
        (("",), "transport_closed"),
        ((event_frame("x" * 5000),), "message_too_big"),
        (('451-["cv_updated",{"_placeholder":true,"num":0}]', event_frame("a")), "protocol_error"),
    ],
)
async def test_an_end_has_a_name(frames: tuple[str, ...], reason: str, fast_path: bool) -> None:
    async with (
        ScriptedServer(session(event_frame("before"), *frames), session()) as server,
        Ear(server.url, fast_path=fast_path, max_message_bytes=4000) as ear,
    ):
        await ear.until(Listening)
        assert codes(await ear.hear(1)) == ["before"]
        assert (await ear.until(Lost)).reason == reason
        await ear.until(Listening)


async def test_a_loss_says_more_than_its_reason_where_more_is_known(fast_path: bool) -> None:
    async def restarting(peer: Peer) -> None:
        await peer.open()
        await peer.admit()
        await peer.close(code=1012)

    scenes = (restarting, session(event_frame("x" * 5000)), session("41"))
    async with (
        ScriptedServer(*scenes) as server,
        Ear(server.url, fast_path=fast_path, max_message_bytes=4000) as ear,
    ):
        losses = [await ear.until(Lost) for _ in scenes]
    assert [(lost.reason, lost.detail) for lost in losses] == [
        ("transport_closed", "websocket code 1012"),
        ("message_too_big", "over the limit of one message"),
        ("server_disconnect", ""),
    ]


async def test_a_proxy_that_is_away_or_says_no_is_told_apart() -> None:
    async with Ear("http://host.invalid", proxy="http://127.0.0.1:9") as ear:
        failed = await ear.until(ConnectFailed)
    assert (failed.reason, failed.refused) == ("proxy_failed", False)
    assert failed.detail.startswith("the proxy cannot be reached: ")

    async def refuses(request: web.BaseRequest) -> web.Response:
        return web.Response(status=407)

    async with served(refuses) as proxy:
        async with Ear("https://host.invalid", proxy=proxy) as ear:
            failed = await ear.until(ConnectFailed)
        assert (failed.reason, failed.refused) == ("proxy_failed", True)
        assert failed.detail == "the proxy answers with HTTP 407"
        async with Ear("http://host.invalid", proxy=proxy) as ear:
            failed = await ear.until(ConnectFailed)
        assert (failed.reason, failed.refused) == ("http_407", True)


async def test_a_burst_of_all_kinds_keeps_its_order(fast_path: bool) -> None:
    frames: list[str | bytes] = []
    for number in range(200):
        frames.append(event_frame(f"plain-{number}"))
        frames.append(f'42{number}["cv_updated",{{"cv_code":"ack-{number}"}}]')
        frames.append(event_frame(f"next-{number}"))
        body = f'{{"cv_code":"binary-{number}","file":{{"_placeholder":true,"num":0}}}}'
        frames += [f'451-["cv_updated",{body}]', b"file"]
    wanted = [f"{kind}-{n}" for n in range(200) for kind in ("plain", "ack", "next", "binary")]
    async with (
        ScriptedServer(session(*frames)) as server,
        Ear(server.url, fast_path=fast_path) as ear,
    ):
        assert codes(await ear.hear(800)) == wanted


async def test_what_goes_before_an_end_is_heard_before_it(fast_path: bool) -> None:
    async def scene(peer: Peer) -> None:
        await peer.open()
        await peer.admit()
        for number in range(300):
            await peer.event(f"code-{number}")
        await peer.send("41")
        await peer.gone()

    async with ScriptedServer(scene) as server, Ear(server.url, fast_path=fast_path) as ear:
        await ear.until(Lost)
        heard = [signal for signal in ear.signals if isinstance(signal, ReceivedEvent)]
        assert codes(heard)[:300] == [f"code-{number}" for number in range(300)]


async def test_a_stop_is_told_and_the_source_can_run_again(fast_path: bool) -> None:
    async with ScriptedServer(session(pid="pid")) as server:
        ear = Ear(server.url, fast_path=fast_path)
        for gap_reason in (GapReason.STARTED, GapReason.NO_OFFSET):
            async with ear:
                assert (await ear.until(Listening)).gap_reason is gap_reason
            assert (await ear.until(Lost)).reason == "stopped"


async def test_a_connection_that_was_stable_starts_the_delays_anew(fast_path: bool) -> None:
    aged_s = 0.0

    async def scene(peer: Peer) -> None:
        await peer.open()
        await peer.admit()
        await peer.event("here")
        await peer.receive()

    def monotonic() -> float:
        return time.monotonic() + aged_s

    options = {"monotonic": monotonic, "random": lambda: 1.0, "backoff_cap_s": 10.0}
    async with (
        ScriptedServer(*[gone_at_once] * 3, scene, gone_at_once) as server,
        Ear(server.url, fast_path=fast_path, **options) as ear,
    ):
        delays = [(await ear.until(ConnectFailed)).retry_in_s for _ in range(3)]
        assert delays == [0.01, 0.02, 0.04]
        await ear.hear(1)
        aged_s = 15.0
        await server.cut()
        await ear.until(Lost)
        # The loss itself was the first step.
        failed = await ear.until(ConnectFailed)
        assert (failed.retry_in_s, failed.failures) == (0.02, 1)


# ------------------------------------------------------------------------------- hostile events


def hostile(value: object) -> str:
    return "42" + json.dumps(["cv_updated", value], separators=(",", ":"))


HOSTILE: list[tuple[str, str]] = [
    ('42["cv_updated"]', "no_body"),
    (hostile(None), "not_an_object"),
    (hostile([]), "not_an_object"),
    (hostile("text"), "not_an_object"),
    (hostile({}), "no_code"),
    (hostile({"cv_code": -7}), "code_not_text"),
    (hostile({"cv_code": ""}), "bad_code"),
    (hostile({"cv_code": "a\x00"}), "bad_code"),
    ('42["cv_updated",{"cv_code":"\\ud800"}]', "bad_code"),
    (hostile({"cv_code": "x" * 5_000_000}), "bad_code"),
    (hostile({"data": "x" * 5_000_000}), "no_code"),
    ('42["cv_updated",' + "[" * 100_000 + "]" * 100_000 + "]", "bad_packet"),
    ('42["cv_updated",' + '{"data":' * 900 + "1" + "}" * 900 + "]", "no_code"),
    ('42["cv_updated",{"cv_code":]', "bad_packet"),
    ('42["cv_updated",', "bad_packet"),
    ("42", "bad_packet"),
    ("42{}", "bad_packet"),
    ("42[]", "bad_packet"),
    ("42[[1],2]", "bad_packet"),
    ("42null", "bad_packet"),
    ('42["cv_updated",' + "9" * 500 + "]", "bad_packet"),
    ('42["cv_updated",NaN]', "not_an_object"),
]


async def test_hostile_events_are_counted_and_harm_nothing(fast_path: bool) -> None:
    frames = [frame for frame, _ in HOSTILE]
    between = [event_frame(f"code-{number}") for number in range(len(frames))]
    mixed = [frame for pair in zip(frames, between, strict=True) for frame in pair]
    async with (
        ScriptedServer(session(*mixed)) as server,
        Ear(server.url, fast_path=fast_path) as ear,
    ):
        await ear.until(Listening)
        events = await ear.hear(2 * len(frames))
        assert [event.problem for event in events[::2]] == [problem for _, problem in HOSTILE]
        assert codes(events[::2]) == [None] * len(frames)
        assert codes(events[1::2]) == [f"code-{number}" for number in range(len(frames))]
        assert all(len(event.payload) < 2048 for event in events)
        assert len(ear.signals) == 1 + len(events)


async def test_events_named_as_the_library_names_its_own_are_only_events(fast_path: bool) -> None:
    names = ("connect", "disconnect", "connect_error", "__disconnect_final", "message", "*")
    frames = [f'42["{name}","x"]' for name in names]
    async with (
        ScriptedServer(session(*frames, "4312[]", '43["x"]', event_frame("a"))) as server,
        Ear(server.url, fast_path=fast_path) as ear,
    ):
        await ear.until(Listening)
        assert codes(await ear.hear(1)) == ["a"]
        assert len(ear.signals) == 2


async def test_events_of_another_namespace_are_not_ours(fast_path: bool) -> None:
    other = '42/other,["cv_updated",{"cv_code":"other"}]'
    async with (
        ScriptedServer(session(other, "41/other,", event_frame("ours"))) as server,
        Ear(server.url, fast_path=fast_path) as ear,
    ):
        await ear.until(Listening)
        assert codes(await ear.hear(1)) == ["ours"]
        assert len(ear.signals) == 2


# ------------------------------------------------------------------------------- an HTTP server


Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class served:  # noqa: N801  reads as a verb: async with served(answer) as url
    def __init__(self, answer: Answer) -> None:
        self._runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)

    async def __aenter__(self) -> str:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
