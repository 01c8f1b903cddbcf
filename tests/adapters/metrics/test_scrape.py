"""The page: read back by Prometheus's own parsers."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import threading
import time
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from listener.adapters.metrics import scrape
from listener.adapters.metrics.table import PREFIX, SPECS, Kind
from listener.ports.vitals import HandlerVitals

from .readings import HANDLER, Rig, parsed, samples

IN_SETTINGS = {"log", HANDLER}


async def test_every_family_is_there_with_its_type_its_help_and_its_words(tmp_path: Path) -> None:
    body, kind = await Rig(tmp_path).metrics.scrape("text/plain")
    assert kind == "text/plain; version=0.0.4; charset=utf-8"
    found = {family.name: family for family in parsed(body.decode())}
    ours = {name: one for name, one in found.items() if name.startswith(PREFIX)}
    assert len(ours) == len(SPECS)
    for spec in SPECS.values():
        family = ours[spec.full_name.removesuffix("_total")]
        expected = Kind.GAUGE if spec.kind is Kind.INFO else spec.kind
        assert (family.type, family.documentation) == (expected, spec.meaning)
        for sample in family.samples:
            given = {name: word for name, word in sample.labels.items() if name != "le"}
            assert list(given) == sorted(label.name for label in spec.labels)
            for label in spec.labels:
                if label.from_settings:
                    assert given[label.name] in IN_SETTINGS
                elif label.words:
                    assert given[label.name] in label.words
    assert found.keys() - ours.keys() == {
        *("process_virtual_memory_bytes", "process_resident_memory_bytes"),
        *("process_start_time_seconds", "process_cpu_seconds"),
        *("process_open_fds", "process_max_fds"),
    }


async def test_what_has_words_of_its_own_is_there_before_anything_happened(tmp_path: Path) -> None:
    """A rate is seen from the first one on."""
    read = await Rig(tmp_path).read()
    for spec in SPECS.values():
        words = [label.words for label in sorted(spec.labels, key=lambda one: one.name)]
        if spec.kind is Kind.COUNTER and spec.name != "log_events_total" and all(words):
            assert set(read[spec.name]) == set(product(*words)), spec.name


async def test_the_figures_are_those_of_this_moment(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.counts.saw("event.correlated", {"disposition": "foreign"})
    rig.counts.took("journal_commit_seconds", 0.002)
    read = await rig.read()
    assert read["submissions_open"] == {
        ("queued",): 3,
        ("sending",): 0,
        ("awaiting",): 2,
        ("in_doubt",): 0,
    }
    alone = {
        "submissions_oldest_wait_seconds": 90.5,
        "deaf_seconds_total": 12.345,
        "subscription_connected": 0,
        "events_received_total": 9,
        "attempts_in_flight": 2,
        "sending_paused": 1,
        "draining": 0,
        "upstream_hold_seconds": 1.5,
        "spool_bytes": 4_096,
        "spool_quota_bytes": 1 << 30,
        "event_streams": 1,
        "log_dropped_lines_total": 2,
        "log_suppressed_lines_total": 3,
        "journal_answers": 1,
        "journal_commit_seconds_count": 1,
        "journal_commit_seconds_sum": 0.002,
    }
    assert {name: read[name][()] for name in alone} == alone
    assert "last_event_timestamp_seconds" not in read
    assert read["last_frame_timestamp_seconds"][()] == pytest.approx(time.time() - 10, abs=5)
    assert read["state_disk_free_bytes"][()] > 0
    assert read["queue_depth"] == {("ear",): 5, ("sending",): 6, ("enquiries",): 7}
    assert {words for words, value in read["breaker_state"].items() if value} == {
        ("sending", "half_open"),
        ("readings", "closed"),
    }
    assert read["handler_waiting"] == {("log",): 0, (HANDLER,): 8}
    assert read["handler_failures_total"] == {("log",): 0, (HANDLER,): 3}
    assert read["handler_disabled"] == {("log",): 0, (HANDLER,): 1}
    disposed = {words: n for words, n in read["events_disposed_total"].items() if n}
    assert disposed == {("foreign",): 5, ("malformed",): 1}, "told of by a line, and by none"
    failed = {words: n for words, n in read["subscription_connect_failures_total"].items() if n}
    assert failed == {("http_5xx",): 2, ("unreachable",): 1, ("other",): 1}
    assert read["build_info"] == {("3.11.9", "1.2.3"): 1}
    assert read["start_time_seconds"][()] == pytest.approx(time.time(), abs=60)
    assert read["process_start_time_seconds"][()] <= time.time()


async def test_it_is_openmetrics_for_whoever_asks_for_that(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    for accept in (
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1",
        "application/openmetrics-text; version=\x7f-nonsense",
    ):
        body, kind = await rig.metrics.scrape(accept)
        assert kind == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        assert body.endswith(b"# EOF\n")
        read = samples(parsed(body.decode(), openly=True))
        assert read["events_received_total"][()] == 9
    plain = await rig.read()
    assert set(read) == set(plain)


async def test_of_a_journal_that_does_not_answer_all_else_is_told(tmp_path: Path) -> None:
    rig = Rig(tmp_path, tally=None, handlers={"log": HandlerVitals(None, 1, False)})
    read = await rig.read()
    assert read["journal_answers"] == {(): 0}
    assert "submissions_open" not in read
    assert "handler_waiting" not in read
    assert read["handler_failures_total"] == {("log",): 1}
    assert "submissions_oldest_wait_seconds" not in read
    assert read["deaf_seconds_total"][()] == 12.345


async def test_a_disk_that_hangs_keeps_one_thread_and_no_scrape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go, hung = threading.Event(), list[int]()
    real = os.statvfs

    def hang(path: Any) -> os.statvfs_result:
        hung.append(threading.get_ident())
        assert let_go.wait(30)
        return real(path)

    monkeypatch.setattr(os, "statvfs", hang)
    monkeypatch.setattr(scrape, "DISK_ANSWERS_S", 0.01)
    rig = Rig(tmp_path)
    for _ in range(3):
        assert "state_disk_free_bytes" not in await rig.read()
    assert len(hung) == 1
    assert hung[0] != threading.get_ident()
    let_go.set()
    monkeypatch.setattr(scrape, "DISK_ANSWERS_S", 30)
    assert "state_disk_free_bytes" in await rig.read()


async def test_many_who_ask_at_once_are_answered_one_after_the_other(tmp_path: Path) -> None:
    rig, under_way, most = Rig(tmp_path), 0, 0
    look = rig.metrics._vitals

    async def counted() -> Any:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return await look()

    rig.metrics._vitals = counted
    await asyncio.gather(*(rig.metrics.scrape("") for _ in range(8)))
    assert (most, rig.asked) == (1, 8)


async def test_a_page_is_made_in_another_thread(tmp_path: Path) -> None:
    rig, threads = Rig(tmp_path), set[int]()
    collect = rig.metrics._process.collect

    def noted() -> Any:
        threads.add(threading.get_ident())
        return collect()

    rig.metrics._process.collect = noted  # type: ignore[method-assign]  # to see where it is called
    await rig.metrics.scrape("")
    assert threads
    assert threading.get_ident() not in threads


async def test_nothing_on_the_page_looks_like_an_id_or_a_ref(tmp_path: Path) -> None:
    body, _ = await Rig(tmp_path).metrics.scrape("")
    text = body.decode()
    assert not re.search(r"cv_[0-9a-f]{12}|[0-9a-f]{8}-[0-9a-f]{4}-", text)
    assert len(body) < 100_000
    assert sys.executable not in text
