"""What is shown of a submission, word for word."""

from __future__ import annotations

from listener.core.view import canonical, public

from .script import ACCEPTED, Script, Words, accepted

READY = Words("ready", "enhanced")
BUSY = Words("processing", "processing")


def test_a_confirmed_one_word_for_word() -> None:
    script = Script().submit(retry_of="z").at(2).begin("p0", words=READY).at(5).end(ACCEPTED)
    script.at(6).deaf().at(7).listening().at(8).read("p1", words=BUSY).at(9).event()
    assert public(script.of(), "cv_ref", script.lane, script.now) == {
        "id": "a",
        "cv_ref": "cv_ref",
        "state": "closed",
        "outcome": "confirmed",
        "outcome_before": None,
        "late": False,
        "version": 6,
        "attribution": "exclusive",
        "attempts": 1,
        "dispatch": {
            "enhancement": {
                "verdict": "corroborated",
                "evidence": ["event", "record_processing"],
            },
            "analysis": {"verdict": "corroborated", "evidence": ["event", "record_processing"]},
        },
        "upstream": {"cv_id": 456, "application_id": None, "status": "draft"},
        "deaf_ms": 1000,
        "duplicates": 0,
        "retry_of": "z",
        "created_at": "2023-11-14T22:13:20.000Z",
        "sent_at": "2023-11-14T22:13:22.000Z",
        "accepted_at": "2023-11-14T22:13:25.000Z",
        "heard_at": "2023-11-14T22:13:29.000Z",
        "closed_at": "2023-11-14T22:13:29.000Z",
        "corrected_at": None,
        "deadline_at": None,
        "waiting_for": None,
        "reason": None,
    }
    assert canonical(script.of()) == {
        "outcome": "confirmed",
        "attribution": "exclusive",
        "late": False,
        "submission_version": 6,
        "attempts": 1,
        "reason": None,
        "retry_of": "z",
        "enhancement": "corroborated",
        "analysis": "corroborated",
        "evidence": ["event", "record_processing"],
        "replayed": False,
        "created_at": "2023-11-14T22:13:20.000Z",
        "sent_at": "2023-11-14T22:13:22.000Z",
        "accepted_at": "2023-11-14T22:13:25.000Z",
        "heard_at": "2023-11-14T22:13:29.000Z",
        "closed_at": "2023-11-14T22:13:29.000Z",
        "queued_ms": 2000,
        "post_ms": 3000,
        "confirm_ms": 7000,
        "total_ms": 9000,
        "deaf_ms": 1000,
        "duplicates": 0,
        "http_status": 200,
        "upstream_status": "draft",
        "cv_id": 456,
        "size": 1234,
        "kind": "pdf",
    }


def test_one_that_was_never_sent_word_for_word() -> None:
    script = Script().submit().at(3).cancel()
    assert public(script.of(), "cv_ref") == {
        "id": "a",
        "cv_ref": "cv_ref",
        "state": "closed",
        "outcome": "cancelled",
        "outcome_before": None,
        "late": False,
        "version": 2,
        "attribution": None,
        "attempts": 0,
        "dispatch": {
            "enhancement": {"verdict": "unknown", "evidence": []},
            "analysis": {"verdict": "unknown", "evidence": []},
        },
        "upstream": None,
        "deaf_ms": 0,
        "duplicates": 0,
        "retry_of": None,
        "created_at": "2023-11-14T22:13:20.000Z",
        "sent_at": None,
        "accepted_at": None,
        "heard_at": None,
        "closed_at": "2023-11-14T22:13:23.000Z",
        "corrected_at": None,
        "deadline_at": None,
        "waiting_for": None,
        "reason": "cancelled",
    }
    line = canonical(script.of())
    assert {name for name, value in line.items() if value is None} == {
        *("attribution", "retry_of", "replayed", "queued_ms", "post_ms", "confirm_ms"),
        *("sent_at", "accepted_at", "heard_at"),
        *("http_status", "upstream_status", "cv_id"),
    }
    assert (line["total_ms"], line["attempts"], line["reason"]) == (3000, 0, "cancelled")


def test_a_late_one_that_was_heard_twice() -> None:
    script = accepted().at(31).time().read("p1").at(40).event(replayed=True).at(41).event()
    shown, line = public(script.of(), "cv_ref"), canonical(script.of())
    assert (shown["late"], shown["duplicates"], shown["attribution"]) == (True, 1, "contended")
    assert (shown["reason"], shown["outcome_before"]) == ("late_event", "unconfirmed")
    assert shown["corrected_at"] == "2023-11-14T22:14:00.000Z"
    assert (line["late"], line["duplicates"], line["replayed"]) == (True, 1, True)
    assert (line["reason"], line["confirm_ms"], line["total_ms"]) == ("late_event", 40_000, 31_000)
    assert line["evidence"] == ["replayed_event"]
