"""A spooled file as the body of an update, read block by block in a thread."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import httpx

from listener.core.wire import MultipartFrame

from .faults import UploadBroken

BLOCK_BYTES = 256 * 1024
"""Read from disk at once, so a usual CV takes one read, and one in flight no more memory."""
CHUNK_BYTES = 64 * 1024
"""Handed over at once: what one write timeout covers."""


class FileBody(httpx.AsyncByteStream):
    """Head, file, tail: exactly ``frame.total_length`` bytes, or UploadBroken. Iterated once.

    Each read opens the file anew, so nothing stays open between reads, whoever cancels what.
    """

    def __init__(self, path: Path, size: int, frame: MultipartFrame) -> None:
        self._path = path
        self._size = size
        self._tail = frame.tail
        self._read = 0
        self._pending = frame.head
        self._ended = False

    async def prepare(self) -> None:
        """Read the first block. A file that cannot be read is found out before connecting."""
        await self._fill()

    def __aiter__(self) -> FileBody:
        return self

    async def __anext__(self) -> bytes:
        if not self._pending and not self._ended:
            await self._fill()
        if not self._pending:
            raise StopAsyncIteration
        chunk, self._pending = self._pending[:CHUNK_BYTES], self._pending[CHUNK_BYTES:]
        return chunk

    async def _fill(self) -> None:
        try:
            block = await asyncio.to_thread(self._block)
        except OSError:
            raise UploadBroken("the file cannot be read") from None
        self._read += len(block)
        self._ended = self._read >= self._size
        self._pending += block + (self._tail if self._ended else b"")

    def _block(self) -> bytes:
        with self._path.open("rb", buffering=0) as file:
            if os.fstat(file.fileno()).st_size != self._size:
                raise UploadBroken("the file is not as long as it was when it was taken in")
            file.seek(self._read)
            block = file.read(min(BLOCK_BYTES, self._size - self._read))
        if not block and self._size > self._read:
            raise UploadBroken("the file ended early")
        return block
