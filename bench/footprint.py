"""``python -m bench.footprint [SUBMISSIONS]``: what the daemon holds, in memory and on disk, for
each submission that is open, and on disk for each that is closed and kept."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

import apsw
import psutil

from listener.emulator import Emulator, Options
from tests.e2e.process import DaemonProcess

FILE = b"%PDF-1.7\n" + b"x" * 1_000


async def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cv.pdf"
        file.write_bytes(FILE)
        options = Options(extract=False, event_delay_ms=0, job_ms=3_600_000)
        async with Emulator(options) as upstream:
            daemon = DaemonProcess(
                Path(folder), upstream.base_url, upstream.socket_url, log_level="info"
            )
            async with daemon:
                await _measure(daemon, file, count)


async def _measure(daemon: DaemonProcess, file: Path, count: int) -> None:
    process = psutil.Process(daemon.pid)
    before, empty = process.memory_info().rss, _journal(daemon)
    await daemon.post("/v1/pause")
    ids = [await daemon.submit(f"Bench#{number}", file) for number in range(count)]
    opened, of_open = process.memory_info().rss, _journal(daemon)
    print(
        f"open: {(opened - before) / 2**20:.1f} MiB of memory for {count:,} of as many codes "
        f"(an idle daemon has {before >> 20} MiB), {(of_open - empty) / count / 1024:.1f} KiB of "
        "journal each, and its file"
    )
    await daemon.post("/v1/resume")
    await daemon.closed([name for name in ids if name is not None], 600)
    kept = _journal(daemon)
    print(
        f"closed: {(kept - empty) / count / 1024:.1f} KiB of journal each, for CV_RETENTION_DAYS; "
        f"{process.memory_info().rss >> 20} MiB of memory after {count:,}"
    )


def _journal(daemon: DaemonProcess) -> int:
    """Bytes of its pages, those in the log included, free ones not."""
    db = apsw.Connection(str(daemon.state_dir / "journal.db"))
    try:
        db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        pages = int(db.pragma("page_count")) - int(db.pragma("freelist_count"))
        return pages * int(db.pragma("page_size"))
    finally:
        db.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000))
