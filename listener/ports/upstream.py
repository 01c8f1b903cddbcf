"""The upstream's HTTP side."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from listener.core.evidence import PostResult, Reading
from listener.core.names import CvCode
from listener.core.submission import FileFacts


class Upstream(Protocol):
    """Never raises for anything the network or the upstream does: every end is a value.

    Cancellation passes through, and leaves the attempt *possibly sent*.
    """

    async def read_record(self, code: CvCode, *, request_id: str) -> Reading:
        """GET the record, bounded in time and size. ``read_ms`` is when the GET started."""
        ...

    async def post_update(
        self, code: CvCode, file: Path, facts: FileFacts, *, request_id: str
    ) -> PostResult:
        """POST one file, streamed from ``file``. Bounded in time. Sends at most one request:
        never retried, never redirected. A file that cannot be read is *not sent*."""
        ...

    async def close(self) -> None:
        """Release connections. Idempotent."""
        ...
