"""The daemon itself."""

from __future__ import annotations

import signal
import sys

import click

from . import configured
from .command import Command


@click.command(cls=Command)
def run() -> int:
    """Run the daemon: take submissions, send them, hear of them, say what became of them.

    Settings come from CV_* variables of the environment and from .env; 'cv-listener check' shows
    them. The log goes to stdout, one JSON object a line, or readable on a terminal. SIGTERM drains
    and ends it.
    """
    # Until the daemon handles it itself: nothing has begun, so there is nothing to drain.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    settings = configured.settings()
    from listener.serving import run_daemon

    return run_daemon(settings)
