"""One pass over the lines, into as many accounts as there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import BinaryIO, Protocol

from .attempts import Attempts
from .endings import Endings
from .incidents import Incidents
from .pulse import Pulse
from .reading import Line, Tally, Window, read
from .runs import Runs
from .signs import Signs

ALL = Window()


class Taker(Protocol):
    """Whoever reckons with lines."""

    def takes(self) -> Mapping[str, Callable[[Line], None]]:
        """What is called with each line, by its event; ``*``: with every line. A line comes with
        its fields where somebody takes its event by name, or where it is loud."""
        ...


def give(sources: Iterable[tuple[int, BinaryIO]], window: Window, takers: Sequence[Taker]) -> Tally:
    """Read all, once, and give each line to its takers, in their order."""
    tables = [taker.takes() for taker in takers]
    every = tuple(table["*"] for table in tables if "*" in table)
    events = {event for table in tables for event in table} - {"*"}
    by_event = {
        event: tuple(
            take
            for table in tables
            for take in (table.get("*"), table.get(event))
            if take is not None
        )
        for event in events
    }
    tally = Tally()
    for line in read(sources, events, window, tally):
        for take in by_event.get(line.event, every):
            take(line)
    return tally


class Account:
    """All that the report tells of."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.endings = Endings()
        self.attempts = Attempts()
        self.runs = Runs()
        self.incidents = Incidents(self.runs)
        self.pulse = Pulse()
        self.signs = Signs()

    def read(
        self,
        sources: Iterable[tuple[int, BinaryIO]],
        window: Window = ALL,
        others: Sequence[Taker] = (),
    ) -> None:
        """Take in all, once; ``others`` are given the same lines."""
        mine = (*(self.signs, self.runs, self.endings, self.attempts, self.incidents, self.pulse),)
        self.tally = give(sources, window, [*mine, *others])
