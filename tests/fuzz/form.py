"""Any bytes as the body of an upload: taken or refused in words, whatever the borders of its
chunks; nothing is stored of what is refused; and little is kept in memory meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from listener.adapters.web.form import HEADER_BYTES
from listener.adapters.web.problems import Refused, problem
from listener.adapters.web.upload import Uploads
from listener.core.names import SubmissionId
from listener.core.wire import check_code
from listener.ports.front import Taken
from tests.corpus.rows import CODES
from tests.fakes.spool_memory import MemorySpool

MOST = 2_000
"""Of a file, here: so that the fuzzer finds the bound."""
TYPE = b"multipart/form-data; boundary=b0"
PDF = b"%PDF-1.7\n%%EOF\n"
KEPT = HEADER_BYTES + 1_024
"""Of the body, beside the chunk just read: a part's headers, or a line."""
BYTE_BY_BYTE = 600
"""The longest body that is also given so: it takes long."""

_RUNNER = asyncio.Runner()


class Body:
    """aiohttp's stream, as far as the form reads it: pieces of these sizes, over and over."""

    def __init__(self, body: bytes, sizes: bytes) -> None:
        self._body = body
        self._sizes = sizes or b"\xff"
        self._turn = self.at = 0

    async def readany(self) -> bytes:
        size = self._sizes[self._turn % len(self._sizes)] + 1
        self._turn += 1
        piece = self._body[self.at : self.at + size]
        self.at += len(piece)
        return piece


@dataclass
class Front:
    """Stores what it was given whole, as intake does: the code is checked first."""

    body: Body
    spool: MemorySpool = field(default_factory=lambda: MemorySpool(max_file_bytes=MOST))
    codes: list[str] = field(default_factory=list)

    async def submit(
        self, code_text: str, chunks: AsyncIterator[bytes], name: str, **_: object
    ) -> Taken:
        code = check_code(code_text)
        submission_id = SubmissionId("only")
        await self.spool.take(submission_id, self._watched(chunks), name)
        self.codes.append(code)
        return Taken({"id": submission_id})

    async def _watched(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """What was read of the body is here, or on its way here, but for little."""
        had = 0
        async for chunk in chunks:
            had += len(chunk)
            assert self.body.at - had <= KEPT + MOST, "little is kept in memory"
            yield chunk


def one(data: bytes) -> None:
    """``TYPE\\nSIZES\\nbody``; a type left empty is the usual one. Raises for a finding."""
    kind, sizes, body = (*data.split(b"\n", 2), b"", b"")[:3]
    kind = kind or TYPE
    whole = _RUNNER.run(taken(kind, body, b""))
    assert whole == _RUNNER.run(taken(kind, body, sizes)), "whatever the borders of its chunks"
    if len(body) < BYTE_BY_BYTE:
        assert whole == _RUNNER.run(taken(kind, body, b"\0")), "one byte at a time"
    if whole[0] == "taken" and kind == TYPE:
        assert whole[2] in _reference(body), "one part, and all of it"


async def taken(kind: bytes, body: bytes, sizes: bytes) -> tuple[Any, ...]:
    """("taken", code, file) or ("refused", reason)."""
    content = Body(body, sizes)
    front = Front(content)
    request: Any = SimpleNamespace(
        content_length=None,
        headers={"Content-Type": kind.decode("latin-1")},
        content=content,
    )
    uploads = Uploads(front, MOST, body_timeout_s=60)  # type: ignore[arg-type]  # it submits alone
    refused: Refused | None = None
    try:
        await uploads.take(request, None)
    except Refused as error:
        refused = error
    if refused is not None:
        assert not front.codes and not front.spool.files, "nothing is stored of what is refused"
        assert front.spool.used_bytes() == 0
        assert problem(refused).status < 500, refused.reason
        return "refused", refused.reason
    (code,) = front.codes
    (file,) = front.spool.files.values()
    return "taken", code, file


def _reference(body: bytes) -> list[bytes]:
    """What stands in each part, by cutting the whole body at its boundaries."""
    _, *parts = (b"\r\n" + body).split(b"\r\n--b0")
    return [part.partition(b"\r\n\r\n")[2] for part in parts]


def build(code: bytes, file: bytes, *, name: str = "cv.pdf", code_first: bool = True) -> bytes:
    """A form as clients make it."""
    parts = [
        b'--b0\r\nContent-Disposition: form-data; name="cv_code"\r\n\r\n' + code + b"\r\n",
        b'--b0\r\nContent-Disposition: form-data; name="cv"; filename="'
        + name.encode()
        + b'"\r\nContent-Type: application/pdf\r\n\r\n'
        + file
        + b"\r\n",
    ]
    return b"".join(parts if code_first else reversed(parts)) + b"--b0--\r\n"


def seeds() -> Iterator[bytes]:
    """Good forms, with codes of the corpus, and the beginnings of bad ones."""
    good = [row.code.encode() for row in CODES if row.wire is not None]
    refused = [
        row.code.encode("utf-8", "surrogatepass") for row in CODES if row.refused is not None
    ]
    for code in (*good[::9], *refused[::6]):
        yield b"\n\x10\x03\n" + build(code, PDF)
    whole = build(b"ABC123XYZ", PDF)
    for body in (
        whole,
        build(b"ABC123XYZ", PDF, code_first=False),
        b"preamble\r\n" + whole,
        whole + b"epilogue",
        whole.replace(b"--b0\r\n", b"--b0 \t\r\n"),
        whole.replace(b"\r\n", b"\n"),
        build(b"ABC123XYZ", PDF + b"x" * MOST),
        build(b"ABC123XYZ", PDF + b"\r\n--b"),
        build(b"ABC123XYZ", b""),
        whole.replace(b'name="cv";', b"name=cv;filename*=UTF-8''r%C3%A9.pdf;"),
        whole.replace(b"form-data", b"attachment"),
        whole.replace(b"Content-Type", b"Content-Transfer-Encoding"),
        whole[:-8],
        b"--b0--",
        b"",
    ):
        yield b"\n\x07\n" + body
    yield b'multipart/form-data; charset=utf-8; boundary="b0"\n\n' + whole
    yield b"application/json\n\n{}"
