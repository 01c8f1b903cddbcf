"""The framing of a file, its name, and what kind it is."""

from __future__ import annotations

import email
import email.policy
import io
import struct
import unicodedata
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.core import wire
from listener.core.names import FileKind

ROOT = Path(__file__).parents[2]


# ---------------------------------------------------------------------------------------- framing


def test_a_frame_around_a_file_is_what_a_browser_sends() -> None:
    frame = wire.frame("b0undary", 'Núñez "CV".pdf', FileKind.PDF, 3)
    body = frame.head + b"abc" + frame.tail
    assert (
        body
        == (
            "--b0undary\r\n"
            'Content-Disposition: form-data; name="cv"; filename="Núñez %22CV%22.pdf"\r\n'
            "Content-Type: application/pdf\r\n"
            "\r\n"
            "abc\r\n"
            "--b0undary--\r\n"
        ).encode()
    )
    assert frame.content_type == "multipart/form-data; boundary=b0undary"
    assert frame.total_length == len(body)


@pytest.mark.parametrize("kind", [FileKind.PDF, FileKind.DOCX, None])
@given(st.binary(max_size=200), st.text(max_size=40))
def test_a_framed_file_is_read_back(kind: FileKind | None, content: bytes, name: str) -> None:
    frame = wire.frame("-" * 20 + "x7MA4YWx", name, kind, len(content))
    body = frame.head + content + frame.tail
    assert len(body) == frame.total_length
    head, _, rest = body.partition(b"\r\n\r\n")
    assert rest.startswith(content)
    lines = head.split(b"\r\n")
    assert len(lines) == 3
    assert all(b"\n" not in line and b"\r" not in line for line in lines)
    message = email.message_from_bytes(
        b"Content-Type: " + frame.content_type.encode() + b"\r\n\r\n" + frame.head + frame.tail,
        policy=email.policy.HTTP,
    )
    (part,) = message.iter_parts()
    assert part.get_param("name", header="content-disposition") == "cv"


@pytest.mark.parametrize("boundary", ["", "a b", "x" * 71, "a\r\nb", 'a"b'])
def test_a_bad_boundary_is_our_own_fault(boundary: str) -> None:
    with pytest.raises(ValueError, match="boundary"):
        wire.frame(boundary, "cv.pdf", FileKind.PDF, 1)


def test_a_boundary_may_have_70_characters_and_those_of_rfc_2046() -> None:
    boundary = "azAZ09'()+_,./:=?-".ljust(70, "x")
    assert wire.frame(boundary, "cv.pdf", FileKind.PDF, 1).content_type.endswith(boundary)
    assert wire.frame("b", "cv.pdf", FileKind.PDF, 1).tail == b"\r\n--b--\r\n"


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (FileKind.PDF, b"application/pdf"),
        (
            FileKind.DOCX,
            b"application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
        (None, b"application/octet-stream"),
    ],
)
def test_each_kind_is_named_as_registered(file: FileKind | None, said: bytes) -> None:
    assert b"\r\nContent-Type: " + said + b"\r\n\r\n" in wire.frame("b", "x", file, 1).head


def test_a_nameless_file_gets_the_extension_of_its_kind() -> None:
    assert b'filename="cv.docx"' in wire.frame("b", "", FileKind.DOCX, 1).head
    assert b'filename="cv"' in wire.frame("b", "", None, 1).head


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("cv.pdf", "cv.pdf"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\win.docx", "win.docx"),
        ("C:\\Users\\x\\cv.pdf", "cv.pdf"),
        ("a\r\nX-Evil: 1.pdf", "aX-Evil: 1.pdf"),
        ("nul\x00byte.pdf", "nulbyte.pdf"),
        ("half\ud800.pdf", "half.pdf"),
        ("", "cv"),
        (".", "cv"),
        ("..", "cv"),
        ("folder/", "cv"),
        ("\x00\x01", "cv"),
        ("  spaced .pdf ", "spaced .pdf"),
        ("q\"uo'te.pdf", "q\"uo'te.pdf"),
        ("履歴書.pdf", "履歴書.pdf"),
        ("x" * 300 + ".pdf", "x" * 251 + ".pdf"),
        ("é" * 200 + ".docx", "é" * 125 + ".docx"),
        ("." + "x" * 300, "." + "x" * 254),
        ("x" * 251 + ".pdf", "x" * 251 + ".pdf"),
        ("x" * 252 + ".pdf", "x" * 251 + ".pdf"),
        ("é" * 127 + "x", "é" * 127 + "x"),
        ("x" * 300 + "." + "y" * 15, "x" * 239 + "." + "y" * 15),
        ("x" * 300 + "." + "y" * 16, "x" * 255),
        ("x" * 300 + "." + "é" * 8, "x" * 255),
        ("x" * 300, "x" * 255),
        ("x" * 249 + "   yyyyyy.pdf", "x" * 249 + ".pdf"),
        ("é" * 126 + ".docx", "é" * 125 + ".docx"),
        ("a.b/c.d\\e.f.pdf", "e.f.pdf"),
        ("line\u2028para\u2029.pdf", "linepara.pdf"),
        ("soft\u00adhyphen.pdf", "soft\u00adhyphen.pdf"),
    ],
)
def test_names_are_cleaned(name: str, clean: str) -> None:
    assert wire.sanitise_filename(name) == clean


@given(st.text(max_size=400) | st.text("./\\ \x00é.pdf", max_size=400))
def test_a_clean_name_is_clean_and_stays_so(name: str) -> None:
    clean = wire.sanitise_filename(name)
    assert 0 < len(clean.encode()) <= 255
    assert not set(clean) & set("/\\\r\n\0")
    assert all(unicodedata.category(c) not in ("Cc", "Cs") for c in clean)
    assert clean not in (".", "..")
    assert wire.sanitise_filename(clean) == clean


# --------------------------------------------------------------------------------------- sniffing


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
        pytest.param(DOCX + b"\0", id="something after the end"),
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
