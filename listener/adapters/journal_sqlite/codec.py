"""The core's values as JSON text, and back.

Fields that are None are left out. Reading takes rows of other versions: a missing field gets its
default, an unknown one is ignored; a value of the wrong type is a fault. So a field that is added
to the core needs a default, and a default that changes its meaning needs a migration.

pydantic-core does this in about 5 µs out and 9 µs in for a submission of one attempt; orjson with
hand-written constructors took 5 µs out and more than twice that in, and checked nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum
from typing import TypeVar

import orjson
from pydantic import TypeAdapter, ValidationError

from listener.core.errors import JournalDamaged
from listener.core.facts import Fact
from listener.core.names import Millis
from listener.core.submission import Lane, Submission

Word = TypeVar("Word", bound=StrEnum)

_SUBMISSION = TypeAdapter(Submission)
_LANE = TypeAdapter(Lane)
_WITHOUT_SUBMISSIONS = {"submissions"}


def encode_submission(submission: Submission) -> str:
    """Raises ValueError for text that is not UTF-8 (a lone surrogate)."""
    return _SUBMISSION.dump_json(submission, exclude_none=True).decode()


def decode_submission(doc: str) -> Submission:
    """Raises JournalDamaged for a row that is no submission."""
    try:
        return _SUBMISSION.validate_json(doc, strict=True)
    except ValidationError as error:
        raise _invalid("submission", error) from None


def encode_lane(lane: Lane) -> str:
    """The lane's own fields; its submissions have their own rows."""
    return _LANE.dump_json(lane, exclude=_WITHOUT_SUBMISSIONS, exclude_none=True).decode()


def decode_lane(doc: str, submissions: tuple[Submission, ...]) -> Lane:
    """Raises JournalDamaged for a row that is no lane."""
    try:
        lane = _LANE.validate_json(doc, strict=True)
    except ValidationError as error:
        raise _invalid("lane", error) from None
    return replace(lane, submissions=submissions)


def encode_facts(facts: Iterable[Fact]) -> str:
    """A JSON array of [event, fact] pairs. Raises ValueError as above."""
    try:
        return orjson.dumps([(fact.event, fact) for fact in facts]).decode()
    except orjson.JSONEncodeError as error:
        raise ValueError(str(error)) from None


def decode_facts(body: str, submission_id: str) -> list[tuple[Millis, str, str]]:
    """Those of one submission, as the port's ``facts_of`` gives them. Raises JournalDamaged."""
    try:
        return [
            (Millis(fact["at_ms"]), event, orjson.dumps(fact).decode())
            for event, fact in orjson.loads(body)
            if fact["submission_id"] == submission_id
        ]
    except (ValueError, TypeError, LookupError):
        raise unreadable(f"list of facts of submission {submission_id}", "its form") from None


def decode_row(body: str, sequence: int) -> list[tuple[int, Millis, str, str, str]]:
    """Of one row, each fact of a submission: place, at_ms, event, submission's id, JSON of the
    fact. Raises JournalDamaged."""
    try:
        return [
            (
                place,
                Millis(fact["at_ms"]),
                event,
                fact["submission_id"],
                orjson.dumps(fact).decode(),
            )
            for place, (event, fact) in enumerate(orjson.loads(body))
            if fact["submission_id"] is not None
        ]
    except (ValueError, TypeError, LookupError):
        raise unreadable(f"list of facts {sequence}", "its form") from None


def encode_headers(headers: Iterable[tuple[str, str]]) -> str:
    """A JSON array of [name, value] pairs. Raises ValueError as above."""
    try:
        return orjson.dumps(tuple(headers)).decode()
    except orjson.JSONEncodeError as error:
        raise ValueError(str(error)) from None


def decode_headers(text: str, submission_id: str) -> tuple[tuple[str, str], ...]:
    """Raises JournalDamaged for anything else."""
    try:
        return tuple((str(name), str(value)) for name, value in orjson.loads(text))
    except (ValueError, TypeError):
        raise unreadable(f"reply to submission {submission_id}", "its headers") from None


def decode_word(kind: type[Word], text: str) -> Word:
    """Raises JournalDamaged for a word that is not one of its kind."""
    try:
        return kind(text)
    except ValueError:
        raise unreadable(kind.__name__.lower(), "a word that is none") from None


def unreadable(what: str, where: str) -> JournalDamaged:
    """``where`` names no value: it may be personal."""
    return JournalDamaged(
        f"expected a row of the journal that can be read as a {what}, found one that cannot "
        f"(at {where}); restore the journal from a backup, or run the version that wrote it"
    )


def _invalid(what: str, error: ValidationError) -> JournalDamaged:
    """Names the fields."""
    fields = [".".join(map(str, e["loc"])) or e["type"] for e in error.errors()[:3]]
    return unreadable(what, ", ".join(fields))
