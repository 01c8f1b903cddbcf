"""From a setting to the wire: what CV_SOCKET_* says is what a server sees."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from listener.compose import open_log, open_world
from listener.core.errors import SettingsInvalid
from listener.ports.event_source import ConnectFailed, EventSource, Listening, Lost, Signal
from listener.settings import load
from tests.adapters.socket_source.conftest import Start, start, start_node
from tests.adapters.socket_source.ear import PATIENCE_S, S
from tests.adapters.socket_source.scripted_server import Peer, ScriptedServer

__all__ = ["start", "start_node"]

_numbers = itertools.count(1)


def fresh_auth() -> dict[str, str]:
    """Named in a setting below."""
    return {"token": f"auth-{next(_numbers)}"}


async def fresh_headers() -> dict[str, str]:
    """Named in a setting below."""
    return {"Authorization": f"Bearer header-{next(_numbers)}"}


def fresh_query() -> dict[str, object]:
    """Named in a setting below."""
    return {"try": next(_numbers)}


def sealed() -> dict[str, str]:
    """Named in a setting below."""
    raise PermissionError("the vault is sealed: s3cr3t")


class Hearing:
    """A daemon's event source, read signal by signal."""

    def __init__(self, source: EventSource) -> None:
        self._source = source
        self._left: list[Signal] = []

    async def next(self) -> Signal:
        async with asyncio.timeout(PATIENCE_S):
            while not self._left:
                self._left = await self._source.next_batch(100)
        return self._left.pop(0)

    async def until(self, kind: type[S]) -> S:
        while not isinstance(signal := await self.next(), kind):
            pass
        return signal


@asynccontextmanager
async def hearing(folder: Path, url: str, said: io.StringIO, **env: str) -> AsyncIterator[Hearing]:
    """What compose makes of these settings, running."""
    given = {
        "CV_API_BASE_URL": "http://127.0.0.1:9/cv-enhance",
        "CV_SOCKET_URL": url,
        "CV_STATE_DIR": str(folder),
        "CV_INTAKE_PORT": "0",
        "CV_LOG_FORMAT": "json",
    }
    settings = load(given | env, dotenv=None)
    log = open_log(settings, said, strict=True)
    try:
        async with open_world(settings, log) as world:
            running = asyncio.create_task(world.source.run())
            try:
                yield Hearing(world.source)
            finally:
                running.cancel()
                with suppress(asyncio.CancelledError):
                    await running
    finally:
        log.close()


async def test_every_setting_of_the_socket_reaches_the_wire(tmp_path: Path) -> None:
    seen: dict[str, object] = {}

    async def scene(peer: Peer) -> None:
        seen["path"] = peer.request.path
        seen["query"] = {name: peer.request.query[name] for name in ("client", "v")}
        seen["header"] = peer.request.headers["X-Client"]
        seen["transport"] = peer.request.query["transport"]
        seen["auth"] = await peer.open()
        await peer.send('40/cv/live,{"sid":"session"}')
        emits = []
        for number in (1, 2):
            emits.append(await peer.receive())
            if number == 1:
                await peer.send("43/cv/live,1[]")
        seen["emits"] = emits
        await peer.send('42/cv/live,["candidate.updated",{"cv_code":"heard"}]')
        await peer.send('42/cv/live,["cv_updated",{"cv_code":"not asked for"}]')
        await peer.gone()

    env = {
        "CV_SOCKET_PATH": "/live/socket",
        "CV_SOCKET_NAMESPACE": "/cv/live",
        "CV_SOCKET_EVENT": "candidate.updated",
        "CV_SOCKET_AUTH": '{"token": "t0ken", "deep": {"n": [1, null]}}',
        "CV_SOCKET_HEADERS": '{"X-Client": "cv-listener"}',
        "CV_SOCKET_QUERY": '{"client": "c&v", "v": 2}',
        "CV_SOCKET_ON_CONNECT": json.dumps(
            [
                ["join", "cvs", {"all": True}],
                {"event": "ready", "args": [7], "ack_timeout": None},
            ]
        ),
    }
    said = io.StringIO()
    async with (
        ScriptedServer(scene) as server,
        hearing(tmp_path, server.url, said, **env) as ear,
    ):
        assert isinstance(await ear.next(), Listening)
        event = await ear.next()
        assert getattr(event, "code", None) == "heard"
    assert seen == {
        "path": "/live/socket/",
        "query": {"client": "c&v", "v": "2"},
        "header": "cv-listener",
        "transport": "websocket",
        "auth": {"token": "t0ken", "deep": {"n": [1, None]}},
        "emits": ['42/cv/live,1["join","cvs",{"all":true}]', '42/cv/live,["ready",7]'],
    }


@pytest.mark.parametrize(
    ("wanted", "offered", "transport"),
    [
        ("polling", ("polling",), "polling"),
        ("websocket,polling", ("websocket", "polling"), "websocket"),
        ("polling,websocket", ("websocket", "polling"), "websocket"),
        ("polling,websocket", ("polling",), "polling"),
    ],
)
async def test_the_transports_are_those_that_are_named(
    tmp_path: Path, start: Start, wanted: str, offered: tuple[str, ...], transport: str
) -> None:
    server = await start(transports=offered)
    async with hearing(tmp_path, server.url, io.StringIO(), CV_SOCKET_TRANSPORTS=wanted) as ear:
        assert (await ear.until(Listening)).transport == transport


@pytest.mark.parametrize("wanted", ["websocket", "polling"])
async def test_a_transport_that_is_not_offered_is_a_failure_with_a_name(
    tmp_path: Path, start: Start, wanted: str
) -> None:
    offered = ("polling",) if wanted == "websocket" else ("websocket",)
    server = await start(transports=offered)
    async with hearing(tmp_path, server.url, io.StringIO(), CV_SOCKET_TRANSPORTS=wanted) as ear:
        assert (await ear.until(ConnectFailed)).reason in {"http_400", "bad_handshake"}


async def test_functions_that_are_named_are_asked_before_each_connection(tmp_path: Path) -> None:
    seen: list[tuple[object, object, object]] = []

    async def scene(peer: Peer) -> None:
        auth = await peer.open()
        header, query = peer.request.headers["Authorization"], peer.request.query["try"]
        seen.append((auth["token"], header, query))
        await peer.admit()

    said = io.StringIO()
    env = {
        "CV_SOCKET_AUTH": f"{__name__}:fresh_auth",
        "CV_SOCKET_HEADERS": f"{__name__}:fresh_headers",
        "CV_SOCKET_QUERY": f"{__name__}:fresh_query",
    }
    async with (
        ScriptedServer(scene) as server,
        hearing(tmp_path, server.url, said, **env) as ear,
    ):
        for _ in range(2):
            await ear.until(Listening)
            await ear.until(Lost)
    assert all(
        (str(auth)[:5], str(header)[:14]) == ("auth-", "Bearer header-") for auth, header, _ in seen
    )
    assert len({value for row in seen[:2] for value in row}) == 6, "all of them new"


async def test_a_function_that_fails_is_a_failed_attempt_and_its_words_are_not_told(
    tmp_path: Path,
) -> None:
    said = io.StringIO()
    env = {"CV_SOCKET_AUTH": f"{__name__}:sealed"}
    async with hearing(tmp_path, "http://127.0.0.1:9", said, **env) as ear:
        failed = await ear.until(ConnectFailed)
    assert (failed.reason, failed.refused) == ("no_credentials", True)
    assert failed.detail.startswith("auth: raised PermissionError at test_socket_settings.py:")
    assert "s3cr3t" not in said.getvalue() + repr(failed)


@pytest.mark.parametrize(
    "setting", ["CV_SOCKET_AUTH", "CV_SOCKET_HEADERS", "CV_SOCKET_QUERY", "CV_API_HEADERS"]
)
async def test_a_function_that_is_not_there_is_named_at_the_start(
    tmp_path: Path, setting: str
) -> None:
    said = io.StringIO()
    expected = f"{setting}: expected a JSON object or the name"
    with pytest.raises(SettingsInvalid, match=expected) as told:
        # It may well be a name and a password.
        async with hearing(tmp_path, "http://127.0.0.1:9", said, **{setting: "os:hunter2"}):
            pass
    assert told.value.__cause__ is None
    assert told.value.__suppress_context__
    assert "hunter2" not in str(told.value) + said.getvalue()
