"""The real process is scraped: its figures are those of its log, and of the upstream's ledger."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from listener.adapters.metrics.table import SPECS, Kind
from listener.core.view import strongest
from listener.emulator import Emulator, Options
from tests.adapters.metrics.readings import Read, parsed, samples

from .process import ROOT, DaemonProcess, no_code_in

SAMPLE = sorted((ROOT / "demo").iterdir())[0]
FAULTS = {
    "plain#1": None,
    "plain/2": None,
    "throttled%3": "throttled",
    "reset 4": "reset_after",
    "gone?5": "not_found",
}


async def scraped(daemon: DaemonProcess) -> tuple[str, Read]:
    """By somebody without a token: it listens on this machine alone."""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as anybody:
        answer = await anybody.get(f"{daemon.url}/metrics")
    assert answer.status_code == 200, answer.text
    return answer.text, samples(parsed(answer.text))


async def line_after(daemon: DaemonProcess, event: str, count: int) -> list[dict[str, Any]]:
    """Every line, once there are so many of this event."""
    async with asyncio.timeout(30):
        while sum(line["event"] == event for line in daemon.lines()) < count:  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.1)
    return daemon.lines()


def said(lines: list[dict[str, Any]], event: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["event"] == event]


def grown(found: Read, name: str) -> dict[tuple[str, ...], float]:
    return {words: value for words, value in found[name].items() if value}


async def test_its_figures_agree_with_its_log_and_with_the_upstreams_ledger(tmp_path: Path) -> None:
    async with (
        Emulator(Options(extract=False, job_ms=100)) as upstream,
        DaemonProcess(
            tmp_path,
            upstream.base_url,
            upstream.socket_url,
            heartbeat=0.5,
            settle_period=1,
            socket_backoff_cap=1,
        ) as daemon,
    ):
        for code, fault in FAULTS.items():
            upstream.create(code)
            if fault is not None:
                upstream.plan(code, fault)
        names = [await daemon.submit(code, SAMPLE) for code in FAULTS]
        ends = await daemon.closed([name for name in names if name is not None], 60)
        await upstream.emit({"cv_code": "of somebody else"})
        await upstream.emit("no object")
        await upstream.socket.restart(down_ms=300)
        before = await line_after(daemon, "subscription.restored", 1)
        before = await line_after(
            daemon, "daemon.heartbeat", len(said(before, "daemon.heartbeat")) + 2
        )
        text, found = await scraped(daemon)
        after = await line_after(
            daemon, "daemon.heartbeat", len(said(before, "daemon.heartbeat")) + 2
        )
        ledger = upstream.ledger
        posts = ledger.posts()
        heard = [event for event in ledger.events() if event.receivers]
        assert await daemon.stop() == 0

    # The ledger.
    assert sum(found["attempts_total"].values()) == len(posts) == len(FAULTS) + 1
    assert found["events_received_total"][()] == len(heard)
    confirmed = [end for end in ends.values() if end["outcome"] == "confirmed"]
    assert len(confirmed) == sum(post.applied for post in posts) == len(FAULTS) - 1
    assert grown(found, "submissions_closed_total") == {
        ("event", "confirmed"): len(confirmed),
        ("none", "rejected"): 1,
    }
    assert grown(found, "attempt_failures_total").keys() == {
        ("throttled",),
        ("not_found",),
        *(
            (one["detail"],)
            for one in said(before, "attempt.ended")
            if one["result"] == "possibly_sent"
        ),
    }
    assert found["submissions_oldest_wait_seconds"][()] == 0
    assert not any(found["submissions_open"].values())
    assert grown(found, "events_disposed_total")[("foreign",)] == 1
    assert grown(found, "events_disposed_total")[("malformed",)] == 1

    # The log: every event is in its figure, neither more nor less.
    first, last = (
        Counter[tuple[str, ...]]((one["event"], one["level"]) for one in part)
        for part in (before, after)
    )
    counted = {words: int(value) for words, value in found["log_events_total"].items()}
    assert all(first[words] <= value <= last[words] for words, value in counted.items()), counted
    assert counted[("submission.closed", "info")] == len(confirmed)
    closed = said(before, "submission.closed")
    assert grown(found, "submissions_closed_total") == Counter(
        (strongest(line["evidence"]), line["outcome"]) for line in closed
    )
    for field, name in (
        ("queued_ms", "submission_queued_seconds"),
        ("confirm_ms", "submission_confirm_seconds"),
        ("total_ms", "submission_duration_seconds"),
    ):
        times = [line[field] for line in closed if field in line]
        assert found[f"{name}_count"][()] == len(times)
        assert round(found[f"{name}_sum"][()] * 1000) == sum(times)
    posted = [line["duration_ms"] for line in said(before, "attempt.ended")]
    assert round(found["attempt_duration_seconds_sum"][()] * 1000) == sum(posted)
    (restored,) = said(before, "subscription.restored")
    assert grown(found, "subscription_losses_total") == {(restored["reason"],): 1}
    assert grown(found, "subscription_reconnects_total") == {(restored["reason"],): 1}
    assert sum(found["gaps_total"].values()) == 2
    assert sum(found["subscription_connect_failures_total"].values()) == restored["failures"]

    # The heartbeat, before it and after it.
    deaf = {
        line["deaf_total_ms"]
        for line in (said(before, "daemon.heartbeat")[-1], said(after, "daemon.heartbeat")[-1])
    }
    assert {round(found["deaf_seconds_total"][()] * 1000)} == deaf
    assert deaf.pop() >= restored["duration_ms"] >= 300
    assert found["subscription_connected"][()] == 1

    # The process.
    assert found["journal_answers"][()] == 1
    assert found["journal_commit_seconds_count"][()] >= 4 * len(FAULTS)
    assert found["loop_lag_seconds_count"][()] >= 1
    assert found["spool_bytes"][()] == 0
    assert found["state_disk_free_bytes"][()] > 0
    assert found["process_resident_memory_bytes"][()] > 1 << 20
    assert len([name for name in found if name.endswith("_bucket")]) == len(
        [spec for spec in SPECS.values() if spec.kind is Kind.HISTOGRAM]
    )
    daemon.output.write_text(daemon.output.read_text() + text)
    no_code_in(daemon, FAULTS)
    assert not any(name in text for name in ends)
