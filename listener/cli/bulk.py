"""Many submissions at once: each row of a manifest submitted, waited for, and told in a file."""

from __future__ import annotations

import csv
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO

import click

from . import configured, exits, manifest, output

if TYPE_CHECKING:
    from .daemon import Daemon

COLUMNS = (
    *("line", "id", "cv_ref", "outcome", "attribution", "late", "reason", "attempts", "error"),
)
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
PATIENCE_S = 600.0
"""How long a daemon that is away, or has no room, is waited for: by all rows together."""
SAY_S = 5.0
POLL_S = 5
"""So soon after an interrupt nobody waits any more."""


def submit_manifest(
    path: Path,
    results: Path | None,
    parallel: int,
    run: str,
    *,
    wait_closed: bool,
    as_json: bool = False,
) -> int:
    """Submit every row; the exit status."""
    rows = manifest.read(path)
    target = path.with_suffix(".results.csv") if results is None else results
    if target.exists() and target.samefile(path):
        raise exits.CommandFailed(
            exits.USAGE,
            "expected another file for the results than the manifest, found the same",
            "give --results another name: the manifest would be written over",
        )
    stop = threading.Event()
    told: list[dict[str, Any]] = []
    with (
        configured.daemon() as daemon,
        _results(target) as write,
        _progress(len(rows), "closed" if wait_closed else "accepted") as progress,
        ThreadPoolExecutor(parallel) as pool,
    ):
        one = _One(daemon, run, wait_closed, stop, _in_order(rows))
        try:
            for result in _in_turn(pool, one, rows, parallel):
                told.append(result)
                write(result)
                if as_json:
                    output.write_json({name: result.get(name) for name in COLUMNS})
                progress.step(result)
        except BaseException as error:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            if isinstance(error, KeyboardInterrupt):
                click.echo(
                    f"\n{len(told)} of {len(rows)} rows are in {target}; give the same manifest"
                    " again to go on: nothing is submitted twice",
                    err=True,
                )
            raise
    click.echo(f"{_summary(told)}; {target}", err=True)
    return _status(told, wait_closed)


class _One:
    """What is done with a row, in a thread."""

    def __init__(
        self,
        daemon: Daemon,
        run: str,
        wait_closed: bool,
        stop: threading.Event,
        turns: Mapping[int, _Turn],
    ) -> None:
        self._daemon = daemon
        self._keys = manifest.Keys(run)
        self._wait_closed = wait_closed
        self._stop = stop
        self._turns = turns
        self._patience = _Patience()

    def __call__(self, row: manifest.Row) -> dict[str, Any]:
        try:
            with self._turns[row.line]:
                shown = self._accepted(row)
            if self._wait_closed and shown["state"] != "closed":
                shown = self._daemon.wait_closed(
                    shown["id"], poll_s=POLL_S, enough=self._stop.is_set
                )
        except exits.CommandFailed as failed:
            if failed.status in (exits.PERMISSION, exits.CONFIGURATION):
                raise
            return {"line": row.line, "error": failed.message, "status": failed.status}
        except OSError as error:
            return {"line": row.line, "error": str(error.strerror), "status": exits.IO_FAILED}
        return {"line": row.line, **shown}

    def _accepted(self, row: manifest.Row) -> dict[str, Any]:
        """Accepted; what passes (no room, a start, a restart) is waited for."""
        key, pause_s = self._keys.of(row), FIRST_PAUSE_S
        while True:
            try:
                shown = self._daemon.submit(row.code, row.path, key=key)
            except exits.CommandFailed as failed:
                passes = failed.status in (exits.UNAVAILABLE, exits.IO_FAILED)
                if not passes or self._patience.over(failed.message) or self._stop.is_set():
                    raise
            else:
                self._patience.renew()
                return shown
            self._stop.wait(pause_s)
            self._daemon.look_again()
            pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)


class _Patience:
    """One for all rows: it begins with the first that has to wait, which is said, and ends with the
    next that is accepted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: float | None = None

    def over(self, why: str) -> bool:
        """Whether it has run out."""
        with self._lock:
            if self._since is None:
                self._since = time.monotonic()
                click.echo(f"waiting, {PATIENCE_S / 60:g} minutes at most: {why}", err=True)
            return time.monotonic() - self._since > PATIENCE_S

    def renew(self) -> None:
        """It was worth it."""
        with self._lock:
            self._since = None


class _Turn:
    """A row's: after the one before it of the same code was accepted, or failed. That has begun
    earlier, for rows are begun in order: nobody waits for what has not begun."""

    def __init__(self, before: _Turn | None) -> None:
        self._before = before
        self._over = threading.Event()

    def __enter__(self) -> None:
        if self._before is not None:
            self._before._over.wait()

    def __exit__(self, *_: object) -> None:
        self._over.set()


def _in_order(rows: Sequence[manifest.Row]) -> dict[int, _Turn]:
    """By line. The last row of a code is to be its last update, however many are under way."""
    turns: dict[int, _Turn] = {}
    last: dict[str, _Turn] = {}
    for row in rows:
        turns[row.line] = last[row.code] = _Turn(last.get(row.code))
    return turns


def _in_turn(
    pool: ThreadPoolExecutor, one: _One, rows: Sequence[manifest.Row], parallel: int
) -> Iterator[dict[str, Any]]:
    """Results as they come; no more rows are handed out than are worked on, and a few."""
    left = iter(rows)
    working: set[Future[dict[str, Any]]] = set()
    while True:
        while len(working) < 2 * parallel and (row := next(left, None)) is not None:
            working.add(pool.submit(one, row))
        if not working:
            return
        done, working = wait(working, return_when=FIRST_COMPLETED)
        for future in done:
            yield future.result()


class _Writer(Protocol):
    def __call__(self, result: dict[str, Any]) -> None: ...


@contextmanager
def _results(path: Path) -> Iterator[_Writer]:
    """The results' file, for its owner alone, written row by row. It holds no code."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", restval="")
        writer.writeheader()

        def write(result: dict[str, Any]) -> None:
            writer.writerow({name: result.get(name) for name in COLUMNS})
            file.flush()

        yield write


class _Bar:
    """Counts and rate: a bar on a terminal, a line now and then elsewhere."""

    def __init__(self, total: int, done_word: str, stream: TextIO) -> None:
        self._total = total
        self._word = done_word
        self._stream = stream
        self._began = self._said = time.monotonic()
        self._counts: Counter[str] = Counter()

    def step(self, result: dict[str, Any]) -> None:
        """One more."""
        self._counts[_word(result)] += 1
        if time.monotonic() - self._said >= SAY_S:
            self._said = time.monotonic()
            self._stream.write(self.text() + "\n")
            self._stream.flush()

    @property
    def done(self) -> int:
        """How many there were."""
        return sum(self._counts.values())

    def text(self) -> str:
        """All in a line."""
        rate = self.done / max(0.001, time.monotonic() - self._began)
        counts = " · ".join(f"{word} {count}" for word, count in self._counts.most_common())
        return f"{self.done} of {self._total} {self._word}, {rate:.1f}/s  {counts}".rstrip()


class _TerminalBar(_Bar):
    def __init__(self, total: int, done_word: str, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        super().__init__(total, done_word, stream)
        self.live = Progress(
            BarColumn(20),
            TextColumn("{task.description}", markup=False),
            TimeRemainingColumn(compact=True),
            console=Console(file=stream, emoji=False, markup=False),
            transient=True,
        )
        self._task = self.live.add_task(self.text(), total=total)

    def step(self, result: dict[str, Any]) -> None:
        self._counts[_word(result)] += 1
        self.live.update(self._task, completed=self.done, description=self.text())


@contextmanager
def _progress(total: int, done_word: str) -> Iterator[_Bar]:
    if not sys.stderr.isatty():
        yield _Bar(total, done_word, sys.stderr)
        return
    bar = _TerminalBar(total, done_word, sys.stderr)
    with bar.live:
        yield bar


def _word(result: dict[str, Any]) -> str:
    return "failed" if "error" in result else output.word(result)


def _summary(told: Sequence[dict[str, Any]]) -> str:
    counts = Counter(_word(result) for result in told)
    return f"{len(told)} rows: " + ", ".join(f"{count} {w}" for w, count in counts.most_common())


def _status(told: Sequence[dict[str, Any]], wait_closed: bool) -> int:
    """The gravest: a row that failed has its own status, then the outcomes'."""
    failed = max((result["status"] for result in told if "error" in result), default=exits.OK)
    if failed or not wait_closed:
        return int(failed)
    return exits.of_outcomes(told)
