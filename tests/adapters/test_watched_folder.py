"""The watched folder, with the whole of the daemon behind it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import pytest

from listener import Listener, load_settings
from listener.adapters.folders import sync_folder
from listener.adapters.watch import files, folder, names, shelves
from listener.core.names import CvCode
from listener.emulator import Emulator, Options
from listener.service.front import ServiceFront

CODE = "Cv9E#nH4$xTz8!pY2aW^mK6rL"
NAME = "Cv9E%23nH4%24xTz8%21pY2aW%5EmK6rL"
PDF = b"%PDF-1.7\n" + b"x" * 400 + b"\n%%EOF\n"


@dataclass(slots=True)
class House:
    """A watched folder, the upstream behind it, and what the log said."""

    folder: Path
    upstream: Emulator
    log: io.StringIO

    def put(self, name: str, content: bytes = PDF) -> None:
        """As one should: written elsewhere, then moved in."""
        partial = self.folder / f".{name}"
        partial.write_bytes(content)
        partial.rename(self.folder / name)

    async def result(self, shelf: str, name: str) -> dict[str, Any]:
        """What lies beside the file, once that is there."""
        path = self.folder / shelf / names.result_of(name)
        await self.until((self.folder / shelf / name).exists)
        told: dict[str, Any] = json.loads(path.read_text())
        return told

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(40):
            while not holds():  # noqa: ASYNC110  a folder tells nobody
                await asyncio.sleep(0.02)

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = (json.loads(line) for line in self.log.getvalue().splitlines())
        return [line for line in lines if line["event"] == name]

    def nothing_open(self) -> bool:
        return not beside_the_lock(self.folder / "accepted")

    def left(self) -> set[str]:
        return {path.name for path in self.folder.iterdir() if path.is_file()}


def beside_the_lock(shelf: Path) -> list[Path]:
    return [path for path in shelf.iterdir() if path.name != shelves.LOCK]


@asynccontextmanager
async def watched(
    tmp_path: Path, upstream: Emulator, log: io.StringIO | None = None, **changes: str
) -> AsyncIterator[House]:
    place, said = tmp_path / "incoming", io.StringIO() if log is None else log
    place.mkdir(exist_ok=True)
    settings = load_settings(
        {
            "CV_API_BASE_URL": upstream.base_url,
            "CV_SOCKET_URL": upstream.socket_url,
            "CV_STATE_DIR": str(tmp_path / "state"),
            "CV_LOG_FORMAT": "json",
            "CV_SPOOL_WATCH": str(place),
            "CV_SPOOL_WATCH_SETTLE": "0.2",
            **changes,
        },
        dotenv=None,
    )
    async with Listener(settings, watch=True, log=said):
        yield House(place, upstream, said)


@pytest.fixture
async def upstream() -> AsyncIterator[Emulator]:
    async with Emulator(Options(extract=False)) as one:
        yield one


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "LOOK_S", 0.1)
    monkeypatch.setattr(folder, "RETRY_S", 0.1)


async def test_a_file_named_after_its_code_ends_done(tmp_path: Path, upstream: Emulator) -> None:
    async with watched(tmp_path, upstream) as house:
        house.put(f"{NAME}.pdf")
        told = await house.result("done", f"{NAME}.pdf")
        assert (told["outcome"], told["attempts"]) == ("confirmed", 1)
        assert CODE not in json.dumps(told)
        assert house.left() == set()
        await house.until(house.nothing_open)
        [post] = upstream.ledger.posts(CODE)
        assert (post.file_name or "").startswith("cv")
        assert (house.folder / "done" / f"{NAME}.pdf").read_bytes() == PDF
    assert CODE not in house.log.getvalue()
    assert NAME not in house.log.getvalue()


@pytest.mark.parametrize("poll", ["on", "off"])
async def test_a_sidecar_names_the_code(tmp_path: Path, upstream: Emulator, poll: str) -> None:
    async with watched(tmp_path, upstream, CV_SPOOL_WATCH_POLL=poll) as house:
        (house.folder / "resume.pdf.code").write_text(CODE + "\n")
        house.put("resume.pdf")
        assert (await house.result("done", "resume.pdf"))["outcome"] == "confirmed"
        assert [post.file_name for post in upstream.ledger.posts(CODE)] == ["resume.pdf"]
        await house.until((house.folder / "done" / "resume.pdf.code").exists)
        assert house.events("watch.opened")[0]["polled"] == (poll == "on")
        # The same again is another update.
        (house.folder / "resume.pdf.code").write_text(CODE + "\n")
        house.put("resume.pdf")
        assert (await house.result("done", "resume (2).pdf"))["outcome"] == "confirmed"
        assert len(upstream.ledger.posts(CODE)) == 2


async def test_what_is_still_being_written_waits(tmp_path: Path, upstream: Emulator) -> None:
    async with watched(tmp_path, upstream) as house:
        growing = house.folder / "growing.pdf"
        with growing.open("wb") as stream:
            for _ in range(8):
                stream.write(PDF[:-7])
                stream.flush()
                await asyncio.sleep(0.1)
            await asyncio.sleep(0.5)  # quiet for longer than it takes to settle, and not whole
            assert house.left() == {"growing.pdf"}
            stream.write(PDF[-7:])
        (house.folder / "named.pdf.part").write_bytes(PDF)
        (house.folder / ".hidden.pdf").write_bytes(PDF)
        (house.folder / "link.pdf").symlink_to(house.folder / "named.pdf.part")
        told = await house.result("done", "growing.pdf")
        assert told["outcome"] == "confirmed"
        [post] = upstream.ledger.posts("growing")
        assert post.size == 8 * len(PDF[:-7]) + 7
        assert house.left() == {"named.pdf.part", ".hidden.pdf", "link.pdf"}


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("%00.pdf", PDF, "control_character"),
        ("%ff.pdf", PDF, "not_text"),
        ("%2E%2E.pdf", PDF, "dots"),
        ("x" * 200 + "%F0%9F%98%80" * 4 + ".pdf", PDF, None),
        ("no-cv.pdf", b"MZ a program %%EOF", "not_pdf_or_docx"),
        ("large.pdf", PDF + b"x" * 6_000_000 + b"%%EOF", "too_large"),
    ],
)
async def test_what_cannot_be_one_is_refused_with_its_reason(
    tmp_path: Path, upstream: Emulator, name: str, content: bytes, reason: str | None
) -> None:
    async with watched(tmp_path, upstream) as house:
        house.put(name, content)
        if reason is None:
            assert (await house.result("done", name))["outcome"] == "confirmed"
            return
        told = await house.result("refused", name)
        assert told["refused"] == reason
        assert told["detail"].startswith("expected")
        await house.until(lambda: bool(house.events("watch.file_refused")))
        assert [line["reason"] for line in house.events("watch.file_refused")] == [reason]
        assert house.left() == set()
        assert not upstream.ledger.posts()


@pytest.mark.parametrize("poll", ["on", "off"])
async def test_a_name_may_be_anything_that_the_system_lets_it_be(
    tmp_path: Path, upstream: Emulator, poll: str
) -> None:
    """A pattern, a line, or no text at all: none of them ends the daemon or hides the next file."""
    patterns = ["a**b.pdf", "*.pdf", "[a.pdf", "?.pdf"]
    refused = ["\udcff\udcfe.pdf", "line\nbreak.pdf"]
    async with watched(tmp_path, upstream, CV_SPOOL_WATCH_POLL=poll) as house:
        for name in (*refused, *patterns):
            house.put(name)
        await house.until(lambda: len(list(house.folder.glob("done/*"))) == 8)
        await house.until(lambda: len(list(house.folder.glob("refused/*"))) == 4)
        assert sorted(post.code for post in upstream.ledger.posts()) == sorted(
            name.removesuffix(".pdf") for name in patterns
        )
        assert house.events("watch.failed") == []


async def test_a_busy_lane_refuses_where_its_policy_says_so(
    tmp_path: Path, upstream: Emulator
) -> None:
    async with watched(tmp_path, upstream, CV_LANE_POLICY="reject") as house:
        upstream.socket.pause()
        house.put("one.pdf")
        await house.result("accepted", "one.pdf")
        house.put("one.docx")
        assert (await house.result("refused", "one.docx"))["refused"] == "lane_busy"
        upstream.socket.resume()
        assert (await house.result("done", "one.pdf"))["outcome"] == "confirmed"


async def test_a_disk_that_fails_between_acceptance_and_move_submits_nothing_twice(
    tmp_path: Path, upstream: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failed = shelves.Shelves.accept, 0

    def accept(self: shelves.Shelves, *given: Any) -> None:
        nonlocal failed
        failed += 1
        if failed < 3:
            raise OSError(5, "the disk is unwell")
        real(self, *given)

    monkeypatch.setattr(shelves.Shelves, "accept", accept)
    async with watched(tmp_path, upstream) as house:
        house.put("one.pdf")
        await house.result("done", "one.pdf")
        assert len(upstream.ledger.posts("one")) == 1
        assert len(house.events("submission.accepted")) == 1
        assert len(house.events("watch.file_failed")) == 1, "it is told once"


async def test_a_name_that_is_open_already_is_put_beside_it(
    tmp_path: Path, upstream: Emulator
) -> None:
    """A code is a name, so two updates of one CV have the same."""
    async with watched(tmp_path, upstream) as house:
        upstream.socket.pause()
        house.put("one.pdf", PDF)
        first = await house.result("accepted", "one.pdf")
        house.put("one.pdf", PDF[:-7] + b"2" + PDF[-7:])
        second = await house.result("accepted", "one (2).pdf")
        assert first["id"] != second["id"]
        upstream.socket.resume()
        for name, one in (("one.pdf", first), ("one (2).pdf", second)):
            told = await house.result("done", name)
            assert (told["id"], told["outcome"]) == (one["id"], "confirmed")
        assert (house.folder / "done/one.pdf").read_bytes() == PDF
        await house.until(house.nothing_open)


@pytest.mark.parametrize("name", ["%41" * 80 + "ab.pdf", "a." + "b" * 250, "\u00e9" * 125 + ".pdf"])
def test_the_longest_name_has_a_number_too(tmp_path: Path, name: str) -> None:
    """Its result has room for a part of it alone."""
    here = shelves.Shelves(tmp_path)
    here.prepare()
    for number in range(3):
        (tmp_path / name).write_bytes(PDF)
        here.refuse(claimed(here), str(number), "")
    there = [path for path in here.refused.iterdir() if not path.name.endswith(names.RESULT)]
    results = [json.loads((here.refused / names.result_of(p.name)).read_text()) for p in there]
    assert sorted(told["refused"] for told in results) == ["0", "1", "2"]
    assert not beside_the_lock(here.accepted)
    here.release()


def claimed(here: shelves.Shelves) -> shelves.Claim:
    """The one file that lies there."""
    [found] = files.waiting(here.folder)
    claim = here.claim(found)
    assert claim is not None
    return claim


class Dead(BaseException):
    """What a killed process does no more."""


def a_life(folder: Path, submitted: dict[str, str]) -> None:
    """All that is done with what lies there. ``submitted``: a journal, by idempotency key."""
    here = shelves.Shelves(folder)
    try:
        claims = here.prepare()
        for claim in claims or [
            claim for one in files.waiting(folder) if (claim := here.claim(one))
        ]:
            assert files.code_for(claim.file) == (CODE, "one.pdf")
            submission = submitted.setdefault(claim.key, f"id-{len(submitted)}")
            here.accept(claim, submission, {"id": submission})
        for claim in list(here.open.values()):
            here.finish(claim, here.done, {"id": claim.id, "outcome": "confirmed"})
    finally:
        here.release()


@pytest.mark.parametrize("links", [True, False])
def test_a_crash_at_any_step_is_finished_by_the_next_start(
    tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = 0

    def dying(step: Callable[..., Any]) -> Callable[..., Any]:
        def taken(*given: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise Dead
            if step is os.link and not links:
                raise OSError(95, "no links on this disk")
            return step(*given, **named)

        return taken

    for steps in range(1, 60):
        folder = tmp_path / str(steps)
        submitted: dict[str, str] = {}
        folder.mkdir()
        (folder / "one.pdf.code").write_text(CODE)
        (folder / "one.pdf").write_bytes(PDF)
        left = steps
        with monkeypatch.context() as patched, contextlib.suppress(Dead):
            for name in ("rename", "replace", "unlink", "rmdir"):
                patched.setattr(Path, name, dying(getattr(Path, name)))
            patched.setattr(os, "link", dying(os.link))
            patched.setattr(shelves, "sync_folder", dying(sync_folder))
            a_life(folder, submitted)
            break
        for _ in range(2):
            a_life(folder, submitted)
        assert len(submitted) == 1, f"it would be another submission ({steps})"
        assert [path.name for path in folder.iterdir() if path.is_file()] == []
        assert {path.name for path in (folder / "done").iterdir()} == {
            *("one.pdf", "one.pdf.code", "one.pdf.result.json"),
        }, steps
        assert (folder / "done" / "one.pdf").read_bytes() == PDF
        told = json.loads((folder / "done" / "one.pdf.result.json").read_text())
        assert told == {"id": "id-0", "outcome": "confirmed"}
        assert not beside_the_lock(folder / "accepted")
    assert 15 < steps < 59


def test_a_newer_file_of_that_name_is_another_one(tmp_path: Path) -> None:
    """Whenever it comes: it is never taken for the one before it, nor its code for that one's."""
    here = shelves.Shelves(tmp_path)
    here.prepare()

    def put(name: str, content: bytes) -> None:
        (tmp_path / f".{name}").write_bytes(content)
        (tmp_path / f".{name}").rename(tmp_path / name)

    def pair(number: bytes) -> files.Found:
        put("one.pdf.code", b"code " + number)
        put("one.pdf", b"%PDF " + number)
        [found] = files.waiting(tmp_path)
        return found

    claim = here.claim(pair(b"1"))
    assert claim is not None
    pair(b"2, the newer")
    here.accept(claim, "id-1", {"id": "id-1"})
    assert (here.accepted / "one.pdf").read_bytes() == b"%PDF 1"
    assert (here.accepted / "one.pdf.code").read_bytes() == b"code 1"
    assert (tmp_path / "one.pdf").read_bytes() == b"%PDF 2, the newer"
    # Found, and replaced before it was claimed: wholly, or its code alone as yet.
    found = pair(b"3")
    pair(b"4, the newer")
    assert here.claim(found) is None
    found = pair(b"5")
    put("one.pdf.code", b"code 6, the newer")
    assert here.claim(found) is None
    [found] = files.waiting(tmp_path)
    assert found.code_came_last
    assert (tmp_path / "one.pdf").read_bytes() == b"%PDF 5"
    assert (tmp_path / "one.pdf.code").read_bytes() == b"code 6, the newer"
    # One that is put back over nothing: what came meanwhile stays.
    claim = here.claim(found)
    assert claim is not None
    pair(b"7")
    here.put_back(claim)
    assert (tmp_path / "one.pdf").read_bytes() == b"%PDF 7"
    assert (tmp_path / "one.pdf.code").read_bytes() == b"code 7"
    assert (here.refused / "one.pdf").read_bytes() == b"%PDF 5"
    assert (here.refused / "one.pdf.code").read_bytes() == b"code 6, the newer"
    assert json.loads((here.refused / "one.pdf.result.json").read_text())["refused"] == "replaced"
    here.release()


async def test_a_sidecar_that_is_no_plain_file_holds_up_nothing(
    tmp_path: Path, upstream: Emulator
) -> None:
    """A pipe waits for ever, and a link may lead to the daemon's own token."""
    (tmp_path / "token").write_text("a-secret")
    async with watched(tmp_path, upstream) as house:
        for number in range(5):
            os.mkfifo(house.folder / f"pipe {number}.pdf.code")
        (house.folder / "link.pdf.code").symlink_to(tmp_path / "token")
        (house.folder / "folder.pdf.code").mkdir()
        odd = [*(f"pipe {number}.pdf" for number in range(5)), "link.pdf", "folder.pdf"]
        for name in odd:
            house.put(name)
        (house.folder / "resume.pdf.code").write_bytes(b"\xef\xbb\xbfone\r\n")
        house.put("resume.pdf")
        assert (await house.result("done", "resume.pdf"))["outcome"] == "confirmed"
        for name in odd:
            assert (await house.result("refused", name))["refused"] == "not_a_file"
        assert [post.code for post in upstream.ledger.posts()] == ["one"]
        assert house.left() == set()
        assert house.events("watch.failed") == house.events("watch.file_failed") == []


async def test_a_file_that_cannot_be_read_or_moved_stays_and_stops_no_other(
    tmp_path: Path, upstream: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user's, that is, in a folder like /tmp: it is not sent, again and again."""
    opened, renamed = os.open, Path.rename

    def open_(path: Any, *given: Any, **named: Any) -> int:
        if str(path).endswith("locked.pdf"):
            raise PermissionError(13, "not yours")
        return opened(path, *given, **named)

    def rename(self: Path, target: Path) -> Path:
        if self.name == "stuck.pdf":
            raise PermissionError(1, "not yours")
        return renamed(self, target)

    async with watched(tmp_path, upstream) as house:
        with monkeypatch.context() as patched:
            patched.setattr(os, "open", open_)
            (house.folder / "stuck.pdf.code").write_text("stuck")
            for name in ("locked.pdf", "stuck.pdf"):
                (house.folder / name).write_bytes(PDF)
            patched.setattr(Path, "rename", rename)
            house.put("one.pdf")
            assert (await house.result("done", "one.pdf"))["outcome"] == "confirmed"
            await house.until(lambda: len(house.events("watch.file_failed")) == 2)
            await asyncio.sleep(0.5)  # it is tried again meanwhile
            assert house.left() == {"locked.pdf", "stuck.pdf", "stuck.pdf.code"}
            assert len(house.events("watch.file_failed")) == 2, "each is told once"
            assert house.events("watch.failed") == []
            assert [post.code for post in upstream.ledger.posts()] == ["one"]
        for name in ("locked.pdf", "stuck.pdf"):
            assert (await house.result("done", name))["outcome"] == "confirmed"


async def test_a_fault_of_ours_sets_its_file_aside(
    tmp_path: Path, upstream: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = ServiceFront.submit

    async def faulty(self: ServiceFront, code: str, *given: Any, **named: Any) -> Any:
        if code == "bad":
            raise RuntimeError("nobody foresaw it")
        return await submit(self, code, *given, **named)

    def faulty_too(self: shelves.Shelves, found: files.Found) -> shelves.Claim | None:
        if found.name == "worse.pdf":
            raise RuntimeError("nor this")
        return claim(self, found)

    claim = shelves.Shelves.claim
    monkeypatch.setattr(ServiceFront, "submit", faulty)
    monkeypatch.setattr(shelves.Shelves, "claim", faulty_too)
    async with watched(tmp_path, upstream) as house:
        house.put("worse.pdf")
        await house.until(lambda: bool(house.events("watch.file_failed")))
        house.put("bad.pdf")
        told = await house.result("refused", "bad.pdf")
        assert (told["refused"], "RuntimeError" in told["detail"]) == ("fault", True)
        house.put("one.pdf")
        assert (await house.result("done", "one.pdf"))["outcome"] == "confirmed"


async def test_of_one_code_the_older_file_goes_first(
    tmp_path: Path, upstream: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "BLOCK", 1024)
    (tmp_path / "incoming").mkdir()
    for number in range(2):
        # Older, and so large that it takes longer.
        for age, name, size in ((900, "docx", 1_000_000), (800, "pdf", 10)):
            path = tmp_path / "incoming" / f"pair{number}.{name}"
            path.write_bytes(PDF + b"%" * size + b"%%EOF")
            os.utime(path, (time.time() - age, time.time() - age))
    async with watched(tmp_path, upstream) as house:
        await house.until(lambda: len(list(house.folder.glob("done/*.json"))) == 4)
        for number in range(2):
            sizes = [post.size or 0 for post in upstream.ledger.posts(f"pair{number}")]
            assert sizes == sorted(sizes, reverse=True), number


async def test_a_folder_is_one_daemons(tmp_path: Path, upstream: Emulator) -> None:
    other = io.StringIO()
    async with watched(tmp_path, upstream) as house:
        await house.until(lambda: bool(house.events("watch.opened")))
        elsewhere = str(tmp_path / "other state")
        async with watched(tmp_path, upstream, other, CV_STATE_DIR=elsewhere) as second:
            await second.until(lambda: bool(second.events("watch.failed")))
            [failed] = second.events("watch.failed")
            assert failed["error_type"] == "FolderHeld"
            house.put("one.pdf")
            assert (await house.result("done", "one.pdf"))["outcome"] == "confirmed"
            assert second.events("submission.accepted") == []


async def test_a_crash_long_ago_submits_nothing_twice(
    tmp_path: Path, upstream: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was accepted, and before that was noted all ended, for longer than a key is kept."""

    def failing(*_: Any) -> None:
        raise OSError(5, "the disk is unwell")

    with monkeypatch.context() as patched:
        patched.setattr(shelves.Shelves, "accept", failing)
        async with watched(tmp_path, upstream) as house:
            house.put("one.pdf")
            await upstream.ledger.until(lambda ledger: bool(ledger.posts("one")))
            await house.until(lambda: bool(house.events("watch.file_failed")))
    long_ms = 3 * 86_400_000
    soon = {"CV_CONFIRM_TIMEOUT": "3", "CV_SETTLE_PERIOD": "2", "CV_ENQUIRIES": "1"}
    db = apsw.Connection(str(tmp_path / "state" / "journal.db"))
    db.execute("UPDATE idempotency SET created_ms = created_ms - ?", (long_ms,))
    db.close()
    [note] = (tmp_path / "incoming" / "accepted").glob(".*/.note")
    told = json.loads(note.read_text())
    note.write_text(json.dumps(told | {"since_ms": told["since_ms"] - long_ms}))
    async with watched(tmp_path, upstream, None, **soon) as again:
        # Whether its event was heard before the end decides between the two.
        assert (await again.result("done", "one.pdf"))["outcome"] in ("confirmed", "presumed")
        assert len(upstream.ledger.posts("one")) == 1


async def test_what_another_journal_knows_is_left_to_it(tmp_path: Path, upstream: Emulator) -> None:
    upstream.socket.pause()
    async with watched(tmp_path, upstream) as house:
        house.put("one.pdf")
        await house.result("accepted", "one.pdf")
    async with watched(tmp_path, upstream, CV_STATE_DIR=str(tmp_path / "another")) as other:
        await other.until(lambda: bool(other.events("watch.file_failed")))
        await asyncio.sleep(0.3)
        [failed] = other.events("watch.file_failed")
        assert failed["error_type"] == "OfAnotherJournal"
        assert (other.folder / "accepted" / "one.pdf").exists()


async def test_what_is_open_at_the_end_is_put_away_by_the_next(
    tmp_path: Path, upstream: Emulator
) -> None:
    upstream.socket.pause()
    async with watched(tmp_path, upstream) as house:
        house.put("one.pdf")
        told = await house.result("accepted", "one.pdf")
        assert told["outcome"] is None
        await upstream.ledger.until(lambda ledger: bool(ledger.posts("one")))
    upstream.socket.resume()
    async with watched(tmp_path, upstream, CV_CONFIRM_TIMEOUT="1") as again:
        shelf = again.folder
        await again.until(
            lambda: (shelf / "done/one.pdf").exists() or (shelf / "unresolved/one.pdf").exists()
        )
        assert len(upstream.ledger.posts("one")) == 1


async def test_a_folder_that_goes_and_comes_back_is_told_once_each(
    tmp_path: Path, upstream: Emulator
) -> None:
    async with watched(tmp_path, upstream) as house:
        await house.until(lambda: bool(house.events("watch.opened")))
        house.folder.rename(tmp_path / "away")
        await house.until(lambda: bool(house.events("watch.failed")))
        (tmp_path / "away").rename(house.folder)
        house.put("one.pdf")
        assert (await house.result("done", "one.pdf"))["outcome"] == "confirmed"
        assert len(house.events("watch.failed")) == 1
        [restored] = house.events("watch.restored")
        assert restored["failures"] >= 1
        assert restored["duration_ms"] > 0


def test_a_code_or_a_name_is_no_part_of_a_repr() -> None:
    assert "secret" not in repr(files.Found("secret.pdf", (1, 1)))
    claim = shelves.Claim(Path("x"), "secret.pdf", (1, 1), 1, taken="secret", code=CvCode("secret"))
    assert "secret" not in repr(claim)


def test_a_folder_of_this_machine_is_on_no_network(tmp_path: Path) -> None:
    assert not files.on_network(tmp_path)
