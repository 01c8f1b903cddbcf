"""Is this file a PDF or a DOCX? Told by its bytes alone, reading little and decompressing nothing.

A DOCX is a zip that holds ``[Content_Types].xml`` and a main part (ECMA-376 part 2). That may have
any name; Word on the desktop and the libraries write ``word/document.xml``, Word for the web and
SharePoint ``word/document2.xml`` or ``word/document22.xml``. Zip structures: PKWARE APPNOTE 4.3.7
(local header), 4.3.12 (central directory), 4.3.16 (its end).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import BinaryIO

from listener.core.names import FileKind

PDF_MARK_WITHIN = 1024
"""Bytes: readers look for ``%PDF-`` this far."""
MAX_DIRECTORY_BYTES = 1 << 20
MAX_ENTRIES = 4096
_LOCAL = b"PK\x03\x04"
_CENTRAL = b"PK\x01\x02"
_END = b"PK\x05\x06"
_END_SIZE = 22
MAX_AFTER_BYTES = 65_535
"""What may follow the end of a zip: its comment, and what whoever passed it on left there."""
_TYPES = b"[Content_Types].xml"
_MAIN = re.compile(rb"word/document[^/]*\.xml")


def sniff(stream: BinaryIO) -> FileKind | None:
    """What the file is, or None: neither. Needs a seekable stream; leaves its position anywhere.

    Reads at most about 1.1 MiB. Raises only what the stream's own ``read`` and ``seek`` raise.
    """
    stream.seek(0)
    start = stream.read(PDF_MARK_WITHIN)
    if start.startswith(_LOCAL):
        return FileKind.DOCX if _is_docx(stream) else None
    return FileKind.PDF if b"%PDF-" in start else None


def _is_docx(stream: BinaryIO) -> bool:
    offsets = dict(_entries(_central_directory(stream)))
    main = next(filter(_MAIN.fullmatch, offsets), None)
    return main is not None and all(
        name in offsets and _local_name(stream, offsets[name], len(name)) == name
        for name in (_TYPES, main)
    )


def _central_directory(stream: BinaryIO) -> bytes:
    """The directory's bytes, or nothing where the end of the file does not point at one."""
    size = stream.seek(0, 2)
    tail_at = max(0, size - _END_SIZE - MAX_AFTER_BYTES)
    stream.seek(tail_at)
    tail = stream.read(size - tail_at)
    at = len(tail)
    while (at := tail.rfind(_END, 0, at)) >= 0:
        if len(tail) - at < _END_SIZE:
            continue
        length, start, comment = struct.unpack_from("<IIH", tail, at + 12)
        if at + _END_SIZE + comment <= len(tail) and start + length == tail_at + at:
            stream.seek(start)
            return stream.read(length) if length <= MAX_DIRECTORY_BYTES else b""
    return b""


def _entries(directory: bytes) -> Iterator[tuple[bytes, int]]:
    """(name, offset of its local header) of each entry, as far as they are well formed."""
    at = 0
    for _ in range(MAX_ENTRIES):
        if directory[at : at + 4] != _CENTRAL or len(directory) - at < 46:
            return
        name_size, extra_size, comment_size = struct.unpack_from("<HHH", directory, at + 28)
        (offset,) = struct.unpack_from("<I", directory, at + 42)
        yield directory[at + 46 : at + 46 + name_size], offset
        at += 46 + name_size + extra_size + comment_size


def _local_name(stream: BinaryIO, offset: int, name_size: int) -> bytes | None:
    stream.seek(offset)
    header = stream.read(30 + name_size)
    if len(header) < 30 + name_size or not header.startswith(_LOCAL):
        return None
    if struct.unpack_from("<H", header, 26)[0] != name_size:
        return None
    return header[30:]
