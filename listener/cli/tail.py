"""What happens, as it happens: tail."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import click

from listener.core.names import Outcome

from . import configured, output, shapes
from .command import Command, json_option
from .daemon import Daemon
from .ids import path_of
from .streams import follow

_OUTCOMES = click.Choice([outcome.value for outcome in Outcome])
CLOSED = "submission.closed"
_SEQUENCE = re.compile(r"[0-9]{1,18}(\.[0-9]{1,9})?")
_KNOWN = ("at", "event", "submission_id", "cv_ref", "sequence")


@click.command(cls=Command)
@click.option("--submission", metavar="ID", help="Of this one alone.")
@click.option("--event", metavar="NAME", multiple=True, help="These alone; may be given again.")
@click.option(
    "--outcome",
    type=_OUTCOMES,
    metavar="OUTCOME",
    multiple=True,
    help="Closes and corrections with this outcome alone; may be given again.",
)
@click.option(
    "--after",
    "--since",
    "after",
    metavar="SEQUENCE",
    help="From there on: a sequence seen before, or 0 for all.",
)
@click.option("--until-closed", is_flag=True, help="From its beginning, and end once it is closed.")
@click.option(
    "--raw-shape",
    is_flag=True,
    help="What is received, whatever it is: keys and types, never values.",
)
@json_option
def tail(
    submission: str | None,
    event: tuple[str, ...],
    outcome: tuple[str, ...],
    after: str | None,
    until_closed: bool,
    raw_shape: bool,
    as_json: bool,
) -> None:
    """Show what happens to submissions, as it happens, until interrupted.

    A daemon that restarts meanwhile is waited for, and nothing is missed: it goes on from the last
    that was shown. Interrupted, it says how to go on.

    --raw-shape shows instead what the subscription receives, also what is not understood: needs a
    token of scope admin.
    """
    if raw_shape and (submission or event or outcome or after or until_closed):
        raise click.UsageError("--raw-shape goes with --json alone")
    if until_closed and submission is None:
        raise click.UsageError("--until-closed wants --submission ID")
    with configured.daemon() as daemon:
        if raw_shape:
            shapes.watch(daemon, as_json)
        else:
            if until_closed and submission is not None:
                daemon.get(path_of(submission))  # of one that is not there nothing would come
            query = dict(_query(submission, (*event, CLOSED) if event and until_closed else event))
            wanted = _Wanted(frozenset(event), frozenset(outcome))
            if until_closed and (after is None or _SEQUENCE.fullmatch(after)):
                # It may have closed before that, and does not close again.
                wanted, after = wanted._replace(beyond=after or "0"), "0"
            _tail(daemon, query, wanted, after, until_closed, as_json)


class _Wanted(NamedTuple):
    """What is shown; empty: all. ``beyond``: what comes after this sequence."""

    events: frozenset[str]
    outcomes: frozenset[str]
    beyond: str = "0"

    def __call__(self, told: Mapping[str, Any]) -> bool:
        of_these = not self.events or told.get("event") in self.events
        of_these = of_these and (not self.outcomes or told.get("outcome") in self.outcomes)
        return of_these and _place(told.get("sequence", "0")) > _place(self.beyond)


def _place(sequence: str) -> tuple[int, int]:
    commit, _, place = sequence.partition(".")
    return int(commit), int(place or -1)


def _query(submission: str | None, event: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if submission is not None:
        path_of(submission)
        yield "submission", submission.lower()
    if event:
        yield "event", ",".join(event)


def _tail(
    daemon: Daemon,
    query: Mapping[str, str],
    wanted: _Wanted,
    after: str | None,
    until_closed: bool,
    as_json: bool,
) -> None:
    try:
        for at, _, told in follow(daemon, "/v1/events", query, after):
            after = at
            if told and wanted(told):
                if as_json:
                    output.write_json(told)
                else:
                    output.write_line(_line(told))
            if until_closed and told.get("event") == CLOSED:
                return
    except KeyboardInterrupt:
        if after is not None:
            click.echo(f"go on with --after {after}", err=True)
        raise


def _line(told: Mapping[str, Any]) -> str:
    """For people: when, what, of which, and the rest as it is."""
    rest = " ".join(
        output.styled(f"{name}={output.plain(told[name])}", output.STYLES.get(str(told[name]), ""))
        for name in told
        if name not in _KNOWN
    )
    moment = output.styled(output.moment(str(told["at"])), "dim")
    event = output.styled(f"{output.plain(told['event']):<24}", "bold")
    return f"{moment}  {event} {output.plain(told['submission_id'])}  {rest}".rstrip()
