"""A path of the gateway, however a client spells it.

It is read raw, as it stood in the request: a code is percent-decoded once, and here. ``%2F`` is a
slash in the code and a ``/`` never is; ``%2525`` is ``%25``; ``+`` is a plus.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from .problems import Refused

BASE = "/cv-enhance"
TOKEN_PREFIX = "/t/"  # noqa: S105 - where one stands, and none itself

_BROKEN = re.compile(rb"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names. ``code`` is decoded and not checked. ``token``: of the path's prefix."""

    code: str = field(repr=False)
    edits: bool
    token: str | None = field(repr=False)


def is_gateways(raw_path: str) -> bool:
    """Whether a request of this path is the gateway's to answer."""
    path = _path(raw_path)
    return path.startswith((BASE + "/", TOKEN_PREFIX)) or path == BASE


def read_target(raw_path: str) -> Target:
    """Raises Refused for a path that names nothing, or whose encoding is broken."""
    path, token = _path(raw_path), None
    if path.startswith(TOKEN_PREFIX):
        encoded, slash, path = path.removeprefix(TOKEN_PREFIX).partition("/")
        path = slash + path
        token = _decoded(encoded, "token")
    encoded, slash, rest = path.removeprefix(BASE + "/").partition("/")
    if not path.startswith(BASE + "/") or (slash and rest != "edits") or not (encoded or slash):
        raise Refused("not_found", f"expected {BASE}/CODE or {BASE}/CODE/edits, found another path")
    return Target(_decoded(encoded, "code"), bool(slash), token)


def _path(target: str) -> str:
    """Of a request's target, in the absolute form, too (RFC 9112 3.2.2: ``http://host/path``)."""
    path = target.partition("?")[0]
    if path.startswith("/"):
        return path
    _, slash, rest = path.partition("://")[2].partition("/")
    return slash + rest


def _decoded(encoded: str, what: str) -> str:
    # What was not UTF-8 in the request's line stands in the text as surrogates.
    raw = encoded.encode("utf-8", "surrogateescape")
    if _BROKEN.search(raw):
        raise Refused(
            "invalid_code",
            f"expected the {what} percent-encoded, found a % without two hexadecimal digits"
            " after it: write a % as %25",
            cause="not_encoded",
        )
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise Refused(
            "invalid_code", f"expected the {what} in UTF-8, found other bytes", cause="not_text"
        ) from None
