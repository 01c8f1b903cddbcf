"""Which alerts a log would have raised, played over its lines in order, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, assert_never

from listener.core.alarms import (
    Absent,
    Condition,
    Counted,
    Lines,
    Share,
    Stays,
    Unended,
    Without,
)
from listener.core.alerts import ALERTS, Alert

from .reading import Line as ReadLine

Line = Mapping[str, Any]

SLOTS = 60
"""Into so many parts a window is cut where what happened in it is counted."""
REPLICAS = 64
"""So many daemons are told apart in one log; further ones count as one."""
JUDGED_MS = 1_000
"""How often, in the time of the lines, what changes by time alone is looked at."""
STEP_MS, STEPS = 30_000, 1_000
"""How finely a silence is looked at, and into how many parts a long one is cut at most."""
KEPT = 1_000
"""So many firings are kept; of the later ones the number alone."""


@dataclass(slots=True)
class Firing:
    """An alert from ``began_ms`` to ``ended_ms``, None where it holds at the end."""

    alert: Alert
    replica: str
    began_ms: int
    ended_ms: int | None = None


class Watched(Protocol):
    """One condition over one daemon's lines."""

    def see(self, at_ms: int, line: Line) -> None:
        """One line more."""
        ...

    def since(self, now_ms: int) -> int | None:
        """Since when the condition holds; None where it does not."""
        ...


class _Replica:
    """One daemon's conditions, and which of them hold."""

    def __init__(self, conditions: Sequence[Condition]) -> None:
        self.watched = [_watched(condition) for condition in conditions]
        self.firing: dict[int, Firing] = {}
        self.judged_ms = 0


class AlertPlay:
    """``line`` for each line that is ``asked_for``, in order; then ``until`` and ``firings``. A
    line that is older than the one before counts as of its time."""

    def __init__(self, alerts: Sequence[Alert] = ALERTS) -> None:
        shown = [(alert, alert.log) for alert in alerts if alert.log is not None]
        self._alerts = [alert for alert, _ in shown]
        self._conditions = [condition for _, condition in shown]
        self._by_event: dict[str, list[int]] = {}
        for number, condition in enumerate(self._conditions):
            for event in events_of(condition):
                self._by_event.setdefault(event, []).append(number)
        self._replicas: dict[str, _Replica] = {}
        self._now_ms = 0
        self._firings: list[Firing] = []
        self.counts: dict[str, int] = {}
        """How often each fired, by its name."""

    @property
    def asked_for(self) -> frozenset[str]:
        """The events whose lines matter."""
        return frozenset(self._by_event)

    def takes(self) -> Mapping[str, Callable[[ReadLine], None]]:
        """As an account's taker: the lines that matter."""

        def take(line: ReadLine) -> None:
            self.line(line.at_ms, line.fields)

        return dict.fromkeys(self.asked_for, take)

    def line(self, at_ms: int, line: Line) -> None:
        """One line: its timestamp, and its fields."""
        self.until(at_ms)
        name = str(line.get("replica", ""))
        if name not in self._replicas and len(self._replicas) >= REPLICAS:
            name = next(reversed(self._replicas))
        replica = self._replicas.get(name)
        if replica is None:
            replica = self._replicas[name] = _Replica(self._conditions)
        concerned = self._by_event.get(str(line.get("event")), [])
        for number in concerned:
            replica.watched[number].see(self._now_ms, line)
        self._judge(name, replica, concerned)

    def until(self, now_ms: int) -> None:
        """So late it is: what is due by time alone fires, and what is over by time alone ends."""
        if self._now_ms:
            # What ends in a long silence ends in it, and not at its end.
            step_ms = max(STEP_MS, (now_ms - self._now_ms) // STEPS)
            while self._now_ms + step_ms < now_ms:
                self._pass(self._now_ms + step_ms)
        if now_ms > self._now_ms:
            self._pass(now_ms)

    def _pass(self, now_ms: int) -> None:
        self._now_ms = now_ms
        for name, replica in self._replicas.items():
            if now_ms - replica.judged_ms >= JUDGED_MS:
                replica.judged_ms = now_ms
                self._judge(name, replica, range(len(self._conditions)))

    def firings(self) -> list[Firing]:
        """All so far, in the order in which they began; the first ``KEPT``."""
        return sorted(self._firings, key=lambda one: one.began_ms)

    def _judge(self, name: str, replica: _Replica, concerned: Iterable[int]) -> None:
        for number in concerned:
            since = replica.watched[number].since(self._now_ms)
            firing = replica.firing.get(number)
            if since is None and firing is not None:
                firing.ended_ms = self._now_ms
                del replica.firing[number]
            elif since is not None and firing is None:
                alert = self._alerts[number]
                firing = replica.firing[number] = Firing(alert, name, since)
                self.counts[alert.name] = self.counts.get(alert.name, 0) + 1
                if len(self._firings) < KEPT:
                    self._firings.append(firing)


def events_of(condition: Condition) -> frozenset[str]:
    """The events whose lines it looks at."""
    match condition:
        case Counted(lines, _, _):
            return frozenset(one.event for one in lines)
        case Share(lines, of, _, _, _):
            return frozenset({lines.event, of.event})
        case Without(lines, _, expected, _, _):
            return frozenset({lines.event, expected.event})
        case Stays(event, _, _, _) | Absent(event, _):
            return frozenset({event})
        case Unended(begins, ends, _, _):
            return frozenset({begins.event, *ends})
        case _:
            assert_never(condition)


def _watched(condition: Condition) -> Watched:
    match condition:
        case Counted():
            return _Counted(condition)
        case Share():
            return _Share(condition)
        case Without():
            return _Without(condition)
        case Stays():
            return _Stays(condition)
        case Unended():
            return _Unended(condition)
        case Absent():
            return _Absent(condition)
        case _:
            assert_never(condition)


def matches(lines: Lines, line: Line) -> bool:
    """Whether a line is one of these."""
    if line.get("event") != lines.event:
        return False
    if any(line.get(name) not in words for name, words in lines.where):
        return False
    if lines.at_least is None:
        return True
    name, least = lines.at_least
    return _number(line.get(name)) >= least


def _number(value: object) -> float:
    return value if isinstance(value, int | float) else float("-inf")


class _Counted:
    def __init__(self, condition: Counted) -> None:
        self._condition = condition
        self._last: deque[int] = deque(maxlen=condition.at_least)

    def see(self, at_ms: int, line: Line) -> None:
        if any(matches(lines, line) for lines in self._condition.lines):
            self._last.append(at_ms)

    def since(self, now_ms: int) -> int | None:
        full = len(self._last) == self._condition.at_least
        if full and self._last[0] > now_ms - self._condition.within_s * 1_000:
            return self._last[-1]
        return None


class _Share:
    def __init__(self, condition: Share) -> None:
        self._condition = condition
        self._slot_ms = max(1, condition.within_s * 1_000 // SLOTS)
        self._slots: deque[list[int]] = deque(maxlen=SLOTS + 1)
        self._at_ms = 0

    def see(self, at_ms: int, line: Line) -> None:
        if not matches(self._condition.of, line):
            return
        number = at_ms // self._slot_ms
        if not self._slots or self._slots[-1][0] != number:
            self._slots.append([number, 0, 0])
        self._slots[-1][1] += 1
        self._slots[-1][2] += matches(self._condition.lines, line)
        self._at_ms = at_ms

    def since(self, now_ms: int) -> int | None:
        oldest = now_ms // self._slot_ms - SLOTS
        while self._slots and self._slots[0][0] <= oldest:
            self._slots.popleft()
        among = sum(slot[1] for slot in self._slots)
        part = sum(slot[2] for slot in self._slots)
        wanted = self._condition
        if among >= wanted.among and part >= wanted.at_least * among:
            return self._at_ms
        return None


class _Without:
    def __init__(self, condition: Without) -> None:
        self._condition = condition
        self._counted = _Counted(
            Counted((condition.lines,), condition.at_least, condition.within_s)
        )
        self._expected_ms: int | None = None
        self._since_ms: int | None = None

    def see(self, at_ms: int, line: Line) -> None:
        self._counted.see(at_ms, line)
        if matches(self._condition.expected, line):
            self._expected_ms = at_ms

    def since(self, now_ms: int) -> int | None:
        late = now_ms - self._condition.within_s * 1_000
        came = self._expected_ms is not None and self._expected_ms > late
        if came or self._counted.since(now_ms) is None:
            self._since_ms = None
        elif self._since_ms is None:
            self._since_ms = now_ms
        return _due(self._since_ms, self._condition.for_s, now_ms)


class _Stays:
    def __init__(self, condition: Stays) -> None:
        self._condition = condition
        self._since_ms: int | None = None

    def see(self, at_ms: int, line: Line) -> None:
        wanted = self._condition
        if line.get("event") != wanted.event:
            return
        if _number(line.get(wanted.field)) < wanted.at_least:
            self._since_ms = None
        elif self._since_ms is None:
            self._since_ms = at_ms

    def since(self, now_ms: int) -> int | None:
        return _due(self._since_ms, self._condition.for_s, now_ms)


class _Unended:
    def __init__(self, condition: Unended) -> None:
        self._condition = condition
        self._begun: dict[str, int] = {}

    def see(self, at_ms: int, line: Line) -> None:
        wanted = self._condition
        if line.get("event") in wanted.ends:
            by = line.get(wanted.by)
            if by is None:
                self._begun.clear()
            self._begun.pop(str(by), None)
        elif matches(wanted.begins, line) and len(self._begun) < REPLICAS:
            self._begun.setdefault(str(line.get(wanted.by)), at_ms)

    def since(self, now_ms: int) -> int | None:
        return _due(min(self._begun.values(), default=None), self._condition.for_s, now_ms)


class _Absent:
    def __init__(self, condition: Absent) -> None:
        self._condition = condition
        self._last_ms: int | None = None

    def see(self, at_ms: int, line: Line) -> None:
        if line.get("event") == self._condition.event:
            self._last_ms = at_ms

    def since(self, now_ms: int) -> int | None:
        return _due(self._last_ms, self._condition.for_s, now_ms)


def _due(since_ms: int | None, for_s: int, now_ms: int) -> int | None:
    if since_ms is None or now_ms - since_ms < for_s * 1_000:
        return None
    return since_ms + for_s * 1_000
