"""The upstream's HTTP side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from listener.core.evidence import PostResult, Reading
from listener.core.names import CvCode
from listener.core.submission import FileFacts


@dataclass(frozen=True, slots=True)
class RawReply:
    """A reply as it came, for those who are to have it unchanged. ``headers``: the end-to-end ones
    (``wire.end_to_end``). ``body`` as it was encoded."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class NoReply:
    """There was none, or none that was read whole. ``detail``: a stable slug. ``timed_out``: it did
    not come in time, as far as is known."""

    detail: str
    timed_out: bool


OnReply = Callable[[RawReply], None]
"""Is told of a reply that was read whole, before the call that asked for it returns."""


def unheeded(reply: RawReply) -> None:
    """Nobody wants it."""


class Upstream(Protocol):
    """Never raises for anything the network or the upstream does: every end is a value.

    Cancellation passes through, and leaves the attempt *possibly sent*.
    """

    async def read_record(self, code: CvCode, *, request_id: str) -> Reading:
        """GET the record, past all caches that heed it, bounded in time and size. ``read_ms`` is
        when the GET started, or as much earlier as a cache says that its answer is old."""
        ...

    async def fetch_record(self, code: CvCode, *, request_id: str) -> RawReply | NoReply:
        """GET the record, whatever is answered, for somebody else to read; but a record that bears
        another code is no reply to pass on. Bounded likewise, though more generously in size."""
        ...

    async def post_update(
        self,
        code: CvCode,
        file: Path,
        facts: FileFacts,
        *,
        request_id: str,
        on_reply: OnReply = unheeded,
    ) -> PostResult:
        """POST one file, streamed from ``file``. Bounded in time. Sends at most one request:
        never retried, never redirected. A file that cannot be read is *not sent*."""
        ...

    async def close(self) -> None:
        """Release connections. Idempotent."""
        ...
