"""The daemon that may be running on this state folder: looked at, never disturbed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx

from listener.cli import exits
from listener.cli.daemon import find
from listener.cli.holder import holder
from listener.settings import Settings

from .finding import Finding, aside, fail, fine, warn

ANSWER_S = 3.0
APPLICATION_ID, USER_VERSION = slice(68, 72), slice(60, 64)
"""Where SQLite's header has them, 4 bytes each, big end first."""


def settings_sound(names: tuple[str, ...]) -> Finding:
    """They were read. ``names``: those that are not the defaults."""
    return fine("settings", f"sound; {len(names)} set" + (f": {', '.join(names)}" if names else ""))


def unsound(lines: str) -> list[Finding]:
    """A finding for each mistake, which are a line each."""
    advice = "mend it; cv-listener check shows all settings"
    return [fail("settings", line, advice, exits.CONFIGURATION) for line in lines.splitlines()]


async def daemon(settings: Settings) -> Iterable[Finding]:
    """Whether one runs here, and what it says of itself."""
    held_by = await aside(lambda: holder(settings.state_dir))
    if held_by is None:
        return [fine("daemon", "none runs on this state folder")]
    try:
        where = find(settings.state_dir, settings.intake_host, settings.intake_port, "unneeded")
        async with httpx.AsyncClient(trust_env=False, timeout=ANSWER_S) as client:
            told = await client.get(f"http://{where.shown}/readyz", params={"verbose": "true"})
        said: dict[str, Any] = told.json()
        checks = {check["name"]: check for check in said["checks"]}
    except (exits.CommandFailed, httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        found = f"process {held_by} holds the journal, and does not answer ({type(error).__name__})"
        return [warn("daemon", found, "it may be starting, or stuck: its log says")]
    wrong = [f"{name}: {check['detail']}" for name, check in checks.items() if not check["ok"]]
    found = f"process {held_by} runs at {where.shown}"
    if not said["ready"]:
        return [fail("daemon", f"{found}, not ready: {'; '.join(wrong)}", _LOG, exits.UNAVAILABLE)]
    if wrong:
        return [warn("daemon", f"{found}, ready; {'; '.join(wrong)}", _LOG)]
    return [fine("daemon", f"{found}, ready and listening")]


_LOG = "its log says why; cv-listener status tells more"


async def journal(state_dir: Path, newest: int, ours: int) -> Iterable[Finding]:
    """Which version wrote it, from its first bytes alone."""
    return [await aside(lambda: _journal(state_dir, newest, ours))]


def _journal(state_dir: Path, newest: int, ours: int) -> Finding:
    path = state_dir / "journal.db"
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except FileNotFoundError:
        return fine("journal", "none yet: the first start makes it")
    except PermissionError:
        advice = "run this as the daemon's user"
        return fail("journal", f"{path} may not be read", advice, exits.PERMISSION)
    if not header:
        return fine("journal", "empty: the next start begins it")
    if not header.startswith(b"SQLite format 3\0"):
        advice = "restore it from a backup (cv-listener restore), or point CV_STATE_DIR elsewhere"
        return fail("journal", f"{path} is no SQLite database", advice, exits.IO_FAILED)
    version = int.from_bytes(header[USER_VERSION], "big")
    if version == 0:
        # A daemon's first pages wait in the log beside it, which only SQLite may read.
        return fine("journal", "there; which version wrote it, its log still has")
    if int.from_bytes(header[APPLICATION_ID], "big") != ours:
        advice = "point CV_STATE_DIR elsewhere"
        return fail("journal", f"{path} is a database of something else", advice, exits.IO_FAILED)
    if version > newest:
        found = f"version {version}, and this program knows {newest} at most"
        advice = "run the newer cv-listener that wrote it"
        return fail("journal", found, advice, exits.CONFIGURATION)
    if version < newest:
        found = f"version {version}: the next start takes it to {newest}, after a copy beside it"
        return fine("journal", found)
    return fine("journal", f"version {version}, the newest")
