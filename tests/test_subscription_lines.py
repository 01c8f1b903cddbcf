"""What an on-call person reads of each way that hearing can fail: the daemon's own lines."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from listener.compose import Daemon, daemon, open_log
from listener.core.catalogue import runbook
from listener.settings import load
from tests.adapters.socket_source.python_server import PythonServer
from tests.adapters.socket_source.scripted_server import (
    HANDSHAKE,
    Peer,
    Scene,
    ScriptedServer,
    event_frame,
)
from tests.adapters.socket_source.test_faults import served, session, silent
from tests.adapters.socket_source.test_polling import (
    ADMITTED,
    PollingServer,
    broken_off,
    whole,
)
from tests.adapters.upstream_http.raw_server import Talk, raw_server

SECRET = "s3cr3t-token"
WAIT_S = 60.0


class Page(io.StringIO):
    """The daemon's output, read line by line as it is written."""

    running: Daemon

    async def submit(self) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"%PDF-1.7"

        await self.running.service.intake.submit("a code", chunks(), "cv.pdf")

    def lines(self) -> list[dict[str, Any]]:
        # The last may still be on its way.
        whole_lines, _, _ = self.getvalue().rpartition("\n")
        return [json.loads(line) for line in whole_lines.splitlines()]

    async def first(self, event: str, **fields: object) -> dict[str, Any]:
        async with asyncio.timeout(WAIT_S):
            while True:
                wanted = {"event": event, **fields}.items()
                found = [line for line in self.lines() if wanted <= line.items()]
                if found:
                    return found[0]
                await asyncio.sleep(0.02)  # a thread writes it, which tells nobody


@asynccontextmanager
async def on_call(folder: Path, url: str, **env: str) -> AsyncIterator[Page]:
    given = {
        "CV_API_BASE_URL": "http://127.0.0.1:9/cv-enhance",
        "CV_SOCKET_URL": url,
        "CV_SOCKET_AUTH": json.dumps({"token": SECRET}),
        "CV_STATE_DIR": str(folder),
        "CV_LOG_FORMAT": "json",
    }
    settings, page = load(given | env, dotenv=None), Page()
    log = open_log(settings, page, strict=True)
    try:
        async with daemon(settings, log, web=False) as page.running:
            yield page
    finally:
        log.close()
    assert SECRET not in page.getvalue()


async def refuses(peer: Peer) -> None:
    await peer.open()
    await peer.send('44{"message":"token s3cr3t-token of Jose Nunez is not for Qx7#nobodys-code"}')
    await peer.gone()


async def has_no_such_namespace(peer: Peer) -> None:
    await peer.open()
    await peer.send('44{"message":"Invalid namespace"}')
    await peer.gone()


async def is_2x(peer: Peer) -> None:
    await peer.send("0" + json.dumps(HANDSHAKE), "40")
    await peer.gone()


async def talks_garbage(peer: Peer) -> None:
    await peer.send("hello")
    await peer.gone()


async def never_acknowledges(peer: Peer) -> None:
    await peer.open()
    await peer.admit()
    await peer.gone()


JOIN = '[{"event": "join", "ack_timeout": 0.1}]'
FAILS: list[tuple[Scene, dict[str, str], str, str, str, str]] = [
    (refuses, {}, "critical", "refused", "token … of … is not for …", "CV_SOCKET_AUTH"),
    (has_no_such_namespace, {}, "critical", "invalid_namespace", "Invalid", "CV_SOCKET_NAMESPACE"),
    (is_2x, {}, "critical", "server_2x", "2.x", "version 3 or newer"),
    (talks_garbage, {}, "warning", "bad_handshake", "cannot be read", "CV_SOCKET_URL"),
    (
        *(never_acknowledges, {"CV_SOCKET_ON_CONNECT": JOIN}, "warning", "subscribe_timeout"),
        *("join was not acknowledged in 0.1 s", '"ack_timeout": null'),
    ),
]


@pytest.mark.parametrize(("scene", "env", "level", "reason", "error", "hint"), FAILS)
async def test_a_connection_that_cannot_be_had(
    tmp_path: Path,
    scene: Scene,
    env: dict[str, str],
    level: str,
    reason: str,
    error: str,
    hint: str,
) -> None:
    event = "subscription.refused" if level == "critical" else "subscription.failed"
    async with ScriptedServer(scene) as server, on_call(tmp_path, server.url, **env) as page:
        line = await page.first(event)
    assert (line["level"], line["reason"], line["failures"]) == (level, reason, 1)
    assert error in line["error"]
    assert hint in line["hint"]
    assert line["runbook"] == runbook(event)
    # A refusal is not hurried; any other failure is tried again at once, or nearly.
    assert (line["retry_in_s"] >= 5) is (level == "critical")


@pytest.mark.parametrize(
    ("status", "level", "hint"),
    [
        (401, "critical", "CV_SOCKET_HEADERS"),
        (404, "critical", "CV_SOCKET_PATH"),
        (302, "critical", "CV_SOCKET_URL"),
        (503, "warning", "upstream serves"),
    ],
)
async def test_a_handshake_that_http_answers(
    tmp_path: Path, status: int, level: str, hint: str
) -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(status=status)

    event = "subscription.refused" if level == "critical" else "subscription.failed"
    async with served(answer) as url, on_call(tmp_path, url) as page:
        line = await page.first(event)
    assert (line["level"], hint in line["hint"]) == (level, True)
    assert line["reason"] == ("redirected" if status == 302 else f"http_{status}")


async def test_nobody_at_home(tmp_path: Path) -> None:
    async with on_call(tmp_path, "http://127.0.0.1:9") as page:
        line = await page.first("subscription.failed")
    assert (line["level"], line["reason"]) == ("warning", "unreachable")
    assert "CV_SOCKET_URL" in line["hint"]


async def test_a_subscription_that_is_refused(tmp_path: Path) -> None:
    async with (
        PythonServer(join="join", join_answer={"ok": False}) as server,
        on_call(tmp_path, server.url, CV_SOCKET_ON_CONNECT='["join"]') as page,
    ):
        line = await page.first("subscription.refused")
    assert (line["level"], line["reason"]) == ("critical", "subscribe_refused")
    assert (line["error"], "CV_SOCKET_ON_CONNECT" in line["hint"]) == ("join was refused", True)


QUICK = {"pingInterval": 100, "pingTimeout": 100}


async def falls_silent(peer: Peer) -> None:
    await peer.open(**QUICK)
    await peer.admit()
    await peer.gone()


async def says_that_it_restarts(peer: Peer) -> None:
    await peer.open()
    await peer.admit()
    await peer.close(code=1012)


LOSSES: list[tuple[Scene, str, str | None, str]] = [
    (session("41"), "server_disconnect", None, "ask the upstream"),
    (session(event_frame("x" * 17_000_000)), "message_too_big", "over the limit", "what it sends"),
    (falls_silent, "silent", "no frame, not even a ping", "hangs"),
    (says_that_it_restarts, "transport_closed", "websocket code 1012", "restarts"),
]


@pytest.mark.parametrize(("scene", "reason", "error", "hint"), LOSSES)
async def test_a_connection_that_is_lost(
    tmp_path: Path, scene: Scene, reason: str, error: str | None, hint: str
) -> None:
    async with (
        ScriptedServer(scene, session()) as server,
        on_call(tmp_path, server.url) as page,
    ):
        lost = await page.first("subscription.lost")
        restored = await page.first("subscription.restored")
    assert (lost["level"], lost["reason"], restored["reason"]) == ("warning", reason, reason)
    assert (error is None and "error" not in lost) or (error or "") in lost["error"]
    assert hint in lost["hint"]
    assert (restored["recovered"], restored["gap_reason"]) == (False, "no_recovery_offered")
    assert (restored["failures"], "last_reason" in restored) == (0, False)
    assert "turn on connection state recovery" in restored["hint"]


async def test_a_poll_that_breaks_off_is_no_fault_of_ours(tmp_path: Path) -> None:
    async def script(talk: Talk) -> None:
        await talk.head()
        await talk.say(whole("0" + json.dumps(HANDSHAKE)))
        while (await talk.request()).line.startswith("POST"):
            await talk.say(whole("ok"))
        await talk.say(whole(ADMITTED))
        while (await talk.request()).line.startswith("POST"):
            await talk.say(whole("ok"))
        await broken_off(talk)

    async with (
        raw_server(script) as server,
        on_call(
            tmp_path, f"http://127.0.0.1:{server.port}", CV_SOCKET_TRANSPORTS="polling"
        ) as page,
    ):
        lost = await page.first("subscription.lost")
    assert (lost["reason"], "broke off" in lost["error"]) == ("transport_closed", True)
    assert not [line for line in page.lines() if line["event"] == "loop.failed"]


async def test_a_poll_over_the_limit(tmp_path: Path) -> None:
    async with (
        PollingServer(ADMITTED, "4" + "x" * 17_000_000) as server,
        on_call(tmp_path, server.url, CV_SOCKET_TRANSPORTS="polling") as page,
    ):
        lost = await page.first("subscription.lost")
        restored = await page.first("subscription.restored")
    assert (lost["reason"], lost["error"]) == ("message_too_big", "over the limit of a poll")
    assert restored["gap_reason"] == "polling"
    assert "CV_SOCKET_TRANSPORTS" in restored["hint"]


async def test_an_event_that_cannot_be_read(tmp_path: Path) -> None:
    async with (
        ScriptedServer(session('42["cv_updated",{"code":"x"}]')) as server,
        on_call(tmp_path, server.url) as page,
    ):
        line = await page.first("event.malformed")
    assert (line["level"], line["problem"], line["count"]) == ("warning", "no_code", 1)
    assert "CV_SOCKET_EVENT" in line["hint"]
    assert "tail --raw-shape" in line["hint"]


async def test_an_event_of_somebody_elses_update(tmp_path: Path) -> None:
    frames = [event_frame(f"Theirs#{number}") for number in range(40)]
    async with (
        ScriptedServer(session(*frames)) as server,
        on_call(tmp_path, server.url, CV_HEARTBEAT="0.2") as page,
    ):
        line = await page.first("event.unmatched")
        beat = await page.first("daemon.heartbeat", events_foreign=40)
    assert (line["level"], line["disposition"], line["seq"]) == ("info", "foreign", 1)
    assert sum(told["event"] == line["event"] for told in page.lines()) == 10
    assert beat["events_heard"] == 40
    assert "Theirs" not in page.getvalue()


def vault() -> dict[str, str]:
    """Named in a setting below."""
    raise PermissionError(SECRET)


@pytest.mark.parametrize("setting", ["CV_SOCKET_HEADERS", "CV_API_HEADERS"])
async def test_a_function_that_makes_no_credentials(tmp_path: Path, setting: str) -> None:
    env = {setting: f"{__name__}:vault"}
    async with (
        ScriptedServer(session()) as server,
        on_call(tmp_path, server.url, **env) as page,
    ):
        if setting == "CV_SOCKET_HEADERS":
            line = await page.first("subscription.refused")
            assert (line["level"], line["reason"]) == ("critical", "no_credentials")
            place = "headers: raised PermissionError at test_subscription_lines.py:"
        else:
            await page.submit()
            line = await page.first("upstream.credentials_failed")
            ended = await page.first("attempt.ended")
            assert (line["level"], ended["detail"]) == ("error", "headers_failed")
            place = "raised PermissionError at test_subscription_lines.py:"
    assert line["error"].startswith(place)
    assert setting in line["hint"]


@pytest.mark.prove
async def test_a_server_that_never_answers(tmp_path: Path) -> None:
    async with ScriptedServer(silent) as server, on_call(tmp_path, server.url) as page:
        line = await page.first("subscription.failed")
    assert (line["level"], line["reason"]) == ("warning", "connect_timeout")
    assert "CV_SOCKET_PATH" in line["hint"]
