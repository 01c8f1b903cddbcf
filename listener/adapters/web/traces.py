"""What the web leaves in the state folder so that the command line finds it. All of it 0600."""

from __future__ import annotations

import json
import os
import re
import secrets
from pathlib import Path

from listener.core.errors import SettingsInvalid

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{8,}=*")


def state_token(path: Path) -> str:
    """The token in ``path``; one is made and kept there if there is none.

    Raises OSError, or SettingsInvalid where the file holds no token, or one that is too short.
    """
    try:
        token = path.read_text("utf-8", "replace").strip()
    except FileNotFoundError:
        token = ""
    if token and not _TOKEN.fullmatch(token):
        raise SettingsInvalid(
            f"expected a token of 8 or more letters, digits and . _ ~ + / - in {path.name} of the "
            "state folder, found something else: delete the file, and a new one is made"
        )
    if token:
        path.chmod(0o600)
    if not token:
        token = secrets.token_urlsafe(32)
        write_private(path, token + "\n")
    return token


def write_address(path: Path, host: str, port: int) -> None:
    """Where to connect to: an address of this machine where the server listens on all of them."""
    here = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104 - the address to reach it by
    write_private(path, json.dumps({"host": here, "port": port, "pid": os.getpid()}) + "\n")


def remove_address(path: Path) -> None:
    """Only if it is ours: another daemon may have followed us already. Idempotent."""
    try:
        pid = json.loads(path.read_text("utf-8")).get("pid")
    except (OSError, ValueError, AttributeError):
        return
    if pid == os.getpid():
        path.unlink(missing_ok=True)


def write_private(path: Path, text: str) -> None:
    """Whole or not at all, and never readable by others, not for a moment. One process at a time:
    what another one that died in here left behind is removed."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    for left in path.parent.glob(f".{path.name}.*"):
        left.unlink(missing_ok=True)
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
