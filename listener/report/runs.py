"""The daemon's lives: when each began and ended, how, and what lay between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from .reading import Line, millis
from .values import word

MOST = 2_000
"""Runs that are told apart; of those after them, their number alone."""


@dataclass(slots=True)
class Run:
    """``started_ms`` None: its start lies before the log. ``ended``: ``stopped`` in order, or
    ``failed``; empty: nothing says how. ``listening_ms``: when it first listened, and
    ``recovered``, whether the server proved then that nothing was missed; ``deaf_ms``, since when
    nobody was known to listen before that. The log's first and last line of it: ``first_ms``,
    ``last_ms``."""

    run_id: str
    replica: str
    version: str
    first_ms: int
    last_ms: int
    started_ms: int | None = None
    ended: str = ""
    listening_ms: int | None = None
    deaf_ms: int | None = None
    recovered: bool = False


class Runs:
    """Takes every line that was parsed."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._runs: dict[str, Run] = {}
        self.more = 0

    def takes(self) -> Mapping[str, Callable[[Line], None]]:
        """By event; ``*``: all."""
        return {
            "*": self._see,
            "daemon.started": self._start,
            "daemon.stopped": self._end,
            "daemon.failed": self._end,
            "subscription.established": self._listen,
        }

    def of(self, line: Line) -> Run | None:
        """The run that wrote a line."""
        name = word(line.fields, "run_id")
        run = self._runs.get(name)
        if run is None and name:
            if len(self._runs) >= self._most:
                return None
            fields = line.fields
            run = Run(
                name, word(fields, "replica"), word(fields, "version"), line.at_ms, line.at_ms
            )
            self._runs[name] = run
        return run

    def all(self) -> list[Run]:
        """In order of their first lines."""
        return sorted(self._runs.values(), key=lambda run: (run.first_ms, run.run_id))

    def named(self, run_id: str) -> Run | None:
        return self._runs.get(run_id)

    def away(self) -> Iterator[tuple[Run, int, int]]:
        """(the run, from when, until when) it was not known to listen before it first did: as its
        line says; else since the last line of the run before it on its replica, where the log has
        one. None where another run of that replica went on meanwhile."""
        last: dict[str, int] = {}
        for run in self.all():
            until, before = run.listening_ms, last.get(run.replica)
            if until is not None:
                start = run.started_ms if before is None else before
                if run.deaf_ms is not None:
                    start = run.deaf_ms
                if start is not None and start < until:
                    yield run, start, until
            last[run.replica] = max(before or 0, run.last_ms)

    def pauses(self) -> Iterator[tuple[str, int, int]]:
        """(replica, from, until) between the last line of a run and the first of the next."""
        last: dict[str, int] = {}
        for run in self.all():
            before = last.get(run.replica)
            if before is not None and before < run.first_ms:
                yield run.replica, before, run.first_ms
            last[run.replica] = max(before or 0, run.last_ms)

    def over(self, run: Run) -> bool:
        """Whether it has ended: it says so, or another began on its replica after its last line."""
        return bool(run.ended) or any(
            other.replica == run.replica and other.first_ms > run.last_ms
            for other in self._runs.values()
        )

    def _see(self, line: Line) -> None:
        if not line.fields:
            return
        run = self._runs.get(word(line.fields, "run_id")) or self.of(line)
        if run is not None:
            at_ms = line.at_ms
            if at_ms > run.last_ms:
                run.last_ms = at_ms
            elif at_ms < run.first_ms:
                run.first_ms = at_ms

    def _start(self, line: Line) -> None:
        run = self.of(line)
        if run is None:
            self.more += 1
        else:
            run.started_ms = line.at_ms

    def _end(self, line: Line) -> None:
        if (run := self.of(line)) is not None:
            run.ended = line.event.removeprefix("daemon.")

    def _listen(self, line: Line) -> None:
        run = self.of(line)
        if run is not None and run.listening_ms is None:
            fields = line.fields
            since, until = millis(fields.get("since")), millis(fields.get("until"))
            told = since is not None and until is not None and since <= until <= line.at_ms
            run.deaf_ms, run.listening_ms = (since, until) if told else (None, line.at_ms)
            run.recovered = line.fields.get("recovered") is True
