"""``python -m tests.interop.install``: the official Socket.IO server, from our lock, once.

It goes into ``node_modules`` beside this file. Test workers may ask for it at the same time: the
first installs, the others wait.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

from tests.tools import Node, ToolMissing, find_node

HERE = Path(__file__).parent
LOCK = HERE / "package-lock.json"
MODULES = HERE / "node_modules"
STAMP = MODULES / ".installed-from"
INSTALL_S = 90
"""Less than a test's own bound, so that a test that has to install skips, and does not fail."""


_missing: list[ToolMissing] = []


def ensure() -> Node:
    """The Node to run ``server.js`` with, its packages in place. Raises ToolMissing.

    What could not be had once is not asked for again by the same process.
    """
    if _missing:
        raise _missing[0]
    try:
        return _ensure()
    except ToolMissing as missing:
        _missing.append(missing)
        raise


def _ensure() -> Node:
    node = find_node()
    with LOCK.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = hashlib.sha256(lock.read()).hexdigest()
        if not STAMP.is_file() or STAMP.read_text() != wanted:
            _install(node)
            STAMP.write_text(wanted)
    return node


def _install(node: Node) -> None:
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    command = [*node.npm, "ci", *quiet, "--fetch-retries=1"]
    # npm's own start looks for `node` on PATH, where pip's is not.
    path = f"{node.node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    try:
        done = subprocess.run(
            command,
            cwd=HERE,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=INSTALL_S,
        )
    except subprocess.TimeoutExpired:
        raise ToolMissing(f"needs: socket.io; npm ci did not end in {INSTALL_S} s") from None
    if done.returncode != 0:
        told = (done.stderr.strip().splitlines() or ["npm ci said nothing"])[0]
        raise ToolMissing(f"needs: socket.io, which npm ci could not install: {told}")


def main() -> int:
    try:
        node = ensure()
    except ToolMissing as missing:
        sys.stderr.write(f"tests.interop.install: {missing}\n")
        # Tests will skip, aloud. In CI they would fail, later and less clearly.
        return 1 if os.environ.get("CI") else 0
    sys.stdout.write(f"socket.io for Node {node.version} is in place\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
