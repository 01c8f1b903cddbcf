"""What the daemon's logs tell: report."""

from __future__ import annotations

import os
import re
import stat
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from . import exits, output
from .command import Command, json_option

if TYPE_CHECKING:
    from listener.report.reading import Window

_RELATIVE = re.compile(r"(\d{1,6})([smhdw])")
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


@click.command(cls=Command)
@click.argument("logs", nargs=-1, required=True, metavar="LOGFILE…")
@click.option("--since", metavar="WHEN", help="Lines from then on: 2h, 1d, or RFC 3339.")
@click.option("--until", metavar="WHEN", help="Lines before then.")
@click.option(
    "--html", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Write a page, too: one file, nothing outside of it.",
)  # fmt: skip
@click.option("--alerts", is_flag=True, help="Tell which alerts would have fired, and no more.")
@json_option
def report(
    logs: tuple[str, ...],
    since: str | None,
    until: str | None,
    html: Path | None,
    alerts: bool,
    as_json: bool,
) -> int:
    """Tell from the daemon's logs alone what became of submissions, how fast, and what went wrong.

    The log in JSON (CV_LOG_FORMAT=json), plain or gzip, '-' for stdin; rotated files in any order.
    What is not the daemon's is counted and left out. Of --since and --until the lines' own
    timestamps decide: what closes between them is told.

    With --alerts the exit status is 7 where one would have fired. The end of the time looked at is
    --until (0s: now), else the last line; so a daemon that fell silent is told of with --until.
    """
    from listener.report.account import Account
    from listener.report.reading import Window

    window = Window(_moment(since, "--since"), _moment(until, "--until"))
    if not (window.since_ms or 0) < (window.until_ms or 1 << 62):
        raise click.UsageError("expected --since to be before --until, found it after")
    if alerts:
        if html is not None:
            raise click.UsageError("expected --alerts or --html, found both")
        return _alerts(_sources(logs), window, as_json)
    account = Account()
    account.read(_sources(logs), window)
    if html is not None:
        from listener.report.page import page

        _write(html, page(account))
    if as_json:
        from listener.report.told import as_json as told

        output.write_json(told(account))
    else:
        from listener.report.terminal import show

        show(account, sys.stdout)
    return exits.IO_FAILED if account.tally.failed else exits.OK


def _alerts(sources: Iterator[tuple[int, BinaryIO]], window: Window, as_json: bool) -> int:
    """Which would have fired; the exit status."""
    from listener.report import alarmed
    from listener.report.account import give
    from listener.report.alerts import AlertPlay

    play = AlertPlay()
    tally = give(sources, window, [play])
    end_ms = window.until_ms or tally.last_ms or 0
    play.until(end_ms)
    if as_json:
        output.write_json(alarmed.as_json(play, tally))
    else:
        for line in alarmed.text(play, tally, end_ms):
            click.echo(line)
    if tally.failed:
        return exits.IO_FAILED
    return exits.ALERTED if play.counts else exits.OK


def _moment(given: str | None, option: str) -> int | None:
    from listener.report.reading import millis

    if given is None:
        return None
    if relative := _RELATIVE.fullmatch(given):
        return round((time.time() - int(relative[1]) * _UNITS[relative[2]]) * 1000)
    at_ms = millis(given)
    if at_ms is None:
        raise click.UsageError(
            f"expected {option} as 90m, 2h, 1d, 1w, or as 2026-01-31T12:00:00Z, found something "
            "else"
        )
    return at_ms


def _sources(logs: Sequence[str]) -> Iterator[tuple[int, BinaryIO]]:
    """Each file, opened when its turn comes; all are looked at before the first."""
    from listener.report.reading import STDIN, in_order, opened

    for number, name in enumerate(logs, 1):
        if name != STDIN:
            _look_at(number, name)
    return ((number, opened(name)) for number, name in in_order(logs))


def _look_at(number: int, name: str) -> None:
    """A name is shown only where it is a file's: otherwise it may be anything, a cv_code too."""
    try:
        mode = Path(name).stat().st_mode
    except (OSError, ValueError):
        raise exits.CommandFailed(
            exits.USAGE,
            f"expected log files, found none that has the name given as number {number}",
        ) from None
    if stat.S_ISDIR(mode):
        raise exits.CommandFailed(
            exits.USAGE,
            f"expected log files, found a folder: {output.plain(name)}",
            f"name the files in it: {output.plain(name)}/*",
        )
    if not os.access(name, os.R_OK):
        raise exits.CommandFailed(exits.PERMISSION, f"this user may not read {output.plain(name)}")


def _write(file: Path, text: str) -> None:
    """All of it, or nothing: a page that was there before stays until this one is whole."""
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
