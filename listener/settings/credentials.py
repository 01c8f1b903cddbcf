"""Settings that are files: a folder in which each file is named as a setting, and holds its value.

So systemd hands on credentials (``LoadCredential=``), and so containers have secrets mounted. What
is in a file is in no environment, which children inherit and others may read.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

VARIABLE = "CREDENTIALS_DIRECTORY"
"""Names the folder: systemd sets it; in a container it is set by hand."""

LARGEST = 64 * 1024
"""Bytes of a value: what is larger was put there for something else."""


def folder_of(environ: Mapping[str, str]) -> Path | None:
    """The folder, None where there is none."""
    given = environ.get(VARIABLE, "")
    return Path(given) if given else None


def credentials(environ: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Name → value of each file whose name begins with ``CV_``, and what is wrong with them, value
    never shown. A line's end at the end of a file is no part of the value."""
    folder = folder_of(environ)
    if folder is None:
        return {}, []
    values: dict[str, str] = {}
    wrong: list[str] = []
    try:
        # A folder beneath it is another's: mounted secrets keep their versions in some.
        files = sorted(path for path in folder.glob("CV_*") if path.is_file())
    except OSError as error:
        return {}, [_unread(folder, error.strerror or "it cannot be listed")]
    for path in files:
        try:
            if path.stat().st_size > LARGEST:
                wrong.append(_unread(path, f"it has more than {LARGEST} bytes"))
            else:
                values[path.name] = path.read_text("utf-8").rstrip("\r\n")
        except OSError as error:
            wrong.append(_unread(path, error.strerror or "it cannot be read"))
        except UnicodeDecodeError:
            wrong.append(_unread(path, "it is not UTF-8"))
    return values, wrong


def _unread(path: Path, why: str) -> str:
    return (
        f"{path}: expected a setting's value that this user can read, found that {why}: mend it,"
        f" or take it out of the folder that {VARIABLE} names"
    )
