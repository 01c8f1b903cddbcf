"""``Listener``: the whole of it in somebody else's program."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from listener import (
    InvalidCode,
    InvalidFile,
    JournalFault,
    JournalLocked,
    Listener,
    Outcome,
    Settings,
    SubmissionDeclined,
    load_settings,
)
from listener.adapters.journal_sqlite import SqliteJournal
from listener.core.names import Millis
from listener.embedded import submit_once
from listener.emulator import Emulator, Options
from listener.ports.journal import Query
from tests.cli.terminal import cli, end, start
from tests.service.test_retention import closed

PDF = b"%PDF-1.7 a small one"
CODE = "Cv9E#nH4$xTz8!pY2aW^mK6rL"


def settings_for(upstream: Emulator, folder: Path, **changes: str) -> Settings:
    return load_settings(
        {
            "CV_API_BASE_URL": upstream.base_url,
            "CV_SOCKET_URL": upstream.socket_url,
            "CV_STATE_DIR": str(folder / "state"),
            "CV_INTAKE_PORT": "0",
            "CV_LOG_FORMAT": "json",
            **changes,
        },
        dotenv=None,
    )


@asynccontextmanager
async def listening(
    folder: Path, log: io.StringIO, **changes: str
) -> AsyncIterator[tuple[Listener, Emulator]]:
    async with (
        Emulator(Options(extract=False)) as upstream,
        Listener(settings_for(upstream, folder, **changes), log=log) as listener,
    ):
        yield listener, upstream


async def test_a_path_bytes_and_an_open_file_end_confirmed(tmp_path: Path) -> None:
    path, log = tmp_path / "resume.pdf", io.StringIO()
    path.write_bytes(PDF)
    async with listening(tmp_path, log) as (listener, upstream):
        with path.open("rb") as opened:
            handles = [
                await listener.submit("one", path),
                await listener.submit("two", PDF, name="named.pdf"),
                await listener.submit("three", opened),
                await listener.submit(CODE, str(path)),
            ]
            assert not opened.closed
        outcomes = await asyncio.gather(*(handle.outcome() for handle in handles))
        assert outcomes == [Outcome.CONFIRMED] * 4
        shown = await handles[0].submission()
        assert (shown["outcome"], shown["id"]) == ("confirmed", handles[0].id)
        names = [upstream.ledger.posts(code)[0].file_name for code in ("one", "two", "three")]
        assert names == ["resume.pdf", "named.pdf", "resume.pdf"]
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert sum(line["event"] == "submission.closed" for line in lines) == 4
    assert CODE not in log.getvalue()


async def test_a_name_that_is_no_text_is_a_name(tmp_path: Path) -> None:
    """As old archives and shares have them: what can be told of it is told."""
    path = tmp_path / os.fsdecode(b"r\xe9sum\xe9.pdf")
    path.write_bytes(PDF)
    async with listening(tmp_path, io.StringIO()) as (listener, upstream):
        handles = [
            await listener.submit("one", path),
            await listener.submit("two", PDF, name="\udcff"),
        ]
        assert [await handle.outcome() for handle in handles] == ["confirmed"] * 2
        names = [upstream.ledger.posts(code)[0].file_name for code in ("one", "two")]
        assert names == ["rsum.pdf", "cv.pdf"]


async def test_what_is_left_open_is_taken_up_by_the_next(tmp_path: Path) -> None:
    log = io.StringIO()
    async with Emulator(Options(extract=False)) as upstream:
        settings = settings_for(upstream, tmp_path)
        upstream.socket.pause()
        async with Listener(settings, log=log) as listener:
            left = await listener.submit("left", PDF)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await left.outcome()
        async with Listener(settings, log=log) as listener:
            await upstream.ledger.until(
                lambda told: sum(entry.what == "connected" for entry in told.sockets()) == 2
            )
            upstream.socket.resume()
            assert await listener.handle(left.id).outcome() == "confirmed"
            with pytest.raises(LookupError):
                await listener.handle("0199a1b2-0000-7000-8000-000000000000").outcome()


async def test_what_cannot_be_taken_is_said_and_not_stored(tmp_path: Path) -> None:
    async with listening(tmp_path, io.StringIO(), CV_LANE_POLICY="reject") as (listener, upstream):
        with pytest.raises(InvalidCode):
            await listener.submit("..", PDF)
        with pytest.raises(InvalidFile):
            await listener.submit("one", b"no cv at all")
        upstream.socket.pause()
        await listener.submit("one", PDF, idempotency_key="k")
        with pytest.raises(SubmissionDeclined, match="lane_busy") as caught:
            await listener.submit("one", PDF + b" another")
        assert caught.value.reason == "lane_busy"
        again = await listener.submit("one", PDF, idempotency_key="k")
        assert again.repeated
        upstream.socket.resume()


async def test_a_state_folder_has_one_master(tmp_path: Path) -> None:
    async with Emulator(Options(extract=False)) as upstream:
        settings = settings_for(upstream, tmp_path)
        async with Listener(settings, log=io.StringIO()):
            with pytest.raises(JournalLocked):
                async with Listener(settings, log=io.StringIO()):
                    pass


async def test_the_watched_folder_is_not_its_own_unless_it_is_asked_to(tmp_path: Path) -> None:
    """A daemon beside it, with the same settings and another journal, may be at those files."""
    (tmp_path / "cvs").mkdir()
    (tmp_path / "cvs" / "one.pdf").write_bytes(PDF)
    os.utime(tmp_path / "cvs" / "one.pdf", (1, 1))
    watched = {"CV_SPOOL_WATCH": str(tmp_path / "cvs")}
    async with listening(tmp_path, io.StringIO(), **watched) as (listener, upstream):
        await (await listener.submit("two", PDF)).outcome()
        assert [path.name for path in (tmp_path / "cvs").iterdir()] == ["one.pdf"]
        assert not upstream.ledger.posts("one")


async def test_an_error_of_the_program_comes_out_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with listening(tmp_path, io.StringIO()):
            _ = 1 / 0


async def test_a_group_of_the_program_comes_out_as_it_went_in(tmp_path: Path) -> None:
    class Tripped(ValueError):
        """The program's."""

    mine = ExceptionGroup("mine", [Tripped(), InvalidFile("empty", "one of ours")])
    with pytest.raises(ExceptionGroup) as caught:
        async with listening(tmp_path, io.StringIO()):
            raise mine
    assert caught.value is mine

    async def trip() -> None:
        raise Tripped

    with pytest.raises(ExceptionGroup) as caught:
        async with listening(tmp_path, io.StringIO()), asyncio.TaskGroup() as group:
            group.create_task(trip())
    assert [type(one) for one in caught.value.exceptions] == [Tripped]


async def test_an_address_that_is_taken_is_told_as_it_is(tmp_path: Path) -> None:
    async with Emulator(Options(extract=False)) as upstream:
        first = settings_for(upstream, tmp_path / "one")
        async with Listener(first, web=True, log=io.StringIO()):
            told = json.loads((tmp_path / "one" / "state" / "intake.json").read_text())
            taken = {"CV_INTAKE_PORT": str(told["port"])}
            second = settings_for(upstream, tmp_path / "two", **taken)
            with pytest.raises(OSError, match="in use"):
                async with Listener(second, web=True, log=io.StringIO()):
                    pass


async def test_a_file_of_text_is_told_to_be_one(tmp_path: Path) -> None:
    async with listening(tmp_path, io.StringIO()) as (listener, _):
        with pytest.raises(TypeError, match="binary mode"):
            await listener.submit("one", io.StringIO("%PDF-1.7"))  # type: ignore[arg-type]  # it is what is to be refused


async def test_a_fault_of_the_journal_ends_the_block(tmp_path: Path) -> None:
    async def program() -> None:
        async with listening(tmp_path, io.StringIO()) as (listener, _):
            (tmp_path / "state" / "journal.db").rename(tmp_path / "elsewhere.db")
            await listener.submit("one", PDF)
            await asyncio.Event().wait()

    with pytest.raises(JournalFault, match="journal"):
        await program()


async def test_outside_of_its_block_it_says_so(tmp_path: Path) -> None:
    async with Emulator(Options(extract=False)) as upstream:
        listener = Listener(settings_for(upstream, tmp_path), log=io.StringIO())
        with pytest.raises(RuntimeError, match="async with"):
            await listener.submit("one", PDF)
        async with listener:
            await (await listener.submit("one", PDF)).outcome()
        with pytest.raises(RuntimeError, match="async with"):
            listener.handle("one")


async def test_without_a_daemon_nothing_is_kept_for_ever_either(tmp_path: Path) -> None:
    """Such a call lasts for seconds, and keeps a journal of its own: it looks through that, too."""
    (tmp_path / "cv.pdf").write_bytes(PDF)
    async with Emulator(Options(extract=False)) as upstream:
        settings = settings_for(upstream, tmp_path, CV_RETENTION_DAYS="1")
        path = settings.state_dir / "once" / "journal.db"
        path.parent.mkdir(parents=True)
        journal = await SqliteJournal.open(path)
        old = await closed(journal, Millis(1_700_000_000_000))
        await journal.files_gone([old])
        await journal.close()
        told = await asyncio.to_thread(submit_once, settings, CODE, tmp_path / "cv.pdf")
        assert told["outcome"] == "confirmed"
    journal = await SqliteJournal.open(path)
    assert [s.submission.id for s in await journal.submissions(Query())] == [told["id"]]
    await journal.close()


async def test_what_was_interrupted_without_a_daemon_is_gone_on_with_and_not_sent_again(
    tmp_path: Path,
) -> None:
    (tmp_path / "cv.pdf").write_bytes(PDF)
    options = Options(extract=False, event_delay_ms=60_000)
    async with Emulator(options) as upstream:
        env = {
            "CV_API_BASE_URL": upstream.base_url,
            "CV_SOCKET_URL": upstream.socket_url,
            "CV_CONFIRM_TIMEOUT": "3",
            "CV_SETTLE_PERIOD": "1",
        }
        once = ("submit", "--once", CODE, "cv.pdf", "--json")
        process = await start(tmp_path, *once, env=env)
        await upstream.ledger.until(lambda ledger: any(p.applied for p in ledger.posts(CODE)))
        process.send_signal(signal.SIGINT)
        ended = await end(process)
        assert ended.status == 130
        assert "the same command goes on with it" in ended.err
        ended = await cli(tmp_path, *once, env=env)
        [told] = [json.loads(line) for line in ended.out.splitlines() if '"outcome"' in line]
        assert told["outcome"] in ("confirmed", "presumed")
        assert len(upstream.ledger.posts(CODE)) == 1
        await cli(tmp_path, *once, env=env)
        assert len(upstream.ledger.posts(CODE)) == 2, "what was told is asked for anew"
