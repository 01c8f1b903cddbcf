"""Commands that ask nobody: check, ref, rotate."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import click

from listener.core.wire import cv_ref

from . import codes, configured, exits, output
from .command import Command, json_option
from .holder import holder


@click.command(cls=Command)
@json_option
def check(as_json: bool) -> None:
    """Check the settings, offline, and show each with where it comes from.

    The modules of functions that settings name are imported, and the functions not called. Secrets
    are only told to be there. Mistakes are told all at once, with exit status 78.
    """
    from listener.core.errors import SettingsInvalid
    from listener.settings import read, unloadable

    reading = read()
    if wrong := unloadable(reading.settings):
        raise SettingsInvalid("\n".join(wrong))
    described = reading.describe()
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
    from listener.compose import ref_key, ref_key_before

    code, before = codes.from_stdin(), ref_key_before(settings)
    found = cv_ref(ref_key(settings), code)
    earlier = None if before is None else cv_ref(before[0], code)
    if as_json:
        output.write_json({"cv_ref": found, "cv_ref_before": earlier})
        return
    output.write_line(found)
    if earlier is not None:
        click.echo(f"before the key was changed: {earlier}", err=True)


@click.command(cls=Command)
@click.argument("what", type=click.Choice(["token", "ref-key"]), metavar="token|ref-key")
@json_option
def rotate(what: str, as_json: bool) -> None:
    """Make another token, or another key behind cv_ref, in the state folder.

    A daemon that runs is told, and knows both for CV_ROTATION_PERIOD. What a setting gives
    (CV_INTAKE_TOKEN, CV_REF_KEY) is changed there instead, followed by SIGHUP.
    """
    settings = configured.settings()
    by_setting = {
        "token": ("CV_INTAKE_TOKEN or CV_INTAKE_TOKENS", settings.cli_token is not None),
        "ref-key": ("CV_REF_KEY", settings.ref_key is not None),
    }
    name, given = by_setting[what]
    if given or (what == "token" and settings.intake_tokens_plain()):
        raise exits.CommandFailed(
            exits.USAGE,
            f"expected it to be kept in {settings.state_dir}, found it given by {name}",
            "change it there, and send the daemon SIGHUP",
        )
    file = settings.state_dir / {"token": "token", "ref-key": "ref.key"}[what]
    if not file.exists():
        raise exits.CommandFailed(
            exits.UNAVAILABLE,
            f"there is none yet in {settings.state_dir}",
            "the daemon makes it at its first start: cv-listener run",
        )
    if what == "token":
        from listener.adapters.web import rotate_token

        rotate_token(file)
    else:
        from listener.adapters.identity import rotate_key

        rotate_key(file)
    told = _tell_daemon(settings.state_dir)
    if as_json:
        output.write_json({"rotated": what, "daemon_told": told})
        return
    said = "the daemon was told, and knows the one before for CV_ROTATION_PERIOD"
    nobody = "no daemon runs here that could be told: it takes it up at its next start"
    click.echo(f"changed; {said if told else nobody}", err=True)


def _tell_daemon(state_dir: Path) -> bool:
    """SIGHUP, where a daemon runs on this folder. What one that was killed left behind names a
    process that may be another's by now, whom the signal would end."""
    try:
        pid = int(json.loads((state_dir / "intake.json").read_text("utf-8"))["pid"])
        if holder(state_dir) != pid:
            raise ProcessLookupError
        os.kill(pid, signal.SIGHUP)
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return True
