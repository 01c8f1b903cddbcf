"""``python -m tests.adapters.logs.leaks``: makes real libraries say all they can of codes.

Reads ``{"codes", "known", "console"}`` from stdin. The log goes to stdout; whatever comes out of
either stream is what a user of the daemon could see, and no code may be in it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import sys
import threading
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import aiohttp
import httpx
import socketio  # type: ignore[import-untyped]  # python-socketio ships no types
from aiohttp import web
from yarl import URL

from listener.adapters.logs import Redactor, StructuredLog, Writer, flood, library
from listener.core.event_spec import Level
from listener.core.names import CvCode

BOUND_S = 20.0
CHATTY = (
    *("httpx", "httpcore", "httpcore.connection", "httpcore.http11", "httpcore.proxy"),
    *("aiohttp", "aiohttp.access", "aiohttp.client", "aiohttp.server", "aiohttp.web"),
    *("aiohttp.websocket", "aiohttp.internal", "asyncio", "concurrent.futures"),
    *("socketio", "socketio.client", "socketio.server"),
    *("engineio", "engineio.client", "engineio.server"),
)


Told = Callable[[Awaitable[Any]], Awaitable[None]]
"""Awaits what must fail, and logs how it did; also as it would be raised on by code of ours."""


class Servers:
    """Of HTTP, of Socket.IO, of nonsense, and none."""

    def __init__(self, http: str, nonsense: str, nowhere: str) -> None:
        self.http, self.nonsense, self.nowhere = http, nonsense, nowhere


async def answer(request: web.Request) -> web.StreamResponse:
    tail = request.path
    if tail.startswith("/loop"):
        raise web.HTTPFound(URL(request.raw_path, encoded=True))
    if tail.startswith("/away"):
        assert request.transport is not None
        request.transport.close()
    if tail.startswith("/fail"):
        raise RuntimeError(f"no such thing: {tail!r} of {request.headers.get('x-code')!r}")
    return web.Response(status=404, text=tail)


@asynccontextmanager
async def serving(codes: list[str]) -> AsyncIterator[Servers]:
    app = web.Application()
    server = socketio.AsyncServer(async_mode="aiohttp", namespaces="*", logger=True)
    server.attach(app)
    connect_rules(server, codes)
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()

    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n")
        writer.write(b"HTTP/1.1 " + head.split(b" ")[1] + b" is wrong\r\nno header\r\n\r\n")
        writer.close()

    odd = await asyncio.start_server(nonsense, "127.0.0.1", 0)
    closed = await asyncio.start_server(nonsense, "127.0.0.1", 0)
    nowhere = closed.sockets[0].getsockname()[1]
    closed.close()
    http, strange = runner.addresses[0][1], odd.sockets[0].getsockname()[1]
    try:
        yield Servers(*(f"http://127.0.0.1:{port}" for port in (http, strange, nowhere)))
    finally:
        odd.close()
        await runner.cleanup()


def connect_rules(server: Any, codes: list[str]) -> None:
    async def connect(namespace: str, sid: str, _: Any, auth: dict[str, Any]) -> None:
        if auth.get("refuse"):
            raise socketio.exceptions.ConnectionRefusedError(f"no room for {auth['code']}", auth)
        await server.emit("cv_updated", {"cv_code": auth["code"]}, to=sid, namespace=namespace)

    async def ask(namespace: str, sid: str, data: Any) -> Any:
        raise RuntimeError(f"cannot answer {data!r}")

    server.on("connect", connect, namespace="*")
    server.on("ask", ask, namespace="*")


# ------------------------------------------------------------------------------- what goes wrong


async def with_aiohttp(code: str, at: Servers, told: Told) -> None:
    encoded = quote(code, safe="")
    path = f"cv-enhance/{encoded}"
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        for url in (
            f"{at.http}/{path}",
            f"{at.http}/loop/{encoded}",
            f"{at.http}/away/{encoded}",
            f"{at.http}/fail/{encoded}",
            f"{at.http}/x?cv_code={encoded}",
            f"{at.nonsense}/{path}",
            f"{at.nowhere}/{path}",
            f"ftp://127.0.0.1/{path}",
            f"http:///{path}",
            f"http://127.0.0.1:port/{path}",
        ):
            # yarl itself would refuse that port.
            await told(consume(session.get(url if ":port" in url else URL(url, encoded=True))))
        await told(consume(session.get(f"{at.http}/x", headers={"x-code": f"{code}\r\n"})))
        await told(consume(session.get(f"{at.http}/fail", headers={"x-code": encoded})))
        await told(consume(session.ws_connect(f"{at.http}/{path}")))
    async with aiohttp.ClientSession() as session, session.get(f"{at.http}/{path}") as response:
        await told(response.json())


async def with_httpx(code: str, at: Servers, told: Told) -> None:
    encoded = quote(code, safe="")
    path = f"cv-enhance/{encoded}/edits"
    async with httpx.AsyncClient(trust_env=False, follow_redirects=True) as client:
        for url in (
            f"{at.http}/{path}",
            f"{at.http}/loop/{encoded}",
            f"{at.http}/away/{encoded}",
            f"{at.nonsense}/{path}",
            f"{at.nowhere}/{path}",
            f"foo://h/{path}",
            f"http://127.0.0.1:port/{path}",
            f"http://{code}/",
        ):
            await told(raised(client, url))
        await told(raised(client, f"{at.http}/x", headers={"x-code": f"{code}\r\n".encode()}))
        await told(raised(client, f"{at.http}/x", headers={code: "x"}))


async def raised(client: httpx.AsyncClient, url: str, **options: Any) -> None:
    (await client.post(url, files={"file": ("cv.pdf", b"x")}, **options)).raise_for_status()


async def with_socketio(code: str, at: Servers, told: Told) -> None:
    heard = asyncio.Event()
    client = socketio.AsyncClient(reconnection=False, logger=True, engineio_logger=True)

    async def cv_updated(data: Any) -> None:
        heard.set()
        raise RuntimeError(f"cannot take {data!r}")

    client.on("cv_updated", cv_updated)
    await told(client.connect(at.http, auth={"code": code, "refuse": True}))
    await told(client.connect(f"{at.nowhere}/{quote(code, safe='')}", auth={"code": code}))
    await told(client.connect(at.http, auth={"code": code}, transports=["websocket"]))
    async with asyncio.timeout(BOUND_S):
        await heard.wait()
    await told(client.call("ask", {"cv_code": code}, timeout=0.05))
    await told(client.emit("ask", {"cv_code": code}, namespace="/other"))
    await client.disconnect()
    await told(client.emit("ask", code))
    client.logger.error("odd packet 42%s", json.dumps(["cv_updated", {"cv_code": code}]))


async def with_asyncio(code: str, _: Servers, told: Told) -> None:
    loop = asyncio.get_running_loop()

    async def fails(what: str) -> None:
        raise ValueError(f"bad code: {what!r}")

    async def fails_in_a_group() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fails(code))
            group.create_task(fails(quote(code)))

    tasks = [loop.create_task(fails(code)), loop.create_task(fails_in_a_group(), name=f"'{code}'")]
    await asyncio.wait(tasks, timeout=BOUND_S)
    tasks.clear()
    future = loop.create_future()
    future.set_exception(KeyError(code))
    del future
    loop.call_soon({"a": 1}.pop, code)
    # In its debug mode it writes calls that took long, with their arguments.
    loop.slow_callback_duration = 0.0
    loop.call_soon(takes, code, {"cv_code": code}, code.encode(), URL(f"http://h/{quote(code)}"))
    await asyncio.sleep(0)
    loop.slow_callback_duration = BOUND_S
    await told(loop.run_in_executor(None, json.loads, f'{{"cv_code": {code}'))
    await asyncio.sleep(0)


def takes(*_: object) -> None:
    """Anything."""


async def with_python(code: str, _: Servers, __: Told) -> None:
    warnings.warn(f"odd: {code!r}", UserWarning, stacklevel=1)
    warnings.warn_explicit(f"/cv-enhance/{quote(code, safe='')}", ResourceWarning, "a.py", 1)
    never_awaited = asyncio.sleep(0, code)
    del never_awaited

    def ends() -> None:
        raise FileNotFoundError(2, "No such file", f"/spool/{code}")

    thread = threading.Thread(target=ends, name=code)
    thread.start()
    thread.join(BOUND_S)

    class Stubborn:
        def __del__(self) -> None:
            raise KeyError(code)

    Stubborn()
    gc.collect()
    logging.getLogger("httpcore.http11").error("send_request_headers request=%r", code.encode())
    logging.getLogger("some.library").warning("%s", {"cv_code": code}, exc_info=KeyError(code))


PARTS = (with_aiohttp, with_httpx, with_socketio, with_asyncio, with_python)


async def consume(request: Any) -> None:
    async with request as response:
        await response.json()


def teller(log: StructuredLog) -> Told:
    async def tell(failing: Awaitable[Any]) -> None:
        try:
            async with asyncio.timeout(BOUND_S):
                await failing
        except Exception as error:  # noqa: BLE001 - every one there is
            log.fault("loop.failed", error, message="told")
            chained = RuntimeError("raised on")
            chained.__cause__ = error
            log.fault("loop.failed", ExceptionGroup("several", [chained, error]))

    return tell


async def say_all(log: StructuredLog, codes: list[str]) -> None:
    loop = asyncio.get_running_loop()
    library.watch_loop(loop, log)
    loop.set_debug(True)
    loop.slow_callback_duration = BOUND_S
    async with serving(codes) as at:
        for code in codes:
            for part in PARTS:
                await part(code, at, teller(log))
    log.emit("daemon.stopped")


def main() -> None:
    given = json.load(sys.stdin)
    # Each code's own lines are wanted, however alike they are.
    flood.SOME = 10**9
    log = StructuredLog(
        Writer(sys.stdout, capacity=10**6, capacity_bytes=1 << 30),
        Redactor(),
        ref_key=b"k",
        run_id="r",
        version="1",
        replica="here",
        least=Level.DEBUG,
        console=given["console"],
        strict=True,
    )
    library.quiet_libraries(log)
    warnings.simplefilter("always")
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.DEBUG)
    if given["known"]:
        for code in given["codes"]:
            log.ref(CvCode(code))
    asyncio.run(say_all(log, given["codes"]))
    gc.collect()
    log.flush(BOUND_S)
    raise KeyError(given["codes"][0])


if __name__ == "__main__":
    main()
