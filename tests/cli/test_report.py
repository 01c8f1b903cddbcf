"""cv-listener report: files in, words, a page or JSON out, and how it ends."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import sys
from pathlib import Path

import pytest

from tests.report.script import NOON, accepted, closed, line
from tests.tree import ROOT

from .terminal import cli, end

LINES = [accepted(1), closed(1, "confirmed"), line("daemon.heartbeat", 30, open_by_state={})]


def log(folder: Path, name: str = "daemon.log", lines: list[bytes] | None = None) -> str:
    data = b"\n".join(LINES if lines is None else lines)
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return name


async def test_a_log_is_told_in_a_terminal_as_json_and_as_a_page(tmp_path: Path) -> None:
    name = log(tmp_path)
    ended = await cli(tmp_path, "report", name)
    assert (ended.status, ended.err) == (0, "")
    assert "confirmed  1  100.0 %" in ended.out
    assert "\x1b" not in ended.out
    ended = await cli(tmp_path, "report", name, "--json", "--html", "page.html")
    assert ended.status == 0
    (told,) = ended.objects()
    assert told["submissions"]["closed"] == 1
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["daemon.log", "page.html"]


async def test_several_files_and_stdin(tmp_path: Path) -> None:
    rotated = log(tmp_path, "daemon.log.1.gz", [closed(2, "unconfirmed"), closed(3, "rejected")])
    text = b"\n".join([closed(2, "confirmed", version=9), closed(4, "confirmed")])
    ended = await cli(tmp_path, "report", "--json", "-", rotated, log(tmp_path), stdin=text)
    (told,) = ended.objects()
    outcomes = {row["outcome"]: row["count"] for row in told["submissions"]["outcomes"]}
    assert outcomes == {"confirmed": 3, "rejected": 1}
    assert told["read"]["files"] == 3


async def test_a_window(tmp_path: Path) -> None:
    name = log(tmp_path, lines=[closed(n, "confirmed", at_s=n) for n in range(10)])
    window = ("--since", "2026-01-31T12:00:03Z", "--until", "2026-01-31T13:00:05+01:00")
    ended = await cli(tmp_path, "report", "--json", name, *window)
    (told,) = ended.objects()
    assert told["submissions"]["closed"] == 2
    assert told["period"] == {"first_ms": NOON + 3_000, "last_ms": NOON + 4_000}
    ended = await cli(tmp_path, "report", name, "--since", "2h")
    assert ended.status == 0
    assert "Nothing in that window: all 10 lines lie outside of it." in ended.out


async def test_a_gzip_that_is_cut_off_is_told_and_reported_on(tmp_path: Path) -> None:
    name = log(tmp_path, "a.gz", [closed(n, "confirmed", at_s=n) for n in range(9_000)])
    file = tmp_path / name
    file.write_bytes(file.read_bytes()[:-3_000])
    ended = await cli(tmp_path, "report", name)
    assert ended.status == 0
    assert "! file 1: the gzip stream ends before its end" in ended.out
    assert "closed, 0 accepted" in ended.out


@pytest.mark.parametrize(
    ("args", "status", "said"),
    [
        ([], 64, "Missing argument"),
        (["daemon.log", "Cv9E#nH4"], 64, "found none that has the name given as number 2"),
        (["."], 64, "expected log files, found a folder"),
        (["daemon.log", "--since", "gestern"], 64, "expected --since as 90m, 2h"),
        (["daemon.log", "--until", "2026-01-31"], 64, "expected --until as 90m, 2h"),
        (["daemon.log", "--since", "1h", "--until", "2h"], 64, "to be before --until"),
        (["daemon.log", "--html", "no/such/page.html"], 74, "the system says"),
        (["/proc/self/mem"], 74, ""),
    ],
)
async def test_what_cannot_be_done_ends_with_its_status(
    tmp_path: Path, args: list[str], status: int, said: str
) -> None:
    log(tmp_path)
    ended = await cli(tmp_path, "report", *args)
    assert ended.status == status, ended.err
    assert said in ended.err
    assert "Cv9E" not in ended.err
    assert "gestern" not in ended.err


async def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / log(tmp_path)).chmod(0)
    # Root minds no modes, and has to be made to.
    obey = (
        "import sys, os; from tests.disks import hurt_daemon as h; os.getuid() or h._obey_modes()"
    )
    report = "from listener.cli.root import run; sys.exit(run(['report', 'daemon.log']))"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", f"{obey}; {report}"),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    ended = await end(process)
    assert (ended.status, ended.out) == (77, "")
    assert "this user may not read daemon.log" in ended.err


async def test_a_page_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    name = log(tmp_path)
    (tmp_path / "page.html").mkdir()
    ended = await cli(tmp_path, "report", name, "--html", "page.html")
    assert ended.status == 64
    assert json.loads((await cli(tmp_path, "report", name, "--json")).out)["version"] == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["daemon.log", "page.html"]
