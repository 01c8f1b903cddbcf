"""The Node server keeps the upstream's contract: what an end-to-end proof builds on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import quote

import aiohttp
import pytest

from listener.ports.event_source import Listening
from tests.adapters.socket_source.ear import Ear, codes
from tests.tools import ToolMissing

from .node_server import NodeServer

CODE = "Cv9E#nH4$xTz8!pY2aW^mK6rL"


@pytest.fixture
async def server() -> AsyncIterator[NodeServer]:
    try:
        async with NodeServer(emit_delay_ms=0, recovery_ms=60_000) as node:
            yield node
    except ToolMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def url_of(server: NodeServer, code: str, tail: str = "") -> str:
    return f"{server.url}/cv-enhance/{quote(code, safe='')}{tail}"


async def post(http: aiohttp.ClientSession, url: str, field: str = "cv") -> tuple[int, object]:
    form = aiohttp.FormData()
    form.add_field(field, b"%PDF-1.7\r\n--not-a-boundary\r\n", filename="cv.pdf")
    async with http.post(url, data=form) as response:
        return response.status, await response.json()


async def test_an_update_moves_the_record_and_is_heard(
    server: NodeServer, http: aiohttp.ClientSession
) -> None:
    async with Ear(server.url) as ear:
        await ear.until(Listening)
        async with http.get(url_of(server, CODE)) as response:
            before = (await response.json())["data"]
        status, reply = await post(http, url_of(server, CODE, "/edits"))
        assert status == 200
        assert reply == {
            "status": "success",
            "data": {
                "cv_code": CODE,
                "cv_id": before["cv_id"],
                "application_id": None,
                "status": "draft",
                "cv_updated": True,
                "message": "CV updated and enhancement started",
            },
        }
        assert codes(await ear.hear(1)) == [CODE]
        async with http.get(url_of(server, CODE)) as response:
            after = (await response.json())["data"]
        assert after["cv_path"] != before["cv_path"]
        assert (after["status"], after["cv_enhance_status"]) == ("processing", "processing")
        assert await server.ledger() == {CODE: {"posts": 1, "applied": 1, "emitted": 1}}


async def test_a_restart_keeps_records_and_ledger(
    server: NodeServer, http: aiohttp.ClientSession
) -> None:
    await post(http, url_of(server, CODE, "/edits"))
    port = server.port
    await server.restart()
    assert server.port == port
    assert (await server.ledger())[CODE]["applied"] == 1
    status, _ = await post(http, url_of(server, CODE, "/edits"))
    assert status == 200
    assert (await server.ledger())[CODE]["applied"] == 2


async def test_what_is_refused_is_not_applied(
    server: NodeServer, http: aiohttp.ClientSession
) -> None:
    status, _ = await post(http, url_of(server, CODE, "/edits"), field="resume")
    assert status == 422
    await server.control("set", auto_create=False)
    status, _ = await post(http, url_of(server, "nobody", "/edits"))
    assert status == 404
    async with http.get(url_of(server, "nobody")) as response:
        assert response.status == 404
    assert await server.ledger() == {
        CODE: {"posts": 1, "applied": 0, "emitted": 0},
        "nobody": {"posts": 1, "applied": 0, "emitted": 0},
    }


async def test_a_flood_is_in_order_and_each_emission_is_on_record(server: NodeServer) -> None:
    async with Ear(server.url) as ear:
        await ear.until(Listening)
        await server.emit({"cv_code": CODE})
        await server.flood(50, per_s=500, prefix="flood")
        wanted = [CODE, *(f"flood-{number}" for number in range(50))]
        assert codes(await ear.hear(51)) == wanted
        emissions = await server.emissions()
        assert [code for code, _ in emissions] == wanted
        times = [at_ms for _, at_ms in emissions]
        assert times == sorted(times)
        assert times[-1] - times[1] >= 50
