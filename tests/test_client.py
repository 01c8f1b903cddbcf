"""CVService and AsyncCVService, as the upstream's document describes its own client."""

from __future__ import annotations

import asyncio
import io
import logging
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import listener
from listener import (
    AsyncCVService,
    CVAPIException,
    CVNotFoundException,
    CVService,
    CVServiceException,
    CVTimeoutException,
)
from listener.client import CvFile
from listener.core.errors import SettingsInvalid
from tests.adapters.upstream_http.raw_server import (
    BOUND_S,
    RawServer,
    Script,
    Talk,
    accepts,
    raw_server,
    reply,
)
from tests.core.code_corpus import DOCUMENTED, DOCUMENTED_ON_THE_WIRE

PDF = b"%PDF-1.7 a CV"
BOTH = pytest.mark.parametrize("kind", ["sync", "async"])


@pytest.fixture(autouse=True)
def bare_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> Iterator[None]:
    """No settings of the machine's; and no code in any log afterwards."""
    for name in ("CV_API_BASE_URL", "CV_API_TIMEOUT", "CV_API_UPLOAD_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.DEBUG)
    yield
    for spelling in (DOCUMENTED, DOCUMENTED_ON_THE_WIRE):
        assert spelling not in caplog.text


async def get(kind: str, base: str, code: str = DOCUMENTED, **more: Any) -> dict[str, object]:
    if kind == "async":
        return await AsyncCVService(base, BOUND_S, **more).get_cv_by_code(code)
    with CVService(base, BOUND_S, **more) as service:
        return await asyncio.to_thread(service.get_cv_by_code, code)


async def update(
    kind: str, base: str, file: CvFile, code: str = DOCUMENTED, **more: Any
) -> dict[str, object]:
    told = {"timeout": BOUND_S, **more}
    if kind == "async":
        return await AsyncCVService(base, **told).update_cv_edits(code, file)
    with CVService(base, **told) as service:
        return await asyncio.to_thread(service.update_cv_edits, code, file)


def base_of(server: RawServer) -> str:
    return f"http://127.0.0.1:{server.port}/cv-enhance"


# ------------------------------------------------------------------------------------- the good way


@BOTH
async def test_both_methods_return_the_whole_object(kind: str) -> None:
    async with raw_server(accepts) as server:
        record = await get(kind, base_of(server))
        assert record == {"status": "success", "data": {"cv_path": "/1.pdf", "status": "draft"}}
        answer = await update(kind, base_of(server), PDF)
        assert answer["status"] == "success"
        assert [seen.line for seen in server.seen] == [
            f"GET /cv-enhance/{DOCUMENTED_ON_THE_WIRE} HTTP/1.1",
            f"POST /cv-enhance/{DOCUMENTED_ON_THE_WIRE}/edits HTTP/1.1",
        ]


@BOTH
async def test_a_file_may_be_open_or_a_path_or_bytes(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "updated résumé.pdf"
    path.write_bytes(PDF)
    upload = SimpleNamespace(read=io.BytesIO(PDF).read, filename="up.pdf", name="cv")
    async with raw_server(accepts) as server:
        with path.open("rb") as opened:
            for file in (opened, path, str(path), PDF, io.BytesIO(PDF), upload):
                await update(kind, base_of(server), file)
        names = []
        for seen in server.seen:
            head, _, rest = bytes(seen.body).partition(b"\r\n\r\n")
            assert rest.startswith(PDF + b"\r\n--")
            assert b"Content-Type: application/pdf" in head
            names.append(head.decode().partition('filename="')[2].partition('"')[0])
        assert names == ["updated résumé.pdf"] * 3 + ["cv.pdf", "cv.pdf", "up.pdf"]


@BOTH
async def test_headers_may_be_added(kind: str) -> None:
    async with raw_server(accepts) as server:
        await get(kind, base_of(server), headers={"Authorization": "Bearer t"})
        assert server.seen[0].headers["authorization"] == "Bearer t"
        assert server.seen[0].headers["accept-encoding"] == "identity"


async def test_an_async_service_keeps_its_connections_within_its_block() -> None:
    async with raw_server(accepts) as server:
        service = AsyncCVService(base_of(server), BOUND_S)
        async with service:
            await asyncio.gather(*(service.get_cv_by_code("a") for _ in range(3)))
        await service.get_cv_by_code("b")
        assert len(server.seen) == 4


@BOTH
async def test_each_update_has_a_connection_of_its_own(kind: str) -> None:
    async with raw_server(accepts) as server:
        if kind == "async":
            async with AsyncCVService(base_of(server), BOUND_S) as service:
                for _ in range(2):
                    await service.get_cv_by_code(DOCUMENTED)
                    await service.update_cv_edits(DOCUMENTED, PDF)
        else:
            with CVService(base_of(server), BOUND_S) as plain:
                for _ in range(2):
                    await asyncio.to_thread(plain.get_cv_by_code, DOCUMENTED)
                    await asyncio.to_thread(plain.update_cv_edits, DOCUMENTED, PDF)
        assert server.connections == 1 + 2


def test_an_async_service_serves_one_loop_after_another() -> None:
    async def once(service: AsyncCVService) -> None:
        async with raw_server(accepts) as server:
            service._requests._base_url = base_of(server)
            await service.get_cv_by_code("a")

    service = AsyncCVService("http://replaced.invalid", BOUND_S)
    asyncio.run(once(service))
    asyncio.run(once(service))


# ---------------------------------------------------------------------------------------- settings


def settings_of(service: CVService | AsyncCVService) -> tuple[str, float, float]:
    found = service._requests
    return found._base_url, found._timeout_s, found._upload_timeout_s


@pytest.mark.parametrize("kind", [CVService, AsyncCVService])
def test_settings_come_from_the_environment_or_the_file(
    kind: type[CVService] | type[AsyncCVService], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert settings_of(kind()) == ("https://api-v2.uptal.com/cv-enhance", 10, 30)
    (tmp_path / ".env").write_text(
        "CV_API_BASE_URL=https://file.example/cv\nCV_API_TIMEOUT=4\nCV_UNKNOWN=1\n"
    )
    assert settings_of(kind()) == ("https://file.example/cv", 4, 12)
    monkeypatch.setenv("CV_API_TIMEOUT", "")
    assert settings_of(kind()) == ("https://file.example/cv", 4, 12)
    for wrong in ({"timeout": 0}, {"timeout": -1.0}, {"upload_timeout": 0.0}):
        with pytest.raises(SettingsInvalid, match="more than 0 seconds"):
            kind(**wrong)
    monkeypatch.setenv("CV_API_TIMEOUT", "1m")
    assert settings_of(kind()) == ("https://file.example/cv", 60, 180)
    monkeypatch.setenv("CV_API_TIMEOUT", "250 ms")
    assert settings_of(kind()) == ("https://file.example/cv", 0.25, 0.75)
    monkeypatch.setenv("CV_API_TIMEOUT", "2.5")
    assert settings_of(kind()) == ("https://file.example/cv", 2.5, 7.5)
    monkeypatch.setenv("CV_API_UPLOAD_TIMEOUT", "60")
    assert settings_of(kind("https://given.example", 1)) == ("https://given.example", 1, 60)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CV_API_TIMEOUT", "soon"),
        ("CV_API_TIMEOUT", "10 weeks"),
        ("CV_API_TIMEOUT", "0"),
        ("CV_API_TIMEOUT", "-1"),
        ("CV_API_TIMEOUT", "nan"),
        ("CV_API_TIMEOUT", "inf"),
        ("CV_API_BASE_URL", "api.uptal.com"),
        ("CV_API_BASE_URL", "https://u:p@host/x"),
        ("CV_API_BASE_URL", "https://host:port/x"),
    ],
)
def test_a_setting_that_cannot_be_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsInvalid, match=name):
        CVService()


# ------------------------------------------------------------------------------------- what fails


def answering(status: str, body: bytes = b"") -> Script:
    async def script(talk: Talk) -> None:
        while True:
            await talk.request()
            await talk.say(reply(body, status))

    return script


async def closes(talk: Talk) -> None:
    await talk.request()


async def garbles(talk: Talk) -> None:
    await talk.request()
    await talk.say(b"\x00\x00\r\n\r\n")


def assert_silent(error: BaseException) -> None:
    """No text, no repr, no cause and no context shows the code, nor a traceback."""
    assert error.__cause__ is None
    assert error.__context__ is None
    told = f"{error} {error!r} {''.join(traceback.format_exception(error))}"
    assert DOCUMENTED not in told
    assert DOCUMENTED_ON_THE_WIRE not in told


@BOTH
@pytest.mark.parametrize(
    ("script", "error", "status_code"),
    [
        (answering("404 Not Found", DOCUMENTED.encode()), CVNotFoundException, 404),
        (answering("504 Gateway Timeout"), CVTimeoutException, 504),
        (answering("422 No", DOCUMENTED.encode()), CVAPIException, 422),
        (answering("500 Oops"), CVAPIException, 500),
        (answering("302 Found"), CVAPIException, 302),
        (answering("200 OK", b"<html>"), CVAPIException, 500),
        (answering("200 OK", b"[]"), CVAPIException, 500),
        (answering("200 OK", b"[" * 100_000), CVAPIException, 500),
        (answering("200 OK", b'{"status":"error"}'), CVAPIException, 500),
        (closes, CVAPIException, 500),
        (garbles, CVAPIException, 500),
    ],
)
async def test_each_failure_has_its_exception(
    kind: str, script: Script, error: type[CVServiceException], status_code: int
) -> None:
    async with raw_server(script) as server:
        for call in (get(kind, base_of(server)), update(kind, base_of(server), PDF)):
            with pytest.raises(CVServiceException) as caught:
                await call
            assert type(caught.value) is error
            assert caught.value.status_code == status_code
            assert caught.value.message == str(caught.value) != ""
            assert_silent(caught.value)


@BOTH
async def test_somebody_elses_record_is_an_error_and_is_not_returned(kind: str) -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.say(reply(b'{"status":"success","data":{"cv_code":"SOMEBODY","cv_id":7}}'))

    async with raw_server(script) as server:
        for asked in (get(kind, base_of(server)), update(kind, base_of(server), PDF)):
            with pytest.raises(CVAPIException, match="another cv_code") as caught:
                await asked
            assert caught.value.status_code == 500
            assert "SOMEBODY" not in str(caught.value)


@BOTH
async def test_silence_is_a_timeout(kind: str) -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.stall()

    async with raw_server(script) as server:
        with pytest.raises(CVTimeoutException) as caught:
            await update(kind, base_of(server), PDF, upload_timeout=0.5)
        assert caught.value.status_code == 504
        assert_silent(caught.value)


@BOTH
async def test_a_refused_port_is_an_api_error(kind: str) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{sock.getsockname()[1]}"
        with pytest.raises(CVAPIException, match="CV_API_BASE_URL") as caught:
            await get(kind, base)
    assert_silent(caught.value)


@BOTH
@pytest.mark.parametrize("code", ["", "..", f"{DOCUMENTED}\n", DOCUMENTED * 20])
async def test_a_bad_code_is_refused_unsent(kind: str, code: str) -> None:
    async with raw_server(accepts) as server:
        for call in (get(kind, base_of(server), code), update(kind, base_of(server), PDF, code)):
            with pytest.raises(CVAPIException) as caught:
                await call
            assert caught.value.status_code == 400
            assert_silent(caught.value)
        assert server.connections == 0


@BOTH
async def test_a_file_without_bytes_is_refused_unsent(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "cv.txt"
    path.write_text("text")
    async with raw_server(accepts) as server:
        with path.open("rb") as opened, path.open() as text:
            opened.read()
            for file in (b"", opened, text):
                with pytest.raises(CVAPIException) as caught:
                    await update(kind, base_of(server), file)  # type: ignore[arg-type]  # text on purpose
                assert caught.value.status_code == 400
        assert server.connections == 0


# ----------------------------------------------------------------------------------------- loading


LIGHT = """
import sys
from listener import CVService, AsyncCVService, CVServiceException
CVService("http://127.0.0.1:1"); AsyncCVService("http://127.0.0.1:1")
heavy = {"aiohttp", "socketio", "engineio", "apsw", "pydantic", "structlog", "orjson"}
print(sorted(heavy & set(sys.modules)))
"""


def run_python(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(listener.__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
        timeout=BOUND_S,
    )
    return done.stdout.strip()


def test_the_client_loads_no_daemon() -> None:
    assert run_python(LIGHT) == "[]"


def test_importing_the_package_loads_next_to_nothing() -> None:
    ours = "[name for name in sys.modules if name.split('.')[0] in ('listener', 'httpx', 'dotenv')]"
    assert run_python(f"import sys, listener; print({ours})") == "['listener']"


def test_what_the_package_does_not_have_it_says() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = listener.nonsense
    assert {"CVService", "AsyncCVService"} <= set(dir(listener))
