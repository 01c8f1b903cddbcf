"""What of a reply's head a gateway may pass on: all that is the message's own (RFC 9110 7.6.1)."""

from __future__ import annotations

from collections.abc import Iterable

_OF_THE_CONNECTION = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_FRAMING = frozenset({"content-length"})
"""Whoever sends the body again counts it."""


def end_to_end(head: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    """The headers that are for the client, in order, repeated ones and the names' case kept.

    What ``Connection`` names goes with it. A value that is not UTF-8 is read as Latin-1.
    """
    pairs = [(_text(name), _text(value)) for name, value in head]
    named = {
        word.strip().lower()
        for name, value in pairs
        if name.lower() == "connection"
        for word in value.split(",")
    }
    left_out = _OF_THE_CONNECTION | _FRAMING | named
    return tuple((name, value) for name, value in pairs if name.lower() not in left_out)


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
