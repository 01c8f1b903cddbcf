"""Anything that the wire brings to the pure functions: replies, records, events, files, names."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from urllib.parse import unquote

from listener.core.errors import InvalidCode
from listener.core.names import FileKind, Millis, PostKind
from listener.core.wire import (
    check_code,
    encode_code,
    frame,
    read_event,
    read_post,
    read_record,
    sanitise_filename,
    sniff,
)
from tests.corpus.rows import CODES, EVENTS

STATUSES = (200, 201, 202, 204, 299, 301, 307, 400, 404, 408, 422, 429, 500, 502, 503, 99, 999)
CAP_MS = 60_000
CODE = check_code("ABC123XYZ")


def one(data: bytes) -> None:
    """The first byte says what it is for, the second varies it. Raises for a finding."""
    what, how, rest = (*data[:2], 0, 0)[0], (*data[1:2], 0)[0], data[2:]
    (_event, _post, _record, _code, _name, _sniff)[what % 6](how, rest)


def _event(how: int, data: bytes) -> None:
    try:
        args = json.loads(data)
    except (ValueError, RecursionError):
        return
    body = read_event(args if isinstance(args, list) else [args])
    assert (body.code is None) != (body.problem is None)
    assert body.payload.isascii() and len(body.payload) <= 2_048
    known = json.loads(body.payload)
    assert all(isinstance(value, str | int) for value in known.values())
    if body.code is not None and len(body.code) >= 4:
        assert not any(body.code in word for word in known.values() if isinstance(word, str))


def _post(how: int, data: bytes) -> None:
    status = STATUSES[how % len(STATUSES)]
    head, _, body = data.partition(b"\n")
    told = head.decode("latin-1")
    headers = {"retry-after": told, "date": told[::-1]} if how & 128 else {"retry-after": told}
    result = read_post(
        status,
        headers,
        body,
        code=CODE,
        now_ms=Millis(1_700_000_000_000),
        retry_after_cap_ms=CAP_MS,
    )
    assert result.http_status == status
    assert result.retry_after_ms is None or 0 <= result.retry_after_ms <= CAP_MS
    if result.kind is PostKind.ACCEPTED:
        assert status in (200, 201, 202) and json.loads(body)["status"] == "success"
    if status >= 500 or status == 408:
        assert result.kind is PostKind.POSSIBLY_SENT
    if 200 <= status < 300:
        assert result.kind in (PostKind.ACCEPTED, PostKind.POSSIBLY_SENT, PostKind.REFUSED)
        assert result.kind is not PostKind.POSSIBLY_SENT or not result.resendable
    repr(result).encode()


def _record(how: int, data: bytes) -> None:
    status = STATUSES[how % len(STATUSES)]
    age, _, body = data.partition(b"\n") if how & 64 else (b"0", b"", data)
    reading = read_record(status, {"age": age.decode("latin-1")}, body, Millis(1), code=CODE)
    assert not reading.known or status == 200
    assert reading.read_ms <= 1
    for word in (reading.status, reading.enhance_status):
        assert word is None or (word.isascii() and word.isprintable() and 0 < len(word) <= 64)
        assert word is None or CODE not in word
    words = (reading.path_digest, reading.status, reading.enhance_status)
    assert reading.known or words == (None, None, None)


def _code(how: int, data: bytes) -> None:
    try:
        text = data.decode("utf-8", "surrogatepass" if how & 1 else "surrogateescape")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    try:
        code = check_code(text)
    except InvalidCode as error:
        told = str(error)
        assert len(text) < 8 or text not in told
        return
    wire = encode_code(code)
    assert wire.isascii() and unquote(wire, errors="strict") == text == code
    assert not set(wire) & set("/?#:@ \\\r\n\0") and wire not in (".", "..")


def _name(how: int, data: bytes) -> None:
    """Round trip: what we frame is read again, by a reader that is strict."""
    text = data.decode("utf-8", "surrogateescape")
    name = sanitise_filename(text)
    assert 0 < len(name.encode()) <= 255 and sanitise_filename(name) == name
    assert not set(name) & set("/\\\r\n\0")
    kind = (FileKind.PDF, FileKind.DOCX, None)[how % 3]
    made = frame("b0b0b0b0", text, kind, len(data))
    body = made.head + data + made.tail
    assert len(body) == made.total_length
    head, _, rest = body.partition(b"\r\n\r\n")
    assert rest[: len(data)] == data and rest[len(data) :] == b"\r\n--b0b0b0b0--\r\n"
    first, disposition, content_type = head.split(b"\r\n")
    assert first == b"--b0b0b0b0" and content_type.startswith(b"Content-Type: ")
    before, found, after = disposition.partition(b'filename="')
    assert before == b'Content-Disposition: form-data; name="cv"; ' and found
    sent = after.decode().removesuffix('"')
    assert after.endswith(b'"') and '"' not in sent and len(after) > 1
    assert sent.replace("%22", '"') == name.replace("%22", '"') or name == "cv"


def _sniff(how: int, data: bytes) -> None:
    kind = sniff(io.BytesIO(data))
    if kind is FileKind.PDF:
        assert b"%PDF-" in data[:1024] and not data.startswith(b"PK\x03\x04")
    if kind is FileKind.DOCX:
        assert data.startswith(b"PK\x03\x04") and data.count(b"word/document") >= 2


def seeds() -> Iterator[bytes]:
    """One of each kind, and the corpora."""
    for event in EVENTS[::2]:
        if event.args is not None:
            yield b"\0\0" + json.dumps(event.args).encode()
    good = b'{"status":"success","data":{"cv_code":"ABC","cv_id":456,"status":"draft"}}'
    for number in range(len(STATUSES)):
        yield bytes([1, number]) + b"120\n" + good
        yield bytes([2, number]) + good
    yield bytes([1, 128 + 11]) + b"Wed, 21 Oct 2015 07:28:00 GMT\n" + good
    yield bytes([1, 0]) + b"\n" + b'{"status":"error","message":"no"}'
    for row in CODES[::7]:
        text = row.code.encode("utf-8", "surrogatepass")[:2_000]
        yield bytes([3, 1]) + text
        yield bytes([4, len(text) % 3]) + text + b'".pdf'
    yield bytes([5, 0]) + b"%PDF-1.7\n%%EOF\n"
    yield bytes([5, 0]) + _docx("word/document.xml")
    yield bytes([5, 0]) + _docx("word/document22.xml") + b"\r\n"


def _docx(main: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in ("[Content_Types].xml", main):
            archive.writestr(name, "<x/>")
    return content.getvalue()
