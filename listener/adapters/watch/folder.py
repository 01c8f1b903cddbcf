"""The door: looks into the folder, submits what is complete, and puts it away."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from pathlib import Path

import watchfiles
from watchfiles._rust_notify import WatchfilesRustInternalError

from listener.core.endings import root
from listener.core.errors import InvalidCode, InvalidFile, JournalFault, SpoolFault, SpoolFull
from listener.core.names import Outcome, State, SubmissionId
from listener.ports.front import Front, Public, Turned
from listener.ports.log import Log

from .files import Found, Shelves, on_network, whole

AT_ONCE = 4
LOOK_S = 1.0
"""How often it is looked into, told of changes or not: nothing depends on being told."""
ASKED_AT_ONCE = 200
"""Open submissions asked after with each look."""
OLD_S = 60.0
"""A file that was last written so long ago is complete at first sight: it was moved here. And one
that does not look whole is taken all the same after so long."""
RETRY_S = 5.0
RETRY_CAP_S = 60.0
BLOCK = 256 * 1024

_TURNED = {
    "lane_busy": "another update of this CV is open (CV_LANE_POLICY=reject): put it here again"
    " once that is closed",
    "key_reused": "its key was used for something else: put it here again",
}
_RESOLVED = (Outcome.CONFIRMED, Outcome.PRESUMED)


class Changed(Exception):
    """It was written to while it was read: it is not complete yet."""


class WatchedFolder:
    """``settle_s``: how long a file must lie unchanged to be complete. ``poll``: None, where the
    folder is on a network file system.

    A file is read once it is complete, and moved into ``accepted`` once it is a submission, with
    its result beside it. A crash between the two submits nothing twice. Files stay where they are
    while nothing can be accepted.
    """

    def __init__(
        self, front: Front, log: Log, folder: Path, *, settle_s: float, poll: bool | None = None
    ) -> None:
        self._front = front
        self._log = log
        self._shelves = Shelves(folder)
        self._settle_s = settle_s
        self._poll = poll
        self._seen: dict[str, tuple[tuple[int, int], float]] = {}
        self._busy: set[str] = set()
        self._limit = asyncio.Semaphore(AT_ONCE)
        self._retry_at = 0.0
        self._retry_s = RETRY_S
        self._next_asked = 0
        self._failing = False
        self._failed_at, self._failures = 0.0, 0

    async def run(self) -> None:
        """Look into it until cancelled. A folder that is gone is waited for."""
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    await self._watch(group)
                except (OSError, WatchfilesRustInternalError) as error:
                    self._failures += 1
                    if not self._failing:
                        self._failing, self._failed_at = True, time.monotonic()
                        self._log.emit("watch.failed", error_type=type(error).__name__)
                    await asyncio.sleep(RETRY_S)

    async def _watch(self, group: asyncio.TaskGroup) -> None:
        shelves = self._shelves
        await asyncio.to_thread(shelves.prepare)
        poll = self._poll
        if poll is None:
            poll = await asyncio.to_thread(on_network, shelves.folder)
        if self._failing:
            lasted_ms = round((time.monotonic() - self._failed_at) * 1000)
            self._log.emit("watch.restored", duration_ms=lasted_ms, failures=self._failures)
        else:
            self._log.emit("watch.opened", polled=poll)
        self._failing, self._failures = False, 0
        await self._look(group)
        async with aclosing(self._told(poll)) as told:
            async for _ in told:
                await self._look(group)

    async def _told(self, poll: bool) -> AsyncGenerator[None, None]:
        """Whenever something changed, and after LOOK_S without."""
        while True:
            changes = watchfiles.awatch(
                self._shelves.folder,
                recursive=False,
                yield_on_timeout=True,
                rust_timeout=round(LOOK_S * 1000),
                force_polling=poll,
                watch_filter=None,
            )
            try:
                async with aclosing(changes):
                    async for _ in changes:
                        yield
            except ExceptionGroup as group:
                cause = root(group)
                if not isinstance(cause, WatchfilesRustInternalError):
                    raise cause from group
            # It cannot tell of a name that is no UTF-8. What lies there is looked at all the same.
            await asyncio.sleep(LOOK_S)
            yield

    async def _look(self, group: asyncio.TaskGroup) -> None:
        """Submit what is complete now, and put away what has closed."""
        found = await asyncio.to_thread(self._shelves.waiting)
        now = time.monotonic()
        names = {one.name for one in found}
        self._seen = {name: seen for name, seen in self._seen.items() if name in names}
        if now >= self._retry_at:
            for one in found:
                if one.name not in self._busy and await self._complete(one, now):
                    self._busy.add(one.name)
                    group.create_task(self._take(one))
        await self._put_away()

    async def _complete(self, found: Found, now: float) -> bool:
        mark, since = self._seen.get(found.name, (None, now))
        if mark != found.mark:
            since = now
            self._seen[found.name] = (found.mark, since)
        age_s = time.time() - found.mtime_ns / 1e9
        if age_s >= OLD_S and now - since < OLD_S:
            return True
        if now - since < self._settle_s:
            return False
        if now - since >= OLD_S:
            return True
        try:
            return await asyncio.to_thread(whole, self._shelves.folder / found.name)
        except FileNotFoundError:
            return False

    # One file.

    async def _take(self, found: Found) -> None:
        try:
            async with self._limit:
                await self._submit(found)
        except (Changed, FileNotFoundError):
            self._seen.pop(found.name, None)
        except (SpoolFull, SpoolFault):
            self._later()  # Told by the spool's own lines.
        except JournalFault as fault:
            self._front.failed(fault)
        except OSError as error:
            self._log.emit("watch.file_failed", error_type=type(error).__name__)
            self._later()
        finally:
            self._busy.discard(found.name)

    async def _submit(self, found: Found) -> None:
        shelves = self._shelves
        try:
            code, called = await asyncio.to_thread(shelves.code_of, found)
            key = await asyncio.to_thread(shelves.key_of, found)
            answer = await self._front.submit(
                code, self._chunks(found), called, idempotency_key=key
            )
        except (InvalidCode, InvalidFile) as error:
            await self._refuse(found, error.reason, str(error))
            return
        if isinstance(answer, Turned):
            if answer.reason in _TURNED:
                await self._refuse(found, answer.reason, _TURNED[answer.reason])
            else:
                self._later()
            return
        self._retry_s = RETRY_S
        await asyncio.to_thread(shelves.accept, found.name, dict(answer.submission))

    async def _chunks(self, found: Found) -> AsyncIterator[bytes]:
        """Its bytes, if they stay what they are. Raises Changed."""
        path = self._shelves.folder / found.name
        descriptor = await asyncio.to_thread(os.open, path, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as stream:
            while block := await asyncio.to_thread(stream.read, BLOCK):
                yield block
            status = os.fstat(stream.fileno())
        if (status.st_size, status.st_mtime_ns) != found.mark:
            raise Changed

    async def _refuse(self, found: Found, reason: str, detail: str) -> None:
        result = {"refused": reason, "detail": detail}
        await asyncio.to_thread(self._shelves.refuse, found.name, result)
        self._log.emit("watch.file_refused", reason=reason)

    def _later(self) -> None:
        self._retry_at = time.monotonic() + self._retry_s
        self._retry_s = min(RETRY_CAP_S, self._retry_s * 2)

    # Those that are submissions.

    async def _put_away(self) -> None:
        open_ones = await asyncio.to_thread(lambda: list(self._shelves.open_ones()))
        if not open_ones:
            return
        first = self._next_asked % len(open_ones)
        asked = (open_ones[first:] + open_ones[:first])[:ASKED_AT_ONCE]
        self._next_asked = first + len(asked)
        for name, submission_id in asked:
            shown = await self._front.submission(SubmissionId(submission_id))
            if shown is None or shown["state"] == State.CLOSED:
                await self._finish(name, submission_id, shown)

    async def _finish(self, name: str, submission_id: str, shown: Public | None) -> None:
        shelves = self._shelves
        gone: Mapping[str, object] = {"id": submission_id, "outcome": None, "reason": "forgotten"}
        resolved = shown is not None and shown["outcome"] in _RESOLVED
        shelf = shelves.done if resolved else shelves.unresolved
        await asyncio.to_thread(shelves.finish, name, shelf, dict(shown or gone))
