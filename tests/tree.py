"""The project's own files, as the house's tests read them."""

from __future__ import annotations

import ast
import gc
import os
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BINARY = {".pdf", ".docx", ".png", ".ico", ".woff2", ".gz"}
UNTRACKED = {".git", ".venv", ".build", "build", "dist", "node_modules", "__pycache__"}
UNTRACKED |= {".state", ".hypothesis"}


@cache
def tracked() -> tuple[Path, ...]:
    """Every file git tracks; in an exported tree, every file that git would not ignore."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, timeout=30
        ).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        return tuple(_walked())
    # A file can be tracked and gone: deleted, and not committed yet.
    return tuple(path for name in listed.split("\0") if name and (path := ROOT / name).is_file())


def _walked() -> Iterator[Path]:
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [
            name
            for name in folders
            if name not in UNTRACKED and not name.endswith(("_cache", ".egg-info"))
        ]
        yield from (Path(folder, name) for name in files if name != ".env")


def texts(*suffixes: str, under: tuple[str, ...] = ("",)) -> Iterator[tuple[str, str]]:
    """(path from the root, text) of each tracked text file of these suffixes and folders."""
    for path in tracked():
        name = path.relative_to(ROOT).as_posix()
        if path.suffix in BINARY or (suffixes and path.suffix not in suffixes):
            continue
        if name.startswith(under):
            yield name, path.read_text(encoding="utf-8")


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def parsed(text: str) -> ast.Module:
    """The syntax tree. Without the garbage collector: on Python 3.11 and 3.12 a finalizer that runs
    in the midst of ``ast.parse`` makes it raise SystemError (gh-106905)."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(text)
    finally:
        if was_on:
            gc.enable()
