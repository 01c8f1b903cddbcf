"""The spool: what is taken is whole and private, what is refused leaves nothing."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import io
import os
import shutil
import stat
import threading
import time
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from listener.adapters.spool import DiskSpool
from listener.core.errors import InvalidFile, SpoolFault, SpoolFull
from listener.core.names import FileKind, Millis, SubmissionId
from listener.ports.spool import Spool
from tests.fakes.spool_memory import MemorySpool

from .journals import an_id

MAX = 1 << 20
QUOTA = 3 << 20
PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"


def docx() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("_rels/.rels", "<Relationships/>")
        archive.writestr("word/document.xml", "<w:document/>")
    return content.getvalue()


def pdf_of(size: int) -> bytes:
    """A PDF of just this many bytes."""
    head = b"%PDF-1.7\n%"
    tail = b"\n%%EOF\n"
    return head + b"x" * (size - len(head) - len(tail)) + tail


async def in_chunks(content: bytes, size: int = 64 * 1024) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "spool"


@pytest.fixture(params=["disk", "memory"])
def spool(request: pytest.FixtureRequest, folder: Path) -> Spool:
    if request.param == "disk":
        return DiskSpool(folder, QUOTA, MAX, reserve_bytes=0)
    return MemorySpool(QUOTA, MAX)


@pytest.fixture
def disk(folder: Path) -> DiskSpool:
    return DiskSpool(folder, QUOTA, MAX, reserve_bytes=0)


@pytest.fixture
def umask() -> Iterator[None]:
    """The most careless one: modes must not depend on it."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.parametrize(
    ("content", "kind"),
    [(PDF, FileKind.PDF), (docx(), FileKind.DOCX), (pdf_of(700_000), FileKind.PDF)],
    ids=["pdf", "docx", "in several writes"],
)
async def test_a_file_is_taken_with_its_facts(spool: Spool, content: bytes, kind: FileKind) -> None:
    facts = await spool.take(an_id(1), in_chunks(content), "José.pdf")
    assert facts.sha256 == hashlib.sha256(content).hexdigest()
    assert (facts.size, facts.kind, facts.name) == (len(content), kind, "José.pdf")
    assert spool.used_bytes() == len(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (pdf_of(MAX + 1), "too_large"),
        (b"MZ\x90\x00 not a document", "not_pdf_or_docx"),
        (b"PK\x03\x04 any archive", "not_pdf_or_docx"),
    ],
)
async def test_what_is_no_cv_is_refused_and_leaves_nothing(
    spool: Spool, content: bytes, reason: str
) -> None:
    with pytest.raises(InvalidFile) as refused:
        await spool.take(an_id(1), in_chunks(content), "cv.pdf")
    assert refused.value.reason == reason
    assert spool.used_bytes() == 0
    assert await spool.sweep([]) == 0


async def test_what_is_stored_is_read_as_it_was(spool: Spool) -> None:
    content = pdf_of(MAX)
    assert not await spool.holds(an_id(1))
    await spool.take(an_id(1), in_chunks(content), "cv.pdf")
    assert await spool.holds(an_id(1))
    assert b"".join([chunk async for chunk in spool.read(an_id(1))]) == content
    copied = await spool.take(an_id(2), spool.read(an_id(1)), "")
    assert copied.sha256 == hashlib.sha256(content).hexdigest()
    await spool.remove(an_id(1))
    assert not await spool.holds(an_id(1))
    with pytest.raises(FileNotFoundError):
        await anext(aiter(spool.read(an_id(1))))
    with pytest.raises(FileNotFoundError):
        await spool.take(an_id(3), spool.read(an_id(1)), "")
    assert not await spool.holds(an_id(3))
    assert spool.used_bytes() == MAX


async def test_a_file_that_is_removed_meanwhile_is_read_to_its_end(disk: DiskSpool) -> None:
    content = pdf_of(MAX)
    await disk.take(an_id(1), in_chunks(content), "cv.pdf")
    found = b""
    async for chunk in disk.read(an_id(1)):
        await disk.remove(an_id(1))
        found += chunk
    assert found == content


async def test_a_file_that_cannot_be_read_is_a_fault(disk: DiskSpool) -> None:
    disk.path(an_id(1)).mkdir()
    with pytest.raises(SpoolFault, match="expected a folder"):
        await anext(aiter(disk.read(an_id(1))))
    assert not await disk.holds(an_id(1))


async def test_a_file_of_just_the_limit_is_taken(spool: Spool) -> None:
    assert (await spool.take(an_id(1), in_chunks(pdf_of(MAX)), "cv.pdf")).size == MAX


async def test_the_quota_counts_what_is_stored(spool: Spool) -> None:
    for number in (1, 2, 3):
        await spool.take(an_id(number), in_chunks(pdf_of(MAX)), "cv.pdf")
    with pytest.raises(SpoolFull):
        await spool.take(an_id(4), in_chunks(PDF), "cv.pdf")
    assert spool.used_bytes() == QUOTA
    await spool.remove(an_id(2))
    assert (await spool.take(an_id(4), in_chunks(PDF), "cv.pdf")).size == len(PDF)


async def test_the_quota_counts_what_is_being_written(spool: Spool) -> None:
    """Uploads under way together are refused before the disk is full, not after."""
    go_on = asyncio.Event()
    begun = asyncio.Semaphore(0)

    async def slowly() -> AsyncIterator[bytes]:
        content = pdf_of(MAX)
        yield content[: MAX - 9]
        begun.release()
        await go_on.wait()
        yield content[MAX - 9 :]

    async with asyncio.timeout(30):
        uploads = [asyncio.create_task(spool.take(an_id(n), slowly(), "cv.pdf")) for n in range(3)]
        for _ in uploads:
            await begun.acquire()
        with pytest.raises(SpoolFull):
            await spool.take(an_id(9), in_chunks(pdf_of(100)), "cv.pdf")
        go_on.set()
        await asyncio.gather(*uploads)
    assert spool.used_bytes() == QUOTA


async def test_removing_twice_is_as_good_as_once(spool: Spool) -> None:
    await spool.take(an_id(1), in_chunks(PDF), "cv.pdf")
    await spool.remove(an_id(1))
    await spool.remove(an_id(1))
    assert spool.used_bytes() == 0


async def test_a_sweep_leaves_what_is_kept(spool: Spool) -> None:
    for number in range(4):
        await spool.take(an_id(number), in_chunks(PDF), "cv.pdf")
    assert await spool.sweep([an_id(1), an_id(3), an_id(77)]) == 2
    assert await spool.sweep([an_id(1), an_id(3)]) == 0


async def test_a_whole_file_that_nobody_knows_is_set_aside(disk: DiskSpool, folder: Path) -> None:
    for number in range(3):
        await disk.take(an_id(number), in_chunks(PDF), "cv.pdf")
    (folder / f"{an_id(9)}.part").write_bytes(b"left by a crash")
    before = Millis(int(time.time() * 1000) - 1_000)
    assert await disk.sweep([an_id(1)]) == 3
    assert sorted(await disk.orphans()) == [an_id(0), an_id(2)]
    assert not disk.path(an_id(9)).with_suffix(".part").exists()
    assert stat.S_IMODE((folder / "orphaned").stat().st_mode) == 0o700
    assert DiskSpool(folder, QUOTA, MAX).used_bytes() == 3 * len(PDF), "they take room"
    assert await disk.expire_orphans(before) == 0
    assert await disk.expire_orphans(Millis(before + 60_000)) == 2
    assert await disk.orphans() == []
    assert DiskSpool(folder, QUOTA, MAX).used_bytes() == len(PDF)


async def test_what_was_set_aside_is_taken_up_again_once_it_is_known(disk: DiskSpool) -> None:
    """An older journal was put back, and then the newer one."""
    for number in range(2):
        await disk.take(an_id(number), in_chunks(PDF), "cv.pdf")
    assert await disk.sweep([]) == 2
    assert await disk.sweep([an_id(1)]) == 0
    assert disk.path(an_id(1)).read_bytes() == PDF
    assert await disk.orphans() == [an_id(0)]
    await disk.remove_orphan(an_id(0))
    await disk.remove_orphan(an_id(0))
    assert await disk.orphans() == []
    assert disk.used_bytes() == len(PDF)


async def test_a_folder_that_is_removed_is_a_fault_that_says_so(
    disk: DiskSpool, folder: Path
) -> None:
    folder.rmdir()
    with pytest.raises(SpoolFault, match="put it back"):
        await disk.take(an_id(1), in_chunks(PDF), "cv.pdf")
    assert not folder.exists(), "a new one would hide that files are lost"
    assert disk.used_bytes() == 0


async def test_a_file_that_somebody_else_removed_gives_its_room_back(
    disk: DiskSpool, folder: Path
) -> None:
    for number in (1, 2, 3):
        await disk.take(an_id(number), in_chunks(pdf_of(MAX)), "cv.pdf")
    disk.path(an_id(1)).unlink()
    await disk.remove(an_id(1))
    await disk.remove(an_id(1))
    assert disk.used_bytes() == 2 * MAX
    shutil.rmtree(folder)
    folder.mkdir()
    for number in (2, 3):
        await disk.remove(an_id(number))
    assert disk.used_bytes() == 0
    assert (await disk.take(an_id(4), in_chunks(PDF), "cv.pdf")).size == len(PDF)


def test_what_is_no_folder_is_a_fault(folder: Path) -> None:
    folder.parent.mkdir(parents=True)
    folder.write_text("a file")
    with pytest.raises(SpoolFault, match="removed or replaced"):
        DiskSpool(folder, QUOTA, MAX)


def test_every_new_folder_is_synced_in_its_parent(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd).st_ino))
    DiskSpool(folder, QUOTA, MAX)
    assert synced == [path.stat().st_ino for path in (folder.parent.parent, folder.parent)]


async def test_a_submitter_that_breaks_off_leaves_nothing(spool: Spool) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield pdf_of(500_000)[:400_000]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await spool.take(an_id(1), broken(), "cv.pdf")
    assert spool.used_bytes() == 0
    assert await spool.sweep([]) == 0


@pytest.mark.parametrize("after", range(6))
async def test_a_cancelled_caller_leaves_nothing_or_all(disk: DiskSpool, after: int) -> None:
    content = pdf_of(700_000)
    task = asyncio.create_task(disk.take(an_id(1), in_chunks(content), "cv.pdf"))
    async with asyncio.timeout(30):
        for _ in range(after):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert disk.used_bytes() == 0
    assert not disk.path(an_id(1)).exists()
    assert await disk.sweep([]) == 0


async def test_files_are_private_whatever_the_umask(umask: None, disk: DiskSpool) -> None:
    await disk.take(an_id(1), in_chunks(PDF), "cv.pdf")
    path = disk.path(an_id(1))
    assert path.read_bytes() == PDF
    assert path.name == an_id(1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_a_folder_that_is_loose_is_made_private(folder: Path) -> None:
    folder.mkdir(parents=True, mode=0o755)
    DiskSpool(folder, QUOTA, MAX)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_file_and_folder_are_synced_before_it_is_told(
    disk: DiskSpool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    fsync = os.fsync

    def watched(fd: int) -> None:
        fsync(fd)
        synced.append(os.fstat(fd).st_ino)

    monkeypatch.setattr(os, "fsync", watched)
    await disk.take(an_id(1), in_chunks(PDF), "cv.pdf")
    assert synced == [disk.path(an_id(1)).stat().st_ino, folder.stat().st_ino]


@pytest.mark.parametrize("held_at", [1, 2], ids=["file", "folder"])
async def test_a_caller_cancelled_in_an_fsync_waits_for_it_and_leaves_nothing(
    disk: DiskSpool, folder: Path, monkeypatch: pytest.MonkeyPatch, held_at: int
) -> None:
    loop, reached, go_on = asyncio.get_running_loop(), asyncio.Event(), threading.Event()
    syncs = 0

    def held(_fd: int) -> None:
        nonlocal syncs
        syncs += 1
        if syncs == held_at:
            loop.call_soon_threadsafe(reached.set)
            assert go_on.wait(30)

    monkeypatch.setattr(os, "fsync", held)
    async with asyncio.timeout(60):
        task = asyncio.create_task(disk.take(an_id(1), in_chunks(PDF), "cv.pdf"))
        await reached.wait()
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0)
        assert not task.done(), "the file is still in the thread's hands"
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert list(folder.iterdir()) == []
    assert disk.used_bytes() == 0


async def test_a_spool_that_is_opened_again_knows_what_it_holds(
    disk: DiskSpool, folder: Path
) -> None:
    await disk.take(an_id(1), in_chunks(PDF), "cv.pdf")
    (folder / f"{an_id(2)}.part").write_bytes(b"left by a crash")
    again = DiskSpool(folder, QUOTA, MAX)
    assert again.used_bytes() == len(PDF) + 15
    assert await again.sweep([an_id(1), an_id(2)]) == 1
    assert again.used_bytes() == len(PDF)
    assert [p.name for p in folder.iterdir()] == [an_id(1)]


async def test_a_sweep_spares_what_is_being_written(disk: DiskSpool) -> None:
    writing, go_on = asyncio.Event(), asyncio.Event()
    content = pdf_of(700_000)

    async def slowly() -> AsyncIterator[bytes]:
        yield content[:600_000]
        writing.set()
        await go_on.wait()
        yield content[600_000:]

    async with asyncio.timeout(30):
        upload = asyncio.create_task(disk.take(an_id(1), slowly(), "cv.pdf"))
        await writing.wait()
        assert await disk.sweep([]) == 0
        go_on.set()
        await upload
    assert disk.path(an_id(1)).read_bytes() == content


async def test_part_of_the_disk_is_left_to_the_journal(folder: Path) -> None:
    spool = DiskSpool(folder, QUOTA, MAX, reserve_bytes=1 << 62)
    with pytest.raises(SpoolFull, match="free some space"):
        await spool.take(an_id(1), in_chunks(PDF), "cv.pdf")
    assert list(folder.iterdir()) == []
    assert spool.used_bytes() == 0


@pytest.mark.parametrize("call", ["write", "fsync"])
async def test_a_disk_that_fills_up_or_fails_leaves_nothing(
    disk: DiskSpool, folder: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """The kernel's answer, where no test can have a full disk of its own."""
    number = errno.ENOSPC if call == "write" else errno.EIO

    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, call, refuse)
        with pytest.raises(SpoolFull if call == "write" else SpoolFault):
            await disk.take(an_id(1), in_chunks(PDF), "cv.pdf")
    assert list(folder.iterdir()) == []
    assert disk.used_bytes() == 0


async def test_a_second_file_of_one_id_is_refused_and_the_first_stays(disk: DiskSpool) -> None:
    await disk.take(an_id(1), in_chunks(PDF), "cv.pdf")
    with pytest.raises(FileExistsError):
        await disk.take(an_id(1), in_chunks(docx()), "cv.docx")
    assert disk.path(an_id(1)).read_bytes() == PDF
    assert disk.used_bytes() == len(PDF)


@pytest.mark.parametrize("text", ["", ".", "..", "../journal.db", "a/b", "/etc/passwd", "a\0b"])
def test_no_path_leads_out(disk: DiskSpool, text: str) -> None:
    with pytest.raises(ValueError, match="could leave the spool"):
        disk.path(SubmissionId(text))
