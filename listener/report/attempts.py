"""POSTs: how they ended, and how long they took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from .reading import Line
from .sketch import Sketch
from .values import bump, count, word

WAYS = 300


class Attempts:
    """Takes the lines of attempts. ``ways``: by result, detail and HTTP status (0: no reply)."""

    def __init__(self) -> None:
        self.results: Counter[str] = Counter()
        self.ways: Counter[tuple[str, str, int]] = Counter()
        self.took = Sketch()
        self.requeued = 0
        self.declined = 0
        self.retried = 0
        self.joined = 0

    def takes(self) -> Mapping[str, Callable[[Line], None]]:
        """By event."""
        return {
            "attempt.ended": self._end,
            "attempt.declined": self._decline,
            "submission.requeued": self._requeue,
            "submission.retried": self._retry,
            "submission.joined": self._join,
        }

    def _end(self, line: Line) -> None:
        fields = line.fields
        result = word(fields, "result")
        bump(self.results, result, "others", 12)
        way = (result, word(fields, "detail"), count(fields, "http_status") or 0)
        bump(self.ways, way, ("others", "", 0), WAYS)
        took = count(fields, "duration_ms")
        if took is not None:
            self.took.add(took)

    def _decline(self, _: Line) -> None:
        self.declined += 1

    def _requeue(self, _: Line) -> None:
        self.requeued += 1

    def _retry(self, _: Line) -> None:
        self.retried += 1

    def _join(self, _: Line) -> None:
        self.joined += 1
