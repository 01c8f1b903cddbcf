"""check and ref: no daemon, no network."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import pytest

from listener.adapters.journal_sqlite import FileLock
from listener.core.names import CvCode
from listener.core.wire import cv_ref

from .terminal import cli

KEY = "0123456789abcdef0123456789abcdef"


async def test_each_setting_is_told_with_its_source(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("CV_LANE_POLICY=reject\nCV_MAX_ATTEMPTS=2\n")
    env = {"CV_MAX_ATTEMPTS": "5", "CV_INTAKE_TOKEN": "hunter2-hunter2", "CV_REF_KEY": KEY}
    ended = await cli(tmp_path, "check", "--json", env=env)
    assert ended.status == 0
    told = {row["name"]: (row["value"], row["source"]) for row in ended.objects()}
    assert told["CV_MAX_ATTEMPTS"] == ("5", "environment")
    assert told["CV_LANE_POLICY"] == ("reject", ".env")
    assert told["CV_MAX_FILE_BYTES"] == ("5MiB", "default")
    assert told["CV_INTAKE_TOKEN"] == ("(secret)", "environment")
    assert told["CV_INTAKE_TOKENS"] == ("", "default")
    ended = await cli(tmp_path, "check", env=env)
    assert max(map(len, ended.out.splitlines())) <= 80
    assert "hunter2" not in ended.out
    assert KEY not in ended.out


async def test_no_other_process_gets_the_signal_that_is_the_daemons(tmp_path: Path) -> None:
    """What a daemon that was killed left behind names a process: by now it may be anybody's."""
    lock = FileLock(tmp_path / "journal.db.lock", tmp_path / "journal.db")
    (tmp_path / "token").write_text("the-first-token\n")
    bystander = await asyncio.create_subprocess_exec("sleep", "60")
    try:
        (tmp_path / "intake.json").write_text(json.dumps({"pid": bystander.pid}))
        for _ in ("one that is another's", "none at all"):
            ended = await cli(tmp_path, "rotate", "token")
            assert (ended.status, "no daemon runs here" in ended.err) == (0, True)
            lock.release()
        ended = await cli(tmp_path, "rotate", "token", "--json")
        assert ended.objects() == [{"rotated": "token", "daemon_told": False}]
        assert bystander.returncode is None
        assert "the-first-token" not in (tmp_path / "token").read_text()
    finally:
        bystander.terminate()
    assert await bystander.wait() == -signal.SIGTERM


@pytest.mark.parametrize("args", [["check"], ["status"], ["ref"], ["run"]])
async def test_settings_that_do_not_hold_are_told_all_at_once(
    tmp_path: Path, args: list[str]
) -> None:
    env = {"CV_INTAKE_PORT": "x", "CV_LANE_POLCY": "reject", "CV_INTAKE_TOKEN": "SECRET 1"}
    ended = await cli(tmp_path, *args, env=env)
    assert (ended.status, ended.out) == (78, "")
    assert len(ended.err.splitlines()) == 3
    assert all(line.startswith("cv-listener: CV_") for line in ended.err.splitlines())
    assert "SECRET" not in ended.err


async def test_functions_that_settings_name_are_looked_for_and_told_all_at_once(
    tmp_path: Path,
) -> None:
    (tmp_path / "hooks.py").write_text("async def on_viewed(event): raise AssertionError\n")
    env = {"CV_EVENT_HANDLERS": "viewed=hooks:on_viewed"}
    assert (await cli(tmp_path, "check", env=env)).status == 0
    wrong = {"CV_EVENT_HANDLERS": "viewed=hooks:on_vewed", "CV_OUTCOME_HANDLERS": "log,hoks:x"}
    ended = await cli(tmp_path, "check", env=env | wrong)
    assert (ended.status, ended.out) == (78, "")
    outcome, event = ended.err.splitlines()
    assert "there is no module hoks: did you mean hooks?" in outcome
    assert "the module hooks has no on_vewed: did you mean on_viewed?" in event


async def test_a_ref_is_that_of_the_logs(tmp_path: Path) -> None:
    code = "Cv9E#nH4$xTz8!pY2aW^mK6rL"
    expected = cv_ref(KEY.encode(), CvCode(code))
    env = {"CV_REF_KEY": KEY}
    ended = await cli(tmp_path, "ref", stdin=code.encode() + b"\n", env=env)
    assert (ended.status, ended.out) == (0, expected + "\n")
    ended = await cli(tmp_path, "ref", "--json", stdin=code.encode(), env=env)
    assert ended.objects() == [{"cv_ref": expected, "cv_ref_before": None}]
    earlier = cv_ref(KEY[::-1].encode(), CvCode(code))
    both = env | {"CV_REF_KEY_PREVIOUS": KEY[::-1]}
    ended = await cli(tmp_path, "ref", "--json", stdin=code.encode(), env=both)
    assert ended.objects() == [{"cv_ref": expected, "cv_ref_before": earlier}]
    ended = await cli(tmp_path, "ref", stdin=b"SECRET\t1", env=env)
    assert ended.status == 64
    assert "control character" in ended.err
    assert "SECRET" not in ended.err


async def test_a_ref_uses_the_key_of_the_state_folder_and_makes_none(tmp_path: Path) -> None:
    ended = await cli(tmp_path, "ref", stdin=b"X")
    assert ended.status == 69
    assert "cv-listener run" in ended.err
    assert not (tmp_path / "ref.key").exists()
    (tmp_path / "ref.key").write_text("ab" * 32 + "\n")
    ended = await cli(tmp_path, "ref", stdin=b"X")
    assert ended.out == cv_ref(b"\xab" * 32, CvCode("X")) + "\n"
