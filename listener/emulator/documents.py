"""Text out of a CV file, and the little that is made of it. Bounded: an upload may be hostile."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from dataclasses import dataclass
from xml.parsers import expat

MAIN = re.compile(r"word/document[^/\0]{0,64}\.xml")
"""The main part: Word for the web calls it ``document2.xml``."""
_MAIN_SOMEWHERE = re.compile(MAIN.pattern.encode())
MAX_XML_BYTES = 8 * 1024 * 1024
MAX_UNPACKED_BYTES = 100 * 1024 * 1024
MAX_RATIO = 200
"""Of the document's unpacked size to its packed one, where it is over a mebibyte: text packs to a
tenth or so."""
MAX_ENTRIES = 5_000
MAX_PAGES = 50
MAX_CHARACTERS = 200_000

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}")
NAME = re.compile(r"[^\W\d_][^\d@|/\\]{1,58}")


@dataclass(frozen=True, slots=True)
class Document:
    """What was made of a file. ``refused``: why it is not taken (``not_pdf_or_docx``,
    ``zip_bomb``, ``doctype``, ``broken_archive``), else None. ``readable`` False: it is of its
    kind, and no text could be had from it; the upstream takes such a file. ``text`` has no control
    characters but line ends and tabs."""

    kind: str
    text: str = ""
    pages: int = 0
    readable: bool = True
    refused: str | None = None


def kind_of(content: bytes) -> str | None:
    """``pdf``, ``docx`` or None, by content alone."""
    if b"%PDF-" in content[:1024]:
        return "pdf"
    if content.startswith(b"PK\x03\x04") and _MAIN_SOMEWHERE.search(content):
        return "docx"
    return None


def read_document(content: bytes) -> Document:
    """Never raises, whatever the bytes are."""
    kind = kind_of(content)
    if kind == "pdf":
        return _read_pdf(content)
    if kind == "docx":
        return _read_docx(content)
    return Document("unknown", refused="not_pdf_or_docx", readable=False)


def _read_pdf(content: bytes) -> Document:
    from pypdf import PdfReader

    parts: list[str] = []
    try:
        reader = PdfReader(io.BytesIO(content))
        pages = len(reader.pages)
        for page in reader.pages[:MAX_PAGES]:
            parts.append(page.extract_text())
            if sum(map(len, parts)) > MAX_CHARACTERS:
                break
    except Exception:  # noqa: BLE001  hostile bytes raise nearly anything out of a PDF reader
        return Document("pdf", readable=False)
    return Document("pdf", _clean("\n".join(parts)), pages)


def _read_docx(content: bytes) -> Document:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            document = next(entry for entry in entries if MAIN.fullmatch(entry.filename))
            unpacked = sum(entry.file_size for entry in entries)
            if len(entries) > MAX_ENTRIES or unpacked > MAX_UNPACKED_BYTES or _bomb(document):
                return Document("docx", refused="zip_bomb", readable=False)
            # No more comes out than the size that was declared, and looked at.
            xml = archive.read(document)
    except (
        *(zipfile.BadZipFile, zlib.error, KeyError, NotImplementedError, RuntimeError),
        *(EOFError, OSError, ValueError, StopIteration),
    ):
        return Document("docx", refused="broken_archive", readable=False)
    try:
        return Document("docx", _clean(_WordText().read(xml)), 1)
    except _DoctypeFound:
        return Document("docx", refused="doctype", readable=False)
    except expat.ExpatError:
        return Document("docx", readable=False)


def _bomb(document: zipfile.ZipInfo) -> bool:
    large = document.file_size > 1024 * 1024
    return document.file_size > MAX_XML_BYTES or (
        large and document.file_size > MAX_RATIO * max(1, document.compress_size)
    )


class _DoctypeFound(Exception):
    """A Word document has none; with one, entities could be made to grow without bound."""


class _WordText:
    """The text of a document's main part: runs, tabs, line breaks, and a line for a paragraph."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._in_text = False

    def read(self, xml: bytes) -> str:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = self._doctype
        parser.Parse(xml, True)
        return "".join(self._parts)

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        self._in_text = name == f"{WORD} t"
        if name == f"{WORD} tab":
            self._parts.append("\t")
        elif name in (f"{WORD} br", f"{WORD} cr"):
            self._parts.append("\n")

    def _end(self, name: str) -> None:
        self._in_text = False
        if name == f"{WORD} p":
            self._parts.append("\n")

    def _characters(self, text: str) -> None:
        if self._in_text:
            self._parts.append(text)

    def _doctype(self, *_declaration: object) -> None:
        raise _DoctypeFound


def _clean(text: str) -> str:
    kept = "".join(c for c in text[:MAX_CHARACTERS] if c in "\n\t" or c.isprintable())
    return "\n".join(line.strip() for line in kept.splitlines()).strip()


def parse(document: Document) -> dict[str, object]:
    """``cv_data``: ``name`` (a guess, or None), ``headline``, ``emails``, ``word_count``,
    ``characters``, ``pages``, ``kind``, ``readable``."""
    lines = [line for line in document.text.splitlines() if line]
    first = lines[0].strip(" ()·•-") if lines else ""
    return {
        "name": first if NAME.fullmatch(first) else None,
        "headline": lines[1] if len(lines) > 1 else None,
        "emails": list(dict.fromkeys(EMAIL.findall(document.text)))[:5],
        "word_count": len(document.text.split()),
        "characters": len(document.text),
        "pages": document.pages,
        "kind": document.kind,
        "readable": document.readable,
    }
