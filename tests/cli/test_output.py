"""What is shown of a submission: aligned, within 80 columns, and nothing steers the terminal."""

from __future__ import annotations

from typing import Any

import pytest

from listener.cli import exits, output

SHOWN: dict[str, Any] = {
    "id": "0199a1b2-0000-7000-8000-000000000001",
    "cv_ref": "cv_0123456789ab",
    "state": "closed",
    "outcome": "not_dispatched",
    "late": True,
    "version": 3,
    "attribution": "contended",
    "attempts": 2,
    "dispatch": {
        "enhancement": {"verdict": "indicated", "evidence": ["record_processing", "x" * 90]},
        "analysis": {"verdict": "unknown", "evidence": []},
    },
    "upstream": {"cv_id": "\x1b[31mred\u202e", "application_id": None, "status": "draft"},
    "deaf_ms": 12,
    "duplicates": 1,
    "retry_of": None,
    "created_at": "2026-01-31T12:00:00.000Z",
    "sent_at": "2026-01-31T12:00:00.010Z",
    "accepted_at": None,
    "heard_at": None,
    "closed_at": "2026-01-31T12:01:00.000Z",
    "deadline_at": "2026-01-31T12:00:30.000Z",
    "waiting_for": None,
    "reason": None,
}


def test_one_submission(capsys: pytest.CaptureFixture[str]) -> None:
    output.write_one(SHOWN)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "\\x1b[31mred" in out
    assert max(map(len, out.splitlines())) <= 80
    assert "not_dispatched (contended, late)" in out
    assert "created      2026-01-31 12:00:00.000 UTC" in out
    assert "deadline" not in out


def test_one_that_is_open(capsys: pytest.CaptureFixture[str]) -> None:
    still = {"state": "queued", "outcome": None, "waiting_for": "lane_rest", "upstream": None}
    output.write_one({**SHOWN, **still})
    out = capsys.readouterr().out
    assert "waits for    lane rest" in out
    assert "deadline     2026-01-31 12:00:30.000 UTC" in out


def test_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert output.write_rows([SHOWN, {**SHOWN, "outcome": None, "state": "in_doubt"}]) == 2
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == (
        "0199a1b2-0000-7000-8000-000000000001 cv_0123456789ab not_dispatched 01-31 12:00"
    )
    assert " in_doubt " in lines[2]
    assert output.write_rows([]) == 0
    assert capsys.readouterr().out == ""


def test_gaps(capsys: pytest.CaptureFixture[str]) -> None:
    gap = {
        "start_at": "2026-01-31T12:00:07.900Z",
        "end_at": "2026-01-31T12:00:08.420Z",
        "duration_ms": 520,
        "reason": "no_recovery_offered",
        "touched": 1234,
        "open": 0,
        "became": {"confirmed": 1200, "presumed": 30, "unconfirmed": 4},
        "settled_at": None,
    }
    lasting = {**gap, "end_at": None, "duration_ms": 97 * 3_600_000 + 65_000, "reason": "a\x1b"}
    assert output.write_gaps([gap, {**lasting, "touched": 2, "open": 2, "became": {}}]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.rstrip() for line in lines] == [
        "since (UTC)    lasted     reason              touched what became of them",
        "01-31 12:00:07 0.52 s     no_recovery_offered 1234    1200 confirmed, 30",
        "                                                      presumed, 4 unconfirmed",
        "01-31 12:00:07 97:01:05 … a\\x1b               2       2 open",
    ]
    assert output.write_gaps([]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [
        ([], 0),
        (["confirmed", "confirmed"], 0),
        (["confirmed", "presumed"], 3),
        (["unconfirmed", "presumed"], 4),
        (["not_dispatched"], 4),
        (["undelivered"], 4),
        (["cancelled"], 4),
        (["superseded"], 4),
        (["unconfirmed", "rejected", "confirmed"], 5),
    ],
)
def test_the_exit_status_of_outcomes(outcomes: list[str], status: int) -> None:
    assert exits.of_outcomes({"outcome": outcome} for outcome in outcomes) == status


def test_a_groups_heading_widens_no_column(capsys: pytest.CaptureFixture[str]) -> None:
    group = "A heading that is much longer than any of the names below it, and no part of them"
    value = "https://api.example.com/cv-enhance"
    output.write_settings([(group, "CV_A", value, "default"), ("Another", "CV_NAME", "1", "env")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == group
    assert lines[1].split() == ["CV_A", value, "default"]
    assert lines[3].split() == ["CV_NAME", "1", "env"]
    assert lines[1].index(value) == lines[3].index("1 ")
