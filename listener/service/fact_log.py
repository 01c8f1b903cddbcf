"""Facts become log lines: one fact, one line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from enum import Enum

from listener.core.facts import (
    AttributionChanged,
    Fact,
    SubmissionClosed,
    SubmissionCorrected,
)
from listener.core.names import CvCode, SubmissionId
from listener.core.submission import Submission
from listener.core.view import canonical, rfc3339
from listener.ports.log import Log

_TOLD_BY_EVENT = {"at_ms", "submission_id"}


def tell(
    log: Log, code: CvCode, facts: Iterable[Fact], changed: Mapping[SubmissionId, Submission]
) -> None:
    """Write the lines of one decision. ``changed`` gives the canonical line its timings."""
    ref = log.ref(code)
    for fact in facts:
        values: dict[str, object] = {
            field.name: _plain(getattr(fact, field.name), field.name)
            for field in fields(fact)
            if field.name not in _TOLD_BY_EVENT
        }
        subject = changed.get(fact.submission_id) if fact.submission_id else None
        if subject is not None and isinstance(fact, SubmissionClosed | SubmissionCorrected):
            # The fact has the last word: a correction of the same decision is not in it yet.
            values = {key: _plain(v, key) for key, v in canonical(subject).items()} | values
        if subject is not None and isinstance(fact, AttributionChanged):
            values["submission_version"] = subject.version
        log.emit(fact.event, submission_id=fact.submission_id, cv_ref=ref, **values)


def retell(log: Log, code: CvCode, submission: Submission) -> None:
    """The canonical line again, for a close whose line a crash may have taken."""
    values = {key: _plain(value, key) for key, value in canonical(submission).items()}
    log.emit(
        SubmissionClosed.event,
        submission_id=submission.id,
        cv_ref=log.ref(code),
        repeated=True,
        **values,
    )


def _plain(value: object, name: str) -> object:
    if isinstance(value, Enum):
        return value.value
    if name in ("until", "retry_at") and isinstance(value, int):
        return rfc3339(value)
    # A reading that succeeded has no word for how it failed.
    return None if value == "" else value
