"""What the tests of the gateway send, and what they expect of its answers."""

from __future__ import annotations

import asyncio
import json

import httpx

from tests.core.code_corpus import DOCUMENTED, DOCUMENTED_ON_THE_WIRE

from .rig import PDF, Daemon, described, form, until

PATH = f"/cv-enhance/{DOCUMENTED_ON_THE_WIRE}"


def _client(house: Daemon) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=house.http.base_url,
        timeout=60,
        event_hooks={"response": [described(house.web).of_client]},
    )


async def update(
    house: Daemon,
    file: bytes = PDF,
    *,
    path: str = PATH,
    token: str | None = None,
    prefer: str | None = None,
    head: dict[str, str] | None = None,
) -> httpx.Response:
    """POST a file through the gateway, as an existing client would: without any token of ours."""
    sent = {**(head or {}), "Authorization": token, "Prefer": prefer}
    async with _client(house) as client:
        request = client.build_request("POST", f"{path}/edits", files={"cv": ("cv.pdf", file)})
        request.headers.update({name: value for name, value in sent.items() if value is not None})
        return await client.send(request)


async def leave_an_update(house: Daemon) -> None:
    """A client goes away once its update is with the upstream, which has not answered and does not
    until ``house.upstream.open`` is set."""
    house.upstream.open.clear()
    asking = asyncio.create_task(update(house))
    await house.upstream.arrived.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await until(lambda: house.web.connected == 0)


async def record(house: Daemon, path: str = PATH, **headers: str) -> httpx.Response:
    async with _client(house) as client:
        return await client.get(path, headers=headers)


def raw_update(
    body: bytes, *, path: str = PATH, more: str = "Connection: close\r\n", host: str = "127.0.0.1"
) -> bytes:
    """The whole request, as bytes."""
    return (
        f"POST {path}/edits HTTP/1.1\r\nHost: {host}\r\n{more}"
        "Content-Type: multipart/form-data; boundary=b0undary\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode("utf-8", "surrogateescape") + body


CV = ("cv", "cv.pdf", PDF)
WHOLE = form(CV)


def ours(answer: bytes | httpx.Response) -> tuple[int, str]:
    """Status and message of an answer of ours, which must have the upstream's shape."""
    if isinstance(answer, httpx.Response):
        status, body = answer.status_code, answer.content
        head = b"\r\n".join(b": ".join(pair) for pair in answer.headers.raw)
    else:
        head, _, body = answer.partition(b"\r\n\r\n")
        status = int(head.split()[1])
    told = json.loads(body)
    assert set(told) == {"status", "message"}
    assert told["status"] == ("accepted" if status == 202 else "error")
    assert b"content-type: application/json" in head.lower()
    for text in (DOCUMENTED, DOCUMENTED_ON_THE_WIRE):
        assert text not in told["message"] and text.encode() not in head
    return status, told["message"]
