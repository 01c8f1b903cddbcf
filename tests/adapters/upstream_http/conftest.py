"""An upstream adapter over a file, and the watch that no code leaks into any log."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from listener.adapters.upstream_http import HttpUpstream
from listener.core import wire
from listener.core.evidence import PostResult, Reading
from listener.core.names import CvCode, FileKind, Millis
from listener.core.submission import FileFacts
from tests.adapters.upstream_http.raw_server import BOUND_S
from tests.core.code_corpus import DOCUMENTED, DOCUMENTED_ON_THE_WIRE

NOW = Millis(1_700_000_000_000)


@dataclass
class Sender:
    """The adapter with one spooled file and one code."""

    upstream: HttpUpstream
    file: Path
    facts: FileFacts
    faults: list[Exception]
    code: CvCode

    async def post(self) -> PostResult:
        return await self.upstream.post_update(
            self.code, self.file, self.facts, request_id="0199-1"
        )

    async def read(self) -> Reading:
        return await self.upstream.read_record(self.code, request_id="0199-r")


Make = Callable[..., AbstractAsyncContextManager[Sender]]


@pytest.fixture
def sender(tmp_path: Path) -> Make:
    """Make one; its steps are unbounded in practice unless a test says otherwise."""

    @asynccontextmanager
    async def make(base: int | str, size: int = 1000, **more: Any) -> AsyncIterator[Sender]:
        content = b"%PDF-1.7 " + bytes(range(256)) * (size // 256 + 1)
        content = content[:size]
        file = tmp_path / "spooled"
        file.write_bytes(content)
        facts = FileFacts(
            sha256=hashlib.sha256(content).hexdigest(), size=size, kind=FileKind.PDF, name="cv.pdf"
        )
        faults: list[Exception] = []
        told: dict[str, Any] = {
            "timeout_s": BOUND_S,
            "upload_timeout_s": BOUND_S,
            "max_connections": 4,
            "max_response_bytes": 100_000,
            "retry_after_cap_ms": 60_000,
            "now_ms": lambda: NOW,
            "on_fault": faults.append,
            "keepalive_s": BOUND_S,
            **more,
        }
        url = base if isinstance(base, str) else f"http://127.0.0.1:{base}/cv-enhance"
        upstream = HttpUpstream(base_url=url, **told)
        try:
            yield Sender(upstream, file, facts, faults, wire.check_code(DOCUMENTED))
        finally:
            await upstream.close()

    return make


@pytest.fixture(autouse=True)
def no_code_in_any_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever failed how: the libraries' own loggers at DEBUG included."""
    caplog.set_level(logging.DEBUG)
    yield
    for phase in ("setup", "call"):
        text = "\n".join(
            f"{record.getMessage()} {record.exc_info} {record.exc_text}"
            for record in caplog.get_records(phase)
        )
        for spelling in (DOCUMENTED, DOCUMENTED_ON_THE_WIRE):
            assert spelling not in text
