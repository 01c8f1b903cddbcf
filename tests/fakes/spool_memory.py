"""A Spool in memory, for simulation: no threads, no disk. Its paths lead nowhere."""

from __future__ import annotations

import hashlib
import io
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from listener.core.errors import InvalidFile, SpoolFull
from listener.core.names import SubmissionId
from listener.core.submission import FileFacts
from listener.core.wire import sniff


class MemorySpool:
    """``files`` is what is stored, by id; a simulated crash keeps it."""

    def __init__(self, quota_bytes: int = 1 << 30, max_file_bytes: int = 5 << 20) -> None:
        self.files: dict[SubmissionId, bytes] = {}
        self._quota = quota_bytes
        self._max_file_bytes = max_file_bytes
        self._writing = 0

    async def take(
        self, submission_id: SubmissionId, chunks: AsyncIterator[bytes], name: str
    ) -> FileFacts:
        content = bytearray()
        try:
            async for chunk in chunks:
                if len(content) + len(chunk) > self._max_file_bytes:
                    raise InvalidFile("too_large", f"more than {self._max_file_bytes} bytes")
                if self.used_bytes() + len(chunk) > self._quota:
                    raise SpoolFull(f"more than {self._quota} bytes in all")
                content += chunk
                self._writing += len(chunk)
            if not content:
                raise InvalidFile("empty", "an empty file")
            kind = sniff(io.BytesIO(content))
            if kind is None:
                raise InvalidFile("not_pdf_or_docx", "neither PDF nor DOCX")
            self.files[submission_id] = bytes(content)
        finally:
            self._writing -= len(content)
        return FileFacts(hashlib.sha256(content).hexdigest(), len(content), kind, name)

    def path(self, submission_id: SubmissionId) -> Path:
        return Path("/nowhere") / submission_id

    async def holds(self, submission_id: SubmissionId) -> bool:
        return submission_id in self.files

    async def read(self, submission_id: SubmissionId) -> AsyncIterator[bytes]:
        content = self.files.get(submission_id)
        if content is None:
            raise FileNotFoundError
        yield content

    async def remove(self, submission_id: SubmissionId) -> None:
        self.files.pop(submission_id, None)

    async def sweep(self, keep: Iterable[SubmissionId]) -> int:
        doomed = self.files.keys() - set(keep)
        for submission_id in doomed:
            del self.files[submission_id]
        return len(doomed)

    def used_bytes(self) -> int:
        return sum(map(len, self.files.values())) + self._writing

    def digest(self, submission_id: SubmissionId) -> str | None:
        """SHA-256 of what is stored, None if nothing is."""
        content = self.files.get(submission_id)
        return None if content is None else hashlib.sha256(content).hexdigest()
