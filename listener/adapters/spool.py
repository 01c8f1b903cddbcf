"""CV files on disk: one folder, files named by submission id, nothing named from outside."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
import re
import shutil
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from listener.core.errors import InvalidFile, SpoolFault, SpoolFull
from listener.core.names import Millis, SubmissionId
from listener.core.submission import FileFacts
from listener.core.wire import sniff

from .folders import files_in, make_folder, sync_folder
from .orphans import Orphans

T = TypeVar("T")
Thread = Callable[[Callable[[], Any]], Awaitable[Any]]
"""Runs what blocks, away from the loop."""

BATCH_BYTES = 256 * 1024
"""Gathered before a thread is asked to write: a usual CV takes one hop in all."""
DISK_RESERVE_BYTES = 64 << 20
"""Left free on the disk, for the journal must still be able to write when the spool cannot."""

_PARTIAL = ".part"
_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,63}")


class _Room:
    """Bytes of the quota that are taken; from any thread."""

    def __init__(self, quota_bytes: int, used: int) -> None:
        self._quota = quota_bytes
        self._lock = threading.Lock()
        self.used = used

    def take(self, count: int) -> None:
        with self._lock:
            if self.used + count > self._quota:
                raise SpoolFull(
                    f"expected room in the spool, found {self.used} of {self._quota} bytes taken; "
                    "wait until submissions close, or raise CV_SPOOL_QUOTA"
                )
            self.used += count

    def give_back(self, count: int) -> None:
        with self._lock:
            self.used -= count


class _Incoming:
    """One file being written. All methods but :meth:`count` block: they are for a thread."""

    def __init__(self, final: Path, room: _Room, max_bytes: int, reserve: int) -> None:
        self._final = final
        self._partial = final.with_name(f"{final.name}{_PARTIAL}")
        self._room = room
        self._max_bytes = max_bytes
        self._reserve = reserve
        self._fd: int | None = None
        self._hash = hashlib.sha256()
        self._renamed = False
        self.size = 0

    def count(self, chunk: bytes) -> None:
        """Raises InvalidFile over the limit, SpoolFull over the quota."""
        if self.size + len(chunk) > self._max_bytes:
            raise InvalidFile(
                "too_large",
                f"expected a CV of at most {self._max_bytes} bytes, found more; "
                "send a smaller file",
            )
        self._room.take(len(chunk))
        self.size += len(chunk)

    def write(self, batch: bytes) -> None:
        """Raises SpoolFull if the disk has no room, SpoolFault if it fails."""
        folder = self._final.parent
        with _told(folder):
            if shutil.disk_usage(folder).free < len(batch) + self._reserve:
                raise _disk_full(folder)
            if self._fd is None:
                flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                self._fd = os.open(self._partial, flags, 0o600)
            view = memoryview(batch)
            while view:
                view = view[os.write(self._fd, view) :]
        self._hash.update(batch)

    def finish(self, batch: bytes, name: str) -> FileFacts:
        """The last batch; then durable under its final name. Raises InvalidFile, SpoolFull,
        SpoolFault."""
        if self.size == 0:
            raise InvalidFile("empty", "expected a PDF or DOCX file, found an empty one")
        self.write(batch)
        assert self._fd is not None  # noqa: S101 - write() has just opened it
        with os.fdopen(os.dup(self._fd), "rb") as stream:
            stream.seek(0)
            kind = sniff(stream)
        if kind is None:
            raise InvalidFile(
                "not_pdf_or_docx",
                "expected a PDF or DOCX file, found something else inside; convert it first",
            )
        if self._final.exists():
            raise FileExistsError(
                f"the spool already holds a file of submission {self._final.name}"
            )
        with _told(self._final.parent):
            os.fsync(self._fd)
            self._close()
            self._partial.rename(self._final)
            self._renamed = True
            sync_folder(self._final.parent)
        return FileFacts(self._hash.hexdigest(), self.size, kind, name)

    def discard(self) -> None:
        """Leave nothing of it. Where the disk does not let us, the next start sweeps it."""
        try:
            self._close()
            self._partial.unlink(missing_ok=True)
            if self._renamed:
                self._final.unlink(missing_ok=True)
        except OSError:
            return  # Why it is discarded is the error to tell.
        self._room.give_back(self.size)

    def _close(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


class DiskSpool:
    """A Spool in ``folder``, which is made if missing and is the spool's alone.

    ``quota_bytes`` bounds what is stored and being written; ``max_file_bytes`` one file;
    ``reserve_bytes`` of the disk are left free. A caller that is cancelled leaves nothing, once the
    write that is under way has ended. Making one blocks for a listing of the folder, and raises
    SpoolFault. ``thread``: tests have one that is none.
    """

    def __init__(
        self,
        folder: Path,
        quota_bytes: int,
        max_file_bytes: int,
        *,
        reserve_bytes: int = DISK_RESERVE_BYTES,
        thread: Thread = asyncio.to_thread,
    ) -> None:
        self._folder = folder
        self._max_file_bytes = max_file_bytes
        self._reserve = reserve_bytes
        self._room = _Room(quota_bytes, 0)
        self._orphans = Orphans(folder, self._room.give_back)
        self._incoming: set[str] = set()
        self._thread = thread
        with _told(folder):
            make_folder(folder)
            folder.chmod(0o700)
            self._sizes = {entry.name: entry.stat().st_size for entry in files_in(folder)}
            self._room.used = sum(self._sizes.values()) + self._orphans.used_bytes()

    async def take(
        self, submission_id: SubmissionId, chunks: AsyncIterator[bytes], name: str
    ) -> FileFacts:
        """As the port says."""
        incoming = _Incoming(
            self.path(submission_id), self._room, self._max_file_bytes, self._reserve
        )
        self._incoming.add(submission_id)
        try:
            batch = bytearray()
            async for chunk in chunks:
                incoming.count(chunk)
                batch += chunk
                if len(batch) >= BATCH_BYTES:
                    full, batch = bytes(batch), bytearray()
                    await self._whole(lambda full=full: incoming.write(full))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            facts = await self._whole(lambda: incoming.finish(bytes(batch), name))
        except BaseException:
            await self._whole(incoming.discard)
            raise
        else:
            self._sizes[submission_id] = facts.size
            return facts
        finally:
            self._incoming.discard(submission_id)

    def path(self, submission_id: SubmissionId) -> Path:
        """Raises ValueError for what cannot be an id of ours."""
        if not _ID.fullmatch(submission_id):
            raise ValueError("expected a submission id, found a text that could leave the spool")
        return self._folder / submission_id

    async def holds(self, submission_id: SubmissionId) -> bool:
        """As the port says."""
        return await self._whole(self.path(submission_id).is_file)

    async def read(self, submission_id: SubmissionId) -> AsyncIterator[bytes]:
        """As the port says."""
        path = self.path(submission_id)
        file = await self._whole(lambda: _opened(path))
        try:
            while chunk := await self._whole(lambda: _chunk(file, path.parent)):
                yield chunk
        finally:
            file.close()

    async def remove(self, submission_id: SubmissionId) -> None:
        # Not synced: a deletion that a power cut undoes is swept at the next start.
        path = self.path(submission_id)
        await self._whole(lambda: self._unlink(path))

    async def sweep(self, keep: Iterable[SubmissionId]) -> int:
        """Files that are being written now are left alone too. Whole files are set aside."""
        spared = frozenset(keep)
        return await self._whole(lambda: self._sweep(spared))

    async def orphans(self) -> list[SubmissionId]:
        """As the port says."""
        return await self._whole(self._orphans.ids)

    async def remove_orphan(self, submission_id: SubmissionId) -> None:
        """As the port says."""
        await self._whole(lambda: self._orphans.remove(submission_id))

    async def expire_orphans(self, before_ms: Millis) -> int:
        """As the port says."""
        return await self._whole(lambda: self._orphans.expire(before_ms))

    def used_bytes(self) -> int:
        return self._room.used

    def _sweep(self, keep: frozenset[SubmissionId]) -> int:
        for back in self._orphans.bring_back(keep):
            self._sizes[back] = self.path(back).stat().st_size
        swept = 0
        for entry in files_in(self._folder):
            name = entry.name.removesuffix(_PARTIAL)
            if name in self._incoming or (name == entry.name and name in keep):
                continue
            if name == entry.name:
                self._orphans.set_aside(Path(entry.path))
                self._sizes.pop(name, None)
                swept += 1
            else:
                swept += self._unlink(Path(entry.path))
        self._orphans.settle()
        sync_folder(self._folder)
        return swept

    def _unlink(self, path: Path) -> int:
        """1 if it was there. One that somebody else removed gives its room back too."""
        there = 1
        try:
            path.unlink()
        except FileNotFoundError:
            there = 0
        self._room.give_back(self._sizes.pop(path.name, 0))
        return there

    async def _whole(self, run: Callable[[], T]) -> T:
        """Run in a thread and never leave before it ended: a cancel is passed on afterwards."""
        task: asyncio.Future[T] = asyncio.ensure_future(self._thread(run))
        cancelled: asyncio.CancelledError | None = None
        while not task.done():
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            if not task.cancelled():
                task.exception()  # seen: the cancel is what is told
            raise cancelled
        return task.result()


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb", buffering=0)
    except FileNotFoundError:
        raise
    except OSError:
        with _told(path.parent):
            raise


def _chunk(file: BinaryIO, folder: Path) -> bytes:
    with _told(folder):
        return file.read(BATCH_BYTES)


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    """What the disk answers, as a fault that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _disk_full(folder) from error
        raise SpoolFault(
            f"expected a folder {folder} that files can be written to, found "
            f"{error.strerror or error}; {_ADVICE.get(error.errno or 0, _LOOK)}"
        ) from error


_GONE = "it was removed or replaced: put it back with what it held"
_CLOSED = "make it a folder that this user owns and may write to"
_LOOK = "look for disk errors in the kernel's log"
_ADVICE = {
    errno.ENOENT: _GONE,
    errno.ENOTDIR: _GONE,
    errno.EEXIST: _GONE,
    errno.EACCES: _CLOSED,
    errno.EPERM: _CLOSED,
    errno.EROFS: _CLOSED,
}


def _disk_full(folder: Path) -> SpoolFull:
    return SpoolFull(
        f"expected room on the disk of {folder}, found it nearly full; free some space there"
    )
