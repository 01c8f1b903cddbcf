"""The examples of docs/handlers.md, as they stand there."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from aiohttp import web

from handlers.program import program
from handlers.webhook import webhook
from listener.ports.inbound import InboundEvent
from listener.ports.reaction import HandlerFailed
from listener.settings import by_function, load
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


async def test_the_handler_of_the_page_hears_another_event() -> None:
    page = module(block("python", "on_viewed"))
    at = datetime(2026, 1, 1, tzinfo=UTC)
    for sequence in (1, 1, 2):
        await page.on_viewed(InboundEvent("cv_viewed", ({"cv_id": 456},), sequence, at, False))
    assert {456: {1, 2}} == page.VIEWS
    with pytest.raises(HandlerFailed):
        await page.on_viewed(InboundEvent("cv_viewed", ("else",), 3, at, False))
    (entry,) = re.findall(r"CV_EVENT_HANDLERS=(.*)", block("ini", "CV_EVENT_HANDLERS"))
    known = load({"CV_EVENT_HANDLERS": entry, "HOME": "/"}, dotenv=None)
    assert by_function(known.event_handlers) == {"handlers.cv_viewed:on_viewed": {"cv_viewed"}}
