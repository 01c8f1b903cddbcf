"""Waiting until submissions are closed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from .daemon import Daemon


def until_closed(
    daemon: Daemon, ids: Sequence[str], show: Callable[[dict[str, Any]], None]
) -> list[dict[str, Any]]:
    """Each as it ended, in order, shown as soon as it has. Interrupted, it says on stderr which are
    still on their way."""
    closed: list[dict[str, Any]] = []
    try:
        for submission_id in ids:
            with _telling(f"waiting for {submission_id}"):
                end = daemon.wait_closed(submission_id)
            closed.append(end)
            show(end)
    except KeyboardInterrupt:
        left = " ".join(ids[len(closed) :])
        click.echo(f"\nno longer waited for, but still on their way: {left}", err=True)
        raise
    return closed


@contextmanager
def _telling(text: str) -> Iterator[None]:
    """Says on stderr that it waits, where somebody looks."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(text):
        yield
