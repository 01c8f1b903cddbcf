"""Answers, in the API's own forms."""

from __future__ import annotations

import orjson
from aiohttp import web

from listener.ports.front import Public
from listener.ports.vitals import Check

from .problems import Refused


def as_json(body: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status,
        body=orjson.dumps(body) + b"\n",
        headers={"Content-Type": "application/json", **(headers or {})},
    )


def as_check(check: Check) -> dict[str, object]:
    return {
        "name": check.name,
        "ok": check.ok,
        "required": check.required,
        "detail": check.detail,
    }


def known(shown: Public | None) -> Public:
    if shown is None:
        raise unknown()
    return shown


def unknown() -> Refused:
    return Refused("not_found", "expected the id of a submission, found none by that id")
