"""What began with one line and ended with another, and the daemon's lives between them."""

from __future__ import annotations

from typing import Any

import pytest

from listener.core.catalogue import CATALOGUE
from listener.report import figures
from listener.report.incidents import KINDS, OPEN, SHOWN, Incident
from listener.report.remarks import ended

from .script import NOON, account, line

Told = list[tuple[str, str, float, float | None, str]]


def told(lines: list[bytes]) -> Told:
    """(kind, subject, from, until: seconds after noon, why)."""

    def at(one: Incident) -> float | None:
        return None if one.end_ms is None else (one.end_ms - NOON) / 1000

    return [
        (one.kind.name, one.subject, (one.start_ms - NOON) / 1000, at(one), one.why)
        for one in account(lines).incidents.all()
    ]


def lost(at_s: float, **fields: Any) -> bytes:
    return line("subscription.lost", at_s, reason="silent", **fields)


def restored(at_s: float, duration_ms: int, recovered: bool, **fields: Any) -> bytes:
    return line(
        "subscription.restored", at_s, duration_ms=duration_ms, recovered=recovered, **fields
    )


def established(at_s: float, **fields: Any) -> bytes:
    return line("subscription.established", at_s, **({"recovered": False} | fields))


def test_every_event_of_a_pair_is_in_the_catalogue_and_each_has_its_own_kind() -> None:
    events = [event for kind in KINDS for event in (*kind.begins, *kind.ends)]
    assert len(events) == len(set(events))
    assert set(events) <= set(CATALOGUE)
    for kind in KINDS:
        assert all(not kind.of or kind.of in CATALOGUE[e].fields for e in kind.begins + kind.ends)


def test_every_event_that_ends_something_is_in_a_pair() -> None:
    ends = ("restored", "recovered", "resumed", "_closed", "compared", "upstream.released")
    there = {e for e in CATALOGUE if e.endswith(ends)} - {"journal.recovered", "journal.restored"}
    assert there == {e for kind in KINDS for e in kind.ends} - {"subscription.established"}


def test_a_lost_subscription_lasted_as_long_as_its_end_says() -> None:
    lines = [
        lost(10),
        line("subscription.failed", 11, reason="http_503"),
        restored(15, 7_000, False),
    ]
    assert told(lines) == [("no subscription", "", 8, 15, "silent")]


def test_a_beginning_that_comes_after_its_end_in_the_files_begins_nothing_more() -> None:
    lines = [restored(15, 7_000, False), lost(10)]
    assert [(name, since, until) for name, _, since, until, _ in told(lines)] == [
        ("no subscription", 8, 15)
    ]


def test_what_lasts_at_the_end_of_the_log_lasts() -> None:
    assert told([lost(10), line("daemon.heartbeat", 40)]) == [
        ("no subscription", "", 10, None, "silent")
    ]


def test_what_a_crash_cut_short_ended_with_its_run() -> None:
    lines = [lost(10), line("daemon.heartbeat", 40), line("daemon.started", 50, run="run-2")]
    assert told(lines) == [("no subscription", "", 10, 40, "silent")]
    (one,) = account(lines).incidents.all()
    assert one.cut


def test_a_pause_goes_on_over_restarts() -> None:
    since = "2026-01-31T12:00:05.000Z"
    lines = [
        line("sending.paused", 5, since=since),
        line("daemon.started", 50, run="run-2"),
        line("sending.paused", 51, run="run-2", since=since, restarted=True),
        line("sending.resumed", 60, run="run-2", duration_ms=55_000),
    ]
    assert told(lines) == [("sending paused by command", "", 5, 60, "")]


def test_each_handler_has_its_own() -> None:
    lines = [
        line("handler.failed", 1, handler="chat", error_type="OSError"),
        line("handler.failed", 2, handler="webhook", error_type="OSError"),
        line("handler.failed", 3, handler="chat", error_type="OSError"),
        line("handler.recovered", 9, handler="chat", duration_ms=8_000),
    ]
    assert told(lines) == [
        ("handler fails", "chat", 1, 9, "OSError"),
        ("handler fails", "webhook", 2, None, "OSError"),
    ]


def test_two_daemons_in_one_log_do_not_end_each_others() -> None:
    lines = [lost(1, run="a"), established(2, run="b"), line("daemon.heartbeat", 3, run="a")]
    assert told(lines) == [("no subscription", "", 1, None, "silent")]


def test_the_end_without_a_beginning_tells_when_that_was() -> None:
    assert told([line("spool.restored", 100, duration_ms=60_000, refused=3)]) == [
        ("spool takes no files", "", 40, 100, "")
    ]
    assert told([line("upstream.circuit_closed", 100)]) == []


def test_quiet_that_was_asked_for_lasts_until_as_much_is_taken_again() -> None:
    lines = [
        line("upstream.held", 5, until="2026-01-31T12:00:06.000Z", waiting=3),
        line("upstream.released", 9, duration_ms=4_000, asked=7, waiting=0),
    ]
    assert told(lines) == [("upstream asked for quiet", "", 5, 9, "")]


def test_in_a_flood_the_longest_are_kept_and_all_are_counted() -> None:
    lines = [line("upstream.released", n, duration_ms=n) for n in range(SHOWN + 100)]
    lines += [line("handler.failed", 0, run=f"r{n}", handler=f"h{n}") for n in range(OPEN + 100)]
    found = account(lines)
    held = [one for one in found.incidents.all() if one.kind.name == "upstream asked for quiet"]
    assert len(held) == SHOWN
    assert min(one.lasted_ms(0) for one in held) == 100
    (kind,) = (k for k in KINDS if k.name == "upstream asked for quiet")
    assert found.incidents.number(kind) == SHOWN + 100
    assert len(found.incidents.all()) == SHOWN + OPEN


# -------------------------------------------------------------------------------------- deafness


def deaf(lines: list[bytes]) -> list[tuple[float, float, bool]]:
    """(from, until, whether something may have been missed)."""
    (found,) = figures.deaf(account(lines))
    return [
        ((one.start_ms - NOON) / 1000, (one.end_ms - NOON) / 1000, one.missed)
        for one in sorted(found.missed + found.replayed, key=lambda a: a.start_ms)
    ]


def test_deaf_is_what_was_not_replayed() -> None:
    lines = [
        line("daemon.started", 0),
        established(1),
        *(lost(10), restored(15, 5_000, True)),
        *(lost(20), restored(24, 4_000, False)),
        line("daemon.heartbeat", 30),
    ]
    assert deaf(lines) == [(0, 1, True), (10, 15, False), (20, 24, True)]


def test_what_lasts_is_deafness_until_the_logs_end() -> None:
    lines = [established(0), lost(10), line("daemon.heartbeat", 30)]
    assert deaf(lines) == [(10, 30, True)]


def test_between_two_runs_nobody_listened() -> None:
    lines = [
        established(0),
        line("daemon.heartbeat", 30),
        *(line("daemon.started", 50, run="run-2"), established(52, run="run-2")),
        *(line("daemon.stopped", 70, run="run-2"), line("daemon.started", 80, run="run-3")),
        established(81, run="run-3", recovered=True),
    ]
    assert deaf(lines) == [(30, 52, True), (70, 81, False)]
    assert list(account(lines).runs.pauses()) == [
        ("host-1", NOON + 30_000, NOON + 50_000),
        ("host-1", NOON + 70_000, NOON + 80_000),
    ]


def test_a_run_that_says_since_when_nobody_listened_is_believed() -> None:
    """Its journal knows of a sign of life after the last line of the run before."""
    told = {"since": "2026-01-31T12:00:45.000Z", "until": "2026-01-31T12:00:51.000Z"}
    lines = [
        established(0),
        line("daemon.heartbeat", 30),
        *(line("daemon.started", 50, run="run-2"), established(52, run="run-2", **told)),
    ]
    assert deaf(lines) == [(45, 51, True)]


def test_gaps_that_overlap_count_once() -> None:
    gap = {"since": "2026-01-31T12:00:18.000Z", "until": "2026-01-31T12:00:24.000Z"}
    settled = line("gap.settled", 25, gap_reason="poison", touched=3, **gap)
    lines = [established(0), lost(20), restored(24, 4_000, False), settled, settled]
    assert deaf(lines) == [(18, 24, True)]
    assert account(lines).incidents.touched == 3


@pytest.mark.parametrize(
    "told",
    [
        {"since": "2026-01-31T12:00:10.000Z", "until": "2026-01-31T12:00:15.000Z"},
        {"last_event_age_ms": 11_000},
    ],
)
def test_a_deaf_subscription_was_deaf_until_the_second_one_listened(told: dict[str, Any]) -> None:
    why = {"reason": "deaf_subscription", "gap_reason": "deaf_subscription"}
    gap = {"since": "2026-01-31T12:00:10.000Z", "until": "2026-01-31T12:00:15.000Z"}
    lines = [
        established(0),
        line("subscription.lost", 21, reason="deaf_subscription"),
        restored(21, 5_000, False, **why | told),
        line("gap.settled", 22, gap_reason="deaf_subscription", touched=3, **gap),
    ]
    assert deaf(lines) == [(10, 15, True)]
    (found,) = figures.deaf(account(lines))
    assert found.missed_ms == 5_000


def test_a_clock_that_was_set_back_between_two_runs_makes_no_time_of_less_than_nothing() -> None:
    lines = [
        established(0),
        line("daemon.heartbeat", 3_000),
        *(line("daemon.started", 100, run="run-2"), established(101, run="run-2")),
    ]
    account(lines)
    assert figures.deaf(account(lines)) == []


@pytest.mark.parametrize(
    ("last", "words"),
    [
        ("daemon.stopped", "in order"),
        ("daemon.failed", "failed: see daemon.failed"),
        ("daemon.heartbeat", "without a word: killed, or crashed"),
    ],
)
def test_how_a_run_ended(last: str, words: str) -> None:
    found = account([line(last, 5), line("daemon.started", 9, run="run-2")])
    assert ended(found, "run-1") == words
    assert ended(found, "run-2") == "runs on, as far as the log says"
