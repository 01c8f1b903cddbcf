"""Runs one target for a while, from the seeds of the corpus, and reads what libFuzzer says."""

from __future__ import annotations

import hashlib
import importlib
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.corpus.rows import FOUND
from tests.tree import ROOT

TARGETS = ("frames", "form", "wire", "lane")
LONGEST = 4_096
"""Bytes of one input."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run came to. ``edges``: of our code and the library's packets. ``findings``: the
    inputs that failed; ``story``: the end of what was printed."""

    target: str
    executions: int
    seconds: int
    edges: int
    findings: tuple[bytes, ...]
    story: str


def fuzz(
    target: str,
    *,
    seconds: int,
    runs: int | None = None,
    fault: str | None = None,
    seeds: Iterable[bytes] | None = None,
) -> Run:
    """For so many seconds, and ``runs`` at most. Raises RuntimeError if it did not run at all."""
    if seeds is None:
        module = importlib.import_module(f"tests.fuzz.{target}")
        seeds = [*module.seeds(), *FOUND[target]]
    with TemporaryDirectory(prefix=f"fuzz-{target}-") as name:
        folder = Path(name)
        corpus, found = folder / "corpus", folder / "found"
        corpus.mkdir()
        found.mkdir()
        for seed in seeds:
            (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
        options = [
            f"-max_total_time={seconds}",
            f"-max_len={LONGEST}",
            f"-artifact_prefix={found}/",
            "-timeout=30",
            "-print_final_stats=1",
            "-seed=1",
            *([] if runs is None else [f"-runs={runs}"]),
        ]
        done = subprocess.run(
            [sys.executable, "-m", "tests.fuzz.drive", target, fault or "-", *options, str(corpus)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds + 240,
            check=False,
        )
        findings = tuple(sorted(path.read_bytes() for path in found.iterdir()))
    story = done.stdout[-4_000:] + done.stderr[-4_000:]
    executions = _last(r"stat::number_of_executed_units:\s*(\d+)", story)
    if executions is None or (done.returncode != 0 and not findings):
        raise RuntimeError(f"expected a run of {target}, found exit {done.returncode}: {story}")
    edges = _last(r"\bcov: (\d+)", done.stderr) or 0
    took = _last(r"Done \d+ runs in (\d+) second", done.stderr)
    return Run(target, executions, seconds if took is None else took, edges, findings, story)


def _last(pattern: str, text: str) -> int | None:
    found = re.findall(pattern, text)
    return int(found[-1]) if found else None
