"""The command as people run it: a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BOUND_S = 100


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str

    def objects(self) -> list[dict[str, Any]]:
        """Stdout as JSON, one object a line."""
        return [json.loads(line) for line in self.out.splitlines()]


async def start(
    folder: Path, *args: str, env: dict[str, str] | None = None, python: tuple[str, ...] = ()
) -> asyncio.subprocess.Process:
    """Start a command with ``folder`` as its state folder and its working folder."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("CV_")}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, *python, "-m", "listener", *args),
        cwd=folder,
        env={**inherited, "CV_STATE_DIR": str(folder), "COLUMNS": "80", **(env or {})},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def end(process: asyncio.subprocess.Process, stdin: bytes = b"") -> Ended:
    """Wait for it to end."""
    try:
        async with asyncio.timeout(BOUND_S):
            out, err = await process.communicate(stdin)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


async def cli(
    folder: Path,
    *args: str,
    stdin: bytes = b"",
    env: dict[str, str] | None = None,
    python: tuple[str, ...] = (),
) -> Ended:
    """Run a command to its end."""
    return await end(await start(folder, *args, env=env, python=python), stdin)
