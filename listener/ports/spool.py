"""Where CV files wait: private, without any name from outside, bounded."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Protocol

from listener.core.names import Millis, SubmissionId
from listener.core.submission import FileFacts


class Spool(Protocol):
    """Files by submission id. All are 0600 in a folder 0700."""

    async def take(
        self, submission_id: SubmissionId, chunks: AsyncIterator[bytes], name: str
    ) -> FileFacts:
        """Write, hash, sniff and fsync one file (and its folder). On any error nothing is left.

        Raises InvalidFile (empty, over the limit, neither PDF nor DOCX), SpoolFull or SpoolFault.
        """
        ...

    def path(self, submission_id: SubmissionId) -> Path:
        """Where the file is, or would be."""
        ...

    async def holds(self, submission_id: SubmissionId) -> bool:
        """Whether the file is there."""
        ...

    def read(self, submission_id: SubmissionId) -> AsyncIterator[bytes]:
        """Its bytes, in chunks. A file that is removed meanwhile is read to its end. Raises
        FileNotFoundError where there is none to begin with, and SpoolFault."""
        ...

    async def remove(self, submission_id: SubmissionId) -> None:
        """Delete one file. Idempotent."""
        ...

    async def sweep(self, keep: Iterable[SubmissionId]) -> int:
        """Leave only what is in ``keep``; returns how many files had to go. Half written ones are
        deleted; where there are Orphans, whole ones are set aside, and those that were set aside
        and are in ``keep`` are brought back."""
        ...

    def used_bytes(self) -> int:
        """Bytes stored now, those being written included."""
        ...


class Orphans(Protocol):
    """Whole files that the journal knew nothing of at a start: its older copy may have been put
    back, so that they are set aside and not deleted."""

    async def orphans(self) -> list[SubmissionId]:
        """Those set aside, by name."""
        ...

    async def remove_orphan(self, submission_id: SubmissionId) -> None:
        """Delete one. Idempotent."""
        ...

    async def expire_orphans(self, before_ms: Millis) -> int:
        """Delete those that were set aside before; returns how many."""
        ...
