"""Sending a closed submission again, by a person who has seen what has changed since."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from listener.core.durations import lasting
from listener.core.names import Objection

from . import configured, exits, files, output
from .command import Command, json_option
from .ids import path_of
from .waiting import until_closed

if TYPE_CHECKING:
    from .daemon import Daemon

_RECORDS = {
    "moved": "has moved since it was sent",
    "unmoved": "is as it was when it was sent",
    "unknown": "could not be read now",
    "incomparable": "cannot be compared: how it was before is not known",
}
_FILES = {
    "kept": "the one that is kept of it",
    "sent": "the one given here",
    "gone": "no longer kept: give one",
}
_AGAINST = {
    Objection.EVIDENCE_IMPROVED: "it was applied, by what is known now",
    Objection.NEWER_UPDATE: "a newer update of this CV is open, or may have been applied",
    Objection.STILL_OPEN: "it is not closed yet",
    Objection.FILE_GONE: "its file is no longer kept",
}
_FORCIBLE = frozenset({Objection.EVIDENCE_IMPROVED, Objection.NEWER_UPDATE})
_STATUSES = {Objection.STILL_OPEN: exits.TRY_LATER, Objection.FILE_GONE: exits.USAGE}


@click.command(cls=Command)
@click.argument("submission_id", metavar="ID")
@click.argument("file", required=False, metavar="[FILE]")
@click.option("--force", is_flag=True, help="Though evidence or a newer update speaks against it.")
@click.option("--dry-run", is_flag=True, help="Send nothing: look, and tell what would be done.")
@click.option("--wait", is_flag=True, help="Wait until it is closed; the exit status tells.")
@click.option("--key", metavar="TEXT", help="Given again within a day, it is the same retry.")
@json_option
@click.pass_context
def retry(
    context: click.Context,
    submission_id: str,
    file: str | None,
    force: bool,
    dry_run: bool,
    wait: bool,
    key: str | None,
    as_json: bool,
) -> int:
    """Send a closed submission again, as a new one: with FILE, or with the file that is kept.

    A second update: upstream deletes the file it has, stores this one, and dispatches both of its
    paid jobs again. So what has changed since the close is looked at and shown first; where that
    speaks against it, nothing is sent without --force.

    \b
    Exit status:
      0 accepted; with --wait confirmed     3, 4, 5 with --wait: as of submit
      6 something speaks against it, and --force would send it all the same
      64 its file is no longer kept         75 it is still open
    """
    if dry_run and wait:
        raise click.UsageError("--dry-run sends nothing: there is nothing to --wait for.", context)
    if key is not None and not re.fullmatch(r"[!-~]{1,255}", key):
        raise click.UsageError("expected --key with 1 to 255 visible ASCII characters.", context)
    path = path_of(submission_id)
    hint = "the order is: cv-listener retry ID [FILE]"
    given = None if file is None else files.readable(file, "FILE", hint)
    if dry_run:
        return _look(path, given, force, as_json)
    with configured.daemon() as daemon:
        told = daemon.retry(path, given, force=force, key=key)
        return _tell(daemon, told, wait, as_json)


def _tell(daemon: Daemon, told: dict[str, Any], wait: bool, as_json: bool) -> int:
    """What was looked at, and what became of it, after a wait or not. The exit status."""
    new = told["submission"]
    if not as_json:
        output.write_pairs(_pairs(told))
    elif new is None or not wait:
        output.write_json(told)
    if new is None:
        raise _refused(told)
    if not as_json:
        click.echo()
        if not wait:
            output.write_rows([new])
    if not wait:
        return exits.OK

    def show(end: dict[str, Any]) -> None:
        if as_json:
            output.write_json({**told, "submission": end})
        else:
            output.write_one(end)

    return exits.of_outcomes(until_closed(daemon, [new["id"]], show))


def _look(path: str, file: Path | None, force: bool, as_json: bool) -> int:
    """The exit status: as if retried, as far as can be known."""
    looked = None
    if file is not None:
        looked = files.look(file, configured.settings().max_file_bytes)
    with configured.daemon() as daemon:
        told = daemon.look_at_retry(path, sent=file is not None)
    status = _status(told, force)
    if status == exits.OK and looked is not None and looked["problem"]:
        status = exits.USAGE
    if as_json:
        output.write_json(told if looked is None else {**told, "looked_at": looked})
        return status
    rows = list(_pairs(told, looked))
    if told["objection"] is None:
        rows.append(("objection", "none", "green"))
    else:
        objection = Objection(told["objection"])
        overruled = " (--force: sent all the same)" if status == exits.OK else ""
        rows.append(("objection", _AGAINST[objection] + overruled, "yellow"))
    rows.append(("nothing", "was sent or stored", "dim"))
    output.write_pairs(rows)
    return status


def _status(told: Mapping[str, Any], force: bool) -> int:
    """Of what speaks against it, if anything does."""
    if told["objection"] is None or (force and told["objection"] in _FORCIBLE):
        return exits.OK
    return _STATUSES.get(told["objection"], exits.OBJECTED)


def _refused(told: Mapping[str, Any]) -> exits.CommandFailed:
    objection, name = Objection(told["objection"]), told["retry_of"]["id"]
    hints = {
        Objection.EVIDENCE_IMPROVED: "to dispatch both paid jobs again all the same, add --force",
        Objection.NEWER_UPDATE: "to replace its file by this one all the same, add --force",
        Objection.STILL_OPEN: f"wait for its outcome, or: cv-listener cancel {name}",
        Objection.FILE_GONE: f"give a file: cv-listener retry {name} FILE",
    }
    message = f"not sent again: {_AGAINST[objection]}"
    return exits.CommandFailed(_status(told, force=False), message, hints[objection])


def _pairs(
    told: Mapping[str, Any], looked: Mapping[str, Any] | None = None
) -> Iterator[tuple[str, str, str]]:
    """What is to be sent again, what has changed since its close, and what sending it does."""
    old, drift = told["retry_of"], told["drift"]
    word = output.word(old)
    yield "retry of", old["id"], "bold"
    yield "cv_ref", old["cv_ref"], ""
    yield ("outcome" if old["outcome"] else "state"), word, output.STYLES.get(word, "")
    if drift["closed_ms_ago"] is not None:
        ago = lasting(drift["closed_ms_ago"])
        yield "closed", f"{output.moment(old['closed_at'])} UTC, {ago} ago", ""
    record = _RECORDS.get(drift["record"], drift["record"])
    now = [f"{name} {drift[name]}" for name in ("status", "enhance_status") if drift[name]]
    style = "yellow" if drift["record"] == "moved" else ""
    yield "record", record + (f" (now {', '.join(now)})" if now else ""), style
    evidence = ", ".join(drift["evidence"]).replace("_", " ")
    yield "evidence", evidence or "none that it was applied", "yellow" if evidence else ""
    for newer in drift["newer"]:
        yield "newer", f"{newer['id']} {output.word(newer)}", "yellow"
    if not drift["newer"]:
        yield "newer", "no update of this CV was accepted since", ""
    if looked is None:
        yield "file", _FILES.get(told["file"], told["file"]), ""
    else:
        yield "file", *files.told(dict(looked))
    jobs = " and ".join(told["redispatches"])
    yield "a retry", f"deletes the stored file, and dispatches {jobs} again", ""
