"""Much in little: quantiles, the greatest few, and amounts over time, each of bounded size.

Each gives the same, in whatever order it was given its values.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

ERROR = 0.01
"""The relative error of a quantile: it lies within 1 % of a value of that rank."""
GREATEST = 10**12
"""In milliseconds some thirty years: what is greater counts as that."""

_GAMMA = (1 + ERROR) / (1 - ERROR)
_LOG_GAMMA = math.log(_GAMMA)

T = TypeVar("T")


class Sketch:
    """Counts of values in buckets whose edges grow by a factor: at most some 1,400 of them.
    ``count``, ``total``, ``least`` and ``most`` are exact."""

    __slots__ = ("_buckets", "_zeros", "count", "least", "most", "total")

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}
        self._zeros = 0
        self.count = 0
        self.total = 0
        self.least = 0
        self.most = 0

    def add(self, value: int) -> None:
        """One value; below 0 counts as 0."""
        value = min(max(value, 0), GREATEST)
        if self.count == 0 or value < self.least:
            self.least = value
        self.most = max(self.most, value)
        self.count += 1
        self.total += value
        if value == 0:
            self._zeros += 1
        else:
            place = math.ceil(math.log(value) / _LOG_GAMMA)
            self._buckets[place] = self._buckets.get(place, 0) + 1

    def merge(self, other: Sketch) -> None:
        """What the other was given, too."""
        if not other.count:
            return
        self.least = min(self.least, other.least) if self.count else other.least
        self.most = max(self.most, other.most)
        self.count += other.count
        self.total += other.total
        self._zeros += other._zeros
        for place, count in other._buckets.items():
            self._buckets[place] = self._buckets.get(place, 0) + count

    def quantile(self, q: float) -> float | None:
        """The value of rank ``ceil(q * count)``, within the error; None of nothing."""
        if not self.count:
            return None
        rank = max(1, math.ceil(q * self.count))
        for value, count in self.values():
            rank -= count
            if rank <= 0:
                return min(max(value, self.least), self.most)
        return float(self.most)

    def values(self) -> Iterator[tuple[float, int]]:
        """(a value, how many are about as great), from the least."""
        if self._zeros:
            yield 0.0, self._zeros
        for place in sorted(self._buckets):
            yield 2 * _GAMMA**place / (_GAMMA + 1), self._buckets[place]


class Top(Generic[T]):
    """The ``most`` greatest of what was given, by its number; of equals, those with the greater
    name."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: list[tuple[float, str, T]] = []

    def takes(self, value: float) -> bool:
        """Whether so great a one may be among them."""
        return len(self._held) < self._most or value >= self._held[0][0]

    def add(self, value: float, name: str, what: T) -> None:
        """``name`` tells one from another, and no two are alike."""
        if any(held[1] == name for held in self._held):
            return
        entry = (value, name, what)
        if len(self._held) < self._most:
            heapq.heappush(self._held, entry)
        elif entry[:2] > self._held[0][:2]:
            heapq.heapreplace(self._held, entry)

    def greatest(self) -> list[T]:
        """The greatest first."""
        return [what for _, _, what in sorted(self._held, key=lambda e: e[:2], reverse=True)]


class Raster:
    """Amounts by time, in ``columns``: ``most`` steps at most, which grow twofold as time does."""

    def __init__(
        self,
        columns: int,
        most: int = 180,
        merge: Callable[[float, float], float] = lambda a, b: a + b,
    ) -> None:
        self._columns = columns
        self._most = most
        self._merge = merge
        self._rows: dict[int, list[float | None]] = {}
        self._low = self._high = 0
        self.step_ms = 1_000

    def add(self, at_ms: int, column: int, amount: float = 1) -> None:
        """Merge an amount into the column at that time."""
        place = at_ms // self.step_ms
        row = self._rows.get(place)
        if row is None:
            place = self._room_for(at_ms)
            row = self._rows.setdefault(place, [None] * self._columns)
        was = row[column]
        row[column] = amount if was is None else self._merge(was, amount)

    def _room_for(self, at_ms: int) -> int:
        place = at_ms // self.step_ms
        if not self._rows:
            self._low = self._high = place
        self._low, self._high = min(self._low, place), max(self._high, place)
        while self._high - self._low >= self._most:
            self.step_ms *= 2
            self._low, self._high = self._low // 2, self._high // 2
            rows, self._rows = self._rows, {}
            for old, row in rows.items():
                held = self._rows.setdefault(old // 2, [None] * self._columns)
                for column, amount in enumerate(row):
                    was = held[column]
                    if amount is not None:
                        held[column] = amount if was is None else self._merge(was, amount)
        return at_ms // self.step_ms

    def over(self, low_ms: int, high_ms: int) -> Over:
        """The steps from the one that has ``low_ms`` to the one that has ``high_ms``, and those
        that were given amounts."""
        first, last = low_ms // self.step_ms, high_ms // self.step_ms
        if self._rows:
            first, last = min(first, self._low), max(last, self._high)
        # Of a time that is much longer than that of the amounts: no more steps for all that.
        together = max(1, -(-(last - first + 1) // (2 * self._most)))
        step_ms = self.step_ms * together
        first, last = first // together, last // together
        columns: list[list[float | None]] = [
            [None] * (last - first + 1) for _ in range(self._columns)
        ]
        for place, row in self._rows.items():
            at = place // together - first
            for steps, amount in zip(columns, row, strict=True):
                was = steps[at]
                if amount is not None:
                    steps[at] = amount if was is None else self._merge(was, amount)
        return Over(first * step_ms, (last + 1) * step_ms, step_ms, columns)


@dataclass(frozen=True, slots=True)
class Over:
    """Amounts over a time: of each column one a step, from ``start_ms`` to ``end_ms``; None:
    nothing was given."""

    start_ms: int
    end_ms: int
    step_ms: int
    columns: list[list[float | None]]


def union_ms(spans: Iterator[tuple[int, int]]) -> int:
    """How long at least one of them lasted."""
    total, until = 0, None
    for start, end in sorted(spans):
        if until is None or start > until:
            total, until = total + max(0, end - start), max(end, start)
        elif end > until:
            total, until = total + end - until, end
    return total
