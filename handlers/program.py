"""The outcome handler ``program``: runs a program of the user's for each outcome."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Self

import orjson

from listener.core.view import OUTCOME_VARIABLES
from listener.ports.reaction import HandlerFailed, OutcomeHandler

KEPT_BYTES = 4_096
"""Of what it writes; the rest is read, and thrown away."""
SHOWN = 200
LAST_WORDS_S = 1.0
"""For what still is in the pipe when the process has ended."""
REAP_S, REAP_LOOKS = 1.0, 50
"""For what was killed to be dead."""


def program(argv: Sequence[str], path: str) -> OutcomeHandler:
    """A handler that runs ``argv``, without a shell, with the submission as JSON on its standard
    input, in few words in ``CV_OUTCOME_…``, and nothing else in its environment but ``PATH``
    (``path``) and ``LANG``. A status other than 0 means "again later".

    It runs in a process group of its own, which is killed when it takes too long, and when it has
    ended: what it leaves behind does not outlive it. What makes it safe to run twice is its own
    affair: ``CV_OUTCOME_ID`` and ``CV_OUTCOME_VERSION`` name what it is told.
    """

    async def handle(submission: Mapping[str, object]) -> None:
        environ = {"PATH": path, "LANG": "C.UTF-8", **variables(submission)}
        said = await Said.listen()
        try:
            status = await _run(argv, environ, orjson.dumps(submission), said)
            words = await said.last_line() if status else ""
        except OSError as error:
            words = f"expected a program that can be run, found: {error.strerror}"
            raise HandlerFailed(words) from error
        finally:
            said.close()
        if status:
            found = f"expected exit status 0, found {_status(status)}"
            raise HandlerFailed(f"{found}: {words}" if words else found)

    return handle


def variables(submission: Mapping[str, object]) -> dict[str, str]:
    """The fields of an outcome for the environment; what is null is empty."""
    dispatch = submission["dispatch"]
    flat = dict(submission)
    if isinstance(dispatch, Mapping):
        flat |= {job: said["verdict"] for job, said in dispatch.items()}
    return {name: _plain(flat[field]) for field, name in OUTCOME_VARIABLES.items()}


def _plain(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


async def _run(argv: Sequence[str], environ: Mapping[str, str], told: bytes, said: Said) -> int:
    """To its end; its exit status. Nothing is left of its group, whatever ends this."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        env=environ,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=said.writing,
        start_new_session=True,
    )
    said.handed_over()
    telling = asyncio.create_task(_tell(process, told))
    try:
        return await process.wait()
    finally:
        # What runs as another user (sudo) is not ours to kill, and changes nothing of how it ended.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        telling.cancel()
        await asyncio.shield(_buried(process, telling))


async def _buried(process: asyncio.subprocess.Process, telling: asyncio.Task[None]) -> None:
    await asyncio.wait({telling})
    if process.stdin is not None:
        process.stdin.close()
    await process.wait()
    await _reaped(process.pid)


async def _reaped(group: int) -> None:
    """The first process of a container is handed what a program left behind: killed, it stays in
    the table of processes until somebody asks for it. Of this group alone: its head was asked for
    already, and all other children are somebody else's."""
    for _ in range(REAP_LOOKS):
        try:
            while os.waitpid(-group, os.WNOHANG) != (0, 0):  # noqa: ASYNC222  WNOHANG: it does not wait
                pass
        except ChildProcessError:
            return
        await asyncio.sleep(REAP_S / REAP_LOOKS)


async def _tell(process: asyncio.subprocess.Process, told: bytes) -> None:
    """It need not read what it is told."""
    if process.stdin is not None:
        with suppress(ConnectionError):
            process.stdin.write(told)
            await process.stdin.drain()
        process.stdin.close()


class Said:
    """What a program writes to its standard error: all is read, and the last of it kept. A pipe of
    our own: whoever else holds its other end, a process that broke out, holds up nothing."""

    def __init__(self, writing: int, transport: asyncio.ReadTransport, read: Reading) -> None:
        self.writing: int | None = writing
        self._transport = transport
        self._read = read

    @classmethod
    async def listen(cls) -> Self:
        """Its end to write to is ``writing``."""
        reading, writing = os.pipe()
        transport, protocol = await asyncio.get_running_loop().connect_read_pipe(
            Reading, os.fdopen(reading, "rb", 0)
        )
        return cls(writing, transport, protocol)

    def handed_over(self) -> None:
        """The program has it."""
        if self.writing is not None:
            os.close(self.writing)
            self.writing = None

    async def last_line(self) -> str:
        """Bounded, and within a bound."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_S):
                await self._read.ended.wait()
        lines = self._read.kept.decode(errors="replace").strip().splitlines()
        return lines[-1].strip()[:SHOWN] if lines else ""

    def close(self) -> None:
        """Nothing stays open."""
        self.handed_over()
        self._transport.close()


class Reading(asyncio.Protocol):
    """The end of a pipe."""

    def __init__(self) -> None:
        self.kept = b""
        self.ended = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        """Any number of times."""
        self.kept = (self.kept + data)[-KEPT_BYTES:]

    def connection_lost(self, error: Exception | None) -> None:
        """Nobody writes any more."""
        self.ended.set()


def _status(status: int) -> str:
    return str(status) if status > 0 else f"that signal {-status} ended it"
