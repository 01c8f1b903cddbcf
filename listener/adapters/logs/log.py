"""The log port over structlog."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, TextIO

import structlog

from listener.core.catalogue import CATALOGUE, CATALOGUE_VERSION, runbook
from listener.core.event_spec import Level
from listener.core.log_fields import (
    ALWAYS,
    ANYWHERE,
    FREE_TEXT,
)
from listener.core.names import CvCode
from listener.core.wire import cv_ref

from .console import render
from .flood import Flood
from .lines import Plain, as_it_is, json_line
from .redaction import Redactor
from .traces import describe
from .writer import LOUD, Writer

REFS = 20_000
BODY_BYTES = 11_000
TAIL_BYTES = 2_500
"""Of what the log itself adds: it has its place, however long the rest is. With what every line has
(each cut at ``lines.LONGEST_NAME``) they stay under ``lines.LONGEST_LINE``."""
_RANK = {level: rank for rank, level in enumerate(Level)}


Watcher = Callable[[str, Mapping[str, object]], None]
"""What wants to know of each event that is emitted: its name, and its fields."""


class NotInCatalogue(AssertionError):
    """Our own fault, told in tests alone: an event or a field that the catalogue does not have."""


class StructuredLog:
    """Implements ``ports.log.Log``. ``strict``: what is not in the catalogue raises, for tests;
    otherwise such a line says so in ``catalogue_miss``. Never blocks; never raises when not strict.

    ``least``: the least level that is written.
    """

    def __init__(
        self,
        writer: Writer,
        redactor: Redactor,
        *,
        ref_key: bytes,
        run_id: str,
        version: str,
        replica: str,
        least: Level = Level.INFO,
        console: bool = False,
        colour: bool = False,
        strict: bool = False,
    ) -> None:
        self._writer = writer
        self.redactor = redactor
        self._ref_key = ref_key
        self._key_before: tuple[bytes, float] | None = None
        self._refs_before: dict[str, str] = {}
        self._least = _RANK[least]
        self._strict = strict
        self._refs: dict[CvCode, str] = {}
        room = Plain(BODY_BYTES)
        self._always = {
            "v": CATALOGUE_VERSION,
            "service": "cv-listener",
            "version": room.name(version),
            "run_id": room.name(run_id),
            "replica": room.name(replica),
        }
        to_text = _console_renderer(colour) if console else json_line
        self._processors = [self._stamp, self._plain]
        self._render: Callable[[Mapping[str, Any]], str] = to_text
        self._lines = _Lines(writer, processors=[*self._processors, self._last], context={})
        writer.tell_gap = self._gap_line
        self._watchers: list[Watcher] = []
        self.ids_of: Callable[[Mapping[str, object]], Mapping[str, str]] | None = None
        """What each line has besides, by its fields: the ids of its trace."""
        self._suppressed = 0
        self._flood = Flood(self.suppress)
        self._progress: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        writer.on_progress = self._tell_progress

    @property
    def least(self) -> Level:
        """The least level that is written."""
        return list(Level)[self._least]

    @least.setter
    def least(self, level: Level) -> None:
        self._least = _RANK[level]

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Have ``watcher`` called with each event and its fields, whatever is written of them, in
        the order in which they are emitted. It must be quick, and not raise: what it does raise is
        a fault of ours, and nobody hears of it. Returns what ends it."""
        self._watchers.append(watcher)
        return partial(self._watchers.remove, watcher)

    def emit(self, event: str, /, **fields: object) -> None:
        """Write one event of the catalogue."""
        for watcher in self._watchers:
            with contextlib.suppress(Exception):
                watcher(event, fields)
        try:
            self._emit(event, fields)
        except NotInCatalogue:
            raise
        except Exception as wrong:  # noqa: BLE001 - a log that raises would end what it tells of
            with contextlib.suppress(Exception):
                self._lines.say(event, Level.ERROR, {"catalogue_miss": type(wrong).__name__})

    def fault(self, event: str, error: BaseException, /, **fields: object) -> None:
        """Write one event about an exception, without any value it may hold."""
        try:
            told = describe(error, self.redactor)
        except Exception as wrong:  # noqa: BLE001 - an exception's own code may fail in any way
            told = {
                "error_type": type(error).__name__,
                "error": f"cannot be told ({type(wrong).__name__})",
            }
        self.emit(event, **{**told, **fields})

    def ref(self, code: CvCode) -> str:
        """The ``cv_ref`` that stands for a code everywhere."""
        ref = self._refs.get(code)
        if ref is None:
            if len(self._refs) >= REFS:
                self._refs.clear()
                self._refs_before.clear()
            self.redactor.add(code)
            ref = self._refs[code] = cv_ref(self._ref_key, code)
            if self._key_before is not None:
                self._refs_before[ref] = cv_ref(self._key_before[0], code)
        return ref

    def refs(self, code: CvCode) -> tuple[str, ...]:
        """What stands for a code: its ``cv_ref``, and the one before it while that is known."""
        ref = self.ref(code)
        before = self._before(ref)
        return (ref,) if before is None else (ref, before)

    def found_by(self, code: CvCode) -> tuple[str, ...]:
        """The same, of a code that need not be in use: it is not looked for in what others say."""
        ref, before = cv_ref(self._ref_key, code), self._key_before
        if before is None or time.time() >= before[1]:
            return (ref,)
        return ref, cv_ref(before[0], code)

    def use_key(self, key: bytes, before: tuple[bytes, float] | None) -> None:
        """Make each ``cv_ref`` with this key from now on. ``before``: the key of before, and until
        when, by the wall's clock, lines tell the ``cv_ref`` made with that one, too."""
        self._ref_key, self._key_before = key, before
        self._refs.clear()
        self._refs_before.clear()

    def _before(self, ref: object) -> str | None:
        if self._key_before is None or time.time() >= self._key_before[1]:
            return None
        return self._refs_before.get(str(ref))

    def dropped_lines(self) -> int:
        """Lines dropped since the start."""
        return self._writer.dropped

    def suppress(self) -> None:
        """A line is held back, one of many like it. Two of two threads at one moment may count as
        one: a lock could be held by whom the line interrupts."""
        self._suppressed += 1

    def suppressed_lines(self) -> int:
        """Lines held back since the start, whether a line has told of them yet or not."""
        return self._suppressed

    async def written(self) -> None:
        """Until every line so far has left this process or was dropped. On one loop alone."""
        mark = self._writer.last
        if self._progress is None:
            self._progress = (asyncio.get_running_loop(), asyncio.Event())
        event = self._progress[1]
        while True:
            event.clear()
            if self._writer.done >= mark:
                return
            await event.wait()

    def _tell_progress(self) -> None:
        """In the writer's thread."""
        if self._progress is not None:
            loop, event = self._progress
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(event.set)

    def flush(self, timeout_s: float = 2.0) -> bool:
        """Wait until all lines are written; False if that took too long."""
        return self._writer.flush(timeout_s)

    def close(self) -> None:
        """Write what is queued, within a bound. Idempotent."""
        self._writer.close()

    def _emit(self, event: str, fields: Mapping[str, object]) -> None:
        given = {name: value for name, value in fields.items() if value is not None}
        if missing := _unlisted(event, given):
            if self._strict:
                raise NotInCatalogue(f"not in the catalogue: {missing}")
            given["catalogue_miss"] = missing
        spec = CATALOGUE.get(event)
        level = Level.ERROR if spec is None else spec.level_of(given)
        if _RANK[level] < self._least:
            return
        if spec is not None and spec.limited_by:
            held_back = self._flood.held_back((event, *map(given.get, spec.limited_by)))
            if held_back is None:
                return
            given |= {"suppressed": held_back} if held_back else {}
        if spec is not None and spec.what_to_do and level in LOUD:
            given.setdefault("hint", spec.hint_of(given))
            given.setdefault("runbook", runbook(event))
        if "cv_ref" in given and (before := self._before(given["cv_ref"])) is not None:
            given["cv_ref_before"] = before
        if self.ids_of is not None:
            given |= self.ids_of(given)
        self._lines.say(event, level, given)

    def _gap_line(self, count: int) -> str:
        """The writer's own line: it must not wait in the queue that was full."""
        line: MutableMapping[str, Any] = {
            "event": "log.dropped",
            "level": Level.WARNING,
            "fields": {"dropped": count, "hint": CATALOGUE["log.dropped"].what_to_do},
        }
        for process in self._processors:
            line = process(None, "", line)
        return self._render(line)

    # structlog's processors, in this order.

    def _stamp(self, _: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """The fields of every line first, in their fixed order. A field that has the name of one of
        them stands beside it, with an underscore."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        head = {"timestamp": now, "level": line["level"], "event": line["event"], **self._always}
        fields: Mapping[str, Any] = line["fields"]
        return head | {f"{name}_" if name in head else name: fields[name] for name in fields}

    def _plain(self, _: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Plain values, so many that a line has a bound, and no secret in what is not ours alone:
        free text, and whatever the catalogue does not have."""
        event = str(line["event"])
        spec = CATALOGUE.get(event)
        clean = self.redactor.clean
        body, found = Plain(BODY_BYTES), dict[str, object]()
        for name, value in line.items():
            if name in ALWAYS or name in ANYWHERE:
                continue
            if body.spent(len(found)):
                break
            listed = spec is not None and name in spec.fields
            doubtful = not listed or name in FREE_TEXT
            key = body.name(name, as_it_is if listed else clean)
            found[key] = body.value(value, clean if doubtful else as_it_is)
        tail = Plain(TAIL_BYTES)
        found |= {name: tail.value(line[name], clean) for name in ANYWHERE if name in line}
        if body.truncated or tail.truncated:
            found["truncated"] = True
        head = {name: line[name] for name in ALWAYS}
        if spec is None:
            head["event"] = Plain(BODY_BYTES).name(event, clean)
        return head | found

    def _last(
        self, _: Any, __: str, line: MutableMapping[str, Any]
    ) -> tuple[tuple[str, Level], dict[str, Any]]:
        """What the writer's ``put`` is called with."""
        return (self._render(line), Level(line["level"])), {}


class _Lines(structlog.BoundLoggerBase):
    """A bound logger whose one method ends in the writer's ``put``."""

    def say(self, event: str, level: Level, fields: Mapping[str, object]) -> None:
        # The fields travel as one, so that none of their names is taken for a parameter.
        self._proxy_to_logger("put", event, level=level.value, fields=fields)


def _unlisted(event: str, fields: Mapping[str, object]) -> str:
    """What the catalogue does not have: the event, or fields of it."""
    spec = CATALOGUE.get(event)
    if spec is None:
        return event
    extra = (name for name in fields if name not in spec.fields and name not in ANYWHERE)
    return ", ".join(f"{event}.{name}" for name in sorted(extra))


def _console_renderer(colour: bool) -> Callable[[Mapping[str, Any]], str]:
    return lambda line: render(line, colour)


def looks(stream: TextIO, wanted: str) -> tuple[bool, bool]:
    """Whether to write for people, and whether in colour: ``auto`` asks the stream."""
    terminal = stream.isatty()
    console = wanted == "console" or (wanted == "auto" and terminal)
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return console, console and terminal and not plain
