"""``python -m tests.kills.doomed run``: the real daemon, made to die or to err by its environment.

``DOOMED_AT``: ``point:n``, it kills itself at the n-th passing of that point, and says so in the
file ``DOOMED_TOLD`` right before. ``DOOMED_UNREAD``: nobody reads its log from the first canonical
line on. ``DOOMED_BUG``: a planted bug. ``DOOMED_STEPS``: the journal has one migration more. The
outcome handler :func:`heard` writes to ``DOOMED_REACTIONS``.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from listener.__main__ import main
from listener.adapters.journal_sqlite import SqliteJournal, store
from listener.adapters.logs import Writer

from . import disk
from .planted import BUGS
from .points import lay

CHECKPOINT_PAGES = 16
"""Few, so that there are many checkpoints to die in."""

A_STEP = "CREATE TABLE later (id INTEGER PRIMARY KEY)"


async def heard(submission: Mapping[str, object]) -> None:
    """An outcome handler: one line for each call, on disk as far as a SIGKILL goes."""
    told = (submission[name] for name in ("id", "outcome", "attribution", "late"))
    line = " ".join(str(value) for value in told) + "\n"
    fd = os.open(os.environ["DOOMED_REACTIONS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(fd, line.encode())
    finally:
        os.close(fd)


@contextmanager
def one_step_more(wanted: bool = True) -> Iterator[None]:
    """Within, a journal of the product's own version is an older one."""
    seam: Any = store
    real = seam.migrations
    if wanted:
        seam.migrations = lambda: real() | {max(real()) + 1: A_STEP}
    try:
        yield
    finally:
        seam.migrations = real


def _stop_reading() -> None:
    """As a pipe that is full: the writer's thread waits for room."""
    write = Writer._write

    def full(self: Writer, data: bytes) -> int:
        if b"submission.closed" in data:
            threading.Event().wait()
        return write(self, data)

    seam: Any = Writer
    seam._write = full


def _prepare(environ: Mapping[str, str]) -> disk.ToldDisk:
    told_disk = disk.ToldDisk()
    opened = partial(SqliteJournal.open, vfs=disk.NAME, checkpoint_pages=CHECKPOINT_PAGES)
    SqliteJournal.open = opened  # type: ignore[method-assign]  # tests alone need the keywords
    if bug := environ.get("DOOMED_BUG"):
        BUGS[bug]()
    if environ.get("DOOMED_UNREAD"):
        _stop_reading()
    if at := environ.get("DOOMED_AT"):
        name, _, passing = at.partition(":")
        lay(name, int(passing), Path(environ["DOOMED_TOLD"]))
    return told_disk


if __name__ == "__main__":
    kept = _prepare(os.environ)
    with one_step_more("DOOMED_STEPS" in os.environ):
        sys.exit(main(sys.argv[1:]))
