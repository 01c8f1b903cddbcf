"""Backups: taken while a daemon writes, put back so that nothing is sent again by itself."""

from __future__ import annotations

import asyncio
import os
import stat
import tarfile
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from listener.adapters.backup import restore, take
from listener.adapters.backup.archive import member
from listener.adapters.journal_sqlite import UNSETTLED, FileLock, SqliteJournal
from listener.core.errors import BackupRefused, JournalFault, JournalLocked
from listener.core.names import CvCode, Millis
from listener.emulator import Emulator, Options
from listener.ports.event_source import Resume
from listener.ports.inbound import InboundRow
from listener.ports.journal import PAUSED_NOTE, RESTORED_NOTE, Query
from tests.cli.terminal import cli
from tests.contract.journals import a_fact, accepting, an_id, at

from .process import DaemonProcess

PDF = b"%PDF-1.7\n" + b"x" * 400 + b"\n%%EOF\n"
NOW = Millis(1_800_000_000_000)


# ------------------------------------------------------------------------------------ a whole life


async def test_what_was_sent_since_the_backup_is_not_sent_again_by_itself(tmp_path: Path) -> None:
    (tmp_path / "cv.pdf").write_bytes(PDF)
    async with Emulator(Options()) as upstream:
        first = DaemonProcess(tmp_path, upstream.base_url, upstream.socket_url)
        async with first:
            assert (await first.post("/v1/pause")).status_code == 200
            ids = [await first.submit(code, tmp_path / "cv.pdf") for code in ("sent", "not-sent")]
            env = {"CV_STATE_DIR": str(first.state_dir)}
            ended = await cli(tmp_path, "backup", "state.tar", "--json", env=env)
            assert ended.status == 0, ended.err
            assert ended.objects()[0]["open"] == ended.objects()[0]["files"] == 2
            assert stat.S_IMODE((tmp_path / "state.tar").stat().st_mode) == 0o600
            await first.post(f"/v1/submissions/{ids[1]}/cancel")
            assert (await first.post("/v1/resume")).status_code == 200
            await upstream.ledger.until(lambda ledger: list(ledger.posts()) or None, seconds=30)
            assert await first.stop() == 0
        first.state_dir.rename(tmp_path / "lost")
        ended = await cli(tmp_path, "restore", "state.tar", env=env)
        assert ended.status == 0, ended.err
        assert "2 open submissions, 2 of them queued" in ended.err
        await again(first, upstream, [str(one) for one in ids])


async def again(daemon: DaemonProcess, upstream: Emulator, ids: list[str]) -> None:
    """What a person does after a restore, and what the daemon does not do by itself."""
    async with daemon:
        (told,) = [line for line in daemon.lines() if line["event"] == "journal.restored"]
        assert told["level"] == "warning"
        listed = (await daemon.get("/v1/submissions?open=true"))["submissions"]
        assert {row["id"]: row["waiting_for"] for row in listed} == dict.fromkeys(ids, "resume")
        assert len(list(upstream.ledger.posts())) == 1, "nothing was sent again"
        assert (await daemon.post(f"/v1/submissions/{ids[0]}/cancel")).status_code == 200
        assert (await daemon.post("/v1/resume")).status_code == 200
        await upstream.ledger.until(
            lambda ledger: [post for post in ledger.posts() if post.code == "not-sent"] or None,
            seconds=30,
        )
        assert [post.code for post in upstream.ledger.posts()] == ["sent", "not-sent"]
        assert await daemon.stop() == 0
    journal = await SqliteJournal.open(daemon.state_dir / "journal.db")
    try:
        notes = (await journal.first_look()).notes
        assert not notes.keys() & {PAUSED_NOTE, RESTORED_NOTE}, "resumed, it is not told any more"
    finally:
        await journal.close()


# -------------------------------------------------------------------------------------- its parts


async def test_a_copy_taken_while_others_write_holds_all_that_was_acknowledged(
    tmp_path: Path,
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    journal = await SqliteJournal.open(state / "journal.db")
    written: list[int] = []

    async def write() -> None:
        for n in range(1, 2_000):
            facts = (a_fact(n, at(n)),)
            await journal.commit(replace(accepting(CvCode(f"c{n}"), n), facts=facts))
            written.append(n)

    writing = asyncio.create_task(write())
    try:
        for turn in range(3):
            while len(written) < 50 * (turn + 1):  # noqa: ASYNC110 - each turn is one commit
                await asyncio.sleep(0.001)
            before = len(written)
            file = tmp_path / f"{turn}.tar"
            taken = await asyncio.to_thread(take, state, file, "0")
            assert before <= taken.open <= len(written) + 1
            put_back = tmp_path / f"again-{turn}"
            told = await asyncio.to_thread(restore, file, put_back, NOW)
            assert told.queued == told.open == taken.open == told.without_file
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await journal.close()


async def filled(state: Path) -> None:
    """Two submissions without their files, one of them forgotten; a cursor, and a token."""
    state.mkdir()
    (state / "spool").mkdir()
    journal = await SqliteJournal.open(state / "journal.db")
    for n, code in ((1, "kept-code"), (2, "forgotten-code")):
        await journal.commit(accepting(CvCode(code), n))
    await journal.store_resume(Resume("pid", "offset"))
    await journal.forget(CvCode("forgotten-code"))
    await journal.close()
    (state / "token").write_text("the-token-of-before\n")


async def test_a_restored_journal_is_paused_has_no_session_and_counts_on(tmp_path: Path) -> None:
    await filled(tmp_path / "state")
    await asyncio.to_thread(take, tmp_path / "state", tmp_path / "b.tar", "0")
    assert b"forgotten-code" not in (tmp_path / "b.tar").read_bytes()
    told = await asyncio.to_thread(restore, tmp_path / "b.tar", tmp_path / "new", NOW)
    assert (told.open, told.without_file) == (1, 1)
    names = {path.name for path in (tmp_path / "new").iterdir()}
    assert names == {"journal.db", "journal.db.lock", "spool", "token"}
    assert (tmp_path / "new" / "token").read_text() == "the-token-of-before\n"
    journal = await SqliteJournal.open(tmp_path / "new" / "journal.db")
    try:
        notes = (await journal.first_look()).notes
        assert notes[PAUSED_NOTE] == str(NOW)
        assert int(notes[RESTORED_NOTE]) == told.taken_ms
        assert await journal.resume_cursor() == Resume()
        assert await journal.last_sequence() == NOW
        other = InboundRow("cv_viewed", "[]", NOW, replayed=False, handlers=("a-function",))
        (placed,) = await journal.append_inbound([other], [])
        assert placed.sequence > NOW, "a number that was given since the backup is not given again"
        assert [s.submission.id for s in await journal.submissions(Query())] == [an_id(1)]
    finally:
        await journal.close()


def rewritten(file: Path, change: Callable[[str, bytes], list[tuple[str, bytes]]]) -> None:
    """The archive, each member changed."""
    with tarfile.open(file) as old:
        members = [(info.name, old.extractfile(info).read()) for info in old]  # type: ignore[union-attr]  # all are files
    with tarfile.open(file, "w") as new:
        for name, data in (pair for one in members for pair in change(*one)):
            new.addfile(member(name, len(data), 0), BytesIO(data))


def led_away(name: str, data: bytes) -> list[tuple[str, bytes]]:
    return [(name, data), ("../escaped", b"x")] if name == "manifest.json" else [(name, data)]


def of_another(name: str, data: bytes) -> list[tuple[str, bytes]]:
    return [(name, data.replace(b"kept-code", b"sent-code") if name == "journal.db" else data)]


def another_cv(name: str, data: bytes) -> list[tuple[str, bytes]]:
    more = (f"spool/{an_id(1)}", b"another CV")
    return [(name, data), more] if name == "journal.db" else [(name, data)]


def without_journal(name: str, data: bytes) -> list[tuple[str, bytes]]:
    return [] if name == "journal.db" else [(name, data)]


@pytest.mark.parametrize("change", [led_away, of_another, another_cv, without_journal])
async def test_what_was_tampered_with_is_refused_and_makes_no_journal(
    tmp_path: Path, change: Callable[[str, bytes], list[tuple[str, bytes]]]
) -> None:
    await filled(tmp_path / "state")
    file = tmp_path / "b.tar"
    await asyncio.to_thread(take, tmp_path / "state", file, "0")
    rewritten(file, change)
    with pytest.raises(BackupRefused, match="expected a backup"):
        await asyncio.to_thread(restore, file, tmp_path / "new", NOW)
    assert not (tmp_path / "new" / "journal.db").exists()
    assert not (tmp_path / "escaped").exists()


async def test_what_is_no_backup_or_cut_short_is_refused(tmp_path: Path) -> None:
    await filled(tmp_path / "state")
    file = tmp_path / "b.tar"
    await asyncio.to_thread(take, tmp_path / "state", file, "0")
    whole = file.read_bytes()
    for spoiled in (b"no tar", b"", whole[: len(whole) // 2]):
        file.write_bytes(spoiled)
        with pytest.raises(BackupRefused, match="expected a backup"):
            await asyncio.to_thread(restore, file, tmp_path / "new", NOW)
        assert not (tmp_path / "new" / "journal.db").exists()
        if (tmp_path / "new").exists():
            os.rename(tmp_path / "new", tmp_path / f"left-{len(spoiled)}")  # noqa: PTH104 - a test's own folder


async def test_a_backup_cut_between_two_cvs_is_no_smaller_one(tmp_path: Path) -> None:
    state, file = tmp_path / "state", tmp_path / "b.tar"
    await filled(state)
    (state / "spool" / an_id(1)).write_bytes(b"a CV")
    await asyncio.to_thread(take, state, file, "0")
    with tarfile.open(file) as archive:
        (last,) = [info for info in archive if info.name.startswith("spool/")]
    file.write_bytes(file.read_bytes()[: last.offset])
    with pytest.raises(BackupRefused, match="cut short"):
        await asyncio.to_thread(restore, file, tmp_path / "new", NOW)


async def test_a_daemon_and_a_restore_are_never_at_one_folder(tmp_path: Path) -> None:
    """One that others start again would begin a journal there, and accept what is then lost."""
    state, new = tmp_path / "state", tmp_path / "new"
    await filled(state)
    await asyncio.to_thread(take, state, tmp_path / "b.tar", "0")
    new.mkdir()
    lock = FileLock(new / "journal.db.lock", new / "journal.db")
    with pytest.raises(JournalLocked):
        await asyncio.to_thread(restore, tmp_path / "b.tar", new, NOW)
    lock.release()
    # Killed in the midst of it: that is no empty folder to begin in.
    (new / UNSETTLED).write_bytes(b"half of one")
    with pytest.raises(JournalFault, match="a restore that was cut short"):
        await SqliteJournal.open(new / "journal.db")
    (new / UNSETTLED).unlink()
    assert not (new / "journal.db").exists()
    assert (await asyncio.to_thread(restore, tmp_path / "b.tar", new, NOW)).open == 1


async def test_neither_writes_over_what_is_there(tmp_path: Path) -> None:
    state = tmp_path / "state"
    await filled(state)
    env = {"CV_STATE_DIR": str(state)}
    (tmp_path / "b.tar").write_bytes(b"precious")
    ended = await cli(tmp_path, "backup", "b.tar", env=env)
    assert (ended.status, (tmp_path / "b.tar").read_bytes()) == (64, b"precious")
    await asyncio.to_thread(take, state, tmp_path / "c.tar", "0")
    before = (state / "journal.db").read_bytes()
    ended = await cli(tmp_path, "restore", "c.tar", env=env)
    assert ended.status == 64
    assert "expected an empty state folder" in ended.err
    assert "disk" not in ended.err
    assert (state / "journal.db").read_bytes() == before
    with pytest.raises(BackupRefused, match="found none"):
        await asyncio.to_thread(take, tmp_path / "nowhere", tmp_path / "d.tar", "0")
    assert not (tmp_path / "d.tar").exists()
