"""What the log's catalogue says of one event.

Levels: INFO a change of state · WARNING heals itself, watch the rate · ERROR one submission needs a
person · CRITICAL the daemon cannot keep its promise · DEBUG detail, off by default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .reasons import Words, find


class Level(StrEnum):
    """How loud an event is."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class EventSpec:
    """One event. ``levels_by`` (a field's name and a map from its values) overrides ``level``;
    ``words``, by the fields that they stand in, say better than ``what_to_do`` what to do.
    ``since``: the catalogue's version that had it first."""

    name: str
    level: Level
    meaning: str
    fields: tuple[str, ...] = ()
    what_to_do: str = ""
    levels_by: tuple[str, Mapping[str, Level]] | None = None
    words: Mapping[str, Words] = field(default_factory=dict)
    since: int = 1
    limited_by: tuple[str, ...] = ()
    """Of lines that are alike in these fields some are written in a minute; the next one after that
    says in ``suppressed`` how many were not. Empty: each is written."""

    def level_of(self, fields: Mapping[str, object]) -> Level:
        """The level of one line."""
        if self.levels_by is None:
            return self.level
        name, levels = self.levels_by
        word = fields.get(name)
        return levels.get(word, self.level) if isinstance(word, str) else self.level

    def hint_of(self, fields: Mapping[str, object]) -> str:
        """What to do about one line: by its reason, where that says it."""
        found = [find(words, fields.get(name)) for name, words in self.words.items()]
        return next((one.what_to_do for one in found if one and one.what_to_do), self.what_to_do)

    def levels(self) -> frozenset[Level]:
        """Every level that it can have."""
        return frozenset({self.level, *(self.levels_by[1].values() if self.levels_by else ())})
