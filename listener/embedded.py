"""``Listener``: the whole of it within a program of one's own, on that program's loop."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, TextIO

from listener import ending
from listener.adapters.logs import quiet_libraries, watch_loop
from listener.client import CvFile
from listener.compose import Daemon, daemon, open_log
from listener.core.endings import root
from listener.core.errors import CvListenerError, SubmissionDeclined
from listener.core.names import Outcome, SubmissionId
from listener.ports.front import Forget, Front, Public, Turned
from listener.service.front import ServiceFront
from listener.service.housekeeping import DAY_MS
from listener.settings import Settings, load
from listener.traced import traced

BLOCK = 1 << 18
PATIENCE_S = 3600.0
"""After so long without news the journal is asked again: nothing depends on it."""


@dataclass(frozen=True, slots=True)
class Handle:
    """One accepted submission: it is on disk, and reaches an outcome, in this run or a later one.

    ``repeated``: its idempotency key was used before, for the same code and bytes.
    """

    id: SubmissionId
    repeated: bool
    _front: Front

    async def submission(self) -> Public:
        """How it stands, in the public JSON form (docs/http-api.md). Holds no code."""
        found = await self._front.submission(self.id)
        if found is None:
            raise LookupError("expected a submission of this journal, found it deleted")
        return found

    async def outcome(self) -> Outcome:
        """Wait until it is closed. ``Outcome`` is a ``str``: ``"confirmed"`` and the others.

        A later truth may correct it: ask again, and compare the ``version``.
        """
        shown: Public | None = None
        while shown is None or shown["outcome"] is None:
            shown = await self._front.wait_closed(self.id, PATIENCE_S)
            if shown is None:
                raise LookupError("expected a submission of this journal, found it deleted")
        return Outcome(shown["outcome"])


class Listener:
    """``async with Listener(settings) as listener: handle = await listener.submit(code, file)``.

    ``settings``: from :func:`listener.load_settings`; None, the environment's and ``.env``'s. One
    state folder is one listener's, or one daemon's: a second one raises JournalLocked. ``web``: its
    HTTP interface, too. ``watch``: take what lies in CV_SPOOL_WATCH, too, which is one listener's
    or one daemon's as well. ``log``: where its lines go, by default stderr. ``own_process``: what
    libraries and forgotten tasks have to say goes into that log, too.

    Entering opens the journal, takes up what an earlier run left, and begins to listen; leaving
    drains: attempts under way end, within ``CV_DRAIN_TIMEOUT``. What waits then waits on disk for
    the next. Raises SettingsInvalid, JournalFault, SpoolFault; with ``web``, OSError where its
    address is taken. What the block raises comes out as it is, a group of errors too. A fault of
    the journal while it runs cancels the block, and comes out of it.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        web: bool = False,
        watch: bool = False,
        log: TextIO | None = None,
        own_process: bool = False,
    ) -> None:
        self._settings = load() if settings is None else settings
        self._web = web
        self._watch = watch
        self._stream = sys.stderr if log is None else log
        self._own_process = own_process
        self._stack: AsyncExitStack | None = None
        self._front: Front | None = None

    async def submit(
        self, code: str, file: CvFile, *, name: str = "", idempotency_key: str | None = None
    ) -> Handle:
        """Accept one CV for one code; on disk when it returns.

        ``file``: a path, the bytes, or a file opened in binary mode, read from where it stands, in
        a thread. ``name``: what the upstream is told it is called, by default the file's. Raises
        InvalidCode, InvalidFile, SpoolFull, SpoolFault; SubmissionDeclined where the lane is
        busy and its policy is to reject, or the key was used for something else.
        """
        own_name, stream = _opened(file)
        try:
            taken = await self._running().submit(
                code, _chunks(stream), name or own_name, idempotency_key=idempotency_key
            )
        finally:
            if stream is not file:
                stream.close()
        if isinstance(taken, Turned):
            raise SubmissionDeclined(taken.reason)
        return Handle(SubmissionId(taken.submission["id"]), taken.repeated, self._running())

    def handle(self, submission_id: str) -> Handle:
        """Of a submission accepted before, by this run or an earlier one."""
        return Handle(SubmissionId(submission_id), False, self._running())

    def _running(self) -> Front:
        if self._front is None:
            raise RuntimeError("expected to be used within 'async with', found it not entered")
        return self._front

    async def __aenter__(self) -> Self:
        try:
            return await self._enter()
        except BaseExceptionGroup as group:
            raise root(group) from group

    async def _enter(self) -> Self:
        async with AsyncExitStack() as stack:
            log = open_log(self._settings, self._stream)
            stack.callback(log.close)
            if self._own_process:
                quiet_libraries(log)
                watch_loop(asyncio.get_running_loop(), log)
            await stack.enter_async_context(traced(self._settings, log))
            running: Daemon = await stack.enter_async_context(
                daemon(self._settings, log, web=self._web, watch=self._watch)
            )
            self._front = ServiceFront(running.service, running.world)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        stack, self._stack, self._front = self._stack, None, None
        if stack is None:
            return None
        try:
            return await stack.__aexit__(kind, error, trace)
        except BaseExceptionGroup as group:
            others = [leaf for leaf in _leaves(group, error) if leaf is not error]
            if not others:
                return None  # The program's own: it comes out as it went in.
            for other in others:
                if isinstance(other, CvListenerError):
                    raise other from group
            raise


def submit_once(settings: Settings, code: str, file: Path) -> Mapping[str, Any]:
    """Without a daemon: listen, send one file, wait for its outcome, end. The public JSON form.

    Keeps its own journal, in ``once`` of the state folder: what an interrupted call left is taken
    up by the next, and the same code and file stand for it. Raises SubmissionDeclined.
    """
    own = settings.model_copy(update={"state_dir": settings.state_dir / "once"})
    # What would not end ends with the process; there is no log any more to say so.
    return ending.run(_once(own, code, file), lambda _: None)


async def _once(settings: Settings, code: str, file: Path) -> Mapping[str, Any]:
    async with Listener(settings, own_process=True) as listener:
        front = listener._running()
        name, stream = _opened(file)
        with stream:
            # Interrupted and given again, it goes on with what was begun.
            taken = await front.submit(code, _chunks(stream), name, join=True)
        if isinstance(taken, Turned):
            raise SubmissionDeclined(taken.reason)
        handle = Handle(SubmissionId(taken.submission["id"]), taken.repeated, front)
        try:
            await handle.outcome()
            shown = await handle.submission()
        except asyncio.CancelledError:
            await front.word_undelivered(handle.id)
            raise
        await front.word_delivered(handle.id)
        # It never lives for the hour after which a daemon looks for what is past its time.
        await front.forget(Forget(older_than_ms=settings.retention_days * DAY_MS))
        return shown


def _leaves(error: BaseException, own: BaseException | None) -> Iterator[BaseException]:
    """What a group is of; ``own`` is never taken apart."""
    if error is own or not isinstance(error, BaseExceptionGroup):
        yield error
    else:
        for inner in error.exceptions:
            yield from _leaves(inner, own)


def _opened(file: CvFile) -> tuple[str, BinaryIO]:
    if isinstance(file, bytes | bytearray | memoryview):
        return "", BytesIO(file)
    if isinstance(file, str | os.PathLike):
        path = Path(file)
        return path.name, path.open("rb")
    names = (getattr(file, attribute, None) for attribute in ("filename", "name"))
    name = next((name for name in names if isinstance(name, str)), "")
    return name, file


async def _chunks(stream: BinaryIO) -> AsyncIterator[bytes]:
    while block := await asyncio.to_thread(stream.read, BLOCK):
        if not isinstance(block, bytes | bytearray):
            raise TypeError("expected a file opened in binary mode, found one of text")
        yield block
