"""No code and no credential in any line, however it comes in: libraries, exceptions, servers."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
import threading
import warnings
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

import aiohttp
import httpx
import pytest
import socketio  # type: ignore[import-untyped]  # python-socketio ships no types
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from listener.adapters.logs import Redactor, watch_loop
from listener.adapters.logs.flood import SOME
from listener.adapters.logs.redaction import HIDDEN
from listener.core.catalogue import CATALOGUE
from listener.core.errors import JournalFault
from listener.core.names import CvCode
from tests.adapters.logs.sinks import Written, libraries, written
from tests.core.code_corpus import CODES

CODE = CvCode("Cv9E#nH4$xTz8!pY2aW^mK6rL")
ENCODED = quote(CODE, safe="")
NASTY = CvCode("q'u\"o\\te /ü€😀&<>,;=%2F#end")
SECRET = "hunter2-hunter2"


def shapes(code: str) -> set[str]:
    """How a code may stand in a text."""
    return {
        code,
        quote(code, safe=""),
        re.sub("%..", lambda found: found[0].lower(), quote(code, safe="")),
        quote_plus(code),
        repr(code)[1:-1],
        json.dumps(code)[1:-1],
        URL(f"http://h/{quote(code, safe='')}").raw_path[1:],
    }


def assert_hidden(text: str, *codes: str) -> None:
    for code in codes:
        for shape in shapes(code):
            assert shape not in text, f"{shape!r} stands in it"


# ------------------------------------------------------------------------------------ known codes


@pytest.mark.parametrize("code", [code for code in CODES if len(code) >= 4])
def test_a_known_code_is_hidden_in_every_shape(code: str) -> None:
    redactor = Redactor()
    redactor.add(code)
    for shape in shapes(code):
        assert_hidden(redactor.clean(f"before {shape} after, {shape}{shape}"), code)
        assert redactor.clean(f"before {shape} after") == f"before {HIDDEN} after"


def test_a_code_that_is_gone_is_looked_for_no_longer() -> None:
    redactor = Redactor()
    redactor.add("abcdef")
    redactor.add("abcdefgh")
    assert redactor.clean("abcdefgh abcdef abcdefx") == f"{HIDDEN} {HIDDEN} {HIDDEN}x"
    redactor.discard("abcdef")
    redactor.discard("abcdef")
    assert redactor.clean("abcdefgh abcdef") == f"{HIDDEN} abcdef"
    redactor.add_secret("abcdefgh")
    redactor.discard("abcdefgh")
    assert redactor.clean("abcdefgh") == HIDDEN, "a secret of the settings stays one"


def test_what_it_knows_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("listener.adapters.logs.redaction.KNOWN_CODES", 10)
    redactor = Redactor()
    for number in range(10):
        redactor.add(f"code-{number}")
    redactor.add("code-0")
    for letter in "abcdefghi":
        redactor.add(f"code-{letter}")
    assert redactor.clean("code-0 code-1 code-9 code-a code-i") == (
        f"{HIDDEN} code-1 code-9 {HIDDEN} {HIDDEN}"
    ), "the newest are kept"


def test_a_code_at_the_cut_of_a_long_text_is_not_shown_in_part() -> None:
    redactor = Redactor()
    redactor.add(CODE)
    for start in range(16_384 - 2 * len(CODE), 16_384 + 2):
        assert CODE[:4] not in redactor.clean("x" * start + CODE + "y" * 100)


# ---------------------------------------------------------------------------------- unknown codes

FOREIGN = [
    "GET /cv-enhance/{encoded} failed",
    "POST /cv-enhance/{encoded}/edits: 500",
    "Cannot connect to https://api.uptal.com/cv-enhance/{encoded}/edits now",
    "url=https://h.example:8443/other/{encoded}?x=1",
    "http://h/?cv_code={encoded}",
    "wss://user:{secret}@h/socket.io/?token={secret}",
    "'POST', '/v3/{encoded}/edits'",
    "/any/{encoded}/edits",
    "Authorization: Bearer {secret}",
    "{{'Authorization': 'Bearer {secret}'}}",
    "[(b'authorization', b'Bearer {secret}')]",
    "Cookie: session={secret}; a=b",
    "proxy said Basic {secret}",
    "cv_code={encoded}, cv_id=3",
    '{{"cv_code": "{code}"}}',
    "{{'cv_code': {repr}}}",
    "bad value {repr} in header",
    'bad value "{code}"',
    "bad value '{code}'",
    "bad value b'{code}'",
    'received 42["cv_updated",{{"x":"{code}"}}] late',
    'received 42/cvs,7["cv_updated",{json}]',
    "KeyError('{code}')",
    "cut off: '{code}",
    'cut off: 42["cv_updated",{{"x":{json}',
]


@pytest.mark.parametrize("code", [CODE, NASTY, CvCode("ABC123XYZ")])
@pytest.mark.parametrize("form", FOREIGN)
def test_an_unknown_code_is_hidden_where_libraries_put_it(form: str, code: CvCode) -> None:
    text = form.format(
        code=code,
        encoded=quote(code, safe=""),
        repr=repr(code),
        json=json.dumps(code),
        secret=SECRET,
    )
    cleaned = Redactor().clean_foreign(text)
    assert_hidden(cleaned, code, SECRET)
    assert HIDDEN in cleaned


def test_what_helps_is_left() -> None:
    clean = Redactor().clean_foreign
    assert clean("Cannot connect to host api.uptal.com:443 ssl:default [Connection refused]") == (
        "Cannot connect to host api.uptal.com:443 ssl:default [Connection refused]"
    )
    assert clean("can't do it, the server's gone; don't wait") == (
        "can't do it, the server's gone; don't wait"
    )
    assert clean("https://api.uptal.com/cv-enhance/ABC/edits") == f"https://api.uptal.com/{HIDDEN}"


@given(st.text(max_size=300))
def test_cleaning_takes_any_text_and_is_done_at_once(text: str) -> None:
    redactor = Redactor()
    redactor.add(CODE)
    once = redactor.clean_foreign(text)
    assert CODE not in redactor.clean_foreign(text + CODE)
    assert redactor.clean_foreign(once).count(HIDDEN) <= max(1, once.count(HIDDEN) + 1)


# --------------------------------------------------------------------------------------- libraries


@pytest.fixture
def heard() -> Iterator[Written]:
    with libraries() as sink:
        yield sink


async def test_httpx_tells_no_url(heard: Written) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    async with asyncio.timeout(30), httpx.AsyncClient(trust_env=False) as client:
        # It writes each URL at INFO.
        await client.get(f"http://{host}:{port}/cv-enhance/{ENCODED}")
    await runner.cleanup()
    url = f"https://h/cv-enhance/{ENCODED}"
    logging.getLogger("httpx").info("HTTP Request: GET %s", url)
    logging.getLogger("httpx").warning("HTTP Request: GET %s", url)
    logging.getLogger("httpcore.connection").error("send_request headers=%r", [(b"x", CODE)])
    assert [line["library"] for line in heard.lines] == ["httpx", "httpcore.connection"]
    assert_hidden(heard.text, CODE)


async def test_aiohttp_tells_no_path(heard: Written) -> None:
    async def fail(request: web.Request) -> web.Response:
        raise RuntimeError(f"cannot handle {request.path} of {CODE!r}")

    app = web.Application()
    app.router.add_get("/{tail:.*}", fail)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    async with asyncio.timeout(30), aiohttp.ClientSession() as session:
        url = URL(f"http://{host}:{port}/cv-enhance/{ENCODED}", encoded=True)
        async with session.get(url) as response:
            assert response.status == 500
        session.cookie_jar.filter_cookies(URL("http://h"))
        logging.getLogger("aiohttp.client").warning("Can not load %s", str(url))
    await runner.cleanup()
    assert {line["library"] for line in heard.of("library.warned")} >= {"aiohttp.server"}
    (failed,) = [line for line in heard.lines if line.get("error_type") == "RuntimeError"]
    assert "test_redaction.py" in failed["trace"], "where it was raised is told"
    assert_hidden(heard.text, CODE)


async def test_socketio_tells_no_payload(heard: Written) -> None:
    client = socketio.AsyncClient(logger=True, engineio_logger=True)
    payload = '42["cv_updated",{"cv_code":' + json.dumps(CODE) + "}]"
    for name in ("socketio.client", "engineio.client", "socketio", "engineio"):
        log = logging.getLogger(name)
        log.info('Received event "%s" [%s]', payload, "/")
        log.warning('Received event "%s" [%s]', payload, "/")
        log.error("Unknown packet " + payload)
    client.logger.error("%s is not connected to namespace %s", CODE, "/")
    assert len(heard.of("library.warned")) == 9
    assert_hidden(heard.text, CODE)
    assert heard.lines[-1]["message"] == "… is not connected to namespace …"


async def test_asyncio_tells_of_swallowed_errors_and_shows_no_value(heard: Written) -> None:
    loop = asyncio.get_running_loop()
    watch_loop(loop, heard.log)

    async def fails() -> None:
        raise ValueError(f"invalid code: {CODE!r}")

    try:
        task = asyncio.ensure_future(fails())
        await asyncio.wait({task}, timeout=30)
        del task
        loop.call_soon({"a": 1}.pop, CODE)
        loop.call_exception_handler({"message": f"odd: {CODE!r}", "future": CODE})
        loop.call_exception_handler({})
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    finally:
        loop.set_exception_handler(None)
    told = heard.of("loop.failed")
    assert [line.get("error_type") for line in told] == ["ValueError", None, None, "KeyError"]
    assert told[0]["message"] == "Task exception was never retrieved"
    assert "fails" in told[0]["trace"]
    assert_hidden(heard.text, CODE)


def test_what_ends_a_thread_is_told(heard: Written) -> None:
    def fails() -> None:
        raise OSError(2, "No such file", f"/spool/{CODE}")

    thread = threading.Thread(target=fails)
    thread.start()
    thread.join(30)
    (line,) = heard.of("loop.failed")
    assert (line["error_type"], line["message"]) == ("FileNotFoundError", "a thread ended")
    assert_hidden(heard.text, CODE)


def test_what_nobody_catches_is_told_and_written_at_once(heard: Written) -> None:
    try:
        raise KeyError(CODE)
    except KeyError as error:
        sys.excepthook(KeyError, error, error.__traceback__)
    (line,) = [json.loads(text) for text in heard.stream.getvalue().splitlines()]
    assert (line["event"], line["error_type"], line["message"]) == (
        "loop.failed",
        "KeyError",
        "uncaught",
    )
    assert_hidden(heard.text, CODE)


class Stubborn:
    def __del__(self) -> None:
        raise RuntimeError(f"cannot close '{CODE}'")


def test_what_cannot_be_raised_is_told(heard: Written) -> None:
    one = Stubborn()
    del one
    (line,) = heard.of("loop.failed")
    assert line["error_type"] == "RuntimeError"
    assert_hidden(heard.text, CODE)


def test_warnings_are_told_redacted(heard: Written) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"unclosed <socket to '{CODE}'>", ResourceWarning, stacklevel=1)
    (line,) = heard.of("library.warned")
    assert line["library"] == "py.warnings"
    assert "ResourceWarning" in line["message"]
    assert_hidden(heard.text, CODE)


def test_a_record_that_cannot_be_read_is_told(heard: Written) -> None:
    made = logging.LogRecord("some.library", 30, "a.py", 1, "%d apples", (CODE,), None)
    bridge = next(h for h in logging.getLogger().handlers if "logs" in type(h).__module__)
    bridge.handle(made)
    (line,) = heard.of("library.warned")
    assert line["message"] == "unreadable: TypeError"


def test_a_flood_of_one_place_is_counted(heard: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_000.0]
    monkeypatch.setattr("listener.adapters.logs.flood.time.monotonic", lambda: now[0])

    def say() -> None:
        logging.getLogger("some.library").warning("again")

    for _ in range(500):
        say()
    assert len(heard.lines) == SOME
    assert heard.log.suppressed_lines() == 500 - SOME, "before any line has told of them"
    now[0] += 61
    say()
    assert heard.lines[-1]["suppressed"] == 500 - SOME
    logging.getLogger("some.library").warning("elsewhere")
    assert "suppressed" not in heard.lines[-1]


def test_a_flood_of_one_warning_leaves_room_for_another(heard: Written) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        for _ in range(100):
            warnings.warn("the same", UserWarning, stacklevel=1)
        warnings.warn("another", UserWarning, stacklevel=1)
    said = [line["message"] for line in heard.of("library.warned")]
    assert len(said) == SOME + 1
    assert "another" in said[-1]


async def test_a_flood_of_failing_tasks_is_counted(heard: Written) -> None:
    loop = asyncio.get_running_loop()
    watch_loop(loop, heard.log)
    try:
        for _ in range(500):
            loop.call_exception_handler({"message": "again", "exception": ValueError("x")})
        loop.call_exception_handler({"message": "again", "exception": OSError("y")})
    finally:
        loop.set_exception_handler(None)
    assert len(heard.of("loop.failed")) == SOME + 1
    assert heard.lines[-1]["error_type"] == "OSError"


@pytest.mark.parametrize("side", ["client", "server"])
def test_socketio_adds_no_handler_of_its_own(
    side: str, heard: Written, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without a logger given, it prints what it says to stderr: packets, and codes in them."""
    made = {"client": socketio.AsyncClient, "server": socketio.AsyncServer}[side]()
    made.logger.error("Unknown packet %s", CODE)
    made.eio.logger.error("Unknown packet %s", CODE)
    assert [line["message"] for line in heard.lines] == ["Unknown packet …"] * 2
    assert capfd.readouterr() == ("", "")


def test_only_warnings_and_above_come_through(heard: Written) -> None:
    logging.getLogger("some.library").info("quiet")
    logging.getLogger("some.library").debug("quiet")
    assert heard.lines == []


def test_undoing_it_leaves_all_as_it_was() -> None:
    root, talkative = logging.getLogger(), logging.getLogger("engineio")

    def standing() -> tuple[object, ...]:
        hooks = (sys.excepthook, threading.excepthook, sys.unraisablehook, warnings.showwarning)
        return (list(root.handlers), root.level, talkative.level, warnings.filters[:], *hooks)

    root.setLevel(logging.INFO)
    before = standing()
    try:
        with libraries():
            assert not any(was is now for was, now in zip(before, standing(), strict=True))
        assert standing() == before
    finally:
        root.setLevel(logging.WARNING)


# -------------------------------------------------------------------------------------- exceptions


def chained(code: str) -> BaseException:
    """Raised from, and while handling, errors that hold the code in their texts and locals."""
    secret_local = code
    try:
        try:
            try:
                raise KeyError(secret_local)
            except KeyError:
                int(f"'{secret_local}'")
        except ValueError as error:
            raise httpx.ConnectError(f"GET https://h/cv-enhance/{quote(code, safe='')}") from error
    except httpx.ConnectError as error:
        return error
    raise AssertionError("unreachable: it is raised")


@pytest.mark.parametrize("code", [CODE, NASTY])
def test_an_exception_is_told_without_locals_and_chained(code: CvCode) -> None:
    with written() as sink:
        sink.log.fault("daemon.failed", chained(code))
        (line,) = sink.lines
        assert line["error_type"] == "ConnectError"
        assert line["error"] == f"GET https://h/{HIDDEN}"
        links = line["trace"].split(" <- ")
        assert [link.split(":")[0].split(" ")[0] for link in links] == [
            "ConnectError",
            "ValueError",
            "KeyError",
        ]
        assert all("logs/test_redaction.py:" in link for link in links)
        assert_hidden(sink.text, code)


def test_a_group_is_told_by_what_is_in_it_ours_first() -> None:
    ours = JournalFault("expected a disk that writes, found 'none': look at CV_STATE_DIR")
    group = BaseExceptionGroup(
        "unhandled errors", [ExceptionGroup("deeper", [ValueError(f"'{CODE}'"), ours])]
    )
    with written() as sink:
        sink.log.fault("daemon.failed", group)
        (line,) = sink.lines
        assert line["error_type"] == "JournalFault"
        assert line["error"] == f"{ours}; '{HIDDEN}'"
        assert_hidden(sink.text, CODE)


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


def test_an_exception_without_a_text_and_one_in_a_circle() -> None:
    with written() as sink:
        sink.log.fault("daemon.failed", Unspeakable())
        first, second = ValueError("a"), ValueError("b")
        first.__cause__, second.__cause__ = second, first
        sink.log.fault("daemon.failed", first)
        unspeakable, circle = sink.lines
        assert unspeakable["error"] == "no text (RuntimeError)"
        assert circle["trace"].count(" <- ") == 1


def test_a_group_of_any_depth_and_size_is_told() -> None:
    error: Exception = ValueError("innermost")
    for _ in range(500):
        error = ExceptionGroup("outer", [error])
    with written() as sink:
        sink.log.fault("daemon.failed", error)
        for _ in range(10_000):
            error = ExceptionGroup("outer", [error])
        sink.log.fault("daemon.failed", error)
        sink.log.fault("daemon.failed", ExceptionGroup("many", [OSError("x")] * 100_000))
        deep, deeper, wide = sink.lines
        assert (deep["error_type"], deep["error"]) == ("ValueError", "innermost")
        assert deeper["error_type"] == "ExceptionGroup"
        assert wide["error_type"] == "OSError"


class Unruly(Exception):
    @property
    def __cause__(self) -> BaseException:  # type: ignore[override]  # that is what is wrong with it
        raise RuntimeError(CODE)


def test_an_exception_that_fails_itself_is_told() -> None:
    with written() as sink:
        sink.log.fault("daemon.failed", Unruly())
        (line,) = sink.lines
        assert line["error_type"] == "Unruly"
        assert line["error"] == "cannot be told (RuntimeError)"


def test_an_exception_of_any_length_is_told_in_bounds() -> None:
    with written() as sink:
        error: BaseException = ValueError("x" * 1_000_000)
        for _ in range(100):
            following = ValueError("y" * 10_000)
            following.__cause__ = error
            error = following
        sink.log.fault("daemon.failed", ExceptionGroup("g", [ValueError("z" * 10_000)] * 50))
        sink.log.fault("daemon.failed", error)
        assert all(len(text) < 10_000 for text in sink.text.splitlines())
        assert "and 47 more" in sink.lines[0]["error"]


# ------------------------------------------------------------------------------------ our own words


def test_what_a_server_said_is_cleaned_of_known_codes_and_tokens() -> None:
    with written() as sink:
        sink.log.redactor.add_secret(SECRET)
        sink.log.ref(CODE)
        sink.log.emit(
            "subscription.refused", reason="refused", error=f"no room for {CODE}, {SECRET}"
        )
        assert sink.lines[0]["error"] == f"no room for {HIDDEN}, {HIDDEN}"


def test_a_code_that_is_a_word_of_ours_spoils_no_line() -> None:
    with written() as sink:
        sink.log.ref(CvCode("confirmed"))
        sink.log.emit("submission.closed", outcome="confirmed")
        assert sink.lines[0]["outcome"] == "confirmed"


def test_no_hint_has_what_redaction_takes_for_a_path_that_holds_a_code() -> None:
    clean = Redactor().clean
    for spec in CATALOGUE.values():
        reasons = [reason for words in spec.words.values() for reason in words.values()]
        for hint in (spec.what_to_do, *(reason.what_to_do for reason in reasons)):
            assert clean(hint) == hint
