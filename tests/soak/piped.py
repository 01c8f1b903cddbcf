"""The daemon as a process whose output goes through a pipe that is read, or left unread."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from tests.e2e.process import ROOT, DaemonProcess

CHUNK = 1 << 16


class PipedDaemon(DaemonProcess):
    """As ``DaemonProcess``; ``unread`` and ``read`` say whether anybody reads its log. What it had
    written when it died is still read."""

    def __init__(self, folder: Path, base_url: str, socket_url: str, **settings: object) -> None:
        super().__init__(folder, base_url, socket_url, module="tests.soak.timed", **settings)
        self._home = folder
        self.slowest = folder / "slowest"
        self.environ["SOAK_SLOWEST"] = str(self.slowest)
        self._pipe: int | None = None
        self._emptied = asyncio.Event()
        self._reading = True

    async def launch(self) -> None:
        """Start a process, and wait for nothing."""
        (self.state_dir / "intake.json").unlink(missing_ok=True)
        self._stopping = False
        await self._forget_client()
        self._pipe, theirs = os.pipe()
        os.set_blocking(self._pipe, False)
        self._emptied.clear()
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", self.module, "run"),
                cwd=self._home,
                env=self._environ | self.environ | {"PYTHONPATH": str(ROOT)},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=theirs,
                stderr=theirs,
            )
        finally:
            os.close(theirs)
        self.read()

    def unread(self) -> None:
        """From now on nobody reads: what the pipe does not hold, the daemon must."""
        self._reading = False
        if self._pipe is not None:
            asyncio.get_running_loop().remove_reader(self._pipe)

    def read(self) -> None:
        """Read on."""
        self._reading = True
        if self._pipe is not None:
            asyncio.get_running_loop().add_reader(self._pipe, self._some)

    def _some(self) -> None:
        assert self._pipe is not None
        try:
            data = os.read(self._pipe, CHUNK)
        except BlockingIOError:
            return
        if data:
            with self.output.open("ab") as output:
                output.write(data)
            return
        asyncio.get_running_loop().remove_reader(self._pipe)
        os.close(self._pipe)
        self._pipe = None
        self._emptied.set()

    async def ended(self, seconds: float = 60.0) -> int:
        """As in the class above; and all that it had written is read."""
        if not self._reading:
            self.read()
        assert self._process is not None
        async with asyncio.timeout(seconds):
            await self._process.wait()
            await self._emptied.wait()
        return await super().ended(seconds)

    def _end_torn_line(self) -> None:
        """The file grows for an hour: its end is enough to look at."""
        with self.output.open("rb+") as output:
            size = output.seek(0, os.SEEK_END)
            output.seek(max(0, size - CHUNK))
            tail = output.read()
            if tail and not tail.endswith(b"\n"):
                self._torn.add(tail.rsplit(b"\n", 1)[-1].decode(errors="replace"))
                output.write(b"\n")
