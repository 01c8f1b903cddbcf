"""Backup and restore: on the state folder itself, beside a daemon or without one."""

from __future__ import annotations

import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path

import click

import listener
from listener.core.names import Millis
from listener.core.view import rfc3339

from . import configured, exits, output
from .command import Command, json_option

_FILE = click.argument("file", metavar="FILE", type=click.Path(path_type=Path))


@click.command(cls=Command)
@_FILE
@json_option
def backup(file: Path, as_json: bool) -> None:
    """Copy the journal, the CVs it counts on, the token and the key behind cv_ref into FILE.

    A daemon may go on meanwhile: the journal is copied as it stands at one moment. FILE is a tar,
    0600: it holds codes and CVs, and whoever has it has everything.
    """
    settings = configured.settings()
    from listener.adapters.backup import take

    # What is half written holds codes: it goes also where this is ended from outside.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda got, _: sys.exit(128 + got))
    try:
        taken = take(settings.state_dir, file, listener.__version__)
    except FileExistsError:
        raise exits.CommandFailed(
            exits.USAGE, "a file of that name is there already", "give FILE another name"
        ) from None
    if as_json:
        output.write_json(asdict(taken))
        return
    went = f"; {taken.missing} files went meanwhile, as their submissions closed"
    click.echo(
        f"{taken.size} bytes: {taken.open} open submissions, {taken.files} files"
        f"{went if taken.missing else ''}",
        err=True,
    )


@click.command(cls=Command)
@_FILE
@json_option
def restore(file: Path, as_json: bool) -> None:
    """Fill the state folder, which must be empty, from FILE. No daemon may run on it.

    Sending is paused in it: what waited when the backup was taken may have been sent since, and a
    second update dispatches both paid jobs again. Start the daemon, look at 'list --open', cancel
    what the logs show as sent, then 'resume'.
    """
    settings = configured.settings()
    from listener.adapters.backup import restore as put_back

    told = put_back(file, settings.state_dir, Millis(time.time_ns() // 1_000_000))
    if as_json:
        output.write_json({**asdict(told), "taken_at": rfc3339(told.taken_ms)})
        return
    lacking = f" ({told.without_file} of them without their file)" if told.without_file else ""
    click.echo(
        f"restored as of {output.moment(rfc3339(told.taken_ms))} UTC: {told.open} open submissions"
        f"{lacking}, {told.queued} of them queued. Sending is paused: some may have been sent since"
        " that moment.\n"
        "Next: cv-listener run; cv-listener list --open; cancel what the logs show as sent"
        " (attempt.began); cv-listener resume",
        err=True,
    )
