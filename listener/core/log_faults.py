"""Whether a line of the log is as the catalogue says: for whoever reads logs, and for tests that
hold every line of a run to it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from .catalogue import CATALOGUE, CATALOGUE_VERSION
from .event_spec import EventSpec, Level
from .log_fields import ALWAYS, ANYWHERE
from .log_kinds import KINDS, VOCABULARY, Kind

LOUD = frozenset({Level.WARNING, Level.ERROR, Level.CRITICAL})

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_REF = re.compile(r"cv_[0-9a-f]{12}")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,63}", re.ASCII)


def faults_of(line: Mapping[str, object]) -> list[str]:
    """What is wrong with one line, each in words without any value of it; empty: nothing.

    A line that was cut (``truncated``) may lack what it should have.
    """
    return list(_faults(line))


def _faults(line: Mapping[str, object]) -> Iterator[str]:
    event = line.get("event")
    spec = CATALOGUE.get(event) if isinstance(event, str) else None
    if spec is None:
        yield "event: expected one of the catalogue's, found another"
        return
    name = spec.name
    if tuple(line)[: len(ALWAYS)] != ALWAYS:
        yield f"{name}: expected the fields of every line first, in their order"
    if line.get("v") != CATALOGUE_VERSION:
        yield f"{name}.v: expected {CATALOGUE_VERSION}, found another"
    for field, value in line.items():
        if field not in ALWAYS and field not in ANYWHERE and field not in spec.fields:
            yield f"{name}.{field}: expected a field of its own, found another"
        elif field == "catalogue_miss":
            yield f"{name}.catalogue_miss: the event or a field of it is not in the catalogue"
        elif (wrong := _wrong(field, value)) is not None:
            yield f"{name}.{field}: expected {wrong}, found another"
    yield from _level_faults(spec, line)


def _level_faults(spec: EventSpec, line: Mapping[str, object]) -> Iterator[str]:
    level = spec.level_of(line)
    if line.get("level") != level.value:
        yield f"{spec.name}.level: expected {level.value}, found another"
    if level in LOUD and not line.get("truncated"):
        yield from (
            f"{spec.name}.{field}: expected one, for it is {level.value}; found none"
            for field in ("hint", "runbook")
            if not line.get(field)
        )


def _wrong(field: str, value: object) -> str | None:
    """What was expected of it, None where it is that."""
    kind = KINDS[field]
    if value is None or not _FITS[kind](value):
        return kind.value
    words = VOCABULARY.get(field)
    if words is None:
        return None
    found = set(value) if isinstance(value, Mapping) else {value}
    return None if found <= words else f"one of {', '.join(sorted(words))}"


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _text(value: object) -> bool:
    return isinstance(value, str)


def _is(pattern: re.Pattern[str]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _mapping(holds: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, Mapping) and all(map(holds, value.values()))


def _list(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


_FITS: Mapping[Kind, Callable[[object], bool]] = {
    Kind.TEXT: _text,
    Kind.WORD: _is(_WORD),
    Kind.FLAG: lambda value: isinstance(value, bool),
    Kind.COUNT: _whole,
    Kind.BYTES: _whole,
    Kind.MILLIS: _whole,
    Kind.MILLIS_PART: _number,
    Kind.SECONDS: _number,
    Kind.MOMENT: _is(_MOMENT),
    Kind.ID: _is(_ID),
    Kind.REF: _is(_REF),
    Kind.NUMBER_OR_TEXT: lambda value: _text(value) or _whole(value),
    Kind.WORDS: _list,
    Kind.COUNTS: _mapping(_whole),
    Kind.TEXTS: _mapping(lambda value: True),
}
