"""Submitting from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from listener.core.names import CvCode

from . import codes, configured, exits, output
from .command import Command, json_option
from .files import readable
from .waiting import until_closed

if TYPE_CHECKING:
    from .daemon import Daemon


@click.command(cls=Command)
@click.argument("arguments", nargs=-1, metavar="CODE FILE...")
@click.option(
    "--code-file",
    type=click.Path(path_type=Path),
    help="Read the code from this file; every argument is then a CV.",
)
@click.option("--wait", is_flag=True, help="Wait until all are closed; the exit status tells.")
@click.option("--once", is_flag=True, help="Without a daemon: listen, send, wait, end. One FILE.")
@click.option("--dry-run", is_flag=True, help="Send nothing: look at files and record, and tell.")
@click.option(
    "--manifest",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A CSV of cv_code and path, a submission each, instead of CODE and FILE.",
)
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    help="Of a manifest, where they go. [MANIFEST.results.csv]",
)
@click.option(
    "--parallel",
    type=click.IntRange(1, 64),
    default=16,
    show_default=True,
    help="So many of its rows at once.",
)
@click.option("--run", default="", help="Under another name, its rows are submitted once more.")
@json_option
@click.pass_context
def submit(
    context: click.Context,
    arguments: tuple[str, ...],
    code_file: Path | None,
    wait: bool,
    once: bool,
    dry_run: bool,
    manifest: Path | None,
    results: Path | None,
    parallel: int,
    run: str,
    as_json: bool,
) -> int:
    """Submit CV files (PDF or DOCX) for one cv_code.

    A code is a secret, and what stands on a command line is seen by every user of the machine: as
    CODE write '-' to give the code on stdin, or use --code-file.

    A manifest that is given again within a day goes on where it was: rows with the same code and
    the same file are not submitted twice.

    \b
    Exit status with --wait or --once:
      0 all confirmed    3 some presumed    5 some rejected
      4 some unconfirmed, not dispatched, undelivered or withdrawn
    """
    if manifest is not None:
        if arguments or code_file or once or dry_run:
            raise click.UsageError("--manifest takes no CODE, FILE, --once or --dry-run.", context)
        from .bulk import submit_manifest

        return submit_manifest(manifest, results, parallel, run, wait_closed=wait, as_json=as_json)
    code, files = _split(context, arguments, code_file)
    if dry_run:
        from .dry_run import look

        return look(code, files, as_json)
    if once:
        if len(files) != 1:
            raise click.UsageError("--once takes one FILE.", context)
        shown = [_once(code, files[0], as_json)]
        return exits.of_outcomes(shown)
    with configured.daemon() as daemon:
        accepted = _submit_all(daemon, code, files, as_json=as_json and not wait, quiet=wait)
        if not wait:
            return exits.OK
        return exits.of_outcomes(_wait_all(daemon, accepted, as_json))


def _split(
    context: click.Context, arguments: Sequence[str], code_file: Path | None
) -> tuple[CvCode, list[Path]]:
    """The code and the files; files first, so that no code is asked for in vain."""
    given, names = (None, arguments) if code_file is not None else (arguments[:1], arguments[1:])
    if not names or given == ():
        raise click.UsageError("expected CODE and at least one FILE.", context)
    hint = "the order is: cv-listener submit CODE FILE..."
    files = [readable(name, f"FILE {n}", hint) for n, name in enumerate(names, 1)]
    if code_file is not None:
        return codes.from_file(code_file), files
    return (codes.from_stdin() if given == ("-",) else codes.from_text(arguments[0])), files


def _submit_all(
    daemon: Daemon, code: CvCode, files: Sequence[Path], *, as_json: bool, quiet: bool
) -> list[dict[str, Any]]:
    accepted: list[dict[str, Any]] = []
    for number, file in enumerate(files, 1):
        try:
            shown = daemon.submit(code, file)
        except exits.CommandFailed as failed:
            if len(files) > 1:
                failed.message = (
                    f"FILE {number} of {len(files)}: {failed.message}"
                    f" ({len(accepted)} accepted before it)"
                )
            raise
        accepted.append(shown)
        if as_json:
            output.write_json(shown)
    if not as_json and not quiet:
        output.write_rows(accepted)
    return accepted


def _wait_all(
    daemon: Daemon, accepted: Sequence[dict[str, Any]], as_json: bool
) -> list[dict[str, Any]]:
    numbers = count(1)

    def show(end: dict[str, Any]) -> None:
        if as_json:
            output.write_json(end)
        else:
            _separate(next(numbers))
            output.write_one(end)

    return until_closed(daemon, [shown["id"] for shown in accepted], show)


def _once(code: CvCode, file: Path, as_json: bool) -> dict[str, Any]:
    from listener.embedded import submit_once

    try:
        shown = dict(submit_once(configured.settings(), code, file))
    except KeyboardInterrupt:
        click.echo(
            "\nno longer waited for: it may have been sent, and the same command goes on with it",
            err=True,
        )
        raise
    if as_json:
        output.write_json(shown)
    else:
        output.write_one(shown)
    return shown


def _separate(number: int) -> None:
    if number > 1:
        click.echo()
