"""The form reader alone: however the bytes are cut, the same parts come out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.adapters.web.form import FormMalformed, FormReader, FormTooLarge

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
    ],
)
def test_a_disposition_is_read(disposition: str, name: str, filename: str | None) -> None:
    body = f"--b0\r\nContent-Disposition: {disposition}\r\n\r\ndata\r\n--b0--".encode()
    assert parse(body, iter([])) == [(name, filename, b"data")]


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
