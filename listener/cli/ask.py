"""Commands that ask the daemon: status, list, gaps, show, cancel."""

from __future__ import annotations

import click

from listener.core.names import Outcome, State

from . import configured, output
from .command import Command, json_option
from .ids import path_of

_STATES = click.Choice([state.value for state in State])
_OUTCOMES = click.Choice([outcome.value for outcome in Outcome])

_limit_option = click.option(
    "--limit", type=click.IntRange(1), default=20, show_default=True, help="So many at most."
)
_all_option = click.option("--all", "all_", is_flag=True, help="Without limit.")


def _any_of(choice: click.Choice[str]) -> str:
    return ", ".join(choice.choices) + "."


@click.command(cls=Command)
@json_option
def status(as_json: bool) -> None:
    """How the daemon is, and how many submissions it holds in each state and outcome."""
    with configured.daemon() as daemon:
        told = daemon.get("/v1/status")
        if as_json:
            output.write_json(told)
            return
        ready = "ready" if told["ready"] else "not ready"
        rows = [(f"cv-listener {told['version']}", f"{ready}, at {daemon.shown}", "bold")]
    for check in told["checks"]:
        rows.append((check["name"], check["detail"], "" if check["ok"] else "yellow"))
    for name in ("open", "closed"):
        counts = " · ".join(f"{word} {count}" for word, count in told[name].items() if count)
        rows.append((name, counts or "none", ""))
    if told["oldest_open_at"]:
        rows.append(("oldest open", output.moment(told["oldest_open_at"]) + " UTC", ""))
    output.write_pairs(rows)


@click.command("list", cls=Command)
@click.option("--state", type=_STATES, metavar="STATE", help="Only those: " + _any_of(_STATES))
@click.option("--outcome", type=_OUTCOMES, metavar="OUTCOME", help="Only: " + _any_of(_OUTCOMES))
@click.option("--needs-person", is_flag=True, help="Only those that call for a person.")
@click.option("--open", "open_", is_flag=True, help="Only those that are not closed.")
@_limit_option
@_all_option
@json_option
def list_(
    state: str | None,
    outcome: str | None,
    needs_person: bool,
    open_: bool,
    limit: int,
    all_: bool,
    as_json: bool,
) -> None:
    """List submissions, newest first. Codes are secrets: a cv_ref stands for each."""
    filters = {"state": state, "outcome": outcome, "open": "true" if open_ else None}
    filters["needs_person"] = "true" if needs_person else None
    wanted = {name: value for name, value in filters.items() if value is not None}
    most = None if all_ else limit
    with configured.daemon() as daemon:
        found = daemon.listing("submissions", wanted, most)
        if as_json:
            for shown in found:
                output.write_json(shown)
        elif not output.write_rows(found):
            click.echo("none" if wanted else "none yet: cv-listener submit CODE FILE", err=True)


@click.command(cls=Command)
@_limit_option
@_all_option
@json_option
def gaps(limit: int, all_: bool, as_json: bool) -> None:
    """List when events may have been missed, newest first: how long, why, how many submissions
    waited for theirs meanwhile, and what became of them."""
    with configured.daemon() as daemon:
        found = daemon.listing("gaps", {}, None if all_ else limit)
        if as_json:
            for shown in found:
                output.write_json(shown)
        elif not output.write_gaps(found):
            click.echo("none", err=True)


@click.command(cls=Command)
@click.argument("submission_id", metavar="ID")
@json_option
def show(submission_id: str, as_json: bool) -> None:
    """Show one submission: its outcome, what is known of each job, and from which evidence."""
    path = path_of(submission_id)
    with configured.daemon() as daemon:
        _write(daemon.get(path), as_json)


@click.command(cls=Command)
@click.argument("submission_id", metavar="ID")
@json_option
def cancel(submission_id: str, as_json: bool) -> None:
    """Withdraw one submission.

    Where nothing was possibly sent, it closes as cancelled. After that, cancelling only stops the
    watching: upstream may have applied the update, and it closes as unconfirmed.
    """
    path = path_of(submission_id)
    with configured.daemon() as daemon:
        _write(daemon.post(path + "/cancel"), as_json)


def _write(shown: dict[str, object], as_json: bool) -> None:
    if as_json:
        output.write_json(shown)
    else:
        output.write_one(shown)
