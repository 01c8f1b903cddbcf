"""``python -m listener.emulator``: says where it is, what it does, and no code."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest
import yarl
from click.testing import CliRunner

from listener.emulator.command import emulate
from listener.emulator.fault_words import FAULT_WORDS
from listener.emulator.plan import FAULTS

from .conftest import DOCUMENTED
from .test_contract import PDF

COMMAND = [sys.executable, "-m", "listener.emulator"]


async def test_it_runs_tells_and_ends_by_a_signal_without_a_code_in_its_output(
    tmp_path: Path,
) -> None:
    codes = tmp_path / "codes"
    codes.write_text(f"{DOCUMENTED}\n")
    options = [
        "--port",
        "0",
        "--no-auto-create",
        "--codes",
        str(codes),
        "--fault",
        "error_after=x1",
    ]
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *options, "--event-delay", "0", "--job-time", "0",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    said: list[str] = []
    try:
        async with asyncio.timeout(30):
            first = (await process.stdout.readline()).decode()
            base = first.strip().removeprefix("CV_API_BASE_URL=")
            statuses = await _post_twice(base)
            while not any("EVENT for #" in line for line in said):
                said.append((await process.stdout.readline()).decode())
            process.send_signal(signal.SIGTERM)
            said += (await process.stdout.read()).decode().splitlines()
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert statuses == [500, 200, 404]
    text = first + "\n".join(said)
    assert "[error_after]" in text
    assert "2 applied" in said[-1]
    assert DOCUMENTED not in text
    assert quote(DOCUMENTED, safe="") not in text


async def _post_twice(base: str) -> list[int]:
    statuses = []
    async with aiohttp.ClientSession() as session:
        for code in (DOCUMENTED, DOCUMENTED, "unknown"):
            form = aiohttp.FormData()
            form.add_field("cv", PDF, filename="cv.pdf")
            url = yarl.URL(f"{base}/{quote(code, safe='')}/edits", encoded=True)
            async with session.post(url, data=form) as answer:
                statuses.append(answer.status)
    return statuses


def test_the_faults_are_listed() -> None:
    listed = CliRunner().invoke(emulate, ["--list-faults"])
    assert listed.exit_code == 0
    rows = [line.split(maxsplit=1) for line in listed.output.splitlines()]
    assert [name for name, _ in rows] == list(FAULTS) == list(FAULT_WORDS)
    assert max(map(len, listed.output.splitlines())) <= 80


@pytest.mark.parametrize("flag", [["--fault", "nothing=x1"], ["--fault", "no_event=often"]])
def test_a_fault_that_does_not_exist_is_a_usage_error(flag: list[str]) -> None:
    refused = CliRunner().invoke(emulate, flag)
    assert refused.exit_code == 2
    assert "expected" in refused.output


def test_help_loads_no_server() -> None:
    script = (
        "import sys, listener.emulator.command as c\n"
        "c.emulate(['--help'], standalone_mode=False)\n"
        "sys.exit(bool({'aiohttp', 'socketio', 'pypdf'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
