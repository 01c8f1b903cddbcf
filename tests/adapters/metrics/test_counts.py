"""What the log is told is counted: each event as its line has it."""

from __future__ import annotations

import asyncio
import gc
import io
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest

from listener.adapters.logs import Redactor, StructuredLog, Writer
from listener.adapters.metrics import Counts, LoopLag
from listener.adapters.metrics.counts import BY_THE_LOG
from listener.adapters.metrics.table import SPECS, Kind
from listener.core.catalogue import CATALOGUE
from listener.core.event_spec import Level
from listener.core.names import PostKind

CLOSED = {
    "outcome": "confirmed",
    "evidence": ["record_processing", "event"],
    "queued_ms": 40,
    "confirm_ms": 2_400,
    "total_ms": 2_500,
}


def grown(counts: Counts) -> dict[str, dict[tuple[str, ...], int]]:
    """The samples that are not 0, but for those of each event."""
    return {
        name: {words: n for words, n in samples.items() if n}
        for name, samples in counts.counters().items()
        if any(samples.values()) and name != "log_events_total"
    }


def times(counts: Counts, name: str) -> tuple[int, float]:
    found = counts.histograms()[name]
    return found.counts[-1], found.total


def test_a_close_is_counted_by_outcome_and_its_strongest_evidence_and_timed() -> None:
    counts = Counts()
    counts.saw("submission.closed", CLOSED)
    counts.saw("submission.closed", {"outcome": "unconfirmed", "evidence": [], "total_ms": 31_000})
    assert grown(counts) == {
        "submissions_closed_total": {("confirmed", "event"): 1, ("unconfirmed", "none"): 1}
    }
    assert times(counts, "submission_queued_seconds") == (1, 0.04)
    assert times(counts, "submission_confirm_seconds") == (1, 2.4)
    assert times(counts, "submission_duration_seconds") == (2, 33.5)


def test_a_line_that_is_told_again_counts_nothing_but_itself() -> None:
    counts = Counts()
    counts.saw("submission.closed", {**CLOSED, "repeated": True})
    assert grown(counts) == {}
    assert times(counts, "submission_duration_seconds") == (0, 0)
    assert counts.counters()["log_events_total"][("submission.closed", "info")] == 1


def test_an_attempt_is_counted_by_result_and_a_failed_one_by_how_it_ended() -> None:
    counts = Counts()
    ends = [("accepted", "accepted", 90), ("possibly_sent", "http_503", 10)]
    ends += [("refused", "http_418", 10), ("not_sent", "connect_refused", 10)]
    ends += [("possibly_sent", "crashed_while_sending", 3_600_000)]
    for result, detail, took_ms in ends:
        fields = {"result": PostKind(result), "detail": detail, "duration_ms": took_ms}
        counts.saw("attempt.ended", fields)
    assert grown(counts) == {
        "attempts_total": {
            ("accepted",): 1,
            ("possibly_sent",): 2,
            ("refused",): 1,
            ("not_sent",): 1,
        },
        "attempt_failures_total": {
            ("http_5xx",): 1,
            ("http_4xx",): 1,
            ("connect_refused",): 1,
            ("crashed_while_sending",): 1,
        },
    }
    count, total = times(counts, "attempt_duration_seconds")
    assert (count, round(total, 6)) == (4, 0.12), "how long before a crash nobody knows"


@pytest.mark.parametrize(
    ("event", "fields", "counted"),
    [
        ("submission.accepted", {}, {"submissions_accepted_total": {(): 1}}),
        ("submission.requeued", {}, {"submissions_requeued_total": {(): 1}}),
        ("submission.contradicted", {}, {"submissions_contradicted_total": {(): 1}}),
        ("submission.reattributed", {}, {"submissions_reattributed_total": {(): 1}}),
        (
            "submission.corrected",
            {"outcome_before": "presumed", "outcome": "confirmed", "total_ms": 5},
            {"submissions_corrected_total": {("confirmed",): 1}},
        ),
        (
            "attempt.declined",
            {"movement": "unknown"},
            {"attempts_declined_total": {("unknown",): 1}},
        ),
        (
            "record.enquired",
            {"movement": "unmoved", "detail": ""},
            {"enquiries_total": {("unmoved",): 1}},
        ),
        (
            "record.enquired",
            {"movement": "unknown", "detail": "read_timeout"},
            {
                "enquiries_total": {("unknown",): 1},
                "enquiry_failures_total": {("read_timeout",): 1},
            },
        ),
        (
            "event.correlated",
            {"disposition": "held"},
            {"events_disposed_total": {("held",): 1}},
        ),
        ("upstream.held", {"duration_ms": 3}, {"upstream_holds_total": {(): 1}}),
        ("upstream.circuit_opened", {}, {"breaker_opened_total": {("sending",): 1}}),
        ("upstream.readings_paused", {}, {"breaker_opened_total": {("readings",): 1}}),
        (
            "subscription.lost",
            {"reason": "http_502"},
            {"subscription_losses_total": {("http_5xx",): 1}},
        ),
        (
            "subscription.lost",
            {"reason": "a word from elsewhere"},
            {"subscription_losses_total": {("other",): 1}},
        ),
        (
            "subscription.established",
            {"recovered": False, "gap_reason": "started"},
            {"gaps_total": {("started",): 1}},
        ),
        (
            "subscription.restored",
            {"recovered": False, "gap_reason": None, "reason": "silent"},
            {
                "gaps_total": {("not_recovered",): 1},
                "subscription_reconnects_total": {("silent",): 1},
            },
        ),
        (
            "subscription.restored",
            {"recovered": True, "reason": "transport_closed"},
            {"subscription_reconnects_total": {("transport_closed",): 1}},
        ),
        (
            "subscription.compared",
            {"verdict": "first_deaf"},
            {"subscription_comparisons_total": {("first_deaf",): 1}},
        ),
        ("daemon.heartbeat", {"deaf_ms": 1}, {}),
    ],
)
def test_an_event_counts_what_it_says(
    event: str, fields: dict[str, object], counted: dict[str, dict[tuple[str, ...], int]]
) -> None:
    counts = Counts()
    counts.saw(event, fields)
    assert grown(counts) == counted


def test_whatever_an_event_says_no_sample_appears_that_was_not_there() -> None:
    """Values that no vocabulary has change nothing; an unknown event is counted as such."""
    counts = Counts()
    before = {name: set(samples) for name, samples in counts.counters().items()}
    hostile = ["Cv9E#nH4$xTz8!pY2aW^mK6rL", "", None, 7, ["x"], {"cv_ref": "cv_0123456789ab"}]
    for event, value in product([*CATALOGUE, "nobody.knows"], hostile):
        spec = CATALOGUE.get(event)
        counts.saw(event, dict.fromkeys(spec.fields if spec else ("a", "b"), value))
    assert {name: set(samples) for name, samples in counts.counters().items()} == before
    assert counts.counters()["log_events_total"][("other", "error")] == len(hostile)


def test_every_counter_that_the_log_feeds_is_one_of_the_tables() -> None:
    assert all(SPECS[name].kind is Kind.COUNTER for name in BY_THE_LOG)
    samples = Counts().counters()
    for name in BY_THE_LOG:
        labels = SPECS[name].labels
        assert samples[name], name
        assert set(samples[name]) <= set(product(*(label.words for label in labels)))


def test_what_is_written_and_what_is_counted_are_the_same_and_quiet_events_count_too() -> None:
    out = io.StringIO()
    log = StructuredLog(
        Writer(out), Redactor(), ref_key=b"k", run_id="r", version="0", replica="a", strict=True
    )
    counts = Counts()
    log.watch(counts.saw)
    log.emit("submission.accepted", submission_id="s", size=1)
    log.emit("record.enquired", submission_id="s", movement="moved")
    log.fault("upstream.adapter_failed", ValueError("x"))
    log.close()
    seen = {words: n for words, n in counts.counters()["log_events_total"].items() if n}
    assert seen == {
        ("submission.accepted", "info"): 1,
        ("record.enquired", "debug"): 1,
        ("upstream.adapter_failed", "error"): 1,
    }
    assert log.least is Level.INFO
    assert grown(counts)["enquiries_total"] == {("moved",): 1}


def test_a_histogram_counts_each_time_once_and_bounds_are_upper_ones() -> None:
    counts = Counts()
    for seconds in (0.0, 0.001, 0.001_1, 0.005, 11.0):
        counts.took("loop_lag_seconds", seconds)
    found = counts.histograms()["loop_lag_seconds"]
    at = dict(zip((*found.bounds, None), found.counts, strict=True))
    assert (at[0.001], at[0.005], at[10], at[None]) == (2, 4, 4, 5)


def test_threads_lose_no_count_and_what_is_collected_meanwhile_may_be_counted() -> None:
    """An object that dies while the counts are held can have a line of its own."""
    counts = Counts()

    class Dies:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            counts.saw("loop.failed", {})

    def work() -> None:
        for _ in range(500):
            Dies()
            counts.took("journal_commit_seconds", 0.002)
            counts.saw("submission.accepted", {})
            counts.counters()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: work(), range(4)))
    gc.collect()
    assert grown(counts) == {"submissions_accepted_total": {(): 2_000}}
    assert times(counts, "journal_commit_seconds")[0] == 2_000
    assert counts.counters()["log_events_total"][("loop.failed", "error")] == 2_000


async def test_the_loops_lag_is_what_a_sleep_was_longer() -> None:
    took: list[float] = []
    lag = LoopLag(took.append, every_s=0.01)
    running = asyncio.create_task(lag.run())
    while len(took) < 3:  # noqa: ASYNC110 - it tells nobody of a time that it took
        await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert all(late_s >= 0 for late_s in took)
    assert lag.worst_ms() == round(max(took) * 1000)
    assert lag.worst_ms() == 0, "since it was last asked"
