"""Forks that may hang, grow or die, and that say what killed the mutant in them."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType

BYTES = 2 << 30
"""How much memory a fork may have: an endless list ends too."""


@dataclass(frozen=True, slots=True)
class End:
    """How a mutant ended. ``by``: the test that killed it, ``too slow`` where it ran into its
    limit, ``died`` where its process did; None if it survived."""

    by: str | None
    cpu_s: float


def in_a_fork(work: Callable[[], str | None], cpu_s: int) -> End:
    """Do ``work`` in a fork, within ``cpu_s`` seconds of CPU. What it returns is what killed."""
    sys.stdout.flush()
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reads)
        _work(work, writes, cpu_s)
    os.close(writes)
    with os.fdopen(reads) as pipe:
        told = pipe.read()
    _, status, used = os.wait4(child, 0)
    cpu = used.ru_utime + used.ru_stime
    if status == 0:
        return End(None, cpu)
    if os.WIFSIGNALED(status):
        return End("too slow" if os.WTERMSIG(status) == signal.SIGXCPU else "died", cpu)
    return End(told or "died", cpu)


def _work(work: Callable[[], str | None], writes: int, cpu_s: int) -> None:
    """The fork's whole life. Never returns."""
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 5))
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def too_slow(number: int, frame: FrameType | None) -> None:
        os.write(writes, b"too slow")
        os._exit(1)

    signal.signal(signal.SIGPROF, too_slow)
    by: str | None = "died"
    try:
        by = work()
    except BaseException as error:  # noqa: BLE001 - a mutant may raise anything, and its fork ends here
        by = f"died: {error!r}"[:300]
    os.write(writes, (by or "").encode())
    os._exit(1 if by else 0)


@contextlib.contextmanager
def within(cpu_s: float) -> Iterator[None]:
    """``too slow`` once this process has used so much CPU time."""
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
