"""The truth, as only the upstream knows it: what was received, applied, dispatched and emitted.

Times are milliseconds since the Unix epoch. Entries are numbered in one sequence, in the order in
which things happened. The ledger holds whole codes: it is for tests, on the same machine.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import TypeVar

FOREIGN = "foreign"
"""In place of a POST's number: another party did it."""

NOBODY = "nobody"
"""In place of a POST's number: an event that no update stands behind."""

Found = TypeVar("Found")


def now_ms() -> int:
    return int(time.time() * 1000)


@dataclass(slots=True)
class PostEntry:
    """One POST. ``whole_body``: every byte of it was read. ``sha256`` and ``size`` are the file's,
    known when it was read whole. ``applied_ms`` None: it was not applied, or not yet.

    ``ended``: ``open`` · ``answered`` (with ``status``) · ``reset`` · ``closed`` · ``hung`` ·
    ``truncated`` · ``client_left`` (before an answer) · ``stopped`` (the emulator was).
    """

    number: int
    code: str = field(repr=False)
    received_ms: int
    request_id: str | None
    traceparent: str | None = None
    fault: str = "none"
    whole_body: bool = False
    sha256: str | None = None
    size: int | None = None
    file_name: str | None = field(default=None, repr=False)
    applied_ms: int | None = None
    cv_path: str | None = None
    status: int | None = None
    ended: str = "open"
    ended_ms: int | None = None

    @property
    def applied(self) -> bool:
        return self.applied_ms is not None


@dataclass(slots=True)
class ForeignEntry:
    """Another party's update, applied."""

    number: int
    code: str = field(repr=False)
    applied_ms: int
    cv_path: str


@dataclass(slots=True)
class JobEntry:
    """One dispatched job. ``result``: ``running`` · ``done`` · ``failed`` · ``superseded`` (it ran
    out, and a newer update owns the record) · ``lost`` (the emulator stopped)."""

    number: int
    code: str = field(repr=False)
    kind: str
    for_post: int | str
    dispatched_ms: int
    ended_ms: int | None = None
    result: str = "running"


@dataclass(slots=True)
class EventEntry:
    """One emission. ``for_post``: a POST's number, FOREIGN or NOBODY. ``receivers``: connections
    that it was handed to; with none it was emitted all the same. ``payload``: its shape."""

    number: int
    code: str = field(repr=False)
    for_post: int | str
    emitted_ms: int
    receivers: int
    payload: str


@dataclass(slots=True)
class ReadingEntry:
    """One GET, with what it said. ``status`` None: no answer was given, and ``ended`` says how."""

    number: int
    code: str = field(repr=False)
    read_ms: int
    request_id: str | None
    fault: str = "none"
    status: int | None = None
    ended: str = "open"
    cv_path: str | None = None
    cv_status: str | None = None
    cv_enhance_status: str | None = None


@dataclass(slots=True)
class SocketEntry:
    """``what``: ``connected`` · ``disconnected`` · ``refused`` · ``joined`` · ``kicked`` ·
    ``dropped`` · ``restarted`` · ``paused`` · ``resumed`` · ``deafened``."""

    number: int
    at_ms: int
    what: str
    detail: str = ""


Entry = PostEntry | ForeignEntry | JobEntry | EventEntry | ReadingEntry | SocketEntry


class Ledger:
    """``watch`` is called at every change with a word for it and the entry that changed."""

    def __init__(self, watch: Callable[[str, Entry], None] | None = None) -> None:
        self._watch = watch
        self._waiting: set[asyncio.Future[None]] = set()
        self.entries: list[Entry] = []
        self._posts: dict[int, PostEntry] = {}
        self._last = 0

    def next_number(self) -> int:
        self._last += 1
        return self._last

    def add(self, what: str, entry: Entry) -> None:
        self.entries.append(entry)
        if isinstance(entry, PostEntry):
            self._posts[entry.number] = entry
        self.changed(what, entry)

    def changed(self, what: str, entry: Entry) -> None:
        if self._watch is not None:
            self._watch(what, entry)
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def clear(self) -> None:
        """Numbers go on from where they were: none is given twice."""
        self.entries.clear()
        self._posts.clear()

    async def until(self, holds: Callable[[Ledger], Found], *, seconds: float = 10) -> Found:
        """What ``holds`` gives, once that is true. Raises TimeoutError after ``seconds``."""
        async with asyncio.timeout(seconds):
            while not (found := holds(self)):
                future = asyncio.get_running_loop().create_future()
                self._waiting.add(future)
                try:
                    await future
                finally:
                    self._waiting.discard(future)
            return found

    def post(self, number: int) -> PostEntry:
        """Raises KeyError."""
        return self._posts[number]

    def posts(self, code: str | None = None) -> list[PostEntry]:
        """Of one code, or all, in order of receipt; the same holds for those below."""
        return [e for e in self._of(code) if isinstance(e, PostEntry)]

    def foreign(self, code: str | None = None) -> list[ForeignEntry]:
        return [e for e in self._of(code) if isinstance(e, ForeignEntry)]

    def jobs(self, code: str | None = None) -> list[JobEntry]:
        return [e for e in self._of(code) if isinstance(e, JobEntry)]

    def events(self, code: str | None = None) -> list[EventEntry]:
        return [e for e in self._of(code) if isinstance(e, EventEntry)]

    def readings(self, code: str | None = None) -> list[ReadingEntry]:
        return [e for e in self._of(code) if isinstance(e, ReadingEntry)]

    def sockets(self) -> list[SocketEntry]:
        return [e for e in self.entries if isinstance(e, SocketEntry)]

    def emitted_for_post(self, number: int) -> list[EventEntry]:
        """The events that this very POST caused, hostile ones too."""
        return [e for e in self.events() if e.for_post == number]

    def dispatched_for_post(self, number: int) -> list[JobEntry]:
        return [e for e in self.jobs() if e.for_post == number]

    def _of(self, code: str | None) -> Iterator[Entry]:
        for entry in self.entries:
            if code is None or (not isinstance(entry, SocketEntry) and entry.code == code):
                yield entry

    def as_json(self) -> dict[str, object]:
        """``{"now_ms", "codes": {code: {"posts", "foreign", "jobs", "events", "readings"}},
        "sockets"}``. A post also has ``applied``, ``emitted_for_post`` and ``emitted_ms``."""
        kinds: list[tuple[type[Entry], str]] = [
            (PostEntry, "posts"),
            (ForeignEntry, "foreign"),
            (JobEntry, "jobs"),
            (EventEntry, "events"),
            (ReadingEntry, "readings"),
        ]
        emitted: dict[int | str, list[int]] = {}
        for event in self.events():
            emitted.setdefault(event.for_post, []).append(event.emitted_ms)
        codes: dict[str, dict[str, list[dict[str, object]]]] = {}
        for entry in self.entries:
            for kind, plural in kinds:
                if isinstance(entry, kind) and not isinstance(entry, SocketEntry):
                    row = asdict(entry)
                    row.pop("code")
                    if isinstance(entry, PostEntry):
                        times = emitted.get(entry.number, [])
                        row |= {"applied": entry.applied, "emitted_for_post": len(times)}
                        row["emitted_ms"] = times
                    empty: dict[str, list[dict[str, object]]] = {name: [] for _, name in kinds}
                    codes.setdefault(entry.code, empty)[plural].append(row)
        return {
            "now_ms": now_ms(),
            "codes": codes,
            "sockets": [asdict(entry) for entry in self.sockets()],
        }
