"""What a line of the log must be, or lines together, for an alert to fire: as data.

``docs/alerts.py`` writes Loki's rules of it, and ``listener/report/alerts.py`` plays it over lines
that are there already. All counting is by ``replica``: two daemons alert apart.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of one event. ``where``: (field, the words of which it must be one).
    ``at_least``: (field, number that it must reach)."""

    event: str
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    at_least: tuple[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """So many of any of these within the last ``within_s``."""

    lines: tuple[Lines, ...]
    at_least: int
    within_s: int


@dataclass(frozen=True, slots=True)
class Share:
    """Of ``of``, of which there were ``among`` or more within the last ``within_s``, that part
    (from 0 to 1) was also ``lines``."""

    lines: Lines
    of: Lines
    at_least: float
    among: int
    within_s: int


@dataclass(frozen=True, slots=True)
class Without:
    """So many of ``lines`` within the last ``within_s``, and in all that time none of
    ``expected``; and so it has been for ``for_s``: the first of them need their time, too."""

    lines: Lines
    at_least: int
    expected: Lines
    within_s: int
    for_s: int


@dataclass(frozen=True, slots=True)
class Stays:
    """The field of the event's lines has been so high, in each of them, for ``for_s``. A line
    without the field is below."""

    event: str
    field: str
    at_least: float
    for_s: int


@dataclass(frozen=True, slots=True)
class Unended:
    """After ``begins`` none of ``ends`` came for ``for_s``. ``by``: the field whose words are each
    counted apart; an end without that field ends all."""

    begins: Lines
    ends: tuple[str, ...]
    for_s: int
    by: str = ""


@dataclass(frozen=True, slots=True)
class Absent:
    """No such line for ``for_s``, after there was one."""

    event: str
    for_s: int


Condition = Counted | Share | Without | Stays | Unended | Absent
