"""Where CV files wait: private, without any name from outside, bounded."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Protocol

from listener.core.names import SubmissionId
from listener.core.submission import FileFacts


class Spool(Protocol):
    """Files by submission id. All are 0600 in a folder 0700."""

    async def take(
        self, submission_id: SubmissionId, chunks: AsyncIterator[bytes], name: str
    ) -> FileFacts:
        """Write, hash, sniff and fsync one file (and its folder). On any error nothing is left.

        Raises InvalidFile (empty, over the limit, neither PDF nor DOCX) or SpoolFull.
        """
        ...

    def path(self, submission_id: SubmissionId) -> Path:
        """Where the file is, or would be."""
        ...

    async def remove(self, submission_id: SubmissionId) -> None:
        """Delete one file. Idempotent."""
        ...

    async def sweep(self, keep: Iterable[SubmissionId]) -> int:
        """Delete all that is not in ``keep`` (left by a crash); returns how many."""
        ...

    def used_bytes(self) -> int:
        """Bytes stored now, those being written included."""
        ...
