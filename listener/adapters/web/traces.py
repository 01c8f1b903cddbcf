"""What the web leaves in the state folder so that the command line finds it. All of it 0600."""

from __future__ import annotations

import json
import os
import re
import secrets
from pathlib import Path

from listener.adapters.private import kept_before, rotate, write_private
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


def previous_token(path: Path, period_s: float) -> tuple[str, float] | None:
    """The token before the one in ``path``, and until when it is known, by the wall's clock."""
    return kept_before(path, period_s)


def rotate_token(path: Path) -> str:
    """Another token from now on, which is returned; the one in ``path`` becomes the one before.
    Raises OSError."""
    token = secrets.token_urlsafe(32)
    rotate(path, token)
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
