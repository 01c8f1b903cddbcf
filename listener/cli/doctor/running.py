"""The daemon that may be running on this state folder: looked at, never disturbed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from listener.cli import exits
from listener.cli.daemon import find
from listener.cli.holder import holder
from listener.core.errors import JournalDamaged
from listener.settings import Settings

from .finding import Finding, Verdict, aside, fail, fine, warn

if TYPE_CHECKING:
    from listener.adapters.journal_sqlite.inspection import Look

ANSWER_S = 3.0
CHECK_S = 3.0
"""For so long the journal's pages are looked at."""


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


async def journal(state_dir: Path, newest: int) -> Iterable[Finding]:
    """Whether the next start can go on with it. One that a daemon uses is left alone: that daemon
    looked at it when it began."""
    if await aside(lambda: holder(state_dir)) is not None:
        return [fine("journal", "in use by the daemon, which looked at it at its start")]
    found = await aside(lambda: _journal(state_dir, newest))
    if found.verdict is Verdict.FAIL and await aside(lambda: holder(state_dir)) is not None:
        return [warn("journal", "a daemon began to use it meanwhile", "look again")]
    return [found]


def _journal(state_dir: Path, newest: int) -> Finding:
    from listener.adapters.journal_sqlite import UNSETTLED, inspect
    from listener.compose import expect_journal

    path = state_dir / "journal.db"
    try:
        expect_journal(state_dir)
        if not path.exists() and (state_dir / UNSETTLED).exists():
            advice = "empty the folder, then: cv-listener restore FILE"
            return fail("journal", "a restore that was cut short", advice, exits.IO_FAILED)
        if not path.exists():
            return fine("journal", "none yet: the first start makes it")
        if not path.stat().st_size:
            return fine("journal", "empty: the next start begins it")
        look = inspect(path, CHECK_S)
    except PermissionError:
        advice = "run this as the daemon's user"
        return fail("journal", f"{path} may not be read", advice, exits.PERMISSION)
    except JournalDamaged as error:
        found, _, advice = str(error).partition(": ")
        return fail("journal", found, advice, exits.IO_FAILED)
    if look.damage is not None:
        return fail("journal", f"{path}: {look.damage}", _DAMAGED, exits.IO_FAILED)
    return _of_version(path, look, newest)


def _of_version(path: Path, look: Look, newest: int) -> Finding:
    version = look.version
    if not look.ours:
        advice = "point CV_STATE_DIR elsewhere"
        return fail("journal", f"{path} is a database of something else", advice, exits.IO_FAILED)
    if version > newest:
        found = f"version {version}, and this program knows {newest} at most"
        advice = "run the newer cv-listener that wrote it"
        return fail("journal", found, advice, exits.CONFIGURATION)
    sound = "no damage found" if look.whole else "too large to be looked at whole; no damage found"
    if version < newest:
        found = f"version {version}: the next start takes it to {newest}, after a copy beside it"
        return fine("journal", f"{found}; {sound}")
    return fine("journal", f"version {version}, the newest; {sound}")


_DAMAGED = (
    "start nothing on it: keep a copy of the state folder, see to the disk, and put a backup back "
    "into an empty one (cv-listener restore FILE); or point CV_STATE_DIR elsewhere"
)
