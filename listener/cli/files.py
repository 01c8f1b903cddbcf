"""A CV file, as named on the command line."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from listener.core.wire import sniff

from . import exits, output


def readable(name: str, called: str, hint: str) -> Path:
    """A file that can be read now. ``called``: as the usage has it. ``hint``: what may have gone
    wrong where there is none. Raises CommandFailed."""
    path = Path(name)
    try:
        regular(path)
        with path.open("rb"):
            return path
    except (OSError, ValueError) as error:
        # A name that is not one of a CV may be the code, in the wrong place: it is not shown.
        shown = f" {output.plain(name)}" if path.suffix.lower() in (".pdf", ".docx") else ""
        denied = isinstance(error, PermissionError)
        why = error.strerror if isinstance(error, OSError) else "no file has such a name"
        raise exits.CommandFailed(
            exits.PERMISSION if denied else exits.USAGE,
            f"cannot read {called}{shown}: {why}",
            None if denied else hint,
        ) from None


def regular(path: Path) -> None:
    """Raises OSError where it is a pipe, a device, or the like: it could be read once, or never
    end, and a CV is read for its kind, for its key, and to be sent."""
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(0, "expected a file, found a pipe or a device: write it to a file first")


def look(path: Path, most: int) -> dict[str, Any]:
    """``size``, ``kind``, and ``problem``: why it would be refused, None if it would not. ``most``:
    bytes."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        kind = sniff(stream)
    problem = None
    if size == 0:
        problem = "expected a PDF or DOCX file, found an empty one"
    elif size > most:
        problem = f"expected at most {most} bytes (CV_MAX_FILE_BYTES), found {size}"
    elif kind is None:
        problem = "expected a PDF or DOCX file, found something else inside"
    return {"size": size, "kind": None if kind is None else kind.value, "problem": problem}


def told(looked: dict[str, Any]) -> tuple[str, str]:
    """What was found, for people, and its style."""
    if looked["problem"]:
        return looked["problem"], "red"
    return f"{looked['kind']}, {looked['size']} bytes: would be sent", "green"
