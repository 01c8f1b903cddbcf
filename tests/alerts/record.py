"""``python -m tests.alerts.record [NAME…]``: plays each scene, and keeps what the real daemon said
and what its metrics were.

Each recording is two files: the log as it was written, paths taken out, and the metrics, scrape by
scrape. ``began`` and ``until`` bound it, in Unix seconds.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import re
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from .scenes import SCENES, Scene
from .stage import Series, Stage, stage

FOLDER = Path(__file__).resolve().parent / "recordings"
GONE = b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


async def gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A receiver that wants nothing more."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(GONE)
    await writer.drain()
    writer.close()


async def record(name: str, scene: Scene, folder: Path) -> None:
    async with AsyncExitStack() as stack:
        settings = dict(scene.settings)
        if "webhook" in str(settings.get("outcome_handlers")):
            server = await stack.enter_async_context(
                await asyncio.start_server(gone, "127.0.0.1", 0)
            )
            port = server.sockets[0].getsockname()[1]
            settings["webhook_url"] = f"http://127.0.0.1:{port}/"
            settings["webhook_secret"] = "whsec_" + base64.b64encode(b"s" * 32).decode()
        on = await stack.enter_async_context(
            stage(folder, scene.hurt, dict(scene.options), **settings)
        )
        if scene.goes_well:
            await on.traffic(scene.goes_well)
        await scene.play(on)
        until = time.time()
    keep(name, on, until)


def keep(name: str, on: Stage, until: float) -> None:
    text = on.daemon.output.read_text(errors="replace")
    told = {"began": on.began, "until": until}
    lines = [json.dumps(told), *filter(None, map(_cleaned, text.splitlines()))]
    _write(f"{name}.log.gz", "\n".join(lines) + "\n")
    _write(f"{name}.metrics.gz", json.dumps(_changes(on.series), separators=(",", ":")))


def _cleaned(line: str) -> str | None:
    """Without what is of this machine alone; None for what is no whole line of the log."""
    try:
        fields: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    for name in ("state_dir", "trace", "settings", "python", "url"):
        fields.pop(name, None)
    return re.sub(r"/tmp/[\w./-]+", "…", json.dumps(fields, separators=(",", ":")))  # noqa: S108  found, not used


def _changes(series: Series) -> dict[str, list[list[float]]]:
    """Each series as [first scrape, last scrape, value] for each run of one value."""
    found: dict[str, list[list[float]]] = {}
    for name, samples in sorted(series.items()):
        runs: list[list[float]] = []
        for tick, value in samples:
            if runs and runs[-1][2] == value and tick - runs[-1][1] <= 2:
                runs[-1][1] = tick
            elif not runs or tick > runs[-1][1]:
                runs.append([tick, tick, value])
        found[name] = runs
    return found


def _write(name: str, text: str) -> None:
    FOLDER.mkdir(exist_ok=True)
    # The same bytes for the same text.
    (FOLDER / name).write_bytes(gzip.compress(text.encode(), 9, mtime=0))


async def main(names: list[str]) -> None:
    for name in names or list(SCENES):
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            await record(name, SCENES[name], Path(folder))
            sys.stdout.write(f"{name}: {time.monotonic() - began:.0f} s\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
