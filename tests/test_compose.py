"""Starting on what is there: no journal, no token, no handler, each named."""

from __future__ import annotations

import asyncio
import io
import json
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from listener.compose import (
    daemon,
    expect_journal,
    gateway_open,
    metrics_open,
    open_log,
    outcome_handlers,
)
from listener.core.endings import exit_status
from listener.core.errors import JournalFault, SettingsInvalid
from listener.settings import Settings, load


def settings(folder: Path, **changes: str) -> Settings:
    given = {
        "CV_API_BASE_URL": "http://127.0.0.1:9/cv-enhance",
        "CV_STATE_DIR": str(folder),
        "CV_INTAKE_PORT": "0",
        "CV_LOG_FORMAT": "json",
    }
    return load(given | changes, dotenv=None)


@pytest.mark.parametrize("left", [None, b""])
def test_files_without_their_journal_are_not_swept(tmp_path: Path, left: bytes | None) -> None:
    (tmp_path / "spool").mkdir()
    expect_journal(tmp_path)
    (tmp_path / "spool" / "a-submission").write_bytes(b"%PDF-1.7")
    if left is not None:
        (tmp_path / "journal.db").write_bytes(left)
    with pytest.raises(JournalFault, match="1 file in spool/ belongs") as told:
        expect_journal(tmp_path)
    assert exit_status(told.value) == 74
    (tmp_path / "journal.db").write_bytes(b"SQLite format 3\0")
    expect_journal(tmp_path)


@pytest.mark.parametrize("token", ["short", "two\nlines", "späti-token"])
async def test_a_token_file_that_holds_no_token_is_named(tmp_path: Path, token: str) -> None:
    known = settings(tmp_path)
    log = open_log(known, io.StringIO())
    (tmp_path / "token").write_text(token, "utf-8")
    with pytest.raises(SettingsInvalid, match="in token of the state folder") as told:
        async with daemon(known, log):
            pass
    log.close()
    assert exit_status(told.value) == 78
    assert token not in str(told.value)


async def test_a_token_file_that_others_could_read_is_closed(tmp_path: Path) -> None:
    known = settings(tmp_path)
    log = open_log(known, io.StringIO())
    file = tmp_path / "token"
    file.write_text("a-token-of-mine")
    file.chmod(0o644)
    async with daemon(known, log):
        pass
    log.close()
    assert file.stat().st_mode & 0o777 == 0o600


async def test_the_socket_is_knocked_at_no_more_seldom_than_the_settings_say(
    tmp_path: Path,
) -> None:
    known = settings(tmp_path, CV_SOCKET_BACKOFF_CAP="0.01")
    said = io.StringIO()
    log = open_log(known, said)
    async with daemon(known, log, web=False), asyncio.timeout(30):
        while True:
            if said.getvalue().count("subscription.failed") >= 3:
                break
            await asyncio.sleep(0.01)  # a log tells nobody that it has one more line
    log.close()
    lines = [json.loads(line) for line in said.getvalue().splitlines()]
    failed = [line for line in lines if line["event"] == "subscription.failed"]
    assert all(line["retry_in_s"] <= 0.01 for line in failed)


@pytest.mark.parametrize("name", ["os:sep", "os:nothing", "no_such_module:handle", "os"])
def test_a_handler_that_cannot_be_called_is_named(tmp_path: Path, name: str) -> None:
    def named() -> None:
        known = settings(tmp_path, CV_OUTCOME_HANDLERS=name)
        log = open_log(known, io.StringIO())
        try:
            outcome_handlers(known, log, AsyncExitStack())
        finally:
            log.close()

    with pytest.raises(SettingsInvalid, match="CV_OUTCOME_HANDLERS"):
        named()


@pytest.mark.parametrize(
    ("host", "opened"),
    [
        *(("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("LOCALHOST", True)),
        *(("0.0.0.0", False), ("::", False), ("192.0.2.7", False), ("cv.internal", False)),  # noqa: S104 - asked of, not listened on
    ],
)
def test_gateway_and_metrics_are_open_where_nobody_else_can_come(
    tmp_path: Path, host: str, opened: bool
) -> None:
    for is_open, name in ((gateway_open, "CV_GATEWAY_OPEN"), (metrics_open, "CV_METRICS_OPEN")):
        assert is_open(settings(tmp_path, CV_INTAKE_HOST=host)) is opened
        assert is_open(settings(tmp_path, CV_INTAKE_HOST=host, **{name: "on"}))
        assert not is_open(settings(tmp_path, CV_INTAKE_HOST=host, **{name: "off"}))
