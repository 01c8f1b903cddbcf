"""What the journal says of gaps."""

from __future__ import annotations

from dataclasses import dataclass, field

from listener.core.evidence import Gap
from listener.core.names import Millis, Outcome


@dataclass(frozen=True, slots=True)
class GapAccount:
    """What a gap touched, and what became of it: ``became`` counts submissions that are closed, by
    outcome, ``open`` those that are not.

    A gap touches a submission whose window meets it, by an end too: from the beginning of the first
    attempt possibly sent to its first close, or to this day while it is open. An attempt under way
    counts until it proves not sent. What corrects a submission later does not lengthen its window.
    """

    became: dict[Outcome, int] = field(default_factory=dict)
    open: int = 0

    @property
    def touched(self) -> int:
        """How many submissions."""
        return self.open + sum(self.became.values())


@dataclass(frozen=True, slots=True)
class GapRow:
    """A gap as stored; ``number`` grows from one to the next. ``settled_ms``: since when its
    account stands. Until then the account is what the submissions say at the moment of asking."""

    number: int
    gap: Gap
    account: GapAccount
    settled_ms: Millis | None = None
