"""``python -m bench.report [LINES] [FILE]``: a log of so many lines in the daemon's own shapes, and
what a report of it takes: seconds and resident memory, of the command as a process of its own."""

from __future__ import annotations

import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

LINES = 1_000_000
FROM_MS = 1_769_817_600_000
EVERY_MS = 250
"""Between two submissions."""
MOSTLY = {
    "confirmed": ("event", "inferred", None),
    "presumed": ("record_processing", "indicated", "record_moved_while_deaf"),
    "unconfirmed": ("record_processing", "indicated", "listened_record_moved"),
    "rejected": (None, "unknown", "not_found"),
}


class Life:
    """Lines as a daemon writes them, in order."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._now = FROM_MS
        self._run = "0a1b2c3d"
        self._later: list[tuple[int, bytes]] = []

    def _line(self, at_ms: int, level: str, event: str, **fields: Any) -> bytes:
        moment = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
        return orjson.dumps(
            {
                "timestamp": moment.replace("+00:00", "Z"),
                "level": level,
                "event": event,
                "v": 1,
                "service": "cv-listener",
                "version": "0.1.0",
                "run_id": self._run,
                "replica": "bench-1",
                **fields,
            }
        )

    def lines(self) -> Iterator[bytes]:
        """Without an end."""
        number = 0
        yield from self._start()
        while True:
            number += 1
            self._now += EVERY_MS
            yield from self._submission(number)
            if number % 120 == 0:
                yield self._heartbeat()
            if number % 9_000 == 0:
                yield from self._outage()
            if number % 60_000 == 0:
                self._run = f"{number:08x}"
                yield from self._start()
            self._later.sort()
            while self._later and self._later[0][0] <= self._now:
                yield self._later.pop(0)[1]

    def _start(self) -> Iterator[bytes]:
        yield self._line(self._now, "info", "daemon.started", python="3.11.7", url="http://x")
        listens = {"transport": "websocket", "recovered": False, "gap_reason": "started"}
        yield self._line(self._now + 90, "info", "subscription.established", **listens)

    def _submission(self, number: int) -> Iterator[bytes]:
        chance, now = self._chance, self._now
        of = {
            "submission_id": f"0199a1b2-{number >> 16 & 0xFFFF:04x}-7000-8000-{number:012x}",
            "cv_ref": f"cv_{chance.getrandbits(48):012x}",
        }
        queued, post = chance.randint(2, 30), round(chance.lognormvariate(3.5, 0.5))
        confirm = round(chance.lognormvariate(5.5, 0.7))
        yield self._line(now, "info", "submission.accepted", **of, size=90_412, kind="pdf")
        began = {"attempt": 1, "baseline_known": True, "contended": False}
        self._at(now + queued, "info", "attempt.began", **of, **began)
        ended = {"result": "accepted", "detail": "accepted", "http_status": 200}
        told = {"attempt": 1, **ended, "state": "awaiting", "duration_ms": post}
        self._at(now + queued + post, "info", "attempt.ended", **of, **told)
        outcome = chance.choices([*MOSTLY], [970, 18, 8, 4])[0]
        evidence, verdict, reason = MOSTLY[outcome]
        took = confirm if outcome == "confirmed" else 30_000
        level = {"confirmed": "info", "presumed": "warning"}.get(outcome, "error")
        fields: dict[str, Any] = {
            "outcome": outcome,
            "attribution": "exclusive",
            "late": False,
            "submission_version": 4,
            "attempts": 1,
            "enhancement": verdict,
            "analysis": verdict,
            "evidence": [evidence] if evidence else [],
            "queued_ms": queued,
            "post_ms": post,
            "total_ms": queued + took,
            "deaf_ms": 0,
            "duplicates": 0,
            "http_status": 200,
            "upstream_status": "draft",
            "cv_id": number,
            "size": 90_412,
            "kind": "pdf",
        }
        if outcome == "confirmed":
            fields |= {"replayed": False, "confirm_ms": confirm}
        else:
            fields |= {"reason": reason, "hint": "See docs.", "runbook": "docs/log-events.md"}
        self._at(now + queued + took, level, "submission.closed", **of, **fields)
        if outcome == "unconfirmed" and chance.random() < 0.5:
            late = {"outcome": "confirmed", "outcome_before": "unconfirmed", "late": True}
            fields |= {**late, "submission_version": 6, "confirm_ms": 70_000}
            self._at(now + 70_000, "warning", "submission.corrected", **of, **fields)

    def _at(self, at_ms: int, level: str, event: str, **fields: Any) -> None:
        self._later.append((at_ms, self._line(at_ms, level, event, **fields)))

    def _heartbeat(self) -> bytes:
        return self._line(
            self._now,
            "info",
            "daemon.heartbeat",
            open_by_state={"awaiting": self._chance.randint(0, 40)},
            oldest_wait_ms=900,
            connected=True,
            last_frame_age_ms=11,
            last_event_age_ms=40,
            deaf_ms=0,
            in_flight=2,
            enquiries_waiting=0,
            fsync_p99_ms=1.9,
            loop_lag_ms=self._chance.randint(1, 9),
            dropped_lines=0,
        )

    def _outage(self) -> Iterator[bytes]:
        lasted = self._chance.randint(400, 90_000)
        yield self._line(
            self._now, "warning", "subscription.lost", reason="transport_closed", watched=12
        )
        back = {"transport": "websocket", "recovered": self._chance.random() < 0.7}
        told = {**back, "duration_ms": lasted, "failures": 1, "reason": "transport_closed"}
        self._at(self._now + lasted, "warning", "subscription.restored", **told, touched=7)


def write(file: Path, lines: int) -> None:
    """A log of so many lines."""
    with file.open("wb") as log:
        for _, line in zip(range(lines), Life(7).lines(), strict=False):
            log.write(line + b"\n")


def measure(file: Path, lines: int) -> None:
    """Report on it, and print what that took."""
    page = file.with_suffix(".html")
    command = [sys.executable, "-m", "listener", "report", str(file), "--html", str(page)]
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    took, used = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"{lines:,} lines, {file.stat().st_size >> 20} MiB: {took:.1f} s, "
        f"{used.ru_utime + used.ru_stime:.1f} s of CPU, {used.ru_maxrss >> 10} MiB resident at "
        f"most; a page of {page.stat().st_size >> 10} KiB"
    )


def main(lines: str = str(LINES), kept: str | None = None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(kept) if kept else Path(folder) / "daemon.log"
        write(file, int(lines))
        measure(file, int(lines))


if __name__ == "__main__":
    main(*sys.argv[1:])
