"""Whether an update is to be sent again by hand: what has changed since it closed. Pure.

A retry is a new submission: the upstream deletes the stored file, stores this one, and dispatches
both of its paid jobs again. So what speaks for the first having been applied, or for a newer one
being what should stand, must be overruled by a person.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .evidence import Reading
from .names import Millis, Movement, Objection, Outcome, State, SubmissionId, UpstreamJob
from .standing import baseline_of, movement_of, possibly_sent
from .submission import Lane, Submission
from .view import rfc3339

_APPLIED = frozenset({Outcome.CONFIRMED, Outcome.PRESUMED})


@dataclass(frozen=True, slots=True)
class Drift:
    """What is known now. ``reading``: the record as read for this question, None where there is
    nothing to hold it against. ``newer``: what was accepted for the same code since."""

    at_ms: Millis
    reading: Reading | None = None
    newer: tuple[Submission, ...] = ()


def worth_reading(submission: Submission) -> bool:
    """Whether a reading of a closed one could tell anything: it has a baseline, which only what was
    possibly sent has, and the record was known then."""
    baseline = baseline_of(submission)
    return baseline is not None and baseline.known


def movement(submission: Submission, drift: Drift) -> Movement:
    """The record now, against the baseline of then."""
    if drift.reading is None:
        return Movement.INCOMPARABLE
    return movement_of(submission, drift.reading)


def evidence(submission: Submission, drift: Drift) -> list[str]:
    """What speaks for its having been applied, in stable words. A record that moved speaks for
    nothing where a newer update of ours may have moved it."""
    words: list[str] = []
    if submission.outcome in _APPLIED:
        words.append(str(submission.outcome))
    moved = movement(submission, drift) is Movement.MOVED
    if moved and not any(map(possibly_sent, drift.newer)):
        words.append("record_moved")
    return words


def objection(submission: Submission, drift: Drift) -> Objection | None:
    """Why it is not sent again, the gravest first; None: nothing speaks against it."""
    if submission.state is not State.CLOSED:
        return Objection.STILL_OPEN
    if evidence(submission, drift):
        return Objection.EVIDENCE_IMPROVED
    return _newer(drift)


def _newer(drift: Drift) -> Objection | None:
    """One that is open will be applied, one that was possibly sent may have been."""
    if any(s.state is not State.CLOSED or possibly_sent(s) for s in drift.newer):
        return Objection.NEWER_UPDATE
    return None


def objection_in(lane: Lane, retry_of: SubmissionId, at_ms: Millis) -> Objection | None:
    """The same by what the lane remembers alone, at the moment of acceptance. It remembers in
    which order it took them; of one that it forgot, all that it holds beyond its id came later."""
    rows = lane.submissions
    for place, old in enumerate(rows, 1):
        if old.id == retry_of:
            return objection(old, Drift(at_ms, newer=rows[place:]))
    return _newer(Drift(at_ms, newer=tuple(s for s in rows if s.id > retry_of)))


def newer_than(old: Submission, submissions: Iterable[Submission]) -> tuple[Submission, ...]:
    """Those of these that were accepted after it. An id is given as an upload begins: a slow one
    may be accepted after one whose id is higher."""
    accepted = (old.created_ms, old.id)
    return tuple(s for s in submissions if (s.created_ms, s.id) > accepted)


def shown(submission: Submission, drift: Drift) -> dict[str, Any]:
    """The public form of what has changed. Holds no cv_code."""
    reading = drift.reading
    known = reading is not None and reading.known
    closed_ms = submission.closed_ms
    return {
        "at": rfc3339(drift.at_ms),
        "closed_ms_ago": None if closed_ms is None else max(0, drift.at_ms - closed_ms),
        "record": movement(submission, drift).value,
        "status": reading.status if reading and known else None,
        "enhance_status": reading.enhance_status if reading and known else None,
        "evidence": evidence(submission, drift),
        "newer": [
            {
                "id": newer.id,
                "state": newer.state.value,
                "outcome": None if newer.outcome is None else newer.outcome.value,
                "retry_of": newer.retry_of,
                "created_at": rfc3339(newer.created_ms),
            }
            for newer in drift.newer
        ],
    }


REDISPATCHED = tuple(job.value for job in UpstreamJob)
"""What the upstream does again for every update that it applies."""
