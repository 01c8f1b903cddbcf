"""Where a cv_code comes from: the command line, or better stdin or a file."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from listener.core.names import CvCode
from listener.core.wire import MAX_TEXT_BYTES, check_code, code_in

from . import exits


def from_text(text: str) -> CvCode:
    """A code as typed. Raises InvalidCode."""
    return check_code(text)


def from_stdin() -> CvCode:
    """The one line on stdin; on a terminal it is asked for, and not shown. Raises InvalidCode."""
    if sys.stdin.isatty():
        return check_code(click.prompt("cv_code", hide_input=True, err=True))
    return code_in(sys.stdin.buffer.read(MAX_TEXT_BYTES + 1))


def from_file(path: Path) -> CvCode:
    """The one line of a file. Raises InvalidCode or CommandFailed."""
    try:
        with path.open("rb") as file:
            return code_in(file.read(MAX_TEXT_BYTES + 1))
    except OSError as error:
        denied = isinstance(error, PermissionError)
        raise exits.CommandFailed(
            exits.PERMISSION if denied else exits.USAGE,
            f"cannot read the file of --code-file: {error.strerror}",
        ) from None
