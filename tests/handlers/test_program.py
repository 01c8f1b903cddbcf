"""The handler ``program`` with real programs, well and badly behaved."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from handlers.program import KEPT_BYTES, SHOWN, Reading, program
from listener.core.view import OUTCOME_VARIABLES
from listener.ports.reaction import HandlerFailed
from tests.adapters.socket_source.ear import eventually

from .test_posts import corrected, shown

BOUND_S = 60.0
PATH = os.environ.get("PATH", os.defpath)


def script(folder: Path, text: str, name: str = "program") -> tuple[str, ...]:
    """A Python program that may be run."""
    file = folder / name
    file.write_text(f"#!{sys.executable}\nimport json, os, signal, subprocess, sys, time\n{text}\n")
    file.chmod(0o700)
    return (str(file),)


async def failure(argv: tuple[str, ...]) -> str:
    with pytest.raises(HandlerFailed) as told:
        async with asyncio.timeout(BOUND_S):
            await program(argv, PATH)(shown())
    return str(told.value)


async def test_it_is_told_the_outcome_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CV_INTAKE_TOKEN", "a-secret-of-ours")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    text = "json.dump([sys.argv, json.load(sys.stdin), dict(os.environ)], open(sys.argv[1], 'w'))"
    told = tmp_path / "told.json"
    argv = (*script(tmp_path, text), str(told), "two words", "$HOME; echo", "*")
    await program(argv, PATH)(corrected())
    found_argv, found, environ = json.loads(told.read_text())
    assert found_argv == list(argv), "no shell made anything of it"
    assert found == corrected()
    environ.pop("LC_CTYPE", None)  # Python itself may set it
    assert set(environ) == {"PATH", "LANG", *OUTCOME_VARIABLES.values()}
    assert environ["PATH"] == PATH
    picked = {name: environ[f"CV_OUTCOME{name}"] for name in ("", "_BEFORE", "_LATE", "_ID")}
    assert picked == {"": "confirmed", "_BEFORE": "unconfirmed", "_LATE": "true", "_ID": "a"}
    assert environ["CV_OUTCOME_ANALYSIS"] == "inferred"
    assert environ["CV_OUTCOME_RETRY_OF"] == ""
    assert environ["CV_OUTCOME_VERSION"] == str(found["version"])


async def test_a_status_other_than_0_fails_with_its_last_words(tmp_path: Path) -> None:
    text = "print('first', file=sys.stderr); print('no room left', file=sys.stderr); sys.exit(3)"
    assert await failure(script(tmp_path, text)) == "expected exit status 0, found 3: no room left"
    assert await failure(script(tmp_path, "sys.exit(4)")) == "expected exit status 0, found 4"
    killed = await failure(script(tmp_path, "os.kill(os.getpid(), signal.SIGTERM)"))
    assert killed == "expected exit status 0, found that signal 15 ended it"


async def test_what_it_writes_is_read_and_thrown_away(tmp_path: Path) -> None:
    text = (
        "block = 'x' * 65536\n"
        "for _ in range(500): print(block); print(block, file=sys.stderr)\n"
        "print('y' * 5000, file=sys.stderr)\nsys.exit(1)"
    )
    told = await failure(script(tmp_path, text))
    assert told == f"expected exit status 0, found 1: {'y' * SHOWN}"


async def test_it_need_not_read_what_it_is_told(tmp_path: Path) -> None:
    wrong: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: wrong.append(context))
    big = {**shown(), "padding": "x" * (1 << 20)}
    await program(script(tmp_path, "sys.exit(0)"), PATH)(big)
    await program(script(tmp_path, "os.close(0); time.sleep(0.2)"), PATH)(big)
    gc.collect()
    assert wrong == []


def test_no_more_is_kept_of_what_it_says_than_its_end() -> None:
    reading = Reading()
    for _ in range(100):
        reading.data_received(b"x" * 65_536 + b"end")
    assert len(reading.kept) == KEPT_BYTES
    assert reading.kept.endswith(b"end")


async def test_one_that_takes_too_long_is_killed_with_all_it_started(tmp_path: Path) -> None:
    started = tmp_path / "started"
    text = (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen(['sleep', '1000'])\n"
        f"open({str(started)!r} + '.new', 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        f"os.rename({str(started)!r} + '.new', {str(started)!r})\n"
        "time.sleep(1000)"
    )
    running = asyncio.ensure_future(program(script(tmp_path, text), PATH)(shown()))
    await eventually(started.exists)
    pids = [int(pid) for pid in started.read_text().split()]
    running.cancel()
    async with asyncio.timeout(BOUND_S):
        await asyncio.wait({running})
    assert running.cancelled()
    await gone(*pids)


async def test_what_it_leaves_behind_is_killed_and_holds_up_nothing(tmp_path: Path) -> None:
    left = tmp_path / "left"
    text = (
        "child = subprocess.Popen(['sleep', '1000'])\n"
        f"open({str(left)!r}, 'w').write(str(child.pid))"
    )
    async with asyncio.timeout(BOUND_S):
        await program(script(tmp_path, text), PATH)(shown())
    await gone(int(left.read_text()))


SUBREAPER = 36
"""Linux's PR_SET_CHILD_SUBREAPER: who is one is handed orphans, as the first process is."""


@pytest.fixture
def subreaper() -> Iterator[None]:
    prctl = ctypes.CDLL(None).prctl
    assert prctl(SUBREAPER, 1, 0, 0, 0) == 0
    yield
    prctl(SUBREAPER, 0, 0, 0, 0)


@pytest.mark.usefixtures("subreaper")
async def test_where_it_is_handed_orphans_none_stays_in_the_table_of_processes(
    tmp_path: Path,
) -> None:
    left = tmp_path / "left"
    text = (
        "child = subprocess.Popen(['sh', '-c', 'sleep 1000 & echo $!; wait'], "
        "stdout=subprocess.PIPE)\n"
        f"open({str(left)!r}, 'w').write(f'{{child.pid}} {{int(child.stdout.readline())}}')"
    )
    async with asyncio.timeout(BOUND_S):
        await program(script(tmp_path, text), PATH)(shown())
    assert not [pid for pid in map(int, left.read_text().split()) if psutil.pid_exists(pid)]


async def test_what_is_not_ours_to_kill_does_not_make_a_success_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_group: int, _signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "killpg", refused)
    await program(script(tmp_path, "sys.exit(0)"), PATH)(shown())


async def test_one_that_broke_out_holds_up_nothing(tmp_path: Path) -> None:
    left = tmp_path / "left"
    text = (
        "child = subprocess.Popen(['sleep', '20'], start_new_session=True)\n"
        f"open({str(left)!r}, 'w').write(str(child.pid))\n"
        "print('left', file=sys.stderr); sys.exit(5)"
    )
    async with asyncio.timeout(15):
        told = await failure(script(tmp_path, text))
    assert told == "expected exit status 0, found 5: left"
    psutil.Process(int(left.read_text())).kill()


async def test_one_that_is_gone_since_the_start_is_told(tmp_path: Path) -> None:
    assert await failure((str(tmp_path / "gone"),)) == (
        "expected a program that can be run, found: No such file or directory"
    )
    (tmp_path / "closed").write_text("#!/bin/sh\n")
    assert "Permission denied" in await failure((str(tmp_path / "closed"),))


async def gone(*pids: int) -> None:
    """Wait until none of them runs: a zombie that somebody else is to bury counts as gone."""

    def are() -> bool:
        left = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
        return all(process.status() == psutil.STATUS_ZOMBIE for process in left)

    await eventually(are)
