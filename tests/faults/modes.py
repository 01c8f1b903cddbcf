"""What the fault proxy may do to the bytes of one direction.

``after`` counts, on each connection and in that direction, the bytes forwarded since the mode was
set (or since the connection was made, where that is later): exactly so many still pass. With a
``mark`` they are counted from its first byte on, and all passes until it comes; below zero they
reach back as far as the chunk goes that brought the mark.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pass:
    """As it comes; each chunk ``latency_ms`` later."""

    latency_ms: int = 0


@dataclass(frozen=True, slots=True)
class Slow:
    """After so many bytes, so many bytes a second."""

    bytes_per_s: int
    after: int = 0
    mark: bytes = b""


@dataclass(frozen=True, slots=True)
class Reset:
    """After so many bytes both sides get an RST."""

    after: int = 0
    mark: bytes = b""


@dataclass(frozen=True, slots=True)
class Truncate:
    """After so many bytes both sides are closed with a FIN, as if all had been said."""

    after: int = 0
    mark: bytes = b""


@dataclass(frozen=True, slots=True)
class Stall:
    """After so many bytes nothing is read or forwarded, and both sides stay open; the sender's
    buffers fill up. Under another mode it goes on, and nothing was lost."""

    after: int = 0
    mark: bytes = b""


@dataclass(frozen=True, slots=True)
class Swallow:
    """After so many bytes all is read and thrown away, the end too: a line that is half open. It
    stays so, whatever the mode is later."""

    after: int = 0
    mark: bytes = b""


@dataclass(frozen=True, slots=True)
class Garbage:
    """After so many bytes these come in between, once a connection; then all goes on."""

    data: bytes = b"\x00\xff\x13\x37garbage\r\n\r\n"
    after: int = 0
    mark: bytes = b""


Mode = Pass | Slow | Reset | Truncate | Stall | Swallow | Garbage
