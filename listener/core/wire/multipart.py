"""The body of an update: one file in the field ``cv``, framed as browsers frame it (WHATWG HTML,
multipart/form-data encoding algorithm), with a length known beforehand."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from listener.core.names import FileKind

MAX_NAME_BYTES = 255
MAX_EXTENSION_BYTES = 16
NAMELESS = "cv"
_BOUNDARY = re.compile(r"[A-Za-z0-9'()+_,./:=?-]{1,70}")
_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
_TYPES = {
    FileKind.PDF: "application/pdf",
    FileKind.DOCX: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    None: "application/octet-stream",
}


@dataclass(frozen=True, slots=True)
class MultipartFrame:
    """``head``, the file's bytes, ``tail``: together the body, ``total_length`` bytes long."""

    head: bytes
    tail: bytes
    content_type: str
    total_length: int


def sanitise_filename(name: str) -> str:
    """The last component of ``name`` as one printable file name of 1 to 255 bytes of UTF-8.

    ``/`` and ``\\`` both separate. Control characters, line separators and lone surrogates are
    dropped. What is too long is cut before its extension. A name with nothing left is ``cv``.
    Applied twice it changes nothing more.
    """
    last = re.split(r"[/\\]", name)[-1]
    kept = "".join(c for c in last if unicodedata.category(c) not in _UNPRINTABLE).strip()
    if kept in ("", ".", ".."):
        return NAMELESS
    if len(kept.encode()) <= MAX_NAME_BYTES:
        return kept
    stem, dot, extension = kept.rpartition(".")
    extension = dot + extension
    if not stem or len(extension.encode()) > MAX_EXTENSION_BYTES:
        stem, extension = kept, ""
    room = MAX_NAME_BYTES - len(extension.encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip() + extension


def frame(boundary: str, filename: str, kind: FileKind | None, size: int) -> MultipartFrame:
    """Everything around a file of ``size`` bytes.

    ``boundary`` must not occur in the file: make it of 16 random bytes or more. ``kind`` None says
    ``application/octet-stream``. ``filename`` is sanitised here too; what a quoted string cannot
    hold is escaped as browsers do (``"`` as ``%22``), and all else goes as raw UTF-8.
    """
    if not _BOUNDARY.fullmatch(boundary):
        raise ValueError("expected a boundary of 1 to 70 characters that RFC 2046 allows")
    name = sanitise_filename(filename)
    if name == NAMELESS and kind is not None:
        name = f"{NAMELESS}.{kind}"
    quoted = name.replace('"', "%22")
    head = (
        f"--{boundary}\r\n"
        f'Content-Disposition: form-data; name="cv"; filename="{quoted}"\r\n'
        f"Content-Type: {_TYPES[kind]}\r\n"
        "\r\n"
    ).encode()
    tail = f"\r\n--{boundary}--\r\n".encode()
    return MultipartFrame(
        head=head,
        tail=tail,
        content_type=f"multipart/form-data; boundary={boundary}",
        total_length=len(head) + size + len(tail),
    )
