"""The CVs that are sent: known by a mark that must stand in no output."""

from __future__ import annotations

from pathlib import Path

MARK = b"MARK-9f31c2-of-a-private-cv"
NAME = "a-private-name"
LARGE_BYTES = 400_000
"""More than the spool writes at once, and than one chunk of a POST's body."""


def written(folder: Path) -> tuple[Path, Path]:
    """A small one and a large one."""
    small, large = folder / f"{NAME}.pdf", folder / f"{NAME}-large.pdf"
    head = b"%PDF-1.4\n% " + MARK + b"\n"
    small.write_bytes(head + b"% a small one\n%%EOF\n")
    large.write_bytes(head + (b"% " + MARK + b"\n") * (LARGE_BYTES // (len(MARK) + 3)) + b"%%EOF\n")
    return small, large
