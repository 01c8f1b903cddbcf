"""Every row of the codes, through the check, the URL, intake's form and the upstream's client."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

import httpx
import pytest
from yarl import URL

from listener.core.errors import InvalidCode
from listener.core.wire import check_code, cv_ref, edits_url, encode_code, read_event, record_url
from tests.fuzz.form import PDF, TYPE, build, taken

from .rows import CODES, CodeRow

BASE = "https://api.example.test/cv-enhance"
GOOD = [row for row in CODES if row.wire is not None]
REFUSED = [row for row in CODES if row.refused is not None]


def named(row: CodeRow) -> str:
    return ascii(row.code)[:60]


def test_there_are_enough_of_them() -> None:
    assert len(GOOD) >= 200 and len(REFUSED) >= 50
    assert len({row.code for row in CODES}) == len(CODES)
    assert all((row.wire is None) != (row.refused is None) for row in CODES)


@pytest.mark.parametrize("row", GOOD, ids=named)
def test_a_code_goes_over_the_wire_and_comes_back(row: CodeRow) -> None:
    code = check_code(row.code)
    assert code == row.code and encode_code(code) == row.wire
    assert unquote(encode_code(code), errors="strict") == row.code
    assert record_url(BASE, code) == f"{BASE}/{row.wire}"
    assert edits_url(f"{BASE}/", code) == f"{BASE}/{row.wire}/edits"
    body = read_event([{"cv_code": row.code}])
    assert (body.code, body.problem) == (code, None)
    assert cv_ref(b"key", code) == cv_ref(b"key", check_code(row.code))


@pytest.mark.parametrize("row", GOOD, ids=named)
def test_no_client_changes_the_path(row: CodeRow) -> None:
    """Neither of the two that send it: what they put on the request line is what we built."""
    url = edits_url(BASE, check_code(row.code))
    path = f"/cv-enhance/{row.wire}/edits"
    assert URL(url, encoded=True).raw_path_qs == path
    assert httpx.Request("POST", url).url.raw_path == path.encode()
    parts = urlsplit(url)
    assert (parts.path, parts.query, parts.fragment) == (path, "", "")


@pytest.mark.parametrize("row", REFUSED, ids=named)
def test_a_code_is_refused_with_its_reason_and_not_shown(row: CodeRow) -> None:
    with pytest.raises(InvalidCode) as refused:
        check_code(row.code)
    assert refused.value.reason == row.refused
    assert len(row.code) < 4 or row.code not in str(refused.value)
    assert read_event([{"cv_code": row.code}]).problem == "bad_code"


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@pytest.mark.parametrize("row", CODES, ids=named)
def test_intake_takes_what_is_valid_and_refuses_the_rest(
    row: CodeRow, runner: asyncio.Runner
) -> None:
    """A form may be made of a text file, so the newline at its end is not the code's."""
    for code_first in (True, False):
        body = build(row.code.encode("utf-8", "surrogatepass"), PDF, code_first=code_first)
        found = runner.run(taken(TYPE, body, b"\x0f\x02"))
        if row.wire is not None:
            assert found == ("taken", row.code, PDF)
        elif row.code in ("ABC123XYZ\n", "a\r"):
            assert found == ("taken", row.code.strip(), PDF)
        else:
            assert found[0] == "refused" and found[1] == "invalid_code"
