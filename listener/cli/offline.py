"""Commands that ask nobody: check, ref."""

from __future__ import annotations

import click

from listener.core.wire import cv_ref

from . import codes, configured, exits, output
from .command import Command, json_option


@click.command(cls=Command)
@json_option
def check(as_json: bool) -> None:
    """Check the settings, offline, and show each with where it comes from.

    Secrets are only told to be there. Mistakes are told all at once, with exit status 78.
    """
    from listener.settings import read

    described = read().describe()
    if as_json:
        for one in described:
            output.write_json({"name": one.name, "value": one.value, "source": one.source.value})
        return
    output.write_settings((one.group.value, one.name, one.value, one.source) for one in described)


@click.command(cls=Command)
@json_option
def ref(as_json: bool) -> None:
    """The cv_ref of the code on stdin: what stands for it in logs and listings.

    It is made with the key of this installation: CV_REF_KEY, or the one in the state folder.
    """
    settings = configured.settings()
    if settings.ref_key is None and not (settings.state_dir / "ref.key").exists():
        # One made here could belong to another user than the daemon, and be kept from it.
        raise exits.CommandFailed(
            exits.UNAVAILABLE,
            f"there is no key yet in {settings.state_dir}",
            "the daemon makes it at its first start: cv-listener run",
        )
    from listener.compose import ref_key

    found = cv_ref(ref_key(settings), codes.from_stdin())
    if as_json:
        output.write_json({"cv_ref": found})
    else:
        output.write_line(found)
