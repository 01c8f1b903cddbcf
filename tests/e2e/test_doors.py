"""Every code of the corpus, through every door, goes out exactly or is refused; and whatever any of
them says, no code stands in it, no token, and no name from a CV. One daemon for all of them."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from listener.emulator import Emulator, Options
from tests.corpus.rows import CODES, CodeRow

from .doors import A_PROCESS_EACH, DOORS, SURNAME, Door, House, asking, code_file, once, raw
from .process import DaemonProcess

LONG = 8
"""A shorter text of plain letters stands in an output by chance."""


@asynccontextmanager
async def house(folder: Path) -> AsyncIterator[House]:
    watched = folder / "watched"
    watched.mkdir()
    async with (
        Emulator(Options(extract=False)) as upstream,
        DaemonProcess(
            folder, upstream.base_url, upstream.socket_url, spool_watch=watched
        ) as daemon,
    ):
        yield House(folder, upstream, daemon, watched)


def forms(code: str) -> Iterator[str]:
    """As what it could stand in a text."""
    encoded = quote(raw(code), safe="")
    found = {code, encoded, encoded.lower(), quote(raw(code)), json.dumps(code)[1:-1]}
    found |= {repr(code)[1:-1], ascii(code)[1:-1], raw(code).decode("utf-8", "replace")}
    for form in found:
        escaped = re.search(r"%[0-9A-Fa-f]{2}|\\[xuU0-9]", form) is not None
        if len(form) > LONG or escaped or not (form.isascii() and form.isprintable()):
            yield form


def shown(row: CodeRow, said: str) -> bool:
    return any(form in said for form in forms(row.code) if form.strip())


@pytest.mark.parametrize(
    ("step", "typed"),
    [
        pytest.param(12, {code_file: 1, once: 1, asking: 1}, id="a-sample"),
        pytest.param(
            1, dict.fromkeys(A_PROCESS_EACH, 12), id="all", marks=pytest.mark.prove(lasts=100)
        ),
    ],
)
async def test_a_code_goes_out_exactly_or_is_refused_through_every_door(
    tmp_path: Path, step: int, typed: dict[Door, int]
) -> None:
    """``typed``: of the doors that are a process for each code, how many go through which."""
    rows = [row for row in CODES if len(row.code) < 5_000][::step]
    async with house(tmp_path) as stage:
        for number, door in enumerate(DOORS):
            some: Sequence[CodeRow] = rows
            if door in A_PROCESS_EACH:
                count = typed.get(door, 0)
                some = rows[number :: len(rows) // (count or 1)][:count]
            expected = await door(stage, some)
            await stage.settled()
            assert stage.sent(door.__name__) == expected, door.__name__
        status = await stage.settled()
        assert set(status["closed"]) == {"confirmed"}
        stage.say("status", status, await stage.daemon.listed())
        token = stage.daemon.token
        assert await stage.daemon.stop() == 0
        stage.say("log", stage.daemon.output.read_text())
    where = {name for name, _ in stage.said}
    for name in where:
        said = "\n".join(text for door, text in stage.said if door == name)
        assert [ascii(row.code) for row in rows if shown(row, said)] == [], name
        assert token not in said, name
        assert SURNAME not in said, name
