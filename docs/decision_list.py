"""Writes ``docs/decisions/README.md``: every page of a decision, by its own heading and status."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "decisions"
HEAD = """\
# The decisions

<!-- Generated from the pages beside it by `make docs`: change those, not this. -->

What was decided, and why, where a reader could question it ([how such a page is
written](0001-record-decisions.md)).

| | decision | status |
|---|---|---|
"""


def page() -> str:
    """The whole text."""
    return HEAD + "".join(_row(path) for path in sorted(FOLDER.glob("[0-9]*.md")))


def _row(path: Path) -> str:
    found = re.match(r"# (\d+)\. (.+)\n\nStatus: (.+)\n", path.read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(
            f"expected {path.name} to begin with its number, its title and its status, found others"
        )
    number, title, status = found.groups()
    return f"| {number} | [{title}]({path.name}) | {status} |\n"
