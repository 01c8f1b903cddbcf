"""Help, usage, and what is loaded for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from listener import __version__
from listener.cli.root import ALSO_CALLED, COMMANDS

from .terminal import cli

NOBODY = "0199a1b2-0000-7000-8000-00000000ffff"
HEAVY = (
    *("aiohttp", "apsw", "dotenv", "httpx", "orjson", "pydantic", "pydantic_settings"),
    *("pypdf", "rich", "socketio", "ssl", "structlog"),
)


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["submit", "--help"], ["nonsense"]])
async def test_no_help_loads_anything_heavy(tmp_path: Path, args: list[str]) -> None:
    ended = await cli(tmp_path, *args, python=("-X", "importtime"))
    loaded = {line.rpartition("|")[2].strip().split(".")[0] for line in ended.err.splitlines()}
    assert "click" in loaded
    assert loaded.isdisjoint(HEAVY), loaded & set(HEAVY)


async def test_the_help_fits_and_names_every_command(tmp_path: Path) -> None:
    ended = await cli(tmp_path, "--help")
    assert (ended.status, ended.err) == (0, "")
    assert max(map(len, ended.out.splitlines())) <= 80
    for name in COMMANDS:
        if name != "demo":
            assert f"\n  {name} " in ended.out
    assert (await cli(tmp_path)).status == 64
    assert (await cli(tmp_path, "--version")).out == f"cv-listener {__version__}\n"


def test_what_somebody_may_have_meant_is_there_and_nothing_else_is_called_so() -> None:
    assert ALSO_CALLED.keys().isdisjoint(COMMANDS)
    assert set(ALSO_CALLED.values()) <= {*COMMANDS, "--help", "--version"}


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("demo", "emulate")])
async def test_every_command_has_a_help_that_fits(tmp_path: Path, name: str) -> None:
    ended = await cli(tmp_path, name, "--help")
    assert (ended.status, ended.err) == (0, "")
    assert max(map(len, ended.out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["stauts"], "there is no command 'stauts'. Did you mean 'status'?"),
        (["lits"], "Did you mean 'list'?"),
        (["stop"], "Did you mean 'drain'?"),
        (["SECRET#1"], "there is no command."),
        (["-SECRET#1"], "there is no such option."),
        (["--verison"], "Did you mean --version?"),
        (["show"], "Missing argument 'ID'"),
        (["show", "SECRET#1", "SECRET#2"], "an argument too many"),
        (["show", "--jsn", "SECRET#1"], "Did you mean --json?"),
        (["show", "-SECRET#1"], "there is no such option."),
        (["show", "SECRET#1"], "expected the id of a submission, 36 characters"),
        (["ref", "SECRET#1"], "an argument too many"),
        (["retry", "SECRET#1"], "expected the id of a submission"),
        (["retry", NOBODY, "SECRET#1"], "cannot read FILE: No such file"),
        (["retry", NOBODY, "--dry-run", "--wait"], "there is nothing to --wait for"),
        (["retry", NOBODY, "--key", "SECRET 1"], "expected --key with 1 to 255"),
        (["submit"], "expected CODE and at least one FILE"),
        (["submit", "SECRET#1"], "expected CODE and at least one FILE"),
        (["submit", "-SECRET#1", "cv.pdf"], "goes behind '--'"),
        (["submit", "cv.pdf", "SECRET#1"], "cannot read FILE 1: No such file"),
        (["submit", "SECRET#1", "absent.pdf"], "cannot read FILE 1 absent.pdf: No such file"),
        (["submit", "--code-file", "SECRET#1", "cv.pdf"], "cannot read the file of --code-file"),
        (["submit", "..", "cv.pdf"], "only dots"),
        (["submit", "", "cv.pdf"], "found an empty text"),
        (["submit", "SECRET\t1", "cv.pdf"], "found a control character"),
        (["submit", "SECRET" * 99, "cv.pdf"], "at most 256 bytes"),
        (["submit", "--once", "SECRET#1", "cv.pdf", "cv.pdf"], "--once takes one FILE"),
        (["list", "--limit", "0"], "Invalid value for '--limit'"),
        (
            ["list", "--limit", "SECRET#1"],
            "Invalid value for '--limit': expected a whole number from 1",
        ),
        (["list", "--state", "SECRET#1"], "'--state': expected one of queued, sending"),
        (["list", "--outcome=unconfimed"], "Did you mean unconfirmed?"),
    ],
)
async def test_a_wrong_use_is_said_and_shows_no_code(
    tmp_path: Path, args: list[str], said: str
) -> None:
    (tmp_path / "cv.pdf").write_bytes(b"%PDF-1.7\n%%EOF\n")
    ended = await cli(tmp_path, *args)
    assert (ended.status, ended.out) == (64, "")
    assert said in " ".join(ended.err.split())
    assert "SECRET" not in ended.err
