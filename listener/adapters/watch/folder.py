"""The door: looks into the folder, submits what is complete, and puts it away."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, suppress
from pathlib import Path

import watchfiles
from watchfiles._rust_notify import WatchfilesRustInternalError

from listener.core.endings import root
from listener.core.errors import InvalidCode, InvalidFile, JournalFault, SpoolFault, SpoolFull
from listener.core.names import CvCode, Millis, Outcome, State, SubmissionId
from listener.ports.front import Front, Public, Turned
from listener.ports.log import Log

from .files import Found, code_for, mark_of, on_network, open_plain, waiting, whole
from .shelves import Claim, Shelves
from .steps import through
from .turns import Pauses, Turn, Turns

AT_ONCE = 4
CLAIMED = 32
"""Taken out of the folder ahead of being submitted; all others stay where they are meanwhile."""
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
_OF_THE_DISK = frozenset(
    {
        *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE),
        *(errno.EMFILE, errno.ENFILE, errno.ENOMEM),
    }
)
"""What one file meets because all do."""


_ALL = ""
"""In place of a name."""


class Changed(Exception):
    """It was written to while it was read: it is not complete yet."""


class WatchedFolder:
    """``settle_s``: how long a file must lie unchanged to be complete. ``poll``: None, where the
    folder is on a network file system. ``journal``: which one ours is.

    A file that is complete is claimed: renamed, with its code, so that nobody else's change under
    its name is taken for it. Then it is read and submitted, and lies in ``accepted`` with its
    result. A crash anywhere submits nothing twice. Of one code, the older file goes first. Files
    stay where they are while nothing can be accepted.
    """

    def __init__(
        self,
        front: Front,
        log: Log,
        folder: Path,
        *,
        settle_s: float,
        poll: bool | None = None,
        journal: str = "",
    ) -> None:
        self._front = front
        self._log = log
        self._journal = journal
        self._shelves = Shelves(folder, journal)
        self._settle_s = settle_s
        self._poll = poll
        self._seen: dict[str, tuple[object, float]] = {}
        self._held: dict[str, Claim] = {}
        """Claims that are to be tried again, by key."""
        self._busy: set[str] = set()
        """Keys of those that are being submitted."""
        self._turns = Turns()
        self._limit = asyncio.Semaphore(AT_ONCE)
        self._ended = asyncio.Event()
        self._retry_at = 0.0
        self._retry_s = RETRY_S
        self._pauses = Pauses(RETRY_S, RETRY_CAP_S)
        self._next_asked = 0
        self._ask_at = 0.0
        self._failing = False
        self._failed_at, self._failures = 0.0, 0

    async def run(self) -> None:
        """Look into it until cancelled. A folder that is gone is waited for, and one that another
        process watches."""
        try:
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
        finally:
            self._shelves.release()

    async def _watch(self, group: asyncio.TaskGroup) -> None:
        shelves = self._shelves
        shelves.release()  # Another folder may bear the name now.
        claims = await through(shelves.prepare)
        self._held = {claim.key: claim for claim in claims if claim.key not in self._busy}
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
        """Submit what is complete now, the oldest first, and put away what has closed."""
        found = await asyncio.to_thread(waiting, self._shelves.folder)
        names = {one.name for one in found}
        self._seen = {name: seen for name, seen in self._seen.items() if name in names}
        self._pauses.keep({*names, *self._held, *self._busy, *self._shelves.open, _ALL})
        # What was held back is older than what is found: of one code, it goes first.
        for claim in sorted(self._held.values(), key=lambda claim: claim.order):
            if self._ready(claim.key):
                await self._begin(group, claim)
        for one in found:
            await self._room()
            if self._ready(one.name):
                await self._consider(group, one)
        await self._put_away()
        replaced, self._shelves.replaced = self._shelves.replaced, 0
        for _ in range(replaced):
            self._log.emit("watch.file_refused", reason="replaced")

    def _ready(self, name: str) -> bool:
        now = time.monotonic()
        return now >= self._retry_at and self._pauses.over(name, now)

    async def _room(self) -> None:
        """Until few enough are claimed. Those that closed are put away meanwhile."""
        while len(self._busy) >= CLAIMED:
            self._ended.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._ended.wait()
            await self._put_away()

    async def _consider(self, group: asyncio.TaskGroup, found: Found) -> None:
        claim = None
        try:
            if not await self._complete(found, time.monotonic()):
                return
            claim = await through(self._shelves.claim, found)
        except FileNotFoundError:
            pass  # It went while we looked.
        except Exception as error:  # noqa: BLE001  # one file's fault is told, and is that file's
            self._file_failed(found.name, error)
            return
        self._seen.pop(found.name, None)
        if claim is not None:
            await self._begin(group, claim)

    async def _complete(self, found: Found, now: float) -> bool:
        """Raises OSError."""
        mark, since = self._seen.get(found.name, (None, now))
        if mark != (found.mark, found.code_mark):
            since = now
            self._seen[found.name] = ((found.mark, found.code_mark), since)
        age_s = time.time() - found.mtime_ns / 1e9
        if age_s >= OLD_S and now - since < OLD_S and not found.code_came_last:
            return True
        if now - since < self._settle_s:
            return False
        if now - since >= OLD_S:
            return True
        return await asyncio.to_thread(whole, self._shelves.folder / found.name)

    # One file.

    async def _begin(self, group: asyncio.TaskGroup, claim: Claim) -> None:
        """Have it submitted, in its code's turn."""
        self._held[claim.key] = claim
        code = claim.code
        try:
            if code is None:
                told = await asyncio.to_thread(code_for, claim.file)
                claim.code, claim.called = told
                code = told[0]
        except InvalidCode as error:
            await self._refuse(claim, error.reason, str(error))
            return
        except Exception as error:  # noqa: BLE001  # one file's fault is told, and is that file's
            self._file_failed(claim.key, error)
            return
        if any(one.code == code and one.order < claim.order for one in self._held.values()):
            return  # It is held back together with that one.
        del self._held[claim.key]
        self._busy.add(claim.key)
        group.create_task(self._take(claim, code, self._turns.next(code)))

    async def _take(self, claim: Claim, code: CvCode, turn: Turn) -> None:
        over = False
        try:
            if await turn.come():
                async with self._limit:
                    over = await self._dealt_with(claim, code)
        finally:
            if not over:
                self._held[claim.key] = claim
            turn.end(over)
            self._busy.discard(claim.key)
            self._ended.set()

    async def _dealt_with(self, claim: Claim, code: CvCode) -> bool:
        """False: it is to be tried again."""
        try:
            try:
                return await self._submit(claim, code)
            except Changed:
                await through(self._shelves.put_back, claim)
                return True
        except (SpoolFull, SpoolFault):
            self._later()  # Told by the spool's own lines.
        except JournalFault as fault:
            self._front.failed(fault)
        except OSError as error:
            self._file_failed(claim.key, error)
        except Exception as error:  # noqa: BLE001  # one file's fault must not end the daemon, nor each life after it
            return await self._set_aside(claim, error)
        return False

    async def _submit(self, claim: Claim, code: CvCode) -> bool:
        if claim.id is None:
            try:
                answer = await self._front.submit(
                    code,
                    _chunks(claim),
                    claim.called,
                    idempotency_key=claim.key,
                    key_since_ms=Millis(claim.since_ms),
                )
            except (InvalidCode, InvalidFile) as error:
                return await self._refuse(claim, error.reason, str(error))
            if isinstance(answer, Turned):
                if answer.reason in _TURNED:
                    return await self._refuse(claim, answer.reason, _TURNED[answer.reason])
                self._later()
                return False
            self._retry_s = RETRY_S
            self._pauses.forget(_ALL)
            claim.id, claim.result = str(answer.submission["id"]), dict(answer.submission)
        await through(self._shelves.accept, claim, claim.id, claim.result or {})
        return True

    async def _set_aside(self, claim: Claim, error: Exception) -> bool:
        """A fault of ours in what was done with it."""
        if claim.id is not None:
            self._file_failed(claim.key, error)
            return False
        return await self._refuse(
            claim,
            "fault",
            f"expected to take it, found a fault of our own ({type(error).__name__}): look with"
            " 'cv-listener list' that it was not accepted, before it is put here again",
        )

    async def _refuse(self, claim: Claim, reason: str, detail: str) -> bool:
        try:
            await through(self._shelves.refuse, claim, reason, detail)
        except OSError as error:
            self._file_failed(claim.key, error)
            return False
        self._held.pop(claim.key, None)
        self._log.emit("watch.file_refused", reason=reason)
        return True

    def _file_failed(self, name: str, error: Exception) -> None:
        """Told once of each file, as long as it is the same."""
        if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
            name = _ALL
            self._later()
        if self._pauses.failed(name, type(error).__name__, time.monotonic()):
            self._log.emit("watch.file_failed", error_type=type(error).__name__)

    def _later(self) -> None:
        """Nothing is tried for a while. Told by several at once, that is one while."""
        now = time.monotonic()
        if now >= self._retry_at:
            self._retry_at = now + self._retry_s
            self._retry_s = min(RETRY_CAP_S, self._retry_s * 2)

    # Those that are submissions.

    async def _put_away(self) -> None:
        now = time.monotonic()
        if now < self._ask_at:
            return
        self._ask_at = now + LOOK_S
        open_ones = list(self._shelves.open.values())
        if not open_ones:
            return
        first = self._next_asked % len(open_ones)
        asked = (open_ones[first:] + open_ones[:first])[:ASKED_AT_ONCE]
        self._next_asked = first + len(asked)
        for claim in asked:
            if claim.id is None or not self._pauses.over(claim.id, now):
                continue
            try:
                await self._ask_after(claim, claim.id)
            except OSError as error:
                self._file_failed(claim.id, error)

    async def _ask_after(self, claim: Claim, submission_id: str) -> None:
        shown = await self._front.submission(SubmissionId(submission_id))
        if shown is None and claim.journal != self._journal:
            raise OfAnotherJournal
        if shown is None or shown["state"] == State.CLOSED:
            await self._finish(claim, submission_id, shown)

    async def _finish(self, claim: Claim, submission_id: str, shown: Public | None) -> None:
        shelves = self._shelves
        gone: Mapping[str, object] = {"id": submission_id, "outcome": None, **_FORGOTTEN}
        resolved = shown is not None and shown["outcome"] in _RESOLVED
        shelf = shelves.done if resolved else shelves.unresolved
        await through(shelves.finish, claim, shelf, dict(shown or gone))


class OfAnotherJournal(OSError):
    """What became of it, only another journal knows."""


_FORGOTTEN = {
    "reason": "forgotten",
    "detail": "it was accepted, and is forgotten (CV_RETENTION_DAYS, or cv-listener forget): look"
    " upstream before it is put here again, for that is another update",
}


async def _chunks(claim: Claim) -> AsyncIterator[bytes]:
    """Its bytes, if they stay what they are. Raises Changed."""
    stream = await asyncio.to_thread(open_plain, claim.file)
    with stream:
        while block := await asyncio.to_thread(stream.read, BLOCK):
            yield block
        mark = mark_of(os.fstat(stream.fileno()))
    if mark != claim.mark:
        raise Changed
