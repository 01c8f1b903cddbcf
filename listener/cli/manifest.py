"""A manifest: a CSV of codes and files, each row a submission."""

from __future__ import annotations

import csv
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from listener.core.errors import InvalidCode
from listener.core.names import CvCode
from listener.core.wire import check_code

from . import exits
from .files import regular

CODE_NAMES = ("cv_code", "code")
PATH_NAMES = ("path", "file", "cv")
SEPARATED = "expected a code and a path with a comma between them, found another separator"
_OTHER = re.compile("[;\t|]")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of it. ``line``: its number in the file, from 1."""

    line: int
    code: CvCode = field(repr=False)
    path: Path = field(repr=False)


def read(manifest: Path) -> list[Row]:
    """Every row, checked: codes that can be sent, files that can be read. Paths are the manifest's
    folder's. Raises CommandFailed, with every row that does not hold."""
    rows: list[Row] = []
    wrong: list[str] = []
    for line, fields in _lines(manifest):
        try:
            code, name = fields
            row = Row(line, check_code(code), manifest.parent / name)
            regular(row.path)
            with row.path.open("rb"):
                rows.append(row)
        except ValueError as error:
            told = str(error) if isinstance(error, InvalidCode) else _lacking(fields)
            wrong.append(f"line {line}: {told}")
        except OSError as error:
            wrong.append(f"line {line}: its file cannot be read: {error.strerror}")
    if wrong:
        more = f"\n  and {len(wrong) - 20} more" if len(wrong) > 20 else ""
        raise exits.CommandFailed(
            exits.USAGE,
            f"{len(wrong)} of {len(wrong) + len(rows)} rows do not hold, and nothing was"
            f" submitted:\n  " + "\n  ".join(wrong[:20]) + more,
            "mend them, then give the manifest again",
        )
    if not rows:
        raise exits.CommandFailed(exits.USAGE, "expected rows of code and path, found none")
    return rows


def _lacking(fields: tuple[str, ...]) -> str:
    return SEPARATED if fields == (SEPARATED,) else "expected a code and a path"


def _lines(manifest: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    """(line, code and path) of each row; a heading says which column is which."""
    places = (0, 1)
    try:
        with manifest.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.reader(file, strict=True)
            for number, cells in enumerate(reader):
                if number == 0 and (found := _heading(cells)) is not None:
                    places = found
                elif any(cell.strip() for cell in cells):
                    enough = len(cells) > max(places)
                    other = (SEPARATED,) if len(cells) == 1 and _OTHER.search(cells[0]) else ()
                    yield reader.line_num, tuple(cells[p] for p in places) if enough else other
    except OSError as error:
        raise exits.CommandFailed(
            exits.USAGE, f"cannot read the manifest: {error.strerror}"
        ) from None
    except csv.Error as error:
        raise exits.CommandFailed(exits.USAGE, f"the manifest is no CSV: {error}") from None


def _heading(cells: list[str]) -> tuple[int, int] | None:
    words = [cell.strip().lower() for cell in cells]
    code = next((words.index(name) for name in CODE_NAMES if name in words), None)
    path = next((words.index(name) for name in PATH_NAMES if name in words), None)
    return None if code is None or path is None else (code, path)


class Keys:
    """The idempotency keys of rows, given out in the order of the rows of each code.

    The same for the same code and bytes within one ``run``, so that a manifest that is given again
    submits nothing twice, and a row that says again what the one before it said is that one. Where
    a code goes back to bytes that others have replaced meanwhile, that is an update of its own."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._last: dict[CvCode, str] = {}
        self._times: Counter[str] = Counter()

    def of(self, row: Row) -> str:
        """Of the next row of its code."""
        digest = hashlib.sha256(f"{self._run}\0{row.code}\0".encode())
        with row.path.open("rb") as file:
            while block := file.read(1 << 18):
                digest.update(block)
        same = digest.hexdigest()[:48]
        if self._last.get(row.code) != same:
            self._last[row.code] = same
            self._times[same] += 1
        times = self._times[same]
        return f"manifest-{same}" if times == 1 else f"manifest-{same}-{times}"
