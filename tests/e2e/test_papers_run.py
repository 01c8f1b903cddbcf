"""What the papers say to type is typed: every block of every page, page by page, against a daemon
that runs."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from listener.emulator import Emulator, Options
from tests.tree import texts

from .process import ROOT, DaemonProcess

BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
PDF = b"%PDF-1.7\n" + b"x" * 400 + b"\n%%EOF\n"
CODE = "Cv9E#nH4$xTz8!pY2aW^mK6rL"

ENDLESS = re.compile(r"^(curl -sSN|cv-listener (tail|emulate)\b)")
"""What goes on until it is stopped: it is, after a while, and that is no failure."""
OBJECTED = re.compile(r"^cv-listener retry\b")
"""What ID stands for here is confirmed: that speaks against sending it again."""
ELSEWHERE = re.compile(
    r"^(make|git|cp|docker|systemctl|sudo|openssl|kubectl|pip|cv-listener (run|demo))\b"
)
"""What has a test or a proof of its own, or is another machine's business."""
COMMENT = re.compile(r"\s+# .*$")


def blocks(text: str, *languages: str) -> Iterator[str]:
    for found in BLOCK.finditer(text):
        if found[2] in languages:
            indent = found[1]
            yield "".join(line.removeprefix(indent) for line in found[3].splitlines(True))


PAGES = {name: text for name, text in texts(".md") if name != "CHANGELOG.md"}


@asynccontextmanager
async def house(folder: Path) -> AsyncIterator[DaemonProcess]:
    """A daemon with every door open, and the files that the papers speak of."""
    watched = folder / "watched"
    watched.mkdir()
    for name in ("resume.pdf", "updated_resume.pdf", "cv.pdf"):
        (folder / name).write_bytes(PDF)
    (folder / "code.txt").write_text(CODE + "\n")
    async with (
        Emulator(Options(extract=False)) as upstream,
        DaemonProcess(
            folder, upstream.base_url, upstream.socket_url, spool_watch=str(watched)
        ) as daemon,
    ):
        (folder / ".env").write_text(
            f"CV_API_BASE_URL={upstream.base_url}\nCV_SOCKET_URL={upstream.socket_url}\n"
        )
        yield daemon


def commands(folder: Path) -> Path:
    """The commands that the papers name, where the machine has none of that name."""
    place = folder / ".venv" / "bin"
    place.mkdir(parents=True)
    shims = {
        "cv-listener": f'exec {sys.executable} -m listener "$@"',
        "python": f'exec {sys.executable} "$@"',
        "uuidgen": f"exec {sys.executable} -c 'import uuid; print(uuid.uuid4())'",
    }
    for name, does in shims.items():
        shim = place / name
        shim.write_text(f"#!/bin/sh\n{does}\n")
        shim.chmod(0o755)
    return place


def typed(block: str, daemon: DaemonProcess, folder: Path, submission: str) -> Iterator[str]:
    """The lines of a block, as they are typed here."""
    joined = block.replace("\\\n", " ")
    for written in joined.splitlines():
        line = written.replace("http://127.0.0.1:8600", str(daemon.address).rstrip("/"))
        line = line.replace("~/.local/state/cv-listener", str(daemon.state_dir))
        line = line.replace("/srv/cvs", str(folder / "watched"))
        line = line.replace("/var/log/cv-listener.log", str(daemon.output))
        line = re.sub(r"\b0199[0-9a-f]{4}-…|\bID\b", submission, line)
        bare = line.removeprefix(".venv/bin/").strip()
        if ELSEWHERE.match(bare):
            continue
        if ENDLESS.match(bare):
            yield f"timeout -s INT 3 {COMMENT.sub('', line).strip()} || [ $? -ge 124 ]"
        elif OBJECTED.match(bare):
            yield f"{COMMENT.sub('', line).strip()} || [ $? -eq 6 ]"
        else:
            yield line


async def run(script: str, daemon: DaemonProcess, folder: Path, place: Path) -> None:
    env = {
        "PATH": f"{place}:{os.environ['PATH']}",
        "HOME": str(folder),
        "PYTHONPATH": f"{ROOT}:{folder}",
        "CV_STATE_DIR": str(daemon.state_dir),
        "API": str(daemon.address).rstrip("/"),
        "TOKEN": (daemon.state_dir / "token").read_text().strip(),
        "CODE": CODE,
    }
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=folder,
        env=env,
    )
    try:
        async with asyncio.timeout(100):
            said, _ = await process.communicate(script.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, f"{script}\n---\n{said.decode()[-3000:]}"
    assert b'"urn:cv-listener:problem' not in said, said.decode()[-3000:]


PAGES_WITH_COMMANDS = [name for name, text in PAGES.items() if any(blocks(text, "sh"))]


@pytest.mark.parametrize("name", PAGES_WITH_COMMANDS)
async def test_what_a_page_says_to_type_works(tmp_path: Path, name: str) -> None:
    for tool in ("bash", "curl"):
        if shutil.which(tool) is None:
            pytest.skip(f"needs: {tool}")
    async with house(tmp_path) as daemon:
        submission = await daemon.submit("shown", tmp_path / "cv.pdf")
        assert submission is not None
        lines = [
            line
            for block in blocks(PAGES[name], "sh")
            if not block.startswith("#!")  # a file's content, and not what is typed
            for line in typed(block, daemon, tmp_path, submission)
        ]
        await run("\n".join(lines) + "\n", daemon, tmp_path, commands(tmp_path))


@pytest.mark.parametrize("name", [n for n, text in PAGES.items() if any(blocks(text, "python"))])
async def test_what_a_page_shows_of_python_runs(tmp_path: Path, name: str) -> None:
    async with house(tmp_path) as daemon:
        place = commands(tmp_path)
        for number, block in enumerate(blocks(PAGES[name], "python")):
            (tmp_path / f"example_{number}.py").write_text(block)
            script = f"CV_STATE_DIR={tmp_path}/own python example_{number}.py\n"
            await run(script, daemon, tmp_path, place)


@pytest.mark.parametrize("name", PAGES)
def test_what_a_page_shows_of_data_can_be_read(name: str) -> None:
    for block in blocks(PAGES[name], "json"):
        json.loads(block)
    for block in blocks(PAGES[name], "csv"):
        assert len({len(row) for row in csv.reader(io.StringIO(block))}) == 1
