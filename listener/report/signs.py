"""What is loud in a log, and how the log itself fares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from listener.core.catalogue import CATALOGUE
from listener.core.event_spec import EventSpec, Level
from listener.core.reasons import find

from .reading import LOUD, Line
from .values import bump, count, word

EVENTS = 300
WORDS = 40
_RANK = {level.value: rank for rank, level in enumerate(Level)}


@dataclass(slots=True)
class Loud:
    """Lines of warning and above of one event and level. ``words``: the stable words that say why,
    by their field."""

    event: str
    level: str
    count: int = 0
    first_ms: int = 0
    last_ms: int = 0
    words: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def spec(self) -> EventSpec | None:
        """None: this version's catalogue has no such event."""
        return CATALOGUE.get(self.event)

    @property
    def what_to_do(self) -> str:
        """As the catalogue says of the event."""
        return self.spec.what_to_do if self.spec else ""

    def reasons(self, most: int = 4) -> list[tuple[str, int, str, str]]:
        """(word, how many, what it means, what to do), the most frequent first."""
        found = []
        for (name, said), number in self.words.most_common(most):
            reason = find(self.spec.words[name], said) if self.spec else None
            meaning, todo = (reason.meaning, reason.what_to_do) if reason else ("", "")
            found.append((said, number, meaning, todo))
        return found


class Signs:
    """Takes every line. ``dropped``: lines that the daemon could not write. ``suppressed``: like
    lines that it held back. ``shortened``: lines of which something was left out. ``misses``: what
    its own catalogue did not have."""

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        self.loud: dict[tuple[str, str], Loud] = {}
        self.levels: Counter[str] = Counter()
        self.dropped = 0
        self.suppressed = 0
        self.shortened = 0
        self.misses = 0

    def takes(self) -> Mapping[str, Callable[[Line], None]]:
        """All."""
        return {"*": self._see}

    def loudest(self) -> list[Loud]:
        """The gravest level first, then the most frequent."""
        return sorted(self.loud.values(), key=lambda o: (-_RANK.get(o.level, 9), -o.count, o.event))

    @property
    def kinds(self) -> int:
        """How many events were loud."""
        return len({event for event, _ in self.loud})

    def _see(self, line: Line) -> None:
        event = line.event
        if event in self.events:
            self.events[event] += 1
        else:
            bump(self.events, event, "others", EVENTS)
        if not (fields := line.fields):
            return
        if "truncated" in fields:
            self.shortened += 1
        if "catalogue_miss" in fields:
            self.misses += 1
        if line.level in LOUD:
            self._hear(line)

    def _hear(self, line: Line) -> None:
        fields, level = line.fields, line.level
        self.levels[level] += 1
        self.dropped += (count(fields, "dropped") or 0) if line.event == "log.dropped" else 0
        self.suppressed += count(fields, "suppressed") or 0
        known = (line.event, level) in self.loud or len(self.loud) < EVENTS
        event = line.event if known else "others"
        loud = self.loud.get((event, level))
        if loud is None:
            loud = self.loud[event, level] = Loud(event, level, 0, line.at_ms, line.at_ms)
        loud.count += 1
        loud.first_ms, loud.last_ms = min(loud.first_ms, line.at_ms), max(loud.last_ms, line.at_ms)
        for name in loud.spec.words if loud.spec else ():
            if said := word(fields, name):
                bump(loud.words, (name, said), (name, "others"), WORDS)
