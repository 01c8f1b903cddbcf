"""Tokens and the key behind ``cv_ref``, changed in a daemon that runs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from listener.emulator import Emulator, Options

from .process import ROOT, DaemonProcess, no_code_in

CODE = "Cv9E#nH4$xTz8!pY2aW^mK6rL"


@asynccontextmanager
async def running(folder: Path, **settings: str) -> AsyncIterator[DaemonProcess]:
    async with (
        Emulator(Options(extract=False)) as upstream,
        DaemonProcess(folder, upstream.base_url, upstream.socket_url, **settings) as daemon,
    ):
        yield daemon


def command(daemon: DaemonProcess, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    environ = {"CV_STATE_DIR": str(daemon.state_dir), "PATH": "", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "listener", *args],
        input=stdin,
        env=environ,
        cwd=daemon.state_dir,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def told(daemon: DaemonProcess, event: str, count: int = 1) -> list[dict[str, Any]]:
    async with asyncio.timeout(30):
        while len(found := _lines(daemon, event)) < count:  # noqa: ASYNC110  the log is a file
            await asyncio.sleep(0.02)
    return found


def _lines(daemon: DaemonProcess, event: str) -> list[dict[str, Any]]:
    return [line for line in daemon.lines() if line["event"] == event]


async def status_with(daemon: DaemonProcess, token: str) -> int:
    assert daemon.address is not None
    async with httpx.AsyncClient(base_url=daemon.address) as client:
        answer = await client.get("/v1/status", headers={"Authorization": f"Bearer {token}"})
        return answer.status_code


async def test_the_state_folders_token_is_changed_and_both_are_known_for_a_while(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, rotation_period="3") as daemon:
        old = (daemon.state_dir / "token").read_text().strip()
        done = await asyncio.to_thread(command, daemon, "rotate", "token")
        assert done.returncode == 0, done.stderr
        await told(daemon, "settings.reloaded")
        new = (daemon.state_dir / "token").read_text().strip()
        assert new != old
        assert new not in done.stdout + done.stderr
        assert await status_with(daemon, new) == 200
        assert await status_with(daemon, old) == 200
        await _until(lambda: status_with(daemon, old), 401)
        assert await status_with(daemon, new) == 200
        await daemon.stop()
        await daemon.start()
        assert await status_with(daemon, old) == 401
        assert (daemon.state_dir / "token").stat().st_mode & 0o777 == 0o600
        assert (daemon.state_dir / "token.previous").stat().st_mode & 0o777 == 0o600


async def _until(ask: Callable[[], Any], wanted: object) -> None:
    async with asyncio.timeout(30):
        while await ask() != wanted:  # noqa: ASYNC110  time is to pass: nothing tells of it
            await asyncio.sleep(0.1)


async def test_with_the_key_lines_tell_both_refs_for_a_while(tmp_path: Path) -> None:
    file = tmp_path / "cv.pdf"
    file.write_bytes(b"%PDF-1.7 small")
    async with running(tmp_path) as daemon:
        first = await daemon.submit(CODE, file)
        assert first is not None
        await daemon.closed([first], 60)
        [before] = {line["cv_ref"] for line in daemon.lines() if "cv_ref" in line}
        done = await asyncio.to_thread(command, daemon, "rotate", "ref-key")
        assert done.returncode == 0, done.stderr
        await told(daemon, "settings.reloaded")
        second = await daemon.submit(CODE, file)
        assert second is not None
        await daemon.closed([second], 60)
        [closed] = [
            line
            for line in await told(daemon, "submission.closed", 2)
            if line["submission_id"] == second
        ]
        assert closed["cv_ref"] != before
        assert closed["cv_ref_before"] == before
        ref = await asyncio.to_thread(command, daemon, "ref", "--json", stdin=CODE)
        assert closed["cv_ref"] in ref.stdout
        assert before in ref.stdout
        no_code_in(daemon, [CODE])


async def test_settings_are_read_again_and_kept_where_they_do_not_hold(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("CV_INTAKE_TOKEN=the-first-token\nCV_LOG_LEVEL=info\n")
    async with running(tmp_path) as daemon:
        assert await status_with(daemon, "the-first-token") == 200
        dotenv.write_text("CV_INTAKE_TOKEN=the-second-token\nCV_MAX_ATTEMPTS=none\n")
        daemon.hang_up()
        [failed] = await told(daemon, "settings.reload_failed")
        assert "CV_MAX_ATTEMPTS" in failed["error"]
        assert await status_with(daemon, "the-second-token") == 401
        dotenv.write_text(
            "CV_INTAKE_TOKEN=the-second-token\nCV_MAX_ATTEMPTS=2\nCV_ROTATION_PERIOD=0\n"
        )
        daemon.hang_up()
        [reloaded] = await told(daemon, "settings.reloaded")
        assert reloaded["needs_restart"] == ["CV_MAX_ATTEMPTS"]
        assert reloaded["changed"] == ["CV_INTAKE_TOKEN", "CV_ROTATION_PERIOD"]
        assert await status_with(daemon, "the-second-token") == 200
        assert await status_with(daemon, "the-first-token") == 401
        assert "second-token" not in daemon.output.read_text()
