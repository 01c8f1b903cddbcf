"""What is shown: verdicts with their evidence, the public object, the canonical line."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from listener.core.names import Millis, UpstreamJob
from listener.core.view import canonical, public, rfc3339, verdicts

from .script import (
    ACCEPTED,
    NOT_SENT,
    REFUSED,
    TIMED_OUT,
    Script,
    Words,
    accepted,
    in_doubt,
    unresolved,
)


def words(script: Script, name: str = "a") -> dict[str, tuple[str, list[str]]]:
    return {
        job.value: (verdict.value, evidence)
        for job, (verdict, evidence) in verdicts(script.of(name)).items()
    }


READY = Words("ready", "enhanced")
BUSY = Words("processing", "processing")


def test_the_event_speaks_for_both_jobs() -> None:
    assert words(accepted().event()) == {
        "enhancement": ("inferred", ["event"]),
        "analysis": ("inferred", ["event"]),
    }
    assert words(accepted().event(replayed=True))["analysis"][1] == ["replayed_event"]


def test_event_and_record_corroborate() -> None:
    script = accepted(words=READY).at(2).read("p1", words=BUSY).event()
    assert words(script) == {
        "enhancement": ("corroborated", ["event", "record_processing"]),
        "analysis": ("corroborated", ["event", "record_processing"]),
    }


def test_the_record_alone_only_indicates() -> None:
    script = accepted(words=READY).at(31).time().read("p1", words=BUSY)
    assert words(script)["enhancement"] == ("indicated", ["record_processing"])


def test_a_job_that_left_processing_ran() -> None:
    script = accepted(words=READY).at(2).read("p1", words=BUSY)
    script.at(31).time().read("p1", words=Words("processing", "enhanced"))
    assert words(script) == {
        "enhancement": ("inferred", ["record_left_processing"]),
        "analysis": ("indicated", ["record_processing"]),
    }


def test_a_job_that_failed_was_dispatched_and_is_flagged() -> None:
    script = accepted(words=READY).at(2).read("p1", words=BUSY)
    script.at(31).time().read("p1", words=Words("processing", "failed"))
    assert words(script)["enhancement"] == (
        "inferred",
        ["record_left_processing", "upstream_failed"],
    )


def test_each_job_has_its_own_field() -> None:
    script = accepted(words=READY).at(31).time().read("p1", words=Words("ready", "processing"))
    assert words(script)["enhancement"][0] == "indicated"


def test_unmoved_or_unread_nothing_is_known() -> None:
    for script in (accepted(), accepted(words=BUSY).at(31).time().read("p0", words=BUSY)):
        assert words(script)["enhancement"] == ("unknown", [])


def test_refused_but_heard_is_contradicted() -> None:
    script = Script().submit().begin().event().end(REFUSED)
    assert words(script)["analysis"] == ("contradicted", ["refused_but_heard"])


def test_the_public_object_is_as_the_design_shows_it() -> None:
    script = accepted().at(2).event()
    shown = public(script.of(), "cv_0123456789ab", script.lane, script.now)
    assert list(shown) == [
        *("id", "cv_ref", "state", "outcome", "outcome_before", "late", "version", "attribution"),
        *("attempts", "dispatch", "upstream", "deaf_ms", "duplicates", "retry_of", "created_at"),
        *("sent_at", "accepted_at", "heard_at", "closed_at", "corrected_at", "deadline_at"),
        *("waiting_for", "reason"),
    ]
    assert shown["id"] == "a"
    assert shown["cv_ref"] == "cv_0123456789ab"
    assert (shown["state"], shown["outcome"], shown["late"]) == ("closed", "confirmed", False)
    assert (shown["attribution"], shown["attempts"]) == ("exclusive", 1)
    assert shown["dispatch"]["analysis"] == {"verdict": "inferred", "evidence": ["event"]}
    assert shown["upstream"] == {"cv_id": 456, "application_id": None, "status": "draft"}
    assert shown["created_at"] == "2023-11-14T22:13:20.000Z"
    assert shown["accepted_at"] == "2023-11-14T22:13:21.000Z"
    assert shown["heard_at"] == shown["closed_at"] == "2023-11-14T22:13:22.000Z"
    assert (shown["waiting_for"], shown["deadline_at"]) == (None, None)


def test_times_are_utc_with_milliseconds() -> None:
    assert rfc3339(1_700_000_000_007) == "2023-11-14T22:13:20.007Z"
    assert rfc3339(None) is None
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"


def test_times_are_utc_wherever_we_are(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        assert rfc3339(1_700_000_000_007) == "2023-11-14T22:13:20.007Z"
    time.tzset()


@pytest.mark.parametrize(
    ("play", "expected", "deadline_s"),
    [
        (lambda: Script().submit(), "sending", 86_400),
        (lambda: Script().submit().begin(), "reply", None),
        (lambda: accepted(), "event", 31),
        (lambda: in_doubt(), "event_or_record", 3_601),
        (lambda: Script().submit().begin().end(NOT_SENT), "backoff", 86_400),
    ],
)
def test_an_open_one_says_what_it_waits_for(
    play: Callable[[], Script], expected: str, deadline_s: int | None
) -> None:
    script = play()
    shown = public(script.of(), "cv_ref", script.lane, script.now)
    assert shown["waiting_for"] == expected
    if deadline_s is not None:
        assert shown["deadline_at"] == rfc3339(1_700_000_000_000 + deadline_s * 1000)


def test_those_behind_it_wait_for_their_turn_or_for_the_rest() -> None:
    script = accepted().submit("b")
    assert shown_wait(script, "b") == "lane_turn"
    script.at(31).time().read("p1")
    assert shown_wait(script, "b") == "lane_rest"
    script = unresolved("old").submit().submit("b")
    assert shown_wait(script, "a") == "sending"
    assert shown_wait(script, "b") == "lane_turn"


def shown_wait(script: Script, name: str) -> Any:
    return public(script.of(name), "cv_ref", script.lane, script.now)["waiting_for"]


def test_the_canonical_line_has_all_timings_and_evidence() -> None:
    script = Script().submit().at(2).begin("p0").at(5).end(ACCEPTED).at(9).event()
    line = canonical(script.of())
    assert (line["queued_ms"], line["post_ms"]) == (2_000, 3_000)
    assert (line["confirm_ms"], line["total_ms"]) == (7_000, 9_000)
    assert (line["outcome"], line["attribution"], line["late"]) == (
        "confirmed",
        "exclusive",
        False,
    )
    assert (line["enhancement"], line["analysis"], line["evidence"]) == (
        "inferred",
        "inferred",
        ["event"],
    )
    assert (line["http_status"], line["upstream_status"], line["cv_id"]) == (200, "draft", 456)
    assert (line["size"], line["kind"], line["replayed"]) == (1234, "pdf", False)
    assert line["submission_version"] == script.of().version


def test_an_event_before_the_reply_takes_no_negative_time() -> None:
    script = Script().submit().begin("p0").at(1).event().at(5).end(ACCEPTED)
    line = canonical(script.of())
    assert (line["confirm_ms"], line["queued_ms"]) == (1_000, 0)
    assert min(v for k, v in line.items() if k.endswith("_ms") and v is not None) >= 0


def test_nothing_shown_holds_the_files_name_or_digest() -> None:
    script = accepted().event()
    shown = repr(public(script.of(), "cv_ref")) + repr(canonical(script.of()))
    assert "cv.pdf" not in shown
    assert "abab" not in shown


def test_every_outcome_has_a_canonical_line() -> None:
    for script in (
        Script().submit().cancel(),
        Script().submit().begin().end(REFUSED),
        accepted().at(31).time().read("p0"),
        in_doubt().at(31).time().read("p1"),
    ):
        assert canonical(script.of())["outcome"] is not None
        assert public(script.of(), "cv_ref")["state"] == "closed"


def test_every_job_has_a_verdict_in_every_state() -> None:
    for script in (Script().submit(), Script().submit().begin(), accepted(), in_doubt()):
        assert set(verdicts(script.of())) == set(UpstreamJob)


# -------------------------------------------------------------------------- evidence, job for job


def test_the_same_word_on_another_path_is_this_updates_own() -> None:
    script = accepted(words=BUSY).at(31).time().read("p1", words=BUSY)
    assert words(script)["analysis"] == ("indicated", ["record_processing"])


def test_the_same_word_on_the_same_path_is_none() -> None:
    """One job's word moved the record; the other's says nothing of this update."""
    script = accepted(words=Words("processing", "ready"))
    script.at(31).time().read("p0", words=BUSY)
    assert words(script) == {
        "enhancement": ("indicated", ["record_processing"]),
        "analysis": ("unknown", []),
    }


def test_a_path_that_the_baseline_lacks_has_moved() -> None:
    script = Script().submit().begin("", words=Words("processing", "ready")).at(1).end(ACCEPTED)
    script.at(31).time().read("p1", words=BUSY)
    assert words(script)["analysis"] == ("indicated", ["record_processing"])


def test_without_a_path_a_word_that_stayed_is_none() -> None:
    script = accepted(words=Words("processing", "ready"))
    script.at(31).time().read("", words=BUSY)
    assert words(script)["analysis"] == ("unknown", [])


def test_a_record_without_a_word_indicates_nothing() -> None:
    script = accepted().at(31).time().read("p1", words=Words("processing", None))
    assert words(script) == {
        "enhancement": ("unknown", []),
        "analysis": ("indicated", ["record_processing"]),
    }


def test_without_a_baseline_no_word_is_evidence() -> None:
    script = Script().submit().begin(None).at(1).end(ACCEPTED).at(31).time().read("p1", words=BUSY)
    assert words(script)["analysis"] == ("unknown", [])


def test_one_job_that_ended_says_nothing_of_the_other() -> None:
    script = accepted(words=READY).at(2).read("p1", words=Words("processing", "ready"))
    script.at(3).read("p1", words=Words("failed", "ready")).event()
    assert words(script)["analysis"] == (
        "corroborated",
        ["event", "record_left_processing", "upstream_failed"],
    )
    assert canonical(script.of())["evidence"] == [
        "event",
        "record_left_processing",
        "record_processing",
        "upstream_failed",
    ]


# ------------------------------------------------------------------------------- waits, deadlines


def test_a_wait_is_told_of_the_moment_that_is_asked_for() -> None:
    script = Script().submit().begin().end(NOT_SENT)
    due = script.of().not_before_ms
    assert due is not None
    waits = [
        public(script.of(), "ref", script.lane, Millis(due + later))["waiting_for"]
        for later in (-1, 0, 1)
    ]
    assert waits == ["backoff", "sending", "sending"]
    assert public(script.of(), "ref", script.lane)["waiting_for"] == "backoff", "at its acceptance"


def test_without_its_lane_one_that_may_be_sent_waits_for_sending() -> None:
    assert public(Script().submit().of(), "ref")["waiting_for"] == "sending"


def test_nothing_is_sent_in_a_rest_by_the_lane_alone() -> None:
    script = accepted().submit("b").submit("c").at(31).time().read("p1")
    assert shown_wait(script, "c") == "lane_rest"


@pytest.mark.parametrize(
    ("play", "deadline_s"),
    [
        (lambda: in_doubt().at(31).time().read("p0"), 31),
        (lambda: in_doubt().at(31).time().read("p0").begin("p0").at(32).end(ACCEPTED), 62),
        (lambda: in_doubt().at(31).time().read("p0").begin("p0").at(32).end(TIMED_OUT), 3_601),
        (
            lambda: in_doubt().at(31).time().read("p0").begin("p0").at(32).end(ACCEPTED).cancel(),
            None,
        ),
    ],
)
def test_a_deadline_is_that_of_what_it_waits_for(
    play: Callable[[], Script], deadline_s: int | None
) -> None:
    script = play()
    shown = public(script.of(), "ref", script.lane, script.now)
    expected = None if deadline_s is None else rfc3339(1_700_000_000_000 + deadline_s * 1000)
    assert shown["deadline_at"] == expected
