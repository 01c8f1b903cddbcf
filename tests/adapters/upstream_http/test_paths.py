"""The same bytes on the request line, whoever sends: our transport, and httpx's own as CVService
uses it. Both requests, every code of the corpus."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given

from listener import CVService
from listener.core import wire
from tests.adapters.upstream_http.conftest import Make
from tests.adapters.upstream_http.raw_server import accepts, raw_server
from tests.core.code_corpus import CODES, DOCUMENTED, DOCUMENTED_ON_THE_WIRE, codes

FILE = b"%PDF-1.7 tiny"


def expected(code: str) -> list[str]:
    encoded = "".join(
        chr(byte)
        if chr(byte).isascii() and (chr(byte).isalnum() or chr(byte) in "-._~")
        else f"%{byte:02X}"
        for byte in code.encode()
    )
    return [
        f"GET /cv-enhance/{encoded} HTTP/1.1",
        f"POST /cv-enhance/{encoded}/edits HTTP/1.1",
    ]


def test_the_expectation_is_the_documented_one() -> None:
    assert len(set(CODES)) >= 50
    assert expected(DOCUMENTED)[0] == f"GET /cv-enhance/{DOCUMENTED_ON_THE_WIRE} HTTP/1.1"


@pytest.mark.parametrize("slash", ["", "/"])
async def test_our_transport_leaves_the_path_as_it_is(sender: Make, slash: str) -> None:
    async with raw_server(accepts) as server:
        base = f"http://127.0.0.1:{server.port}/cv-enhance{slash}"
        async with sender(base, size=20) as it:
            for code in CODES:
                it.code = wire.check_code(code)
                assert (await it.read()).known
                assert (await it.post()).detail == "accepted"
        assert [seen.line for seen in server.seen] == [
            line for code in CODES for line in expected(code)
        ]


async def test_httpxs_own_transport_leaves_the_path_as_it_is() -> None:
    async with raw_server(accepts) as server:

        def send_all() -> None:
            with CVService(f"http://127.0.0.1:{server.port}/cv-enhance", 30) as service:
                for code in CODES:
                    service.get_cv_by_code(code)
                    service.update_cv_edits(code, FILE)

        await asyncio.to_thread(send_all)
        assert [seen.line for seen in server.seen] == [
            line for code in CODES for line in expected(code)
        ]


@given(codes)
def test_any_code_is_the_same_for_both(code: str) -> None:
    assert expected(code)[0].split(" ")[1] == wire.record_url("/cv-enhance", wire.check_code(code))
