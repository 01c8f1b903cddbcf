"""What happens, as it happens: tail."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import click
import httpx

from . import configured, exits, output
from .command import Command, json_option
from .daemon import BACK_S, Daemon

QUIET_S = 45.0
"""Three signs of life missed: the daemon is gone, or what stands between."""


@click.command(cls=Command)
@click.option("--submission", metavar="ID", help="Of this one alone.")
@click.option("--event", metavar="NAME", multiple=True, help="These alone; may be given again.")
@click.option(
    "--after", metavar="SEQUENCE", help="From there on: a sequence seen before, or 0 for all."
)
@click.option("--until-closed", is_flag=True, help="End once the submission is closed.")
@json_option
def tail(
    submission: str | None,
    event: tuple[str, ...],
    after: str | None,
    until_closed: bool,
    as_json: bool,
) -> None:
    """Show what happens to submissions, as it happens, until interrupted.

    A daemon that restarts meanwhile is waited for, and nothing is missed: it goes on from the last
    that was shown.
    """
    if until_closed and submission is None:
        raise click.UsageError("--until-closed wants --submission ID")
    query: dict[str, str] = {}
    if submission is not None:
        query["submission"] = submission.lower()
    if event:
        query["event"] = ",".join(event)
    with configured.daemon() as daemon:
        for told in _follow(daemon, query, after):
            if as_json:
                output.write_json(told)
            else:
                output.write_line(_line(told))
            if until_closed and told.get("event") == "submission.closed":
                return


def _follow(
    daemon: Daemon, query: Mapping[str, str], after: str | None
) -> Iterator[dict[str, Any]]:
    gone_since: float | None = None
    while True:
        given = {**query, **({} if after is None else {"after": after})}
        try:
            with daemon.stream("/v1/events", given, QUIET_S) as lines:
                gone_since = None
                for at, told in _read(lines):
                    after = at
                    if told:
                        yield told
        except httpx.TransportError as error:
            now = time.monotonic()
            gone_since = gone_since or now
            if now - gone_since > BACK_S:
                hint = "" if after is None else f"go on later with --after {after}"
                raise exits.CommandFailed(
                    exits.UNAVAILABLE,
                    f"the daemon at {daemon.shown} went away ({type(error).__name__})",
                    hint or "start it: cv-listener run",
                ) from None
        time.sleep(0.5)


def _read(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(id, what is told) of each event of a stream."""
    at, data = "", ""
    for line in lines:
        if line.startswith("id: "):
            at = line[4:]
        elif line.startswith("data: "):
            data = line[6:]
        elif not line and data:
            yield at, json.loads(data)
            data = ""


def _line(told: Mapping[str, Any]) -> str:
    """For people: when, what, of which, and the rest as it is."""
    known = ("at", "event", "submission_id", "cv_ref", "sequence")
    rest = " ".join(f"{name}={told[name]}" for name in told if name not in known)
    moment = output.moment(str(told["at"]))
    return f"{moment}  {told['event']:<24} {told['submission_id']}  {rest}".rstrip()
