"""Any frames of a websocket: neither path raises, both hear the same, and neither goes deaf."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from tests.corpus.rows import EVENTS, Broken, Frame

from .ear import Ears, Event, Outcome

SEPARATOR = b"\n"
"""Between frames. JSON on the wire has none of it, or ``\\\\n`` in its place."""
BINARY = b"\x00"
"""A frame that begins with it is a binary one. A text frame can hold it anywhere else."""
NAMESPACES = ("/", "/cv")
DEEP = 200
"""Brackets: below it, both parsers have stack enough."""

PROBES = (
    '42["cv_updated",{"cv_code":"probe-plain"}]',
    '42123["cv_updated",{"cv_code":"probe-ack"}]',
)

_EARS = Ears()


def one(data: bytes) -> None:
    """Raises AssertionError, or whatever it was, for a finding. The first byte chooses namespace
    and session; the rest are frames."""
    options, *_ = data[:1] or b"\0"
    namespace, session = NAMESPACES[options & 1], bool(options & 2)
    frames = decoded(data[1:])
    if frames is not None:
        check(_EARS, frames, namespace, session=session)


def check(ears: Ears, frames: Sequence[Frame], namespace: str, *, session: bool) -> Outcome:
    """Both paths, held together. What the fast one heard."""
    asked = [*frames, *probes_of(namespace)]
    fast, slow = (
        ears.hear(asked, fast=fast, namespace=namespace, session=session) for fast in (True, False)
    )
    if not _deep(frames):
        assert (fast.end, fast.alive) == (slow.end, slow.alive)
        # Of a connection that is given up, one path may be read a little further than the other.
        both = len(fast.events) if fast.alive else min(len(fast.events), len(slow.events))
        assert fast.events[:both] == slow.events[: both if not fast.alive else None]
        assert not fast.alive or fast.offered == slow.offered, "both offer the same"
    for outcome in (fast, slow):
        if outcome.alive:
            heard = [event.code for event in outcome.events[-2:]]
            assert heard == ["probe-plain", "probe-ack"], "a connection that lives, hears"
        for event in outcome.events:
            _check_event(event)
        if outcome.offered is not None:
            f"{outcome.offered.pid}{outcome.offered.offset}".encode()
    return fast


def probes_of(namespace: str) -> list[Frame]:
    """Two events that any connection hears that is not ended: one for each path."""
    head = "" if namespace == "/" else f"{namespace},"
    return [probe[:2] + head + probe[2:] for probe in PROBES]


def decoded(data: bytes) -> list[Frame] | None:
    """The frames in ``data``; None where a text frame is not UTF-8: aiohttp refuses it itself."""
    frames: list[Frame] = []
    for piece in data.split(SEPARATOR):
        try:
            frames.append(piece[1:] if piece.startswith(BINARY) else piece.decode())
        except UnicodeDecodeError:
            return None
    return frames


def encoded(frames: Sequence[Frame], namespace: str = "/", *, session: bool = True) -> bytes:
    """``frames`` as this target takes them."""
    options = NAMESPACES.index(namespace) | (2 if session else 0)
    whole = [frame for frame in frames if not isinstance(frame, Broken)]
    pieces = [BINARY + f if isinstance(f, bytes) else f.encode() for f in whole]
    return bytes([options]) + SEPARATOR.join(pieces)


def seeds() -> Iterator[bytes]:
    """Of the corpus, what fits: a fuzzer does not grow from megabytes."""
    for row in EVENTS:
        namespace = row.namespace if row.namespace in NAMESPACES else "/"
        try:
            seed = encoded(row.frames, namespace, session=row.session)
        except UnicodeEncodeError:
            continue
        if len(seed) < 4_096:
            yield seed


def _check_event(event: Event) -> None:
    assert (event.code is None) != (event.problem is None)
    assert event.payload.isascii() and len(event.payload) <= 2048
    if event.code is not None:
        assert len(event.code.encode()) <= 256
        words = [word for word in json.loads(event.payload).values() if isinstance(word, str)]
        assert len(event.code) < 4 or not any(event.code in word for word in words)
    if event.offset is not None:
        event.offset.encode()


def _deep(frames: Sequence[Frame]) -> bool:
    """The two parsers run out of stack at different depths."""
    return any(isinstance(f, str) and f.count("[") + f.count("{") > DEEP for f in frames)
