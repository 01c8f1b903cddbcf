"""The examples of docs/handlers.md, as they stand there."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from aiohttp import web

from handlers.program import program
from handlers.webhook import webhook
from listener.ports.reaction import HandlerFailed
from tests.tree import ROOT

from .test_posts import NEWER, SECRET, corrected, failure, posting, shown

PAGE = (ROOT / "docs" / "handlers.md").read_text("utf-8")


def block(language: str, holds: str) -> str:
    blocks = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)
    (found,) = [text for text in blocks if holds in text]
    return str(found)


def module(text: str) -> Any:
    made = ModuleType("an_example")
    exec(compile(text, "docs/handlers.md", "exec"), made.__dict__)  # noqa: S102 - our own page
    return made


async def test_the_receiver_of_the_page_verifies_and_hears_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = module(block("python", "WebhookVerificationError"))
    runner = web.AppRunner(page.receiver(SECRET), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/cv-outcomes"
        async with posting() as poster:
            for submission in (shown(), shown(), corrected()):
                await webhook(poster, url, [NEWER, SECRET])(submission)
            failed = await failure(webhook(poster, url, [NEWER]), shown())
            assert str(failed) == "expected a status of 2xx, found 401"
    finally:
        await runner.cleanup()
    assert capsys.readouterr().out == "a confirmed\na confirmed\n"


async def test_the_program_of_the_page_runs(tmp_path: Path) -> None:
    file = tmp_path / "on-outcome"
    file.write_text(block("sh", "refused.txt"))
    file.chmod(0o700)
    handle = program((str(file),), os.environ.get("PATH", os.defpath))
    async with asyncio.timeout(60):
        await handle(shown())
        await handle({**shown(), "outcome": "rejected", "reason": "not_found"})
    assert (tmp_path / "refused.txt").read_text() == "a cv_0123456789ab not_found\n"


async def test_the_function_of_the_page_hears_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hooks_of_the_page.py").write_text(block("python", "on_outcome"))
    monkeypatch.syspath_prepend(tmp_path)
    import hooks_of_the_page as page  # type: ignore[import-not-found]  # made right above

    try:
        await page.on_outcome(shown())
        await page.on_outcome(corrected())
        assert page.STORED["a"]["outcome_before"] == "unconfirmed"
        with pytest.raises(HandlerFailed):
            await page.on_outcome({**shown(), "outcome": None})
    finally:
        del sys.modules["hooks_of_the_page"]
