"""Real libraries, at their most talkative, in a process of their own: no code in what comes out."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from listener.adapters.logs.lines import LONGEST_LINE
from tests.adapters.logs.shapes import shapes
from tests.tree import ROOT

BOUND_S = 240
PIECE = 8
"""So many characters of a code in a row are told apart from chance."""

NASTY = (
    "Cv9E#nH4$xTz8!pY2aW^mK6rL",
    "q'u\"o\\te /ü€😀&<>,;=%2F#end",
    "per%cent%25Lk3",
    "back\\slash\\Qz9",
    "sl/ash/Xy7w",
    "sp ace Wn5x",
    "plus+Rt6y",
    '"dq"Mb2v',
    "'sq'Hc4w",
    "Zürich-öäü-Pq8",
    "日本語-コード",
    "عربي-كود",
    "😀😃-Zs6",
    '{json:"Vf1"}',
    "a=b&c=dGs5",
    "?query=Tj3k",
    "#frag-Nx7",
    "../up/Dw9",
    "Bearer Ym6z",
    "<b>Uu4</b>",
    "e\u0301-Bq1x",
    "\u202eRTL-Ce8",
    "zero\u200bwidth-Oo3",
)
SHORT = ("日本", "ü/x", "é€")
"""Too short to be looked for: the rules alone find them, known or not."""


def said(codes: tuple[str, ...], *, known: bool, console: bool) -> str:
    """All that came out."""
    given = json.dumps({"codes": codes, "known": known, "console": console})
    done = subprocess.run(
        [sys.executable, "-m", "tests.adapters.logs.leaks"],
        input=given,
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=ROOT,
        timeout=BOUND_S,
        check=False,
    )
    assert done.returncode == 1, "it ends in an uncaught exception"
    assert done.stderr == "", "all went through the log"
    return done.stdout


def assert_hidden(text: str, codes: tuple[str, ...]) -> None:
    for code in codes:
        shown = [shape for shape in shapes(code) if shape in text]
        shown += [piece for piece in pieces(code) if piece in text]
        assert not shown, f"{shown[0]!r} stands in {around(text, shown[0])}"


def pieces(code: str) -> Iterator[str]:
    yield from (code[at : at + PIECE] for at in range(len(code) - PIECE + 1))


def around(text: str, shown: str) -> str:
    return repr(next(line for line in text.splitlines() if shown.splitlines()[0] in line)[:1_500])


def texts(value: Any) -> Iterator[str]:
    """As a reader of the JSON sees them."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    else:
        yield str(value)


def assert_no_leak(codes: tuple[str, ...], *, known: bool) -> None:
    out = said(codes, known=known, console=False)
    lines = [json.loads(line) for line in out.splitlines()]
    assert_hidden(out, codes)
    assert_hidden("\n".join(text for line in lines for text in texts(line)), codes)
    assert all(len(line.encode()) <= LONGEST_LINE for line in out.splitlines())
    assert_all_was_tried(lines, len(codes))


def assert_all_was_tried(lines: list[dict[str, Any]], codes: int) -> None:
    """A library that no longer says what it is made to say here proves nothing."""
    kinds = Counter(line.get("error_type") for line in lines)
    libraries = Counter(line.get("library") for line in lines)
    for kind in (
        *("ClientResponseError", "TooManyRedirects", "InvalidUrlClientError", "ContentTypeError"),
        *("ClientConnectorError", "ServerDisconnectedError", "NonHttpUrlClientError"),
        *("HTTPStatusError", "ConnectError", "InvalidURL", "UnsupportedProtocol"),
        *("ConnectionError", "BadNamespaceError", "TimeoutError", "KeyError", "JSONDecodeError"),
    ):
        assert kinds[kind] >= codes, f"no {kind} was told for each"
    for library in (
        "asyncio",
        "py.warnings",
        "aiohttp.server",
        "socketio.client",
        "httpcore.http11",
    ):
        assert libraries[library] >= codes, f"{library} said nothing of each"
    assert lines[-1]["message"] == "uncaught"


def test_no_library_shows_a_known_code() -> None:
    assert_no_leak(NASTY[:8], known=True)


def test_no_library_shows_a_code_that_nobody_told_of() -> None:
    assert_no_leak((*NASTY[:3], *SHORT), known=False)


@pytest.mark.prove
@pytest.mark.parametrize("known", [True, False])
def test_no_library_shows_any_code(known: bool) -> None:
    assert_no_leak((*NASTY, *SHORT), known=known)


@pytest.mark.prove
def test_no_library_shows_a_code_to_people() -> None:
    assert_hidden(said(NASTY, known=True, console=True), NASTY)
