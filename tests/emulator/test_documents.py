"""Text out of CV files; hostile ones cost little and are told from broken ones."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.emulator.documents import parse, read_document

SAMPLES = Path(__file__).resolve().parent.parent.parent / "demo"
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def docx(
    xml: str | bytes, *, named: str = "word/document.xml", others: dict[str, bytes] | None = None
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (others or {}).items():
            archive.writestr(name, content)
        archive.writestr(named, xml)
    return buffer.getvalue()


def word(body: str, before: str = "") -> str:
    return f'<?xml version="1.0"?>{before}<w:document xmlns:w="{WORD}">{body}</w:document>'


# The first's CJK glyphs have no text behind them, and the second's name is spelt so in the file.
@pytest.mark.parametrize(
    ("sample", "name", "email"),
    [
        ("li-ming.pdf", "Li Ming", "li.ming@example.com"),
        ("jose-nunez-garcia.pdf", "José Ñuñez-García", "jose.nunez@example.com"),
        ("amina-haddad.pdf", "Amina Haddad", "amina.haddad@example.com"),
        ("fatima-alaoui.docx", "Fatima Zahra Alaoui", "fatima.alaoui@example.com"),
    ],
)
def test_a_sample_gives_its_name_and_address(sample: str, name: str, email: str) -> None:
    document = read_document((SAMPLES / sample).read_bytes())
    data = parse(document)
    assert (document.refused, document.readable) == (None, True)
    assert (data["name"], data["emails"]) == (name, [email])
    words = data["word_count"]
    assert isinstance(words, int) and words > 20


def test_what_word_for_the_web_saved_is_read_too() -> None:
    saved = docx(word("<w:p><w:r><w:t>Ada Lovelace</w:t></w:r></w:p>"), named="word/document22.xml")
    for content in (saved, saved + b"\r\n"):
        document = read_document(content)
        assert (document.refused, document.text) == (None, "Ada Lovelace")


def test_a_word_document_is_read_run_by_run_and_paragraph_by_paragraph() -> None:
    body = (
        "<w:p><w:r><w:t>Ada </w:t></w:r><w:r><w:t>Lovelace</w:t></w:r></w:p>"
        "<w:p><w:instrText>not text</w:instrText><w:r><w:t>a</w:t><w:tab/><w:t>b</w:t>"
        "<w:br/><w:t>c &amp; d</w:t></w:r></w:p>"
    )
    document = read_document(docx(word(body)))
    assert document.text == "Ada Lovelace\na\tb\nc & d"
    assert parse(document)["name"] == "Ada Lovelace"


def test_a_zip_bomb_is_refused_unread() -> None:
    huge = docx(word("<w:p>" + " " * (7 * 1024 * 1024) + "</w:p>"))
    assert len(huge) < 100_000
    assert read_document(huge).refused == "zip_bomb"
    wide = docx(word("<w:p/>"), others={f"word/media/{n}": bytes(30 << 20) for n in range(4)})
    assert read_document(wide).refused == "zip_bomb"


def test_a_size_that_lies_is_no_way_around_it() -> None:
    honest = docx(word("<w:p>" + " " * (9 * 1024 * 1024) + "</w:p>"))
    size = (9 * 1024 * 1024 + len(word("<w:p></w:p>"))).to_bytes(4, "little")
    assert honest.count(size) == 2
    lying = honest.replace(size, (1000).to_bytes(4, "little"))
    assert read_document(lying).refused in {"zip_bomb", "broken_archive"}


def test_entities_are_refused_with_the_doctype_that_makes_them() -> None:
    doctype = "<!DOCTYPE d [" + '<!ENTITY a "ha">' + '<!ENTITY b "&a;&a;&a;&a;">' + "]>"
    assert read_document(docx(word("<w:p><w:t>&b;</w:t></w:p>", doctype))).refused == "doctype"
    outside = '<!DOCTYPE d SYSTEM "file:///etc/passwd">'
    assert read_document(docx(word("<w:p/>", outside))).refused == "doctype"


def test_what_is_broken_within_is_taken_with_no_text() -> None:
    assert not read_document(docx("<w:document><unclosed>")).readable
    assert read_document(docx("<w:document><unclosed>")).refused is None
    broken = read_document(b"%PDF-1.7\nnothing of the kind")
    assert (broken.readable, broken.refused, parse(broken)["name"]) == (False, None, None)


def test_an_archive_cut_short_is_refused() -> None:
    whole = docx(word("<w:p><w:t>text</w:t></w:p>"))
    assert read_document(whole[:-30]).refused == "broken_archive"


@given(
    st.binary(max_size=400), st.sampled_from([b"", b"%PDF-1.7\n", b"PK\x03\x04word/document.xml"])
)
def test_no_bytes_make_it_raise(content: bytes, start: bytes) -> None:
    parse(read_document(start + content))


@given(st.integers(0, 2000), st.integers(0, 255))
def test_no_damage_to_an_archive_makes_it_raise(place: int, value: int) -> None:
    damaged = bytearray(docx(word("<w:p><w:t>text</w:t></w:p>"), others={"other": b"y" * 50}))
    damaged[place % len(damaged)] = value
    parse(read_document(bytes(damaged)))
