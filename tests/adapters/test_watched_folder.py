"""The watched folder, with the whole of the daemon behind it."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from listener import Listener, load_settings
from listener.adapters.private import write_private
from listener.adapters.watch import files, folder
from listener.emulator import Emulator, Options

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
        path = self.folder / shelf / files._beside(name)
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

    def left(self) -> set[str]:
        return {path.name for path in self.folder.iterdir() if path.is_file()}


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
        await house.until(lambda: not list((house.folder / "accepted").iterdir()))
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


async def test_a_crash_between_acceptance_and_move_submits_nothing_twice(
    tmp_path: Path, upstream: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failed = files.Shelves.accept, 0

    def accept(self: files.Shelves, name: str, result: Any) -> None:
        nonlocal failed
        failed += 1
        if failed < 3:
            raise OSError(5, "the disk is unwell")
        real(self, name, result)

    monkeypatch.setattr(files.Shelves, "accept", accept)
    async with watched(tmp_path, upstream) as house:
        house.put("one.pdf")
        await house.result("done", "one.pdf")
        assert len(upstream.ledger.posts("one")) == 1
        assert len(house.events("submission.accepted")) == 1
        assert len(house.events("watch.file_failed")) == 2


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
        await house.until(lambda: not list((house.folder / "accepted").iterdir()))


@pytest.mark.parametrize("name", ["%41" * 80 + "ab.pdf", "a." + "b" * 250, "\u00e9" * 125 + ".pdf"])
def test_the_longest_name_has_a_number_too(tmp_path: Path, name: str) -> None:
    """Its result has room for a part of it alone."""
    shelves = files.Shelves(tmp_path)
    shelves.prepare()
    for number in range(3):
        (tmp_path / name).write_bytes(PDF)
        shelves.key_of(files.Found(name, 1, number))
        shelves.refuse(name, {"number": number})
    there = [path for path in shelves.refused.iterdir() if not path.name.endswith(files.RESULT)]
    results = [json.loads((shelves.refused / files._beside(p.name)).read_text()) for p in there]
    assert sorted(told["number"] for told in results) == [0, 1, 2]
    assert not list(shelves.accepted.iterdir())


@pytest.mark.parametrize("survived", range(1, 6))
def test_a_crash_at_any_step_of_a_move_is_finished_by_the_next_start(
    tmp_path: Path, survived: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelves = files.Shelves(tmp_path)
    shelves.prepare()
    (tmp_path / "one.pdf").write_bytes(PDF)
    (tmp_path / "one.pdf.code").write_text(CODE)
    found = files.Found("one.pdf", len(PDF), 1)
    key, steps = shelves.key_of(found), 0

    def dying(step: Callable[..., None]) -> Callable[..., None]:
        def taken(*given: Any) -> None:
            nonlocal steps
            steps += 1
            if steps == survived:
                raise KeyboardInterrupt
            step(*given)

        return taken

    with monkeypatch.context() as patched:
        patched.setattr(files, "write_private", dying(write_private))
        patched.setattr(files, "_move", dying(files._move))
        with pytest.raises(KeyboardInterrupt):
            shelves.accept("one.pdf", {"id": "an-id"})
    after = files.Shelves(tmp_path)
    after.prepare()
    if (tmp_path / "one.pdf").exists():
        assert after.key_of(found) == key, "it would be another submission"
        after.accept("one.pdf", {"id": "an-id"})
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == []
    assert list(after.open_ones()) == [("one.pdf", "an-id")]
    after.finish("one.pdf", after.done, {"id": "an-id", "outcome": "confirmed"})
    assert {path.name for path in after.done.iterdir()} == {
        *("one.pdf", "one.pdf.code", "one.pdf.result.json"),
    }
    assert not list(after.accepted.iterdir())


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
    assert "secret" not in repr(files.Found("secret.pdf", 1, 1))


def test_a_folder_of_this_machine_is_on_no_network(tmp_path: Path) -> None:
    assert not files.on_network(tmp_path)
