"""The log port over structlog."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any, TextIO

import orjson
import structlog

from listener.core.catalogue import (
    ALWAYS,
    CATALOGUE,
    CATALOGUE_VERSION,
    FIELDS,
    Level,
)
from listener.core.names import CvCode
from listener.core.wire import cv_ref

from .console import render
from .redaction import Redactor
from .traces import describe
from .writer import Writer

LONGEST_LINE = 16_384
LONGEST_TEXT = 2_000
_RANK = {level: rank for rank, level in enumerate(Level)}


class StructuredLog:
    """Implements ``ports.log.Log``. ``strict``: what is not in the catalogue raises, for tests;
    otherwise such a line says so in ``catalogue_miss``. Never blocks; never raises when not strict.
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
        self._least = _RANK[least]
        self._strict = strict
        self._told_drops = 0
        self._refs: dict[CvCode, str] = {}
        self._render = _console_renderer(colour) if console else _json_line
        self._logger = _Lines(
            writer,
            processors=[_stamp, _plain_fields, self._to_line],
            context={
                "v": CATALOGUE_VERSION,
                "service": "cv-listener",
                "version": version,
                "run_id": run_id,
                "replica": replica,
            },
        )

    def emit(self, event: str, /, **fields: object) -> None:
        """Write one event of the catalogue."""
        given = {name: value for name, value in fields.items() if value is not None}
        missing = self._unlisted(event, given)
        if missing:
            if self._strict:
                raise AssertionError(f"not in the catalogue: {missing}")
            given["catalogue_miss"] = missing
        spec = CATALOGUE.get(event)
        level = Level.ERROR if spec is None else spec.level_of(given)
        if _RANK[level] < self._least:
            return
        self._say_drops()
        self._logger.say(event, level, given)

    def fault(self, event: str, error: BaseException, /, **fields: object) -> None:
        """Write one event about an exception, without any value it may hold."""
        self.emit(event, **describe(error, self.redactor), **fields)

    def ref(self, code: CvCode) -> str:
        """The ``cv_ref`` that stands for a code everywhere."""
        ref = self._refs.get(code)
        if ref is None:
            if len(self._refs) > 20_000:
                self._refs.clear()
            self.redactor.add(code)
            ref = self._refs[code] = cv_ref(self._ref_key, code)
        return ref

    def dropped_lines(self) -> int:
        """Lines dropped since the start."""
        return self._writer.dropped

    def close(self) -> None:
        """Write what is queued, within a bound. Idempotent."""
        self._writer.close()

    def _unlisted(self, event: str, fields: Mapping[str, object]) -> str:
        spec = CATALOGUE.get(event)
        if spec is None:
            return event
        extra = sorted(name for name in fields if name not in spec.fields)
        unknown = [name for name in fields if name not in FIELDS]
        return ", ".join(f"{event}.{name}" for name in sorted({*extra, *unknown}))

    def _say_drops(self) -> None:
        dropped = self._writer.dropped
        if dropped > self._told_drops:
            new, self._told_drops = dropped - self._told_drops, dropped
            self.emit("log.dropped", dropped=new)

    def _to_line(
        self, _: Any, __: str, event: MutableMapping[str, Any]
    ) -> tuple[tuple[str, Level], dict[str, Any]]:
        """The last processor: what the writer's ``put`` is called with."""
        return (self._render(event), Level(event["level"])), {}


class _Lines(structlog.BoundLoggerBase):
    """A bound logger whose one method ends in the writer's ``put``."""

    def say(self, event: str, level: Level, fields: Mapping[str, object]) -> None:
        self._proxy_to_logger("put", event, level=level.value, **fields)


def _stamp(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The time, and the fields of every line in their fixed order before all others."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    event["timestamp"] = now
    return {name: event[name] for name in ALWAYS} | dict(event)


def _plain_fields(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {name: _plain(value) for name, value in event.items()}


def _plain(value: object, depth: int = 0) -> object:
    """JSON's own types, bounded in length and depth."""
    if isinstance(value, Enum):
        return _plain(value.value, depth)
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**63 else str(value)[:LONGEST_TEXT]
    if isinstance(value, Mapping) and depth < 4:
        return {str(k)[:100]: _plain(v, depth + 1) for k, v in list(value.items())[:50]}
    if isinstance(value, list | tuple | set | frozenset) and depth < 4:
        return [_plain(item, depth + 1) for item in list(value)[:50]]
    text = value if isinstance(value, str) else repr(value)
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…"


def _json_line(line: Mapping[str, Any]) -> str:
    text = orjson.dumps(line).decode()
    if len(text) <= LONGEST_LINE:
        return text
    kept = {name: line[name] for name in (*ALWAYS, "submission_id", "cv_ref") if name in line}
    return orjson.dumps(kept | {"detail": "line too long, fields left out"}).decode()


def _console_renderer(colour: bool) -> Callable[[Mapping[str, Any]], str]:
    return lambda line: render(line, colour)


def looks(stream: TextIO, wanted: str) -> tuple[bool, bool]:
    """Whether to write for people, and whether in colour: ``auto`` asks the stream."""
    terminal = stream.isatty()
    console = wanted == "console" or (wanted == "auto" and terminal)
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return console, console and terminal and not plain
