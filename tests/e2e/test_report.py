"""From the log alone the report tells what the upstream's own books, and the daemon's journal, say:
over a kill, corrections, and an outage."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

from listener.emulator import Emulator, Options
from listener.report import figures
from listener.report.account import Account
from listener.report.reading import in_order, opened

from .process import DaemonProcess

PDF = b"%PDF-1.7\n" + b"x" * 400 + b"\n%%EOF\n"
FAULTS = ("", "", "event_first", "reset_after", "not_dispatched", "not_found", "no_event")


async def test_the_report_tells_what_the_ledger_and_the_journal_say(tmp_path: Path) -> None:
    """Faults, a late event, an outage, and a kill with work under way."""
    (tmp_path / "cv.pdf").write_bytes(PDF)
    options = Options(extract=False, event_delay_ms=50, job_ms=300)
    brief: dict[str, Any] = {
        "confirm_timeout": 1,
        "settle_period": 1,
        "enquiries": "0.5",
        "heartbeat": 1,
    }
    async with Emulator(options) as upstream:
        daemon = DaemonProcess(tmp_path, upstream.base_url, upstream.socket_url, **brief)

        async def submit(code: str, fault: str = "", **how: int) -> str:
            upstream.create(code)
            if fault:
                upstream.plan(code, fault, **how)
            accepted = await daemon.submit(code, tmp_path / "cv.pdf")
            assert accepted is not None
            return accepted

        async with daemon:
            ids = [await submit(f"Report#{n}", fault) for n, fault in enumerate(FAULTS)]
            late = await submit("Report#late", "late_event", event_delay_ms=2_500)
            await daemon.closed([*ids, late], 40)
            await _corrected(daemon, late)
            await upstream.socket.restart(down_ms=300)
            await upstream.ledger.until(
                lambda told: sum(one.what == "connected" for one in told.sockets()) > 1
            )
            ids += [late, *[await submit(f"Report#kill-{n}") for n in range(5)]]
            await daemon.kill()
            await daemon.start()
            await daemon.closed(ids, 40)
            shown = {row["id"]: row for row in await daemon.listed()}
            assert await daemon.stop() == 0
        assert shown.keys() == set(ids)
        account = _account(daemon)
        _hold_against_the_journal(account, [*shown.values()])
        _hold_against_the_ledger(account, upstream)


async def _outcome(daemon: DaemonProcess, name: str) -> str:
    return str((await daemon.get(f"/v1/submissions/{name}"))["outcome"])


async def _corrected(daemon: DaemonProcess, name: str) -> None:
    async with asyncio.timeout(20):
        while await _outcome(daemon, name) != "confirmed":  # noqa: ASYNC110 - another process's
            await asyncio.sleep(0.05)


def _account(daemon: DaemonProcess) -> Account:
    account = Account()
    names = in_order([str(daemon.output)])
    account.read((number, opened(name)) for number, name in names)
    return account


def _hold_against_the_journal(account: Account, shown: list[dict[str, Any]]) -> None:
    rows = figures.outcomes(account)
    assert {row.outcome: row.count for row in rows} == Counter(row["outcome"] for row in shown)
    assert sum(row.late for row in rows) == sum(row["late"] for row in shown) >= 1
    told = Counter[tuple[str, str]]()
    for ending, n in account.endings.endings().items():
        told[ending.enhancement, ending.analysis] += n
    dispatch = [row["dispatch"] for row in shown]
    assert told == Counter(
        (one["enhancement"]["verdict"], one["analysis"]["verdict"]) for one in dispatch
    )
    assert account.endings.accepted == len(shown)
    assert account.endings.open == {}
    tally = account.tally
    assert tally.other + tally.console + tally.too_long == 0
    assert tally.torn <= 1, "a kill can cut one line short"


def _hold_against_the_ledger(account: Account, upstream: Emulator) -> None:
    posts = upstream.ledger.posts()
    heard = {post.code for post in posts if upstream.ledger.emitted_for_post(post.number)}
    outcomes = {row.outcome: row.count for row in figures.outcomes(account)}
    assert outcomes["confirmed"] <= len(heard)
    assert outcomes["rejected"] == sum(post.status == 404 for post in posts) == 1
    kills = account.attempts.ways["possibly_sent", "crashed_while_sending", 0]
    told = sum(account.attempts.results.values())
    # A kill takes the line of an attempt whose end was committed; none is told that was not made.
    assert len(posts) - 5 <= told <= len(posts) + kills
    runs = account.runs.all()
    assert [run.ended for run in runs] == ["", "stopped"]
    (deaf,) = figures.deaf(account)
    assert len(deaf.missed) >= 2, "the outage, and the time between the two runs"
