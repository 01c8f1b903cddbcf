"""What began with one line and ended with another: which events pair, and how long each lasted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from heapq import heappush, heapreplace
from typing import Any

from listener.core import incidents
from listener.core.names import GapReason

from .reading import Line, millis
from .runs import Runs
from .values import count, word

SHOWN = 400
"""Incidents that are kept one by one: the longest. Of the others their number and time are."""
OPEN = 2_000
"""That last at the same time."""


@dataclass(frozen=True, slots=True)
class Kind:
    """``pair``: the events that begin and end it. One at a time for each run of the daemon
    (``lasting``: for each replica, over its restarts) and for each value of the field ``of``.
    ``why``: the field that says why, in the first line."""

    name: str
    pair: incidents.Incident
    of: str = ""
    why: str = "reason"
    lasting: bool = False
    grave: bool = False

    @property
    def begins(self) -> tuple[str, ...]:
        """Which events begin it."""
        return self.pair.begins

    @property
    def ends(self) -> tuple[str, ...]:
        """Which events end it."""
        return self.pair.ends


SUBSCRIPTION = "no subscription"
OF_THE_RUN = frozenset({"subscription.established"})
"""What it says of a time is of the deafness before the run's first subscription (``Runs``)."""
KINDS = (
    Kind(SUBSCRIPTION, incidents.SUBSCRIPTION, grave=True),
    Kind("subscription in doubt", incidents.DOUBT),
    Kind("upstream asked for quiet", incidents.QUIET),
    Kind("sending held: upstream fails", incidents.CIRCUIT, grave=True),
    Kind("record not readable", incidents.READINGS),
    Kind("sending paused by command", incidents.PAUSE, lasting=True),
    Kind("handler fails", incidents.HANDLER, of="handler", why="error_type"),
    Kind("spool takes no files", incidents.SPOOL, why="error_type", grave=True),
    Kind("watched folder gone", incidents.WATCH, why="error_type"),
)
"""Every pair of events of the catalogue."""


@dataclass(frozen=True, slots=True)
class Incident:
    """``end_ms`` None: it lasts, as far as the log says. ``cut``: it ended with its run, and not by
    a line of its own. ``missed``: of a lost subscription, whether something may have been missed.
    ``also``: how many further lines spoke of it."""

    kind: Kind
    subject: str
    replica: str
    run_id: str
    start_ms: int
    end_ms: int | None
    why: str
    cut: bool = False
    missed: bool = True
    also: int = 0

    def lasted_ms(self, until_ms: int) -> int:
        """Until its end, or until then."""
        return max(0, (until_ms if self.end_ms is None else self.end_ms) - self.start_ms)


@dataclass(slots=True)
class _Begun:
    kind: Kind
    subject: str
    replica: str
    run_id: str
    start_ms: int
    why: str
    also: int = 0


_Key = tuple[str, str, str]


class Incidents:
    """Takes the lines of ``KINDS``, and the gaps that were settled."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._begun: dict[_Key, _Begun] = {}
        self._past: dict[_Key, tuple[int, int]] = {}
        self._held: list[tuple[int, int, Incident]] = []
        self._serial = 0
        self.counts: Counter[str] = Counter()
        self.lasted: Counter[str] = Counter()
        self.gaps: dict[tuple[str, int, int], str] = {}
        self.touched = 0

    def takes(self) -> Mapping[str, Callable[[Line], None]]:
        """By event."""
        found: dict[str, Callable[[Line], None]] = {"gap.settled": self._settle}
        for kind in KINDS:
            for event in kind.begins:
                found[event] = _bound(self._begin, kind)
            for event in kind.ends:
                found[event] = _bound(self._end, kind)
        return found

    def all(self) -> list[Incident]:
        """Those that are kept, and those that last; in order of their beginning."""
        found = [held for _, _, held in self._held]
        found += [self._unended(begun) for begun in self._begun.values()]
        return sorted(found, key=lambda one: (one.start_ms, one.kind.name, one.subject))

    def number(self, kind: Kind) -> int:
        """How many there were of a kind."""
        return self.counts[kind.name] + sum(b.kind is kind for b in self._begun.values())

    def _unended(self, begun: _Begun) -> Incident:
        run = self._runs.named(begun.run_id)
        over = run is not None and not begun.kind.lasting and self._runs.over(run)
        end = max(begun.start_ms, run.last_ms) if run is not None and over else None
        return Incident(
            *(begun.kind, begun.subject, begun.replica, begun.run_id, begun.start_ms, end),
            *(begun.why, end is not None),
            also=begun.also,
        )

    def _key(self, kind: Kind, line: Line) -> _Key:
        whose = word(line.fields, "replica" if kind.lasting else "run_id")
        return kind.name, whose, word(line.fields, kind.of) if kind.of else ""

    def _begin(self, kind: Kind, line: Line) -> None:
        key = self._key(kind, line)
        begun = self._begun.get(key)
        if begun is not None:
            begun.also += 1
            return
        start = millis(line.fields.get("since")) if kind.lasting else None
        start = line.at_ms if start is None else min(start, line.at_ms)
        past = self._past.get(key)
        if (past is not None and past[0] <= start <= past[1]) or len(self._begun) >= OPEN:
            return
        fields = line.fields
        self._begun[key] = _Begun(
            kind, key[2], word(fields, "replica"), word(fields, "run_id"), start,
            word(fields, kind.why),
        )  # fmt: skip

    def _end(self, kind: Kind, line: Line) -> None:
        key, fields = self._key(kind, line), line.fields
        begun = self._begun.pop(key, None)
        lasted = count(fields, "duration_ms")
        if begun is None and lasted is None:
            return
        start = line.at_ms if begun is None else begun.start_ms
        if lasted is not None:
            # Told by what ends it, and more exactly: it may have begun before it was noticed.
            start = line.at_ms - lasted
        exactly = None if line.event in OF_THE_RUN else _told_exactly(fields, line.at_ms)
        start, end = exactly or (start, line.at_ms)
        why = word(fields, "reason") if begun is None else begun.why
        self._keep(
            Incident(
                *(kind, key[2], word(fields, "replica"), word(fields, "run_id")),
                *(min(start, end), end, why),
                missed=fields.get("recovered") is not True,
                also=0 if begun is None else begun.also,
            )
        )
        if len(self._past) < OPEN:
            self._past[key] = (min(start, end), max(end, line.at_ms))

    def _keep(self, incident: Incident) -> None:
        self._serial += 1
        lasted = incident.lasted_ms(0)
        self.counts[incident.kind.name] += 1
        self.lasted[incident.kind.name] += lasted
        entry = (lasted, -self._serial, incident)
        if len(self._held) < SHOWN:
            heappush(self._held, entry)
        elif entry[:2] > self._held[0][:2]:
            heapreplace(self._held, entry)

    def _settle(self, line: Line) -> None:
        fields = line.fields
        start, end = millis(fields.get("since")), millis(fields.get("until"))
        if start is None or end is None or end < start:
            return
        key = (word(fields, "replica"), start, end)
        if key not in self.gaps:
            self.touched += count(fields, "touched") or 0
            if len(self.gaps) < SHOWN:
                self.gaps[key] = word(fields, "gap_reason")


def _told_exactly(fields: Mapping[str, Any], at_ms: int) -> tuple[int, int] | None:
    """From when to when it lasted, where its last line says so: a line may come later than that. Of
    a deaf subscription it does, for the second connection listened before the first was known to be
    deaf; where lines say no more than how long, it reaches back to the last event heard."""
    since, until = millis(fields.get("since")), millis(fields.get("until"))
    if since is not None and until is not None:
        return (since, until) if since <= until else None
    age, lasted = count(fields, "last_event_age_ms"), count(fields, "duration_ms")
    if word(fields, "reason") != GapReason.DEAF_SUBSCRIPTION or age is None or lasted is None:
        return None
    return at_ms - age, min(at_ms, at_ms - age + lasted)


def _bound(take: Callable[[Kind, Line], None], kind: Kind) -> Callable[[Line], None]:
    return lambda line: take(kind, line)


@dataclass(frozen=True, slots=True)
class Away:
    """A time without a subscription. ``missed``: an event may have been missed in it; otherwise the
    server replayed what came meanwhile, and proved it."""

    replica: str
    start_ms: int
    end_ms: int
    why: str
    missed: bool


def away(told: Incidents, runs: Runs, until_ms: int) -> Iterator[Away]:
    """Each such time, as far as they are kept one by one; what lasts, until then. They overlap."""
    for one in told.all():
        if one.kind.name == SUBSCRIPTION:
            end = until_ms if one.end_ms is None else one.end_ms
            yield Away(one.replica, one.start_ms, end, one.why, one.missed)
    for run, start, end in runs.away():
        yield Away(run.replica, start, end, "started", not run.recovered)
    for (replica, start, end), why in told.gaps.items():
        yield Away(replica, start, end, why, True)
