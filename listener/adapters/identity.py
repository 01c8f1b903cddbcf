"""Ids, and the key behind ``cv_ref``: the one in use, and the one before it."""

from __future__ import annotations

import os
import secrets
import time
import uuid
from pathlib import Path

from listener.core.errors import JournalFault
from listener.core.names import SubmissionId

from .private import kept_before, rotate

KEY_BYTES = 32


def new_submission_id() -> SubmissionId:
    """A UUIDv7: 48 bits of milliseconds, then chance; sorts by time (RFC 9562)."""
    millis = time.time_ns() // 1_000_000
    value = (millis & (1 << 48) - 1) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return SubmissionId(str(uuid.UUID(int=value)))


def install_key(path: Path) -> bytes:
    """The key kept in ``path``; made once, 0600, if there is none. Raises OSError."""
    try:
        key = bytes.fromhex(path.read_text("ascii").strip())
    except FileNotFoundError:
        return _make_key(path)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise JournalFault(
            f"expected {KEY_BYTES} bytes in hex in {path.name} of the state folder, found "
            "something else: restore it, or delete it (every cv_ref will then be another one)"
        )
    return key


def previous_key(path: Path, period_s: float) -> tuple[bytes, float] | None:
    """The key before the one in ``path``, and until when it is known, by the wall's clock: for
    ``period_s`` from the rotation. None where there was none, or that time is over."""
    found = kept_before(path, period_s)
    if found is None:
        return None
    try:
        return bytes.fromhex(found[0]), found[1]
    except ValueError:
        return None


def rotate_key(path: Path) -> None:
    """Another key from now on; the one in ``path`` becomes the one before. Raises OSError."""
    rotate(path, secrets.token_bytes(KEY_BYTES).hex())


def _make_key(path: Path) -> bytes:
    key = secrets.token_bytes(KEY_BYTES)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        # Whoever comes second takes the first one's: a link, unlike a rename, never replaces.
        os.link(partial, path)
    except FileExistsError:
        return install_key(path)
    finally:
        partial.unlink()
    return key
