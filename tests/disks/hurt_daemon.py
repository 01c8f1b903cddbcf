"""``python -m tests.disks.hurt_daemon run``: the real daemon on a disk that can be hurt.

The environment's ``HURT`` is a :class:`Hurt` as JSON. Its faults hold while its file is there.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import apsw

from listener.adapters.journal_sqlite import SqliteJournal
from tests.adapters.journal_sqlite.hooked_disk import HookedDisk

ANSWERS: dict[str, type[apsw.Error]] = {
    "full": apsw.FullError,
    "io": apsw.IOError,
    "readonly": apsw.ReadOnlyError,
}


@dataclass(frozen=True)
class Hurt:
    """``sqlite``: (operation, end of the file's name, answer) of SQLite's own calls. ``calls``: (a
    function of ``os`` on a descriptor, a part of its file's path, errno's name) of all others.
    ``checkpoint_pages``: so that a checkpoint comes soon. ``largest``: bytes of any file
    (RLIMIT_FSIZE). ``modes_hold``: for root too. ``clock_s``: how far off the clock is.
    ``mounts_of``: the process whose mounts it sees."""

    file: str
    sqlite: tuple[tuple[str, str, str], ...] = ()
    calls: tuple[tuple[str, str, str], ...] = ()
    checkpoint_pages: int | None = None
    largest: int | None = None
    modes_hold: bool = False
    clock_s: int = 0
    mounts_of: int | None = None

    def environ(self) -> dict[str, str]:
        """What tells the process."""
        return {"HURT": json.dumps(asdict(self))}

    def holds(self) -> bool:
        """Whether it hurts now."""
        return Path(self.file).exists()


def be_hurt(hurt: Hurt) -> HookedDisk:
    """Before the daemon begins. The disk is to be kept."""
    if hurt.mounts_of is not None:
        _see_mounts_of(hurt.mounts_of)
    disk = HookedDisk(default=True)

    def asked(operation: str, name: str) -> None:
        for wanted, ending, answer in hurt.sqlite:
            if operation == wanted and name.endswith(ending) and hurt.holds():
                raise ANSWERS[answer](f"hurt: {answer}")

    disk.hook = asked
    for name in {name for name, _, _ in hurt.calls}:
        setattr(os, name, _failing(getattr(os, name), name, hurt))
    if hurt.checkpoint_pages is not None:
        defaults = SqliteJournal.open.__func__.__kwdefaults__  # type: ignore[attr-defined]  # a class method is a function with defaults
        defaults["checkpoint_pages"] = hurt.checkpoint_pages
    if hurt.largest is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hurt.largest, hurt.largest))
    if hurt.clock_s:
        real, ahead = time.time_ns, hurt.clock_s * 10**9
        time.time_ns = lambda: real() + ahead
    if hurt.modes_hold and os.getuid() == 0:
        _obey_modes()
    return disk


def _see_mounts_of(pid: int) -> None:
    """Enter its namespaces: the user's first, which gives the right to enter the other."""
    libc = ctypes.CDLL(None, use_errno=True)
    for kind in ("user", "mnt"):
        with Path(f"/proc/{pid}/ns/{kind}").open("rb") as namespace:
            if libc.setns(namespace.fileno(), 0) != 0:
                raise OSError(ctypes.get_errno(), f"setns {kind}")
    os.chdir("/")


def _obey_modes() -> None:
    """Give up what lets root pass over owners and modes (capabilities(7))."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    sets = (ctypes.c_uint32 * 6)()
    override, read_search, owner = 1 << 1, 1 << 2, 1 << 3
    if libc.capget(header, sets) != 0:
        raise OSError(ctypes.get_errno(), "capget")
    for place in (0, 1):  # effective, permitted
        sets[place] &= ~(override | read_search | owner)
    if libc.capset(header, sets) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def _failing(real: Callable[..., Any], name: str, hurt: Hurt) -> Callable[..., Any]:
    wanted = [(part, getattr(errno, word)) for call, part, word in hurt.calls if call == name]

    def call(descriptor: int, *rest: Any) -> Any:
        if hurt.holds():
            path = str(Path(f"/proc/self/fd/{descriptor}").readlink())
            for part, number in wanted:
                if part in path:
                    raise OSError(number, os.strerror(number))
        return real(descriptor, *rest)

    return call


def main() -> int:
    given = json.loads(os.environ["HURT"])
    given["sqlite"] = [tuple(one) for one in given["sqlite"]]
    given["calls"] = [tuple(one) for one in given["calls"]]
    # Kept until the process ends: SQLite calls it.
    disk = be_hurt(Hurt(**given))
    from listener.__main__ import main as listener_main

    status = listener_main()
    disk.hook = lambda _operation, _name: None
    return status


if __name__ == "__main__":
    sys.exit(main())
