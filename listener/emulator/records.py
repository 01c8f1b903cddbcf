"""The upstream's database, file store and job queue, in memory."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from dataclasses import dataclass, field

from .documents import Document, parse
from .ledger import JobEntry, Ledger, now_ms
from .plan import Plan

KINDS = ("enhancement", "analysis")
"""In the order in which the upstream dispatches them."""

SKILLS = ("Python", "PostgreSQL", "Kubernetes", "SQL", "Go", "Kafka", "pandas", "Figma")


@dataclass(slots=True)
class Record:
    """One CV. ``revision`` counts the updates applied; a job only writes to the one it ran for."""

    code: str = field(repr=False)
    cv_id: int
    application_id: int | None = None
    cv_path: str | None = None
    cv_data: dict[str, object] | None = field(default=None, repr=False)
    status: str = "draft"
    cv_enhance_status: str = "pending"
    enhancement_result: dict[str, object] | None = field(default=None, repr=False)
    position_match: dict[str, object] | None = field(default=None, repr=False)
    revision: int = 0

    def as_json(self) -> dict[str, object]:
        """As a GET gives it. The last two are there only where a job has set them."""
        shown: dict[str, object] = {
            "cv_code": self.code,
            "cv_id": self.cv_id,
            "application_id": self.application_id,
            "cv_path": self.cv_path,
            "cv_data": self.cv_data,
            "status": self.status,
            "cv_enhance_status": self.cv_enhance_status,
        }
        if self.enhancement_result is not None:
            shown["enhancement_result"] = self.enhancement_result
        if self.position_match is not None:
            shown["position_match"] = self.position_match
        return shown


class Records:
    """Every change is made without an await between its steps: a reader sees all of it or none."""

    def __init__(
        self, ledger: Ledger, codes: Iterable[str], *, auto_create: bool, job_ms: int, seed: int
    ) -> None:
        self._ledger = ledger
        self._seeded = tuple(codes)
        self._auto_create = auto_create
        self._job_ms = job_ms
        self._rng = random.Random(seed)  # noqa: S311  names of files that a seed reproduces
        self._running: dict[int, tuple[asyncio.TimerHandle, JobEntry]] = {}
        self._records: dict[str, Record] = {}
        self.files: dict[str, int] = {}
        """What the store holds: the size in bytes, by path."""
        self.clear()

    def clear(self) -> None:
        self.lose_jobs()
        self._records.clear()
        self.files.clear()
        for code in self._seeded:
            self.create(code)

    def create(self, code: str) -> Record:
        """The record of a code, new or not, with a file in the store as every real one has."""
        if code not in self._records:
            record = self._records[code] = Record(code, cv_id=456 + len(self._records))
            record.cv_path = self._store(record, "pdf", 0)
        return self._records[code]

    def find(self, code: str) -> Record | None:
        if code not in self._records and self._auto_create and code:
            return self.create(code)
        return self._records.get(code)

    def apply(self, record: Record, size: int, document: Document) -> str:
        """Steps 1 to 5 of an update: the new path. The jobs come after, by ``dispatch``."""
        if record.cv_path is not None:
            self.files.pop(record.cv_path, None)
        record.cv_path = self._store(record, document.kind, size)
        record.cv_data = parse(document)
        record.status = record.cv_enhance_status = "processing"
        record.enhancement_result = record.position_match = None
        record.revision += 1
        return record.cv_path

    def dispatch(self, record: Record, for_post: int | str, plan: Plan) -> None:
        """Steps 6 and 7."""
        after = (self._job_ms if plan.job_ms < 0 else plan.job_ms) / 1000
        for kind in {"both": KINDS, "enhancement": KINDS[:1]}.get(plan.jobs, ()):
            job = JobEntry(self._ledger.next_number(), record.code, kind, for_post, now_ms())
            fails = plan.failing in (kind, "both")
            timer = asyncio.get_running_loop().call_later(
                after, self._finish, job, record, record.revision, fails
            )
            self._running[job.number] = timer, job
            self._ledger.add("dispatched", job)

    def lose_jobs(self) -> None:
        """The upstream's workers die: what ran never ends."""
        for timer, job in self._running.values():
            timer.cancel()
            job.result = "lost"
            self._ledger.changed("job_ended", job)
        self._running.clear()

    def _store(self, record: Record, kind: str, size: int) -> str:
        path = f"cvs/{record.cv_id}/{self._rng.getrandbits(64):016x}.{kind}"
        self.files[path] = size
        return path

    def _finish(self, job: JobEntry, record: Record, revision: int, fails: bool) -> None:
        del self._running[job.number]
        job.ended_ms = now_ms()
        job.result = "failed" if fails else "done"
        if record.revision != revision:
            job.result = "superseded"
        elif job.kind == "enhancement":
            record.cv_enhance_status = "failed" if fails else "enhanced"
            record.enhancement_result = None if fails else self._enhanced(record)
        else:
            record.status = "failed" if fails else "completed"
            record.position_match = None if fails else {"score": self._rng.randint(40, 99)}
        self._ledger.changed("job_ended", job)

    def _enhanced(self, record: Record) -> dict[str, object]:
        words = (record.cv_data or {}).get("word_count", 0)
        return {"summary": f"{words} words read", "skills": self._rng.sample(SKILLS, 3)}
