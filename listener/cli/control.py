"""Commands to the daemon itself: pause, resume, drain."""

from __future__ import annotations

import click

from . import configured, output
from .command import Command, json_option


@click.command(cls=Command)
@json_option
def pause(as_json: bool) -> None:
    """Send nothing more until 'resume', over restarts too. Accepting and hearing go on."""
    _tell("/v1/pause", as_json, "paused: what is accepted waits; cv-listener resume")


@click.command(cls=Command)
@json_option
def resume(as_json: bool) -> None:
    """Send again."""
    _tell("/v1/resume", as_json, "resumed")


@click.command(cls=Command)
@json_option
def drain(as_json: bool) -> None:
    """Finish what is under way, then end. What waits, waits on disk for the next start."""
    _tell("/v1/drain", as_json, "draining: the daemon ends once its attempts have")


def _tell(path: str, as_json: bool, said: str) -> None:
    with configured.daemon() as daemon:
        told = daemon.post(path)
    if as_json:
        output.write_json(told)
    else:
        click.echo(said, err=True)
