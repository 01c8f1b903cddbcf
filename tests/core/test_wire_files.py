"""The framing of a file, its name, and what kind it is."""

from __future__ import annotations

import email
import email.policy
import unicodedata
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
        ("x" * 250 + " .pdf", "x" * 250 + " .pdf"),
        ("x" * 300 + ".tar.gz", "x" * 252 + ".gz"),
        ("x" + "é" * 200 + ".docx", "x" + "é" * 124 + ".docx"),
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
