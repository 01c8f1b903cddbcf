"""The service's ports as one process sees them: shared with the next, and dead when it is."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from listener.core.catalogue import (
    CATALOGUE,
)
from listener.core.evidence import PostResult, Reading
from listener.core.log_fields import (
    ANYWHERE,
)
from listener.core.names import CvCode, Millis, SubmissionId
from listener.core.submission import FileFacts
from listener.ports.upstream import NoReply, OnReply, RawReply, unheeded
from tests.fakes.spool_memory import MemorySpool

if TYPE_CHECKING:
    from .life import Life, Process

SharedSpool = MemorySpool


@dataclass(slots=True)
class Line:
    """One log line."""

    at_s: float
    event: str
    fields: dict[str, object]


class SharedLog:
    """What all processes wrote. ``unknown``: what the catalogue does not have."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.unknown: set[str] = set()

    def write(self, at_s: float, event: str, fields: Mapping[str, object]) -> None:
        """Keep one line."""
        spec = CATALOGUE.get(event)
        if spec is None:
            self.unknown.add(event)
        else:
            strange = fields.keys() - {*spec.fields, *ANYWHERE}
            self.unknown.update(f"{event}.{name}" for name in strange)
        told = {name: value for name, value in fields.items() if value is not None}
        self.lines.append(Line(at_s, event, told))


class ProcessLog:
    """Implements ``ports.log.Log``."""

    def __init__(self, life: Life, process: Process) -> None:
        self._life = life
        self._process = process

    def emit(self, event: str, /, **fields: object) -> None:
        """Each line is a point where the process may die: before it is written."""
        self._life.reach(f"log: {event}")
        if self._process.alive:
            self._life.log.write(self._life.loop.time(), event, fields)

    def ref(self, code: CvCode) -> str:
        return f"cv_{zlib.crc32(code.encode()):012x}"


class ProcessSpool:
    """Implements ``ports.spool.Spool`` over the one that outlives the process."""

    def __init__(self, life: Life, process: Process) -> None:
        self._life = life
        self._process = process

    async def take(
        self, submission_id: SubmissionId, chunks: AsyncIterator[bytes], name: str
    ) -> FileFacts:
        self._alive()
        facts = await self._life.spool.take(submission_id, chunks, name)
        await asyncio.sleep(self._life.rng.uniform(0, 0.05))
        self._life.reach("spool: taken")
        self._alive()
        return facts

    def path(self, submission_id: SubmissionId) -> Path:
        return self._life.spool.path(submission_id)

    async def holds(self, submission_id: SubmissionId) -> bool:
        return await self._life.spool.holds(submission_id)

    def read(self, submission_id: SubmissionId) -> AsyncIterator[bytes]:
        return self._life.spool.read(submission_id)

    async def remove(self, submission_id: SubmissionId) -> None:
        self._alive()
        await self._life.spool.remove(submission_id)
        self._life.reach("spool: removed")
        self._alive()

    async def sweep(self, keep: Iterable[SubmissionId]) -> int:
        self._alive()
        return await self._life.spool.sweep(keep)

    def used_bytes(self) -> int:
        return self._life.spool.used_bytes()

    def _alive(self) -> None:
        if not self._process.alive:
            raise asyncio.CancelledError


class ProcessUpstream:
    """Implements ``ports.upstream.Upstream`` over the one upstream there is."""

    def __init__(self, life: Life, process: Process, now_ms: Callable[[], Millis]) -> None:
        self._life = life
        self._process = process
        self._now_ms = now_ms

    async def read_record(self, code: CvCode, *, request_id: str) -> Reading:
        began = self._now_ms()
        reading = await self._life.upstream.read_record(code, request_id=request_id)
        self._life.reach("record: read")
        return replace(reading, read_ms=began)

    async def fetch_record(self, code: CvCode, *, request_id: str) -> RawReply | NoReply:
        return await self._life.upstream.fetch_record(code, request_id=request_id)

    async def post_update(
        self,
        code: CvCode,
        file: Path,
        facts: FileFacts,
        *,
        request_id: str,
        on_reply: OnReply = unheeded,
    ) -> PostResult:
        life = self._life
        if facts.sha256 != life.spool.digest(SubmissionId(file.name)):
            life.fell_over.append(f"{request_id}: its file is gone, or another's")
        life.reach("post: begun")
        result = await life.upstream.post_update(
            code, file, facts, request_id=request_id, on_reply=on_reply
        )
        life.reach("post: answered")
        return result

    async def close(self) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Told:
    """What a handler was told."""

    name: str
    version: int
    outcome: object
    attribution: object


class Witness:
    """An outcome handler that remembers, and sometimes fails or dawdles."""

    def __init__(self, life: Life, process: Process) -> None:
        self._life = life
        self._process = process

    async def __call__(self, submission: Mapping[str, object]) -> None:
        life, rng = self._life, self._life.rng
        life.reach("handler: called")
        if rng.random() < life.scenario.bad_handlers and life.quiet_since_s is None:
            await asyncio.sleep(rng.choice([0.0, 1.0, 40.0]))
            raise RuntimeError("a handler that fails")
        if self._process.alive:
            version = int(str(submission["version"]))
            outcome, attribution = submission["outcome"], submission["attribution"]
            life.reacted.append(Told(str(submission["id"]), version, outcome, attribution))
            if "Sim#" in repr(submission):
                life.fell_over.append("I8 a handler was given a code")
        life.reach("handler: done")
