"""``python -m bench.journal [--folder DIR] [--seconds N]``: what a commit costs.

Commits a second, latency and CPU per commit at 1, 16 and 64 concurrent writers, each walking its
own lanes as the engine does: accepted, sending, awaiting, event, confirmed, closed and dropped.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from listener.adapters.journal_sqlite import SqliteJournal
from listener.core.evidence import Heard, PostResult, Reading, UpstreamReply
from listener.core.facts import AttemptBegan, EventCorrelated, SubmissionAccepted, SubmissionClosed
from listener.core.names import (
    Attribution,
    CvCode,
    Disposition,
    FileKind,
    Millis,
    Outcome,
    PostKind,
    State,
    SubmissionId,
)
from listener.core.submission import Attempt, FileFacts, Lane, Submission
from listener.ports.journal import InboxRow, LaneCommit

NOW = Millis(1_760_000_000_000)
READING = Reading(NOW, True, path_digest="0123456789abcdef", status="draft", enhance_status="done")


def walk(number: int) -> tuple[CvCode, InboxRow, list[LaneCommit]]:
    """The five commits of one update, and the event heard for it."""
    code = CvCode(f"bench-{number:08d}")
    accepted = Submission(
        SubmissionId(f"0199a1b2-{number >> 16 & 0xFFFF:04x}-7000-8000-{number:012x}"),
        NOW,
        FileFacts("ab" * 32, 81_920, FileKind.PDF, "curriculum.pdf"),
    )
    began = Attempt(1, NOW, baseline=READING)
    ended = replace(
        began,
        ended_ms=NOW,
        result=PostResult(PostKind.ACCEPTED, "ok", 201, reply=UpstreamReply(456, None, "draft")),
    )
    sending = replace(accepted, state=State.SENDING, version=2, attempts=(began,))
    awaiting = replace(sending, state=State.AWAITING, version=3, attempts=(ended,))
    heard = Heard(number + 1, NOW)
    closed = replace(
        awaiting,
        state=State.CLOSED,
        outcome=Outcome.CONFIRMED,
        attribution=Attribution.EXCLUSIVE,
        version=4,
        heard=heard,
        closed_ms=NOW,
        keep_file_until_ms=NOW,
    )
    stages = [
        (accepted, SubmissionAccepted(NOW, accepted.id, size=81_920, kind="pdf", retry_of=None)),
        (sending, AttemptBegan(NOW, accepted.id, attempt=1, baseline_known=True, contended=False)),
        (awaiting, AttemptBegan(NOW, accepted.id, attempt=1, baseline_known=True, contended=False)),
        (
            closed,
            SubmissionClosed(
                NOW,
                accepted.id,
                outcome=Outcome.CONFIRMED,
                attribution=Attribution.EXCLUSIVE,
                reason=None,
            ),
        ),
    ]
    commits = [
        LaneCommit(code, version, Lane((s,), last_seen=READING), NOW, (s,), (fact,))
        for version, (s, fact) in enumerate(stages)
    ]
    correlated = EventCorrelated(
        NOW, accepted.id, seq=heard.seq, disposition=Disposition.CONFIRMED, replayed=False
    )
    commits[-1] = replace(
        commits[-1],
        facts=(correlated, *commits[-1].facts),
        dispositions=((heard.seq, Disposition.CONFIRMED),),
        reactions=((accepted.id, 4),),
    )
    commits.append(LaneCommit(code, len(stages), None, None))
    return code, InboxRow(heard, code, f'{{"cv_code":"{code}"}}'), commits


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[SqliteJournal]:
    journal = await SqliteJournal.open(folder / "journal.db")
    try:
        yield journal
    finally:
        await journal.close()


async def measure(folder: Path, writers: int, seconds: float) -> str:
    """One line of figures. An event's append counts as a commit."""
    latencies: list[float] = []
    numbers = iter(range(1 << 30))
    async with opened(folder) as journal:
        end = time.perf_counter() + seconds

        async def timed(commit: LaneCommit, last: int | None) -> int | None:
            began = time.perf_counter()
            version = await journal.commit(
                commit if last is None else replace(commit, expected_version=last)
            )
            latencies.append(time.perf_counter() - began)
            assert version is not None
            return version

        async def writer() -> None:
            while time.perf_counter() < end:
                _, event, commits = walk(next(numbers))
                version: int | None = None
                for index, commit in enumerate(commits):
                    if index == 3:
                        began = time.perf_counter()
                        await journal.append_events([event])
                        latencies.append(time.perf_counter() - began)
                    version = await timed(commit, version)

        cpu, began = time.process_time(), time.perf_counter()
        await asyncio.gather(*(writer() for _ in range(writers)))
        cpu, took = time.process_time() - cpu, time.perf_counter() - began
    latencies.sort()
    count = len(latencies)
    p50, p99 = (latencies[count * part // 100] * 1e3 for part in (50, 99))
    return (
        f"{writers:3d} writers: {count / took:8.0f} commits/s, CPU {cpu / count * 1e6:4.0f} µs each"
        f", p50 {p50:6.2f} ms, p99 {p99:6.2f} ms"
    )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="on the disk to be measured")
    parser.add_argument("--seconds", type=float, default=4.0)
    arguments = parser.parse_args()
    for writers in (1, 16, 64):
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            print(asyncio.run(measure(Path(folder), writers, arguments.seconds)))
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB")


if __name__ == "__main__":
    main()
