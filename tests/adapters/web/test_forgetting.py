"""Forgetting: over HTTP and from a shell, down to the bytes on the disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from listener.adapters.journal_sqlite import SqliteJournal
from listener.core.names import CvCode, Outcome, State
from listener.ports.journal import LaneCommit, Query
from tests.cli.terminal import cli
from tests.contract.journals import accepting, an_id

from .rig import ALL, READ, SUBMIT, Daemon, pdf_of, until

SECRET = "Zq7!forget-me/ünd"
FILE = pdf_of(900).replace(b"x" * 40, b"Curriculum-of-somebody-to-be-forgotten..")


async def forget(house: Daemon, name: str, text: str, query: str = "") -> httpx.Response:
    return await house.http.post(f"/v1/forget{query}", files={name: (None, text.encode())})


async def unresolved(house: Daemon) -> str:
    """Possibly sent, and given up: its file is kept, and its event may still come."""
    house.upstream.emits = False
    taken = (await house.post(SECRET, FILE)).json()
    await until(lambda: bool(house.upstream.posted) and bool(house.log.of("attempt.ended")))
    closed = await house.http.post(f"/v1/submissions/{taken['id']}/cancel")
    assert closed.json()["outcome"] == "unconfirmed"
    return str(taken["id"])


def traces(folder: Path) -> list[str]:
    """Files that hold the code, or what was in the CV."""
    wanted = (SECRET.encode(), b"Curriculum-of-somebody")
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if any(word in path.read_bytes() for word in wanted)]


async def test_nothing_of_a_code_is_left_on_the_disk(house: Daemon, tmp_path: Path) -> None:
    submission = await unresolved(house)
    other = (await house.post("another")).json()["id"]
    assert len(traces(tmp_path)) >= 2, "the journal and the spool hold it"
    counted = await forget(house, "cv_code", SECRET, "?dry_run=true")
    assert counted.json() == {"dry_run": True, "submissions": 1, "open": 0}
    assert (await house.http.get(f"/v1/submissions/{submission}")).status_code == 200
    done = await forget(house, "cv_code", SECRET)
    assert (done.status_code, done.json()["submissions"]) == (200, 1)
    assert traces(tmp_path) == []
    assert (await house.http.get(f"/v1/submissions/{submission}")).status_code == 404
    assert [s.submission.id for s in await house.journal.submissions(Query())] == [other]
    (line,) = house.log.of("submission.forgotten")
    assert line == {"submissions": 1}
    again = await forget(house, "cv_code", SECRET)
    assert (again.status_code, again.json()["submissions"]) == (200, 0)


async def test_what_submit_once_keeps_is_forgotten_too(house: Daemon, tmp_path: Path) -> None:
    """It has a journal of its own, below the state folder."""
    once = tmp_path / "once"
    journal = await SqliteJournal.open(once / "journal.db")
    await journal.commit(accepting(CvCode(SECRET), 1))
    (once / "spool").mkdir()
    (once / "spool" / an_id(1)).write_bytes(FILE)
    counted = await forget(house, "cv_code", SECRET)
    assert (counted.status_code, counted.json()["reason"]) == (409, "still_open"), "one runs"
    await journal.close()
    counted = await forget(house, "cv_code", SECRET)
    assert (counted.status_code, counted.json()["forget"]["open"]) == (409, 1), "it is not closed"
    assert len(traces(once)) == 2
    journal = await SqliteJournal.open(once / "journal.db")
    lane = (await journal.load_lane(CvCode(SECRET))).lane
    over = replace(lane.submissions[0], state=State.CLOSED, outcome=Outcome.UNCONFIRMED)
    lane = replace(lane, submissions=(over,))
    assert await journal.commit(LaneCommit(CvCode(SECRET), 1, lane, None, (over,))) is not None
    await journal.close()
    counted = await forget(house, "cv_code", SECRET, "?dry_run=true")
    assert counted.json() == {"dry_run": True, "submissions": 1, "open": 0}
    assert len(traces(once)) == 2
    assert (await forget(house, "cv_code", SECRET)).json()["submissions"] == 1
    assert traces(tmp_path) == []
    (once / "journal.db").write_bytes(b"no journal, but something else")
    broken = await forget(house, "cv_code", SECRET)
    assert (broken.status_code, broken.json()["reason"]) == (503, "spool_failed")


async def test_what_is_heard_afterwards_is_foreign_and_a_new_update_is_taken(
    house: Daemon,
) -> None:
    await unresolved(house)
    await forget(house, "cv_code", SECRET)
    house.ear.hear(SECRET)
    await until(lambda: not house.ear.pending(CvCode(SECRET)))
    house.upstream.emits = True
    shown = await house.post(SECRET, FILE, headers={"Prefer": "wait=30"})
    assert shown.json()["outcome"] == "confirmed"


async def test_while_one_is_open_nothing_is_forgotten(house: Daemon) -> None:
    await house.http.post("/v1/pause")
    submission = (await house.post(SECRET)).json()["id"]
    counted = await forget(house, "id", submission, "?dry_run=true")
    assert counted.json() == {"dry_run": True, "submissions": 1, "open": 1}
    refused = await forget(house, "id", submission)
    assert (refused.status_code, refused.json()["reason"]) == (409, "still_open")
    assert refused.json()["forget"]["open"] == 1
    assert (house.spool / submission).exists()
    await house.http.post(f"/v1/submissions/{submission}/cancel")
    assert (await forget(house, "id", submission.upper())).json()["submissions"] == 1
    assert (await forget(house, "id", submission)).status_code == 404


async def test_what_closed_long_ago_goes_by_its_age(house: Daemon) -> None:
    await house.http.post("/v1/pause")
    submission = (await house.post(SECRET)).json()["id"]
    await house.http.post(f"/v1/submissions/{submission}/cancel")
    await house.service.housekeeping.sweep()
    await house.post("another")
    counted = await forget(house, "older_than_days", "1", "?dry_run=true")
    assert counted.json()["submissions"] == 0
    counted = await forget(house, "older_than_days", "0", "?dry_run=true")
    done = await forget(house, "older_than_days", "0")
    assert done.json()["submissions"] == counted.json()["submissions"] == 1


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "missing_field"),
        ({"code": "x"}, "unexpected_field"),
        ({"cv_code": "x", "id": "y"}, "unexpected_field"),
        ({"cv_code": "SECRET\t"}, "invalid_code"),
        ({"older_than_days": "-1"}, "malformed_form"),
        ({"id": "SECRET"}, "not_found"),
    ],
)
async def test_what_cannot_be_understood_is_refused(
    house: Daemon, fields: dict[str, str], reason: str
) -> None:
    files = {name: (None, text.encode()) for name, text in fields.items()}
    if files:
        answer = await house.http.post("/v1/forget", files=files)
    else:
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        answer = await house.http.post("/v1/forget", content=b"--b--\r\n", headers=headers)
    assert answer.json()["reason"] == reason
    assert "SECRET" not in answer.text
    assert house.log.of("submission.forgotten") == []


@pytest.mark.parametrize("token", [READ, SUBMIT])
async def test_only_an_administrator_lets_forget(house: Daemon, token: str) -> None:
    files = {"cv_code": (None, SECRET.encode())}
    headers = {"Authorization": f"Bearer {token}"}
    answer = await house.http.post("/v1/forget", files=files, headers=headers)
    assert answer.status_code == 403


async def test_from_a_shell_the_code_comes_from_stdin(house: Daemon, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(ALL + "\n")
    await unresolved(house)
    code = SECRET.encode() + b"\n"
    ended = await cli(tmp_path, "forget", "-", "--dry-run", stdin=code)
    assert (ended.status, ended.err) == (0, "would forget 1 submission\n")
    ended = await cli(tmp_path, "forget", "-", "--json", stdin=code)
    assert ended.objects() == [{"dry_run": False, "submissions": 1, "open": 0}]
    ended = await cli(tmp_path, "forget", "-", "--older-than", "3", stdin=code)
    assert ended.status == 64
    await house.http.post("/v1/pause")
    await house.post(SECRET)
    ended = await cli(tmp_path, "forget", "-", stdin=code)
    assert ended.status == 75
    assert "still open" in ended.err
    assert SECRET not in ended.err
