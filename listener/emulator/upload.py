"""The reading of one posted file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import BodyPartReader, MultipartReader, web

FIELD = "cv"
CHUNK = 64 * 1024
MAX_BODY_BYTES = 64 * 1024 * 1024
"""More than this is not even read to its end."""


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


@dataclass(slots=True)
class Upload:
    """What came. ``whole``: every byte of the body was read. ``problem``: None, or
    ``not_multipart`` · ``malformed`` · ``no_file`` · ``two_files`` · ``too_large``.
    ``content`` is empty where there is a problem."""

    whole: bool = False
    problem: str | None = None
    content: bytes = field(default=b"", repr=False)
    size: int = 0
    sha256: str | None = None
    file_name: str | None = field(default=None, repr=False)


async def read_upload(request: web.BaseRequest, max_file_bytes: int) -> Upload:
    """Read the body to its end, so that the client can read the answer. A client that leaves
    before is no error: ``whole`` is False."""
    upload = Upload()
    try:
        await _go_on(request)
        if request.content_type == "multipart/form-data":
            await _read_parts(request, upload, max_file_bytes)
        else:
            upload.problem = "not_multipart"
    except (ConnectionError, web.RequestPayloadError):
        return upload
    except (ValueError, RuntimeError, AssertionError, LookupError):
        # All of these are aiohttp's ways to say that a multipart body is none.
        upload.problem = "malformed"
    upload.whole = await _drained(request)
    if upload.problem:
        upload.content = b""
    return upload


async def _go_on(request: web.BaseRequest) -> None:
    """A client may wait to be told to send; a server without a router has to say it itself."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")


async def _read_parts(request: web.BaseRequest, upload: Upload, max_file_bytes: int) -> None:
    files = 0
    parts = await request.multipart()
    while (part := await parts.next()) is not None:
        if isinstance(part, MultipartReader):
            upload.problem = "malformed"
            return
        if part.name == FIELD and part.filename is not None:
            files += 1
            await _read_file(part, upload, max_file_bytes)
        else:
            await part.release()
    if files != 1:
        upload.problem = "two_files" if files else "no_file"


async def _read_file(part: BodyPartReader, upload: Upload, max_file_bytes: int) -> None:
    digest: _Hash = hashlib.sha256()
    kept = bytearray()
    size = 0
    while chunk := await part.read_chunk(CHUNK):
        size += len(chunk)
        digest.update(chunk)
        if size <= max_file_bytes:
            kept += chunk
        elif size > MAX_BODY_BYTES:
            break
    upload.size, upload.sha256, upload.file_name = size, digest.hexdigest(), part.filename
    if size > max_file_bytes:
        upload.problem = "too_large"
    upload.content = bytes(kept)


async def _drained(request: web.BaseRequest) -> bool:
    """Whether the rest of the body came, to its end."""
    read = 0
    try:
        async for chunk in request.content.iter_any():
            read += len(chunk)
            if read > MAX_BODY_BYTES:
                return False
    except (ConnectionError, web.RequestPayloadError):
        return False
    return True
