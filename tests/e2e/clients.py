"""Clients of the upstream as they are in use, given a base URL and no more: what each of them sends
by itself, and the answer that it got."""

from __future__ import annotations

import asyncio
import http.client
import io
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import aiohttp
import httpx
import requests

from tests.tools import ToolMissing

PATIENCE_S = 60


@dataclass(frozen=True, slots=True)
class Answer:
    """``headers`` in order; names as they came."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)

    def own(self) -> tuple[int, str, frozenset[tuple[str, str]], bytes]:
        """What must be the upstream's: all but the hop's own, the moment, and what we add."""
        ours = {"date", "connection", "keep-alive", "transfer-encoding", "content-length"}
        ours |= {"cv-submission-id", "cv-outcome", "cv-dispatch", "preference-applied"}
        kept = {(n.lower(), v) for n, v in self.headers if n.lower() not in ours}
        return self.status, self.reason, frozenset(kept), self.body


Client = Callable[[str, str, Path | None], Awaitable[Answer]]
"""``client(base, code, file)``: POST the file as an update, or GET the record where it is None."""


def url_of(base: str, code: str, file: Path | None) -> str:
    """As the upstream's page tells clients to make it."""
    return f"{base}/{quote(code, safe='')}" + ("" if file is None else "/edits")


async def with_requests(base: str, code: str, file: Path | None) -> Answer:
    def ask() -> Answer:
        url = url_of(base, code, file)
        if file is None:
            said = requests.get(url, timeout=PATIENCE_S)
        else:
            with file.open("rb") as stream:
                said = requests.post(url, files={"cv": stream}, timeout=PATIENCE_S)
        head = tuple(said.raw.headers.items())
        return Answer(said.status_code, said.reason, head, said.content)

    return await asyncio.to_thread(ask)


async def with_httpx(base: str, code: str, file: Path | None) -> Answer:
    def ask() -> Answer:
        url = url_of(base, code, file)
        if file is None:
            said = httpx.get(url, timeout=PATIENCE_S)
        else:
            with file.open("rb") as stream:
                said = httpx.post(url, files={"cv": stream}, timeout=PATIENCE_S)
        head = tuple((name.decode(), value.decode()) for name, value in said.headers.raw)
        return Answer(said.status_code, said.reason_phrase, head, said.content)

    return await asyncio.to_thread(ask)


async def with_aiohttp(base: str, code: str, file: Path | None) -> Answer:
    url = url_of(base, code, file)
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        if file is None:
            asking = session.get(url)
        else:
            form = aiohttp.FormData()
            form.add_field("cv", io.BytesIO(file.read_bytes()), filename=file.name)
            asking = session.post(url, data=form)
        async with asking as said:
            head = tuple((name.decode(), value.decode()) for name, value in said.raw_headers)
            return Answer(said.status, said.reason or "", head, await said.read())


async def with_curl(base: str, code: str, file: Path | None) -> Answer:
    curl = shutil.which("curl")
    if curl is None:
        raise ToolMissing("curl, found none on PATH")
    form = [] if file is None else ["-F", f"cv=@{file}"]
    asking = await asyncio.create_subprocess_exec(
        *(curl, "-sS", "-i", "-m", str(PATIENCE_S), *form, url_of(base, code, file)),
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await asking.communicate()
    assert asking.returncode == 0
    while said.startswith(b"HTTP/1.1 100"):
        said = said.partition(b"\r\n\r\n")[2]
    head, _, body = said.partition(b"\r\n\r\n")
    line, *lines = head.decode().split("\r\n")
    _, status, reason = line.split(" ", 2)
    pairs = (line.partition(": ") for line in lines)
    return Answer(int(status), reason, tuple((name, value) for name, _, value in pairs), body)


async def with_http_client(base: str, code: str, file: Path | None) -> Answer:
    """A script of few lines, that makes the form itself and writes what it may of the code raw."""

    def ask() -> Answer:
        parts = urlsplit(base)
        path = f"{parts.path}/{quote(code, safe='!$&()*+,;=:@')}"
        connection = http.client.HTTPConnection(parts.netloc, timeout=PATIENCE_S)
        try:
            if file is None:
                connection.request("GET", path)
            else:
                head = (
                    b'--x\r\nContent-Disposition: form-data; name="cv"; filename="cv.pdf"\r\n\r\n'
                )
                kind = {"Content-Type": "multipart/form-data; boundary=x"}
                body = head + file.read_bytes() + b"\r\n--x--\r\n"
                connection.request("POST", path + "/edits", body, kind)
            said = connection.getresponse()
            return Answer(said.status, said.reason, tuple(said.getheaders()), said.read())
        finally:
            connection.close()

    return await asyncio.to_thread(ask)


CLIENTS: dict[str, Client] = {
    "requests": with_requests,
    "httpx": with_httpx,
    "aiohttp": with_aiohttp,
    "curl": with_curl,
    "http.client": with_http_client,
}
