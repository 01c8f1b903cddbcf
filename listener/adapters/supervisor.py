"""What systemd is told over its notification socket (sd_notify(3)): ready, reloading, stopping, how
it goes, and that we live. Under anything else that socket is not there, and nobody is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Awaitable, Callable, Mapping

STATUS_S = 10.0
"""How often it is said how it goes, where no watchdog asks for more."""

SILENT = "the journal does not answer"


class Supervisor:
    """``environ`` None: the process's. Nothing here raises, waits for systemd, or tells a secret:
    what is said is in the words of the caller."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        found = os.environ if environ is None else environ
        self._address = _address(found.get("NOTIFY_SOCKET", ""))
        self._status = ""
        self._stopping = False
        self.watchdog_s = _watchdog_s(found)
        """Within which a sign of life is expected. None: nobody waits for one."""

    @property
    def listens(self) -> bool:
        """Whether anybody is there to be told."""
        return self._address is not None

    def ready(self) -> None:
        """Recovered, and open; or: the settings were read again."""
        self._tell("READY=1")

    def reloading(self) -> None:
        """The settings are read again; :meth:`ready` is to follow. Systemd holds the time against
        its own, to tell this from an answer to an earlier wish."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1_000}")

    def stopping(self, bound_s: float) -> None:
        """The end has begun, and takes so long at most, whatever the unit's own bound is."""
        self._say("draining")
        self._stopping = True
        self._tell("STOPPING=1", f"EXTEND_TIMEOUT_USEC={round(bound_s * 1e6)}")

    async def feed(self, alive: Callable[[], Awaitable[bool]], status: Callable[[], str]) -> None:
        """Give signs of life until cancelled, each after ``alive()`` has said yes in time. Once it
        does not, there are none: systemd ends the process then, and starts another.

        ``alive`` must answer if, and only if, loop and journal do: that it hangs is an answer.
        """
        if not self.listens:
            return
        bound_s = STATUS_S if self.watchdog_s is None else self.watchdog_s / 2
        while True:
            if await _within(bound_s, alive):
                self._say(status())
                self._tell("WATCHDOG=1")
                await asyncio.sleep(bound_s / 2)
            else:
                self._say(SILENT)
                await asyncio.sleep(bound_s / 4)

    def _say(self, words: str) -> None:
        if words != self._status and not self._stopping:
            self._status = words
            self._tell("STATUS=" + " ".join(words.split()))

    def _tell(self, *lines: str) -> None:
        if self._address is None:
            return
        # A socket that is full or gone is systemd's own affair: it is told again, or not at all.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.setblocking(False)
            out.sendto("\n".join(lines).encode(), self._address)


async def _within(bound_s: float, alive: Callable[[], Awaitable[bool]]) -> bool:
    try:
        async with asyncio.timeout(bound_s):
            return await alive()
    except TimeoutError:
        return False


def _address(given: str) -> str | None:
    """A path, or a name in the abstract space, which is written with an ``@``. All else is for
    systems that we do not run on."""
    if given.startswith("@"):
        return "\0" + given[1:]
    return given if given.startswith("/") else None


def _watchdog_s(environ: Mapping[str, str]) -> float | None:
    """Meant for this process alone: a child inherits the names, and is not watched."""
    try:
        expected = int(environ["WATCHDOG_USEC"]) / 1e6
        meant = int(environ.get("WATCHDOG_PID") or os.getpid())
    except (KeyError, ValueError):
        return None
    return expected if expected > 0 and meant == os.getpid() else None
