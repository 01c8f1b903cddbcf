"""Disks that are really full, and really read-only: mounted so for the daemon alone."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from .ward import Ward, submit_some, ward

SIZE_MIB = 72
"""8 above what the spool leaves to the journal."""
SMALL = f'mount -t tmpfs -o size={SIZE_MIB}m,mode=700 tmpfs "$1"'
READ_ONLY = 'mount --bind "$1" "$1"; mount -o remount,ro,bind "$1"'


@asynccontextmanager
async def mounted(mount: str, mount_point: Path) -> AsyncIterator[int]:
    """The process that holds it; what it sees is under ``/proc/PID/root``."""
    if shutil.which("unshare") is None:
        pytest.skip("only Linux has mounts of one's own")
    holder = await asyncio.create_subprocess_exec(
        *("unshare", "--user", "--map-root-user", "--mount"),
        *("sh", "-ec", f"{mount}; echo mounted; exec sleep 600", "sh", str(mount_point)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert holder.stdout is not None
        async with asyncio.timeout(30):
            if await holder.stdout.readline() != b"mounted\n":
                pytest.skip("this kernel grants nobody a mount of his own")
        yield holder.pid
    finally:
        if holder.returncode is None:
            holder.kill()
        await holder.communicate()


def fill(folder: Path, mebibytes: int | None = None) -> None:
    """With so much, or with all that goes in."""
    block = b"x" * (1 << 20 if mebibytes else 4_096)
    with (folder / "ballast").open("ab", buffering=0) as ballast:
        try:
            while mebibytes is None or ballast.tell() < mebibytes << 20:
                ballast.write(block)
        except OSError:
            return


def seen_through(one: Ward, holder: int) -> None:
    """The test looks at the daemon's files from outside."""
    one.daemon.state_dir = Path(f"/proc/{holder}/root{one.daemon.state_dir}")


@pytest.mark.prove
async def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    """First the spool refuses, and the journal goes on; then nothing goes any more."""
    (tmp_path / "state").mkdir()
    async with mounted(SMALL, tmp_path / "state") as holder, ward(tmp_path) as one:
        seen_through(one, holder)
        one.hurt(mounts_of=holder)
        await one.daemon.start()
        await submit_some(one, 3)
        fill(one.state, 10)
        answer = await one.submit(10)
        assert answer is not None and answer.status_code == 507
        await one.said("spool.filled", "free some space")
        await one.daemon.closed(one.accepted, 60)
        fill(one.state)
        await one.ends_with(74, "a full disk", "free some space")
        (one.state / "ballast").unlink()
        await one.daemon.start()
        answer = await one.submit(11)
        assert answer is not None and answer.status_code == 202
        await one.all_closes()


@pytest.mark.prove
@pytest.mark.parametrize("kept", ["everything", "nothing"])
async def test_a_disk_that_is_really_read_only(tmp_path: Path, kept: str) -> None:
    async with ward(tmp_path) as one:
        if kept == "everything":
            await one.daemon.start()
            await submit_some(one, 3)
            await one.daemon.kill()
        one.state.mkdir(exist_ok=True)
        async with mounted(READ_ONLY, one.state) as holder:
            one.hurt(mounts_of=holder)
            await one.refuses_to_start(74, "Read-only file system")
        one.heal()
        await one.daemon.start()
        await one.all_closes()
