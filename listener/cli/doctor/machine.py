"""The machine, and the state folder: nothing here is opened that the daemon has open, and no lock
is taken."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import stat
import time
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path

from listener.cli import exits

from .finding import Finding, aside, fail, fine, warn

LIBRARIES = ("aiohttp", "httpx", "python-socketio", "orjson", "pydantic")
WHOLE_ENGINE = (3, 51, 3)
"""From here on SQLite is without the fault that could damage a database in WAL mode."""

WRITES = 40
WRITING_S = 2.5
LEAVING_S = 4.0
SLOW_MS = 50.0
"""A commit that takes longer is felt by whoever submits."""

LOW_BYTES = 256 << 20
LOW_INODES = 1_000
OTHERS = stat.S_IRWXG | stat.S_IRWXO
PRIVATE = ("token", "token.previous", "ref.key", "ref.key.previous", "intake.json", "journal.db")
STEPPED_S = 0.05


async def clock_runs() -> Iterable[Finding]:
    """Whether the wall's clock and the one that never steps agree, while we look."""
    wall, steady = time.time(), time.monotonic()
    await asyncio.sleep(0.5)
    apart = (time.time() - wall) - (time.monotonic() - steady)
    if abs(apart) > STEPPED_S:
        advice = "let a time daemon slew the clock, and not step it"
        return [warn("clock", f"stepped by {apart:+.2f} s within half a second", advice)]
    return [fine("clock", "runs evenly")]


async def engine() -> Iterable[Finding]:
    """What we are made of."""
    import apsw

    sqlite = apsw.sqlite_lib_version()
    made_of = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    found = f"Python {platform.python_version()}, SQLite {sqlite}, {made_of}"
    if tuple(int(part) for part in sqlite.split(".")[:3]) < WHOLE_ENGINE:
        wanted = ".".join(map(str, WHOLE_ENGINE))
        advice = f"install an apsw with SQLite {wanted} or newer: older ones can damage a journal"
        return [fail("engine", found, advice, exits.IO_FAILED)]
    return [fine("engine", found)]


def _nearest(folder: Path) -> Path:
    """It, or what is there of the way to it."""
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return folder


async def folder(state_dir: Path) -> Iterable[Finding]:
    """The state folder and what is in it: ours, and closed to others."""
    return await aside(lambda: list(_folder(state_dir)))


def _folder(state_dir: Path) -> Iterator[Finding]:
    if not state_dir.exists():
        above = _nearest(state_dir)
        if not os.access(above, os.W_OK | os.X_OK):
            found = f"{state_dir} is not there, and {above} may not be written"
            yield fail("folder", found, _OWN, exits.PERMISSION)
        else:
            yield fine("folder", f"{state_dir} is not there yet: the first start makes it, 0700")
        return
    if not state_dir.is_dir():
        yield fail("folder", f"{state_dir} is no folder", "check CV_STATE_DIR", exits.CONFIGURATION)
        return
    if not os.access(state_dir, os.W_OK | os.X_OK):
        read_only = os.statvfs(state_dir).f_flag & os.ST_RDONLY
        why = "is on a read-only file system" if read_only else "may not be written by this user"
        yield fail("folder", f"{state_dir} {why}", _OWN, exits.PERMISSION)
        return
    wrong = [*_not_ours(state_dir), *_open_to_others(state_dir)]
    if wrong:
        advice = f"chown -R the daemon's user {state_dir}; chmod -R go= {state_dir}"
        yield fail("folder", "; ".join(wrong), advice, exits.PERMISSION)
    elif state_dir.stat().st_mode & OTHERS:
        yield warn(
            "folder",
            f"{state_dir} can be entered by others (its secrets cannot be read)",
            f"chmod 0700 {state_dir}, unless others have to get in there",
        )
    else:
        yield fine("folder", f"{state_dir} is this user's, and closed to others")


SHELVES = ("accepted", "done", "unresolved", "refused")
"""Below the watched folder, once a daemon has been there."""

_OWN = "make it a folder that the daemon's user owns and may write (CV_STATE_DIR)"


def _secrets(state_dir: Path) -> Iterator[Path]:
    for name in PRIVATE:
        yield state_dir / name
    yield from state_dir.glob("journal.db-*")
    yield from state_dir.glob("journal.db.*")
    yield state_dir / "spool"


def _not_ours(state_dir: Path) -> Iterator[str]:
    for path in (state_dir, *_secrets(state_dir)):
        with contextlib.suppress(FileNotFoundError):
            owner = path.stat().st_uid
            if owner != os.geteuid():
                yield f"{path.name} belongs to user {owner}, not to {os.geteuid()}"


def _open_to_others(state_dir: Path) -> Iterator[str]:
    for path in _secrets(state_dir):
        with contextlib.suppress(FileNotFoundError):
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & OTHERS:
                yield f"{path.name} is open to others ({mode:04o})"


async def watched(watch: Path) -> Iterable[Finding]:
    """The folder CV_SPOOL_WATCH, which is to be there, and one that files can be moved out of."""
    return [await aside(lambda: _watched(watch))]


def _watched(watch: Path) -> Finding:
    if not watch.is_dir():
        why = "no folder" if os.path.lexists(watch) else "not there"
        advice = "make it, or mount it; or check CV_SPOOL_WATCH"
        return fail("watch", f"{watch} is {why}", advice, exits.IO_FAILED)
    for place in (watch, *(watch / name for name in SHELVES)):
        if place.is_dir() and not os.access(place, os.R_OK | os.W_OK | os.X_OK):
            advice = "let the daemon's user read and write it, and those below it"
            return fail("watch", f"{place} may not be read and written", advice, exits.PERMISSION)
    if watch.stat().st_mode & OTHERS:
        found = f"{watch} can be entered by others, and a file's name there may be a code"
        return warn("watch", found, f"chmod 0700 {watch}, unless others have to put files there")
    return fine("watch", f"{watch} is there, and may be written")


async def disk(state_dir: Path, quota: int, reserve: int) -> Iterable[Finding]:
    """Room for the journal and the spool."""
    return await aside(lambda: list(_disk(state_dir, quota, reserve)))


def _disk(state_dir: Path, quota: int, reserve: int) -> Iterator[Finding]:
    told = os.statvfs(_nearest(state_dir))
    free, inodes = told.f_bavail * told.f_frsize, told.f_favail
    spool = _used(state_dir / "spool")
    journal = sum(_size(state_dir / f"journal.db{tail}") for tail in ("", "-wal"))
    found = (
        f"{_bytes(free)} free, {inodes if told.f_files else 'unlimited'} inodes; "
        f"spool {_bytes(spool)} of {_bytes(quota)}, journal {_bytes(journal)}"
    )
    if free < reserve:
        advice = (
            f"free some: below {_bytes(reserve)} no file is taken, so that the journal can go on"
        )
        yield fail("disk", found, advice, exits.IO_FAILED)
    elif told.f_files and inodes < LOW_INODES:
        yield warn("disk", found, "free some inodes: each file in the spool takes one")
    elif free < reserve + LOW_BYTES:
        yield warn("disk", found, "free some: little is left above what is kept for the journal")
    elif free - reserve < quota - spool:
        yield warn("disk", found, "the disk is full before CV_SPOOL_QUOTA: lower it, or free some")
    elif spool > quota * 0.8:
        yield warn("disk", found, "raise CV_SPOOL_QUOTA, or see why so much waits")
    else:
        yield fine("disk", found)


def _used(spool: Path) -> int:
    with contextlib.suppress(OSError):
        return sum(_size(path) for path in spool.rglob("*") if path.is_file())
    return 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _bytes(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


async def fsync(state_dir: Path) -> Iterable[Finding]:
    """How long the disk takes to promise something: each acceptance waits for that."""
    place = _nearest(state_dir)
    if not os.access(place, os.W_OK | os.X_OK):
        return [warn("fsync", f"not measured: {place} may not be written", _OWN)]
    stop = [False]
    measuring = asyncio.ensure_future(aside(lambda: _measured(place, stop)))
    try:
        times = sorted(await asyncio.shield(measuring))
    finally:
        # Interrupted, it is to take its file away first; a disk that does not answer may keep it.
        stop[0] = True
        await asyncio.wait({measuring}, timeout=LEAVING_S)
    middle, worst = times[len(times) // 2], times[int(len(times) * 0.99)]
    found = f"p50 {middle:.1f} ms, p99 {worst:.1f} ms over {len(times)} writes"
    if worst > SLOW_MS:
        return [
            warn(
                "fsync", found, "each acceptance waits so long: use a faster disk for CV_STATE_DIR"
            )
        ]
    return [fine("fsync", f"{found}: a commit takes about {middle:.1f} ms, and carries up to 256")]


def _measured(place: Path, stop: list[bool]) -> list[float]:
    """Milliseconds of each; one at least. Leaves nothing behind."""
    path = place / f".doctor.{os.getpid()}"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        times: list[float] = []
        began = time.perf_counter()
        while len(times) < WRITES and not stop[0] and time.perf_counter() - began < WRITING_S:
            os.write(fd, b"\0" * 4096)
            before = time.perf_counter()
            os.fsync(fd)
            times.append((time.perf_counter() - before) * 1000)
        return times
    finally:
        os.close(fd)
        path.unlink()
