"""Credentials made by a function: anew for each connection, out of the loop's way, and unseen."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from listener.adapters.credentials import Asked, CredentialsFailed
from listener.adapters.upstream_http import HttpUpstream
from listener.core.names import CvCode
from listener.ports.event_source import ConnectFailed, Listening, Lost
from listener.settings.objects import read_headers, read_object, read_texts

from .ear import PATIENCE_S, Ear, now_ms
from .scripted_server import Peer, ScriptedServer

Read = Callable[[Any], Any]


def asked(function: Callable[[], object], read: Read = read_object) -> Asked:
    return Asked(function, read, told=lambda _: None)


class OnceEach:
    """A server that lets each token in once, and a vault that has a new one each time."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self.good: set[object] = set()
        self.seen: list[object] = []

    def mint(self) -> dict[str, str]:
        token = f"t0ken-{next(self._numbers)}"
        self.good.add(token)
        return {"token": token}

    async def scene(self, peer: Peer) -> None:
        token = (await peer.open()).get("token")
        self.seen.append(token)
        if token not in self.good:
            await peer.send('44{"message":"not authorized"}')
            await peer.gone()
            return
        self.good.remove(token)
        await peer.admit()


def in_a_thread(door: OnceEach) -> Callable[[], object]:
    loop_thread = threading.current_thread()

    def blocking() -> Mapping[str, str]:
        assert threading.current_thread() is not loop_thread
        time.sleep(0.05)
        return door.mint()

    return blocking


def in_a_coroutine(door: OnceEach) -> Callable[[], object]:
    async def waiting() -> Mapping[str, str]:
        await asyncio.sleep(0.05)
        return door.mint()

    return waiting


def in_a_call_of_an_object(door: OnceEach) -> Callable[[], object]:
    class Vault:
        async def __call__(self) -> Mapping[str, str]:
            return door.mint()

    return Vault()


@pytest.mark.parametrize("kind", [in_a_thread, in_a_coroutine, in_a_call_of_an_object])
async def test_each_connection_has_a_token_of_its_own(
    kind: Callable[[OnceEach], Callable[[], object]], fast_path: bool
) -> None:
    door = OnceEach()
    async with (
        ScriptedServer(door.scene) as server,
        Ear(server.url, fast_path=fast_path, auth=asked(kind(door))) as ear,
    ):
        for _ in range(3):
            await ear.until(Listening)
            await ear.until(Lost)
        assert not [signal for signal in ear.signals if isinstance(signal, ConnectFailed)]
    assert door.seen[:3] == ["t0ken-1", "t0ken-2", "t0ken-3"]


async def test_a_token_that_is_used_up_is_refused() -> None:
    """As the server above does it: without a new one for each connection there is no second."""
    door = OnceEach()
    same = door.mint()
    async with ScriptedServer(door.scene) as server, Ear(server.url, auth=lambda: same) as ear:
        await ear.until(Lost)
        assert (await ear.until(ConnectFailed)).reason == "refused"


async def test_a_function_that_blocks_holds_up_nobody_else(fast_path: bool) -> None:
    asked_for, go_on = threading.Event(), threading.Event()
    calls = []

    def hangs() -> dict[str, str]:
        calls.append(threading.get_ident())
        asked_for.set()
        assert go_on.wait(PATIENCE_S)
        return {}

    async def scene(peer: Peer) -> None:
        await peer.open()
        await peer.admit()
        await peer.gone()

    options = {"auth": asked(hangs), "connect_timeout_s": 0.1}
    try:
        async with (
            ScriptedServer(scene) as server,
            Ear(server.url, fast_path=fast_path, **options) as ear,
        ):
            for _ in range(3):
                failed = await ear.until(ConnectFailed)
                assert (failed.reason, failed.refused) == ("no_credentials", True)
                assert failed.detail == "auth: TimeoutError"
            # The loop turned all that time, and whoever asked again did not double the call.
            assert asked_for.is_set()
            assert len(calls) == 1
            go_on.set()
            await ear.until(Listening)
    finally:
        go_on.set()


def fails() -> object:
    raise OSError("s3cr3t of the vault")


async def fails_later() -> object:
    raise OSError("s3cr3t of the vault")


def exits() -> object:
    raise SystemExit("s3cr3t")


async def cancels() -> object:
    raise asyncio.CancelledError("s3cr3t")


@pytest.mark.parametrize(
    ("function", "read", "told"),
    [
        (fails, read_object, "raised OSError at test_credentials.py:"),
        (fails_later, read_object, "raised OSError at test_credentials.py:"),
        (exits, read_object, "raised SystemExit at test_credentials.py:"),
        (cancels, read_object, "raised CancelledError at test_credentials.py:"),
        (lambda: "s3cr3t", read_object, "made what cannot be sent, a str"),
        (lambda: ["s3cr3t"], read_object, "made what cannot be sent, a list"),
        (lambda: {"token": {"s3cr3t"}}, read_object, "made what cannot be sent, a dict"),
        (lambda: {"token": float("nan")}, read_object, "made what cannot be sent, a dict"),
        (lambda: {"Authorization": "s3cr3t\r\nX: y"}, read_headers, "made what cannot be sent"),
        (lambda: {"Authorization": 7}, read_headers, "made what cannot be sent, a dict"),
        (lambda: {"token": ["s3cr3t"]}, read_texts, "made what cannot be sent, a dict"),
    ],
)
async def test_a_failure_is_told_by_kind_and_place_alone(
    function: Callable[[], object], read: Read, told: str
) -> None:
    with pytest.raises(CredentialsFailed) as caught:
        await asked(function, read)()
    assert str(caught.value).startswith(told)
    assert "s3cr3t" not in str(caught.value)
    links: list[BaseException] = [caught.value]
    while (link := links[-1].__cause__ or links[-1].__context__) is not None:
        links.append(link)
    assert links == [caught.value], "what hangs on could hold the secret"


async def test_the_source_says_which_credentials_failed() -> None:
    for name in ("auth", "headers", "query"):
        async with Ear("http://127.0.0.1:9", **{name: asked(fails)}) as ear:
            failed = await ear.until(ConnectFailed)
        assert (failed.reason, failed.refused) == ("no_credentials", True)
        assert failed.detail.startswith(f"{name}: raised OSError at test_credentials.py:")


async def test_what_was_made_is_new_each_time_and_told_to_whoever_hides_it() -> None:
    kept = {"deep": [{"token": "s3cr3t-token"}], "Authorization": "Bearer s3cr3t"}
    hidden: list[str] = []
    source = Asked(lambda: kept, read_object, told=hidden.append)
    made = await source()
    assert made == kept
    assert made is not kept
    assert {"s3cr3t-token", "s3cr3t"} <= set(hidden)
    assert await asked(lambda: None)() is None


async def test_a_stop_while_a_function_is_under_way_waits_for_nothing() -> None:
    began, go_on = threading.Event(), threading.Event()

    def hangs() -> dict[str, str]:
        began.set()
        go_on.wait(PATIENCE_S)
        raise OSError("nobody hears it")

    try:
        async with asyncio.timeout(PATIENCE_S / 2), Ear("http://127.0.0.1:9", auth=asked(hangs)):
            await asyncio.to_thread(began.wait)
    finally:
        go_on.set()


async def test_http_requests_are_asked_for_by_the_same_functions() -> None:
    faults: list[Exception] = []
    upstream = HttpUpstream(
        base_url="http://127.0.0.1:9/cv-enhance",
        timeout_s=5,
        upload_timeout_s=5,
        max_connections=1,
        max_response_bytes=1000,
        retry_after_cap_ms=1,
        now_ms=now_ms,
        headers=asked(fails, read_headers),
        on_fault=faults.append,
    )
    reading = await upstream.read_record(CvCode("a"), request_id="r")
    await upstream.close()
    assert (reading.known, reading.detail) == (False, "headers_failed")
    (fault,) = faults
    assert str(fault).startswith("raised OSError at test_credentials.py:")
