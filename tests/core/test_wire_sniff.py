"""What kind a file is, told by its bytes."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.core import wire
from listener.core.names import FileKind

ROOT = Path(__file__).parents[2]


def zipped(*names: str, comment: bytes = b"") -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, b"<xml/>" * 50)
        archive.comment = comment
    return target.getvalue()


DOCX = zipped("[Content_Types].xml", "_rels/.rels", "word/document.xml")


def kind(content: bytes) -> FileKind | None:
    return wire.sniff(io.BytesIO(content))


def test_the_sample_files_are_what_they_are() -> None:
    kinds = {}
    for path in sorted((ROOT / "demo").glob("*.*")):
        with path.open("rb") as file:
            kinds[path.suffix] = wire.sniff(file)
    assert kinds == {".docx": FileKind.DOCX, ".pdf": FileKind.PDF}


@pytest.mark.parametrize(
    "content",
    [b"%PDF-1.7\n%%EOF", b"\xef\xbb\xbf%PDF-1.4", b"\n" * 1019 + b"%PDF-"],
)
def test_a_pdf_says_so_within_its_first_kilobyte(content: bytes) -> None:
    assert kind(content) is FileKind.PDF


def test_a_docx_is_a_zip_with_a_word_document() -> None:
    assert kind(DOCX) is FileKind.DOCX
    commented = zipped("[Content_Types].xml", "word/document.xml", comment=b"by hand")
    assert kind(commented) is FileKind.DOCX


@pytest.mark.parametrize("name", ["document2.xml", "document22.xml", "documentMain.xml"])
def test_the_main_part_has_the_name_that_its_writer_gives_it(name: str) -> None:
    saved = zipped("[Content_Types].xml", "_rels/.rels", "word/_rels/x.rels", f"word/{name}")
    assert kind(saved) is FileKind.DOCX


@pytest.mark.parametrize(
    "after",
    [b"\0", b"\r\n", b"\0" * 65_535, b"PK\x05\x06", b"PK\x05\x06" + b"\0" * 18, b"\r\n--b0--\r\n"],
    ids=range(6),
)
def test_what_follows_the_end_of_a_zip_is_not_looked_at(after: bytes) -> None:
    assert kind(DOCX + after) is FileKind.DOCX
    commented = zipped("[Content_Types].xml", "word/document.xml", comment=b"by hand")
    assert (kind(commented + after) is FileKind.DOCX) == (len(after) < 60_000)


def lying_directory() -> bytes:
    """Names a document that its local header does not."""
    return DOCX.replace(b"word/document.xml", b"word/other_en.xml", 1)


def many_entries() -> bytes:
    names = (f"{number}.txt" for number in range(5000))
    return zipped(*names, "[Content_Types].xml", "word/document.xml")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"plain text", id="text"),
        pytest.param(b"\n" * 1020 + b"%PDF-", id="pdf mark too late"),
        pytest.param(b"%PDF", id="half a mark"),
        pytest.param(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, id="old doc"),
        pytest.param(zipped("a.txt"), id="any zip"),
        pytest.param(zipped("[Content_Types].xml", "xl/workbook.xml"), id="xlsx"),
        pytest.param(zipped("word/document.xml"), id="no content types"),
        pytest.param(zipped("x/[Content_Types].xml", "x/word/document.xml"), id="nested"),
        pytest.param(zipped("%PDF-1.7", "a"), id="zip that says pdf"),
        pytest.param(DOCX[:-1], id="end cut off"),
        pytest.param(DOCX + b"\0" * 65_536, id="too much after the end"),
        pytest.param(
            zipped("[Content_Types].xml", "word/document/main.xml", "word/glossary/document.xml"),
            id="no main part",
        ),
        pytest.param(DOCX[: len(DOCX) // 2], id="truncated"),
        pytest.param(b"x" + DOCX, id="something before"),
        pytest.param(lying_directory(), id="directory and headers differ"),
        pytest.param(many_entries(), id="too many entries"),
    ],
)
def test_anything_else_is_neither(content: bytes) -> None:
    assert kind(content) is None


def docx_after(others: int, *, comment: bytes = b"") -> bytes:
    """A DOCX whose two files are the last of its entries."""
    return zipped(
        *(f"{number}.txt" for number in range(others)),
        "[Content_Types].xml",
        "word/document.xml",
        comment=comment,
    )


def test_as_many_entries_as_are_looked_at() -> None:
    assert kind(docx_after(4_094)) is FileKind.DOCX
    assert kind(docx_after(4_095)) is None


def test_a_comment_may_be_as_long_as_a_zip_allows() -> None:
    assert kind(docx_after(0, comment=b"x" * 65_535)) is FileKind.DOCX


def with_directory_of(size: int) -> bytes:
    """A DOCX whose last entry has a comment, so that its directory has ``size`` bytes."""
    plain = DOCX
    end = plain.rindex(b"PK\x05\x06")
    length, start = struct.unpack_from("<II", plain, end + 12)
    directory = plain[start:end]
    blank = struct.pack("<4s24xHHH12x", b"PK\x01\x02", 0, 0, 0)
    while len(directory) < size:
        room = size - len(directory) - len(blank)
        extra = min(room, 65_535) if room < 65_535 or room > 65_535 + 46 else room - 46
        directory += struct.pack("<4s24xHHH12x", b"PK\x01\x02", 0, extra, 0) + b"\0" * extra
    assert len(directory) == size
    count = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, size, start, 0)
    assert length < size
    return plain[:start] + directory + count


def test_a_directory_of_a_mebibyte_is_read_and_a_longer_one_is_not() -> None:
    assert kind(with_directory_of(1 << 20)) is FileKind.DOCX
    assert kind(with_directory_of((1 << 20) + 1)) is None


def test_entries_are_skipped_with_their_comments_and_extra_fields() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in ("first", "[Content_Types].xml", "word/document.xml"):
            entry = zipfile.ZipInfo(name)
            entry.comment, entry.extra = b"of an entry", struct.pack("<HH4x", 0x9999, 4)
            archive.writestr(entry, b"x")
    assert kind(target.getvalue()) is FileKind.DOCX


def test_a_stream_is_read_from_its_beginning() -> None:
    stream = io.BytesIO(DOCX)
    stream.seek(7)
    assert wire.sniff(stream) is FileKind.DOCX


def test_a_directory_that_claims_to_be_huge_is_not_read() -> None:
    class Counted(io.BytesIO):
        total = 0

        def read(self, size: int | None = -1, /) -> bytes:
            assert size is not None and size >= 0
            found = super().read(size)
            self.total += len(found)
            return found

    directory = b"PK\x01\x02".ljust(46, b"\0") * 60_000
    start = b"PK\x03\x04" + b"\0" * 100
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, len(directory), len(start), 0)
    stream = Counted(start + directory + end)
    assert wire.sniff(stream) is None
    assert stream.total < 100_000


@given(st.data())
def test_a_mangled_docx_never_raises(data: st.DataObject) -> None:
    mangled = bytearray(DOCX)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(mangled) - 1))
        mangled[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(mangled)))
    assert kind(bytes(mangled)) in (FileKind.DOCX, FileKind.PDF, None)
    assert kind(bytes(mangled[:cut])) in (FileKind.DOCX, FileKind.PDF, None)


# -------------------------------------------------------------------------- zips that are not whole


def parts() -> tuple[bytes, bytes]:
    """A DOCX: what comes before its directory, and the directory."""
    end = DOCX.rindex(b"PK\x05\x06")
    length, start = struct.unpack_from("<II", DOCX, end + 12)
    return DOCX[:start], DOCX[start : start + length]


def closed(files: bytes, directory: bytes, comment: bytes = b"") -> bytes:
    """A zip of these files and this directory."""
    sizes = (len(directory), len(files), len(comment))
    return files + directory + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, *sizes) + comment


def patched(files: bytes, name: bytes, at: int, value: bytes) -> bytes:
    """One local header changed: ``at`` counts from its beginning."""
    begin = files.index(name) - 30 + at
    return files[:begin] + value + files[begin + len(value) :]


def test_a_zip_that_is_put_together_again_is_what_it_was() -> None:
    assert kind(closed(*parts())) is FileKind.DOCX


def test_what_follows_junk_in_a_directory_is_not_read() -> None:
    files, directory = parts()
    assert kind(closed(files, b"\0" * 46 + directory)) is None


@pytest.mark.parametrize("size", [4, 20, 45])
def test_a_directory_may_end_in_the_midst_of_an_entry(size: int) -> None:
    files, directory = parts()
    assert kind(closed(files, directory + b"PK\x01\x02".ljust(size, b"\0"))) is FileKind.DOCX


@pytest.mark.parametrize("name", [b"[Content_Types].xml", b"word/document.xml"])
def test_a_file_that_is_not_where_the_directory_says_is_none(name: bytes) -> None:
    files, directory = parts()
    assert kind(closed(patched(files, name, 0, b"XXXX"), directory)) is None
    longer = struct.pack("<H", len(name) + 1)
    assert kind(closed(patched(files, name, 26, longer), directory)) is None
    entry = directory.index(name) - 46
    for offset in (len(files), 1 << 30):
        moved = directory[: entry + 42] + struct.pack("<I", offset) + directory[entry + 46 :]
        assert kind(closed(files, moved)) is None


def test_a_header_that_the_end_of_the_file_cuts_off_is_none() -> None:
    files, directory = parts()
    entry = directory.index(b"word/document.xml") - 46
    offset = struct.pack("<I", len(files) + len(directory) + 22)
    moved = directory[: entry + 42] + offset + directory[entry + 46 :]
    for size in (4, 20, 29):
        assert kind(closed(files, moved, b"PK\x03\x04".ljust(size, b"\0"))) is None


def test_the_last_mark_of_an_end_counts() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name in ("[Content_Types].xml", "word/document.xml"):
            archive.writestr(name, b"PK\x05\x06 and more")
    assert kind(target.getvalue()) is FileKind.DOCX
