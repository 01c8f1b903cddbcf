"""The form reader alone: however the bytes are cut, the same parts come out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.adapters.web.form import FormReader, FormTooLarge
from listener.adapters.web.part_heads import FormMalformed, parameters, read_head

Found = list[tuple[str, str | None, bytes]]
TYPE = "multipart/form-data; boundary=b0"


def parse(
    body: bytes, cuts: Iterator[int], *, content_type: str = TYPE, most: int = 1 << 20
) -> Found:
    """All parts, the body cut into pieces of these sizes."""

    async def run() -> Found:
        at = 0

        async def read() -> bytes:
            nonlocal at
            start, at = at, at + next(cuts, len(body) + 1)
            return body[start:at]

        reader = FormReader(content_type, read, most)
        found: Found = []
        while (part := await reader.next()) is not None:
            data = b"".join([chunk async for chunk in part.data])
            found.append((part.name, part.filename, data))
        return found

    return asyncio.run(run())


def build(parts: Found) -> bytes:
    body = b""
    for name, filename, data in parts:
        also = "" if filename is None else f'; filename="{filename}"'
        head = f'--b0\r\nContent-Disposition: form-data; name="{name}"{also}\r\n\r\n'
        body += head.encode() + data + b"\r\n"
    return body + b"--b0--"


# Bytes that nearly end a part, again and again.
NASTY = st.lists(
    st.sampled_from(
        [b"\r", b"\n", b"\r\n", b"-", b"--", b"b", b"0", b"--b", b"\r\n--b", b"x", b"\0"]
    )
).map(b"".join)
WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters='"\\')
)


@given(
    st.lists(st.tuples(WORDS, st.none() | WORDS, NASTY), max_size=4),
    st.lists(st.integers(1, 9), min_size=1),
)
def test_what_went_in_comes_out(parts: Found, sizes: list[int]) -> None:
    body = build(parts)
    if body.count(b"\r\n--b0") + body.startswith(b"--b0") > len(parts) + 1:
        return  # A part that holds the boundary itself cannot be sent with it.
    cuts = iter(sizes * (len(body) // len(sizes) + 1))
    assert parse(body, cuts) == parts


@given(st.binary(max_size=300), st.lists(st.integers(1, 50), min_size=1))
def test_whatever_is_sent_is_parts_or_malformed(body: bytes, sizes: list[int]) -> None:
    for sent in (body, b"--b0\r\n" + body, build([("a", None, b"b")])[:-6] + body):
        with contextlib.suppress(FormMalformed):
            parse(sent, iter(sizes * 100))


@pytest.mark.parametrize(
    ("disposition", "name", "filename"),
    [
        ("form-data; name=cv; filename=a.pdf", "cv", "a.pdf"),
        ('FORM-DATA ; NAME="cv" ; FileName="a; b.pdf"', "cv", "a; b.pdf"),
        (r'form-data; name="cv"; filename="a \"b\" \\ c.pdf"', "cv", r'a "b" \ c.pdf'),
        ('form-data; name="cv"; filename=""', "cv", ""),
        (
            'form-data; name="cv"; filename="x"; filename*=UTF-8\'\'r%C3%A9sum%C3%A9.pdf',
            "cv",
            "résumé.pdf",
        ),
        ('form-data; name="cv";', "cv", None),
        ('form-data; name = "cv" ; filename\t= "a.pdf"', "cv", "a.pdf"),
        ("form-data; name=cv; filename=my cv.pdf ; x=y", "cv", "my cv.pdf"),
        ('form-data; name="cv";\r\n filename="a.pdf"', "cv", "a.pdf"),
        ("form-data; name=cv; filename*=iso-8859-1'en'r%e9.pdf", "cv", "ré.pdf"),
        ("form-data; name=cv; filename=a.pdf; filename*=koi8-r''%ff", "cv", "a.pdf"),
        ("form-data; name=cv; filename=a.pdf; filename*=utf-8''%ff", "cv", "a.pdf"),
        ("form-data; name=cv; filename*=utf-8'broken", "cv", None),
        ('form-data; name="cv"; filename="a.pdf"\r\nX-A: 1\r\nX-A: 2', "cv", "a.pdf"),
        ("attachment; name=cv", "", None),
        ("form-data", "", None),
    ],
)
def test_a_disposition_is_read(disposition: str, name: str, filename: str | None) -> None:
    body = f"--b0\r\nContent-Disposition: {disposition}\r\n\r\ndata\r\n--b0--".encode()
    assert parse(body, iter([])) == [(name, filename, b"data")]


@pytest.mark.parametrize(
    "sent", ["r\u00e9sum\u00e9.pdf".encode(), "r\u00e9sum\u00e9.pdf".encode("latin-1")]
)
def test_a_name_is_read_in_utf_8_or_else_in_latin_1(sent: bytes) -> None:
    body = b'--b0\r\nContent-Disposition: form-data; name="cv"; filename="' + sent + b'"\r\n\r\n'
    assert parse(body + b"data\r\n--b0--", iter([])) == [("cv", "r\u00e9sum\u00e9.pdf", b"data")]


def test_only_what_is_encoded_once_more_is_said_to_be() -> None:
    named = b"\r\nContent-Disposition: form-data; name=k"
    assert not read_head(named + b"\r\nContent-Transfer-Encoding: BINARY").encoded
    assert read_head(named + b"\r\nContent-Transfer-Encoding: base64").encoded
    for twice in (named, b"\r\nContent-Transfer-Encoding: 8bit"):
        with pytest.raises(FormMalformed, match="twice"):
            read_head(named + twice + twice)


MANY = 1 << 20
"""Where what is read were read again and again, this many would outlast any test."""


@pytest.mark.parametrize(
    "line",
    [
        b"X: x" + b" " * MANY + b"x",
        b"X: " + b"\t " * MANY,
        b"x" * MANY + b": y",
        b"Content-Disposition: form-data" + b"; a" * MANY,
        b'Content-Disposition: form-data; name="' + b'\\"' * MANY,
        b"Content-Disposition: form-data; name" + b" " * MANY + b"x",
        b"Content-Disposition: form-data; name=" + b" " * MANY + b'"',
        b"Content-Disposition: form-data" + b"; \t" * MANY,
        b"Content-Disposition: form-data; filename*=" + b"'%" * MANY,
        b"Content-Disposition: form-data" + b"".join(b"; a%d=x" % n for n in range(MANY // 8)),
        b"X: y" + b"\r\n " * MANY,
    ],
    ids=range(11),
)
def test_the_length_of_a_head_costs_its_length(line: bytes) -> None:
    with contextlib.suppress(FormMalformed):
        read_head(b"\r\n" + line)
    with contextlib.suppress(FormMalformed):
        parameters(line.decode())


@pytest.mark.parametrize(
    "content_type",
    [
        'multipart/form-data; boundary="b0"',
        "Multipart/Form-Data;boundary=b0;charset=utf-8",
        "multipart/form-data; charset=utf-8; BOUNDARY=b0",
    ],
)
def test_a_boundary_is_found(content_type: str) -> None:
    parts: Found = [("a", None, b"")]
    assert parse(build(parts), iter([]), content_type=content_type) == parts


def test_a_form_that_is_longer_than_allowed_is_not_read_on() -> None:
    body = build([("a", None, b"x" * 1000)])
    assert parse(body, iter([]), most=len(body))
    with pytest.raises(FormTooLarge):
        parse(body, iter([]), most=len(body) - 1)


def test_a_part_left_unread_is_our_own_fault() -> None:
    async def run() -> None:
        body = iter([build([("a", None, b"1"), ("b", None, b"2")]), b""])

        async def read() -> bytes:
            return next(body)

        reader = FormReader(TYPE, read, 1000)
        await reader.next()
        with pytest.raises(RuntimeError, match="read to its end"):
            await reader.next()

    asyncio.run(run())
