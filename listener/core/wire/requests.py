"""The headers of a request to the upstream, the same whoever sends it."""

from __future__ import annotations

from collections.abc import Mapping

_FIXED = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-request-id",
    }
)
"""What an operator's headers cannot change: the framing of the message, and its name."""

LEAST_BYTES_PER_S = 8 * 1024
"""How slow a line may be, and an update still ends on it."""


def longest_upload_s(length: int) -> float:
    """How long so many bytes may take on the way, beside all else that an update waits for."""
    return length / LEAST_BYTES_PER_S


def request_headers(
    custom: Mapping[str, str],
    *,
    request_id: str,
    traceparent: str,
    content_type: str | None = None,
    content_length: int | None = None,
    fresh: bool = False,
) -> dict[str, str]:
    """All headers but ``Host``, keys in lower case.

    ``custom`` adds to them and replaces ``accept``, ``user-agent`` and ``traceparent``.
    ``accept: application/json`` keeps upstream's framework from answering an error with a redirect
    to an HTML page. ``fresh``: no cache on the way is to answer unasked (RFC 9111 5.2.1.4; 5.4 for
    the oldest).
    """
    headers = {
        "accept": "application/json",
        "user-agent": "cv-listener",
        "traceparent": traceparent,
    }
    for name, value in custom.items():
        if name.lower() not in _FIXED:
            headers[name.lower()] = value
    headers["accept-encoding"] = "identity"
    headers["x-request-id"] = request_id
    if fresh:
        headers |= {"cache-control": "no-cache", "pragma": "no-cache"}
    if content_type is not None and content_length is not None:
        headers["content-type"] = content_type
        headers["content-length"] = str(content_length)
    return headers
