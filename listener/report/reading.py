"""From files to lines: the daemon's own, and a count of all else.

One pass, a block at a time; no line is kept. A line that nobody takes and that is not loud is not
parsed, only counted: its time, level and event stand at its beginning, always in the same form.
"""

from __future__ import annotations

import gzip
import io
import re
import sys
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import orjson

BLOCK = 1 << 20
LONGEST_LINE = 256 * 1024
"""Bytes. The daemon's have 16 KiB at most; wrapped in another's JSON they may be several times as
long."""
PREFIX = 400
"""Bytes within which a line of ours may begin, behind what a container's runtime, a supervisor or
syslog puts before it."""
STDIN = "-"

_HEAD = re.compile(
    rb'\{"timestamp":"(\d{4}-\d\d-\d\dT\d\d:\d\d):([0-5]\d)\.(\d{3})Z","level":"([a-z]+)",'
    rb'"event":"([a-z_.]{1,80})","v":\d+,"service":"cv-listener",'
)
_BEGINS = b'{"timestamp":"'
_OURS = b'"service":"cv-listener"'
_CONSOLE = re.compile(
    rb"(?:\x1b\[[0-9;]*m)*\d\d:\d\d:\d\d\.\d{3}(?:\x1b\[[0-9;]*m| )+"
    rb"(?:DEBUG|INFO|WARNING|ERROR|CRITICAL) *(?:\x1b\[[0-9;]*m| )+[a-z_]+\.[a-z_]+"
)
_WRAPPERS = ("log", "MESSAGE", "message", "msg", "line")
"""Fields in which others' JSON lines carry ours: Docker's files, journald's export, shippers."""
LOUD = frozenset({"warning", "error", "critical"})
_QUIET = {b"info": "info", b"debug": "debug"}
_NOTHING: Mapping[str, Any] = {}


class Line(NamedTuple):
    """One line of the daemon. ``fields``: all of it, as JSON has it, none of it to be trusted to be
    of the type that the catalogue says; empty where nobody takes the event and it is not loud."""

    at_ms: int
    level: str
    event: str
    fields: Mapping[str, Any]


@dataclass(slots=True)
class Tally:
    """What was read. ``other``: lines of other programs. ``console``: of ours in the form for
    people, which cannot be reckoned with. ``torn``: ours and unreadable, cut off by a crash most
    often. ``broken``: what ended a file before its end, as (its number, why)."""

    files: int = 0
    lines: int = 0
    bytes: int = 0
    ours: int = 0
    other: int = 0
    console: int = 0
    torn: int = 0
    too_long: int = 0
    outside: int = 0
    first_ms: int | None = None
    last_ms: int | None = None
    broken: list[tuple[int, str]] = field(default_factory=list)
    failed: bool = False


class Window(NamedTuple):
    """Lines from ``since_ms`` on, before ``until_ms``, by their own timestamps; None: no bound."""

    since_ms: int | None = None
    until_ms: int | None = None

    def has(self, at_ms: int) -> bool:
        """Whether a line of that time is looked at."""
        return (self.since_ms is None or at_ms >= self.since_ms) and (
            self.until_ms is None or at_ms < self.until_ms
        )


def millis(text: object) -> int | None:
    """Since the Unix epoch, of an RFC 3339 time; None where it is none."""
    if not isinstance(text, str) or len(text) > 40:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return None if moment.tzinfo is None else round(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def read(
    sources: Iterable[tuple[int, BinaryIO]], taken: Collection[str], window: Window, tally: Tally
) -> Iterator[Line]:
    """The lines of each source, one after another. ``sources``: (its number, its bytes), each
    closed at its end. ``taken``: the events that are wanted whole."""
    wanted = frozenset(name.encode() for name in taken)
    parse = _Parser(wanted, tally)
    for number, stream in sources:
        tally.files += 1
        with stream:
            for piece in _pieces(stream, number, tally):
                line = parse.line(piece)
                if line is None:
                    continue
                at_ms = line.at_ms
                tally.ours += 1
                if not window.has(at_ms):
                    tally.outside += 1
                    continue
                if tally.first_ms is None or at_ms < tally.first_ms:
                    tally.first_ms = at_ms
                if tally.last_ms is None or at_ms > tally.last_ms:
                    tally.last_ms = at_ms
                yield line


def _pieces(stream: BinaryIO, number: int, tally: Tally) -> Iterator[bytes]:
    """Lines that are not empty, without their ends. One that is too long is counted and left out;
    what cannot be read ends the file, and is told."""
    rest, skipping = b"", False
    while True:
        try:
            block = stream.read(BLOCK)
        except (EOFError, OSError, zlib.error) as error:
            tally.broken.append((number, _why(error)))
            packed = isinstance(error, EOFError | gzip.BadGzipFile | zlib.error)
            tally.failed = tally.failed or not packed
            block = b""
        if not block:
            break
        tally.bytes += len(block)
        pieces = (rest + block).split(b"\n")
        rest = pieces.pop()
        if skipping and pieces:
            skipping = False
            del pieces[0]
        for piece in pieces:
            if len(piece) > LONGEST_LINE:
                tally.lines += 1
                tally.too_long += 1
            elif piece:
                tally.lines += 1
                yield piece
        if skipping or len(rest) > LONGEST_LINE:
            if not skipping:
                tally.lines += 1
                tally.too_long += 1
            skipping, rest = True, b""
    if rest:
        tally.lines += 1
        yield rest


def _why(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "the gzip stream ends before its end"
    if isinstance(error, gzip.BadGzipFile | zlib.error):
        return "the gzip stream is damaged"
    return f"the system says: {getattr(error, 'strerror', None) or type(error).__name__}"


class _Parser:
    """Makes lines of bytes, and counts those that are not the daemon's."""

    def __init__(self, wanted: frozenset[bytes], tally: Tally) -> None:
        self._wanted = wanted
        self._tally = tally
        self._minute = b""
        self._minute_ms = 0

    def line(self, piece: bytes) -> Line | None:
        """None: it is not one of the daemon's lines, or cannot be read; counted already."""
        if not piece.startswith(_BEGINS):
            at = piece.find(_BEGINS, 0, PREFIX)
            if at < 0:
                return self._others(piece)
            piece = piece[at:]
        piece = piece.rstrip()
        head = _HEAD.match(piece)
        if head is None:
            return self._others(piece)
        minute, second, part, level, event = head.groups()
        if minute != self._minute and not self._use_minute(minute):
            self._tally.torn += 1
            return None
        at_ms = self._minute_ms + int(second) * 1000 + int(part)
        if event not in self._wanted and level in _QUIET and piece.endswith(b"}"):
            return Line(at_ms, _QUIET[level], event.decode(), _NOTHING)
        fields = _object(piece)
        if fields is None:
            self._tally.torn += 1
            return None
        return Line(at_ms, level.decode(), event.decode(), fields)

    def _use_minute(self, minute: bytes) -> bool:
        at_ms = millis(minute.decode() + ":00Z")
        if at_ms is None:
            return False
        self._minute, self._minute_ms = minute, at_ms
        return True

    def _others(self, piece: bytes) -> Line | None:
        """A line of another form: ours all the same, or another program's."""
        fields = _object(piece)
        if fields is not None and fields.get("service") != "cv-listener":
            inner = next((v for k in _WRAPPERS if isinstance(v := fields.get(k), str)), None)
            if inner is not None and _OURS.decode() in inner:
                return self.line(inner.strip().encode("utf-8", "replace"))
            if inner is not None and _CONSOLE.match(inner.encode("utf-8", "replace")):
                self._tally.console += 1
                return None
            self._tally.other += 1
            return None
        if fields is None:
            if _CONSOLE.match(piece):
                self._tally.console += 1
            elif _OURS in piece or piece.startswith(_BEGINS):
                self._tally.torn += 1
            else:
                self._tally.other += 1
            return None
        at_ms = millis(fields.get("timestamp"))
        level, event = fields.get("level"), fields.get("event")
        if at_ms is None or not isinstance(level, str) or not isinstance(event, str):
            self._tally.torn += 1
            return None
        return Line(at_ms, level, event[:80], fields)


def _object(piece: bytes) -> Mapping[str, Any] | None:
    if piece.lstrip()[:1] != b"{":
        return None
    try:
        found = orjson.loads(piece)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


# ---------------------------------------------------------------------------------------- files


class _Unpacked(gzip.GzipFile):
    """Closes the file, too, that it unpacks; and gives a little at a time, so that of a stream that
    is cut off all is had but the last of it."""

    def __init__(self, packed: BinaryIO) -> None:
        super().__init__(fileobj=packed, mode="rb")
        self._packed = packed

    def read(self, size: int | None = -1) -> bytes:
        return self.read1(-1 if size is None else size)

    def close(self) -> None:
        super().close()
        self._packed.close()


def opened(name: str) -> BinaryIO:
    """The bytes of a file, unpacked where it is gzip's, whatever its name; ``-`` is stdin. Raises
    OSError."""
    under = sys.stdin.buffer if name == STDIN else io.FileIO(name)
    raw = io.BufferedReader(cast("io.RawIOBase", under), BLOCK)
    try:
        packed = raw.peek(2)[:2] == b"\x1f\x8b"
    except OSError:
        raw.close()
        raise
    return cast("BinaryIO", _Unpacked(cast("BinaryIO", raw)) if packed else raw)


def in_order(names: Sequence[str]) -> list[tuple[int, str]]:
    """(its number, from 1; its name) by the time of the first line of each: rotated files may be
    given in any order. One that tells no time stays at its place among the last. A file that is
    given twice is read once. Raises OSError."""
    seen: set[tuple[int, int] | str] = set()
    found: list[tuple[bool, int, int, str]] = []
    for number, name in enumerate(names, 1):
        key: tuple[int, int] | str = name
        first: int | None = None
        if name != STDIN:
            told = Path(name).stat()
            key = (told.st_dev, told.st_ino)
            first = _first_ms(name) if Path(name).is_file() else None
        if key not in seen:
            seen.add(key)
            found.append((first is None, first or 0, number, name))
    return [(number, name) for _, _, number, name in sorted(found)]


_TIME = re.compile(rb'"timestamp":"([^"]{19,40})"')


def _first_ms(name: str) -> int | None:
    with opened(name) as stream:
        try:
            beginning = stream.read(64 * 1024)
        except (EOFError, OSError, zlib.error):
            return None
    told = (millis(found[1].decode("ascii", "replace")) for found in _TIME.finditer(beginning))
    return next((at_ms for at_ms in told if at_ms is not None), None)
