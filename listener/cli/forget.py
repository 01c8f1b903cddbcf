"""Forgetting from the command line."""

from __future__ import annotations

from pathlib import Path

import click

from . import codes, configured, output
from .command import Command, json_option
from .ids import path_of


@click.command(cls=Command)
@click.argument("code", required=False, metavar="[CODE]")
@click.option("--code-file", type=click.Path(path_type=Path), help="Read the code from this file.")
@click.option("--id", "submission_id", metavar="ID", help="The code of this submission.")
@click.option(
    "--older-than",
    type=click.IntRange(0, 99_999),
    metavar="DAYS",
    help="Of every code, what closed so long ago.",
)
@click.option("--dry-run", is_flag=True, help="Only count.")
@json_option
@click.pass_context
def forget(
    context: click.Context,
    code: str | None,
    code_file: Path | None,
    submission_id: str | None,
    older_than: int | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Delete all that is kept of one code: submissions, their story, events and files.

    A code is a secret: give - as CODE and the code on stdin. While one of its submissions is open
    nothing is deleted, and the exit status is 75. An event that is heard later counts as foreign.
    """
    if sum(given is not None for given in (code, code_file, submission_id, older_than)) != 1:
        raise click.UsageError("expected one of CODE, --code-file, --id, --older-than.", context)
    if submission_id is not None:
        field = ("id", path_of(submission_id).rpartition("/")[2])
    elif older_than is not None:
        field = ("older_than_days", str(older_than))
    elif code_file is not None:
        field = ("cv_code", codes.from_file(code_file))
    else:
        assert code is not None  # noqa: S101 - counted above
        field = ("cv_code", codes.from_stdin() if code == "-" else codes.from_text(code))
    with configured.daemon() as daemon:
        told = daemon.post_form("/v1/forget", dict([field]), {"dry_run": "true"} if dry_run else {})
    if as_json:
        output.write_json(told)
        return
    count = told["submissions"]
    what = f"{count} submission{'' if count == 1 else 's'}"
    waiting = f"; {told['open']} of them open, and nothing is deleted before they close"
    if dry_run:
        click.echo(f"would forget {what}{waiting if told['open'] else ''}", err=True)
    else:
        click.echo(f"forgotten: {what}", err=True)
