"""The headers of a request, whoever sends it."""

from __future__ import annotations

from typing import Any

import pytest

from listener.core import wire


def headers(custom: dict[str, str] | None = None, **more: object) -> dict[str, str]:
    told = {"request_id": "r-1", "traceparent": "00-t", **more}
    return wire.request_headers(custom or {}, **told)  # type: ignore[arg-type]  # as each test says


def test_a_reading_has_these_headers_and_no_others() -> None:
    assert headers() == {
        "accept": "application/json",
        "user-agent": "cv-listener",
        "traceparent": "00-t",
        "accept-encoding": "identity",
        "x-request-id": "r-1",
    }


def test_a_fresh_reading_passes_caches_whatever_the_operator_says() -> None:
    past = {"cache-control": "no-cache", "pragma": "no-cache"}
    assert headers(fresh=True) == headers() | past
    assert headers({"Cache-Control": "max-age=9", "PRAGMA": "x"}, fresh=True) == headers() | past


def test_an_update_says_what_it_is_and_how_long() -> None:
    said = headers(content_type="multipart/form-data; boundary=b", content_length=0)
    assert said["content-type"] == "multipart/form-data; boundary=b"
    assert said["content-length"] == "0"


@pytest.mark.parametrize("half", [{"content_type": "x/y"}, {"content_length": 7}])
def test_half_of_a_bodys_headers_is_none(half: dict[str, Any]) -> None:
    assert headers(**half) == headers()


def test_an_operator_adds_headers_and_replaces_some() -> None:
    said = headers({"X-Team": "cv", "Accept": "*/*", "USER-AGENT": "us", "traceparent": "mine"})
    assert said == headers() | {
        "x-team": "cv",
        "accept": "*/*",
        "user-agent": "us",
        "traceparent": "mine",
    }


@pytest.mark.parametrize(
    "name",
    [
        *("accept-encoding", "connection", "content-encoding", "content-length", "content-type"),
        *("expect", "te", "trailer", "transfer-encoding", "upgrade", "x-request-id"),
    ],
)
def test_the_framing_of_a_message_is_not_the_operators(name: str) -> None:
    for spelling in (name, name.upper(), name.title()):
        assert headers({spelling: "theirs"}) == headers()
