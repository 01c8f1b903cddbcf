"""``retry`` against a running daemon: what is shown, what speaks against it, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from listener.core.evidence import PostResult
from listener.core.names import PostKind
from listener.ports.journal import Query
from tests.adapters.web.rig import ALL, CODE, PDF, Daemon, daemon, docx

from .terminal import cli


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Daemon]:
    (tmp_path / "cv.pdf").write_bytes(PDF)
    (tmp_path / "cv.docx").write_bytes(docx())
    (tmp_path / "cv.txt").write_bytes(b"text")
    (tmp_path / "token").write_text(ALL + "\n")
    async with daemon(tmp_path) as running:
        yield running


async def unconfirmed(house: Daemon) -> str:
    """The id of one that was possibly sent and given up: its file is kept."""
    house.upstream.emits = False
    location = (await house.post()).headers["Location"]
    async with asyncio.timeout(30):
        shown = {"state": ""}
        while shown["state"] != "awaiting":
            shown = (await house.http.get(location, headers={"Prefer": "wait=1"})).json()
    assert (await house.http.post(f"{location}/cancel")).json()["outcome"] == "unconfirmed"
    house.upstream.posted.clear()
    house.upstream.emits = True
    return str(location.rpartition("/")[2])


async def count(house: Daemon) -> int:
    return len(await house.journal.submissions(Query()))


async def test_what_has_changed_is_shown_and_the_kept_file_is_sent_again(
    house: Daemon, tmp_path: Path
) -> None:
    name = await unconfirmed(house)
    ended = await cli(tmp_path, "retry", name.upper(), "--key", "one")
    assert (ended.status, ended.err) == (0, "")
    drift, _, new = ended.out.partition("\n\n")
    for said in (name, "unconfirmed", "ago", "is as it was when it was sent", "none that it was"):
        assert said in drift
    for said in ("the one that is kept", "no update of this CV", "deletes the stored file"):
        assert said in drift
    assert "dispatches enhancement and analysis again" in " ".join(drift.split())
    assert max(map(len, ended.out.splitlines())) <= 80
    assert "queued" in new and CODE not in ended.out
    again = await cli(tmp_path, "retry", name, "--key", "one", "--json")
    assert again.status == 0, again.err
    assert again.objects()[0]["submission"]["id"] in new
    assert await count(house) == 2


async def test_it_is_waited_for_and_the_outcome_is_the_exit_status(
    house: Daemon, tmp_path: Path
) -> None:
    """Refused by the upstream, so that no rest of the lane stands before the retries."""
    refused = PostResult(PostKind.REFUSED, "not_found", 404)
    house.upstream.ends = [(refused, None), (refused, None)]
    ended = await cli(tmp_path, "submit", "-", "cv.pdf", "--wait", "--json", stdin=CODE.encode())
    assert ended.status == 5
    name = str(ended.objects()[0]["id"])
    ended = await cli(tmp_path, "retry", name, "cv.docx", "--wait")
    assert (ended.status, ended.err) == (5, "")
    drift, _, new = ended.out.partition("\n\n")
    assert "the one given here" in drift
    assert "rejected" in new and f"retry of     {name}" in new
    ended = await cli(tmp_path, "retry", name, "cv.docx", "--wait", "--json")
    (told,) = ended.objects()
    assert (ended.status, told["submission"]["outcome"]) == (0, "confirmed")
    assert told["submission"]["retry_of"] == told["retry_of"]["id"] == name
    content = (tmp_path / "cv.docx").read_bytes()
    assert house.upstream.posted[-1][1:] == (content, "cv.docx")


async def test_what_speaks_against_it_is_said_with_what_to_do(
    house: Daemon, tmp_path: Path
) -> None:
    name = await unconfirmed(house)
    house.upstream.posted.append((CODE, b"", ""))  # The record moves.
    ended = await cli(tmp_path, "retry", name)
    assert ended.status == 6
    assert "has moved since it was sent" in ended.out and "record moved" in ended.out
    assert "not sent again: it was applied, by what is known now" in ended.err
    assert "--force" in ended.err
    dry = await cli(tmp_path, "retry", name, "--dry-run", "--force", "cv.pdf")
    assert (dry.status, dry.err) == (0, "")
    assert "--force: sent all the same" in " ".join(dry.out.split())
    assert f"pdf, {len(PDF)} bytes: would be sent" in dry.out
    assert await count(house) == 1
    house.upstream.open.clear()
    forced = await cli(tmp_path, "retry", name, "--force", "--json")
    assert forced.status == 0, forced.err
    new = forced.objects()[0]["submission"]["id"]
    ended = await cli(tmp_path, "retry", name, "--json")
    assert (ended.status, ended.objects()[0]["objection"]) == (6, "evidence_improved")
    ended = await cli(tmp_path, "retry", new, "--force")
    assert (ended.status, await count(house)) == (75, 2)
    assert f"cv-listener cancel {new}" in ended.err
    house.upstream.open.set()


async def test_a_file_that_is_gone_is_asked_for(house: Daemon, tmp_path: Path) -> None:
    name = await unconfirmed(house)
    (house.spool / name).unlink()
    for more, status in ([], 64), (["--force"], 64), (["cv.txt"], 64), (["absent.pdf"], 64):
        ended = await cli(tmp_path, "retry", name, *more)
        assert ended.status == status
        said = "FILE" if not more or more == ["--force"] else more[0].replace("cv.txt", "no PDF")
        assert said in ended.err
    dry = await cli(tmp_path, "retry", name, "cv.txt", "--dry-run", "--json")
    (told,) = dry.objects()
    assert (dry.status, told["objection"], told["file"]) == (64, None, "sent")
    assert "something else inside" in told["looked_at"]["problem"]
    assert await count(house) == 1
