"""The public form of a submission: what API, CLI, log and handlers show. Holds no cv_code."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from .names import Millis, Movement, Outcome, State, UpstreamJob, Verdict, WaitingFor
from .standing import accepted, baseline_of, movement_of, possibly_sent, sendable
from .submission import Lane, Submission

OUTCOME_VARIABLES = {
    "id": "CV_OUTCOME_ID",
    "version": "CV_OUTCOME_VERSION",
    "cv_ref": "CV_OUTCOME_CV_REF",
    "outcome": "CV_OUTCOME",
    "outcome_before": "CV_OUTCOME_BEFORE",
    "attribution": "CV_OUTCOME_ATTRIBUTION",
    "late": "CV_OUTCOME_LATE",
    "reason": "CV_OUTCOME_REASON",
    "enhancement": "CV_OUTCOME_ENHANCEMENT",
    "analysis": "CV_OUTCOME_ANALYSIS",
    "attempts": "CV_OUTCOME_ATTEMPTS",
    "deaf_ms": "CV_OUTCOME_DEAF_MS",
    "retry_of": "CV_OUTCOME_RETRY_OF",
    "created_at": "CV_OUTCOME_CREATED_AT",
    "closed_at": "CV_OUTCOME_CLOSED_AT",
    "corrected_at": "CV_OUTCOME_CORRECTED_AT",
}
"""What a program of the user's finds in its environment, by field of the public form, verdicts by
the job's name. They are no settings."""

EVIDENCE = (
    *("event", "replayed_event", "record_left_processing", "upstream_failed"),
    *("record_processing", "refused_but_heard"),
)
"""All that a verdict can rest on, strongest first."""
NO_EVIDENCE = "none"


def rfc3339(at_ms: int | None) -> str | None:
    """``2026-01-31T12:00:00.000Z``, or None."""
    if at_ms is None:
        return None
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at_ms % 1000:03d}Z"


def verdicts(submission: Submission) -> dict[UpstreamJob, tuple[Verdict, list[str]]]:
    """What is known of each job's dispatch, with the evidence for it (DESIGN section 3).

    The event comes after both dispatches, so it speaks for both. The record's ``processing`` comes
    before them, so alone it only indicates. A job that left ``processing`` ran.
    """
    return {job: _verdict(submission, job) for job in UpstreamJob}


def _verdict(submission: Submission, job: UpstreamJob) -> tuple[Verdict, list[str]]:
    evidence: list[str] = []
    heard = submission.heard is not None and submission.outcome is Outcome.CONFIRMED
    if heard and submission.heard is not None:
        evidence.append("replayed_event" if submission.heard.replayed else "event")
    reading, baseline = submission.reading, baseline_of(submission)
    moved = reading is not None and movement_of(submission, reading) is Movement.MOVED
    word = None if reading is None else reading.job_status(job)
    before = None if baseline is None else baseline.job_status(job)
    ran = job.value in submission.finished_jobs
    if ran:
        evidence.append("record_left_processing")
    elif moved and word is not None:
        evidence.append("record_processing" if word != before or _path_moved(submission) else "")
    if job.value in submission.failed_jobs:
        evidence.append("upstream_failed")
    evidence = [item for item in evidence if item]
    record = ran or "record_processing" in evidence
    if submission.contradicted:
        return Verdict.CONTRADICTED, [*evidence, "refused_but_heard"]
    if heard:
        return (Verdict.CORROBORATED if record else Verdict.INFERRED), evidence
    if ran:
        return Verdict.INFERRED, evidence
    return (Verdict.INDICATED if record else Verdict.UNKNOWN), evidence


def strongest(evidence: Iterable[str]) -> str:
    """Which of it weighs most; ``NO_EVIDENCE`` where there is none."""
    found = set(evidence)
    return next((one for one in EVIDENCE if one in found), NO_EVIDENCE)


def _path_moved(submission: Submission) -> bool:
    reading, baseline = submission.reading, baseline_of(submission)
    return (
        reading is not None
        and baseline is not None
        and reading.path_digest is not None
        and reading.path_digest != baseline.path_digest
    )


def waiting_for(submission: Submission, lane: Lane | None, now_ms: Millis) -> WaitingFor | None:
    """What an open submission waits for, as far as its lane knows; None once closed."""
    match submission.state:
        case State.CLOSED:
            return None
        case State.SENDING:
            return WaitingFor.REPLY
        case State.AWAITING:
            return WaitingFor.EVENT
        case State.IN_DOUBT:
            return WaitingFor.EVENT_OR_RECORD
        case State.QUEUED:
            if submission.not_before_ms is not None and submission.not_before_ms > now_ms:
                return WaitingFor.BACKOFF
            if lane is None:
                return WaitingFor.SENDING
            if lane.rest_until_ms is not None:
                return WaitingFor.LANE_REST
            ready = sendable(lane, now_ms)
            mine = ready is not None and ready.id == submission.id
            return WaitingFor.SENDING if mine else WaitingFor.LANE_TURN


def public(
    submission: Submission, ref: str, lane: Lane | None = None, now_ms: Millis | None = None
) -> dict[str, Any]:
    """The JSON object of DESIGN section 7. ``ref`` is the lane's ``cv_ref``."""
    reply = submission.reply
    now = now_ms if now_ms is not None else submission.created_ms
    return {
        "id": submission.id,
        "cv_ref": ref,
        "state": submission.state.value,
        "outcome": None if submission.outcome is None else submission.outcome.value,
        "outcome_before": submission.outcome_before.value if submission.outcome_before else None,
        "late": submission.late,
        "version": submission.version,
        "attribution": submission.attribution.value if submission.attribution else None,
        "attempts": len(submission.attempts),
        "dispatch": {
            job.value: {"verdict": verdict.value, "evidence": evidence}
            for job, (verdict, evidence) in verdicts(submission).items()
        },
        "upstream": None
        if reply is None
        else {
            "cv_id": reply.cv_id,
            "application_id": reply.application_id,
            "status": reply.status,
        },
        "deaf_ms": submission.deaf_ms,
        "duplicates": submission.duplicates,
        "retry_of": submission.retry_of,
        "created_at": rfc3339(submission.created_ms),
        "sent_at": rfc3339(submission.sent_ms),
        "accepted_at": rfc3339(submission.accepted_ms),
        "heard_at": rfc3339(submission.heard_ms),
        "closed_at": rfc3339(submission.closed_ms),
        "corrected_at": rfc3339(submission.corrected_ms),
        "deadline_at": rfc3339(_deadline(submission)),
        "waiting_for": waiting_for(submission, lane, now),
        "reason": submission.reason,
    }


def retried_by(again: Submission) -> dict[str, Any]:
    """Of a submission's public form, where it was sent again: as which, and how far that is."""
    outcome = None if again.outcome is None else again.outcome.value
    return {"id": again.id, "state": again.state.value, "outcome": outcome}


def canonical(submission: Submission) -> dict[str, Any]:
    """The fields of the canonical line: every timing and the evidence, for ``submission.closed``
    and ``submission.corrected``. Durations in milliseconds, moments as RFC 3339."""
    words = verdicts(submission)
    last = submission.attempts[-1] if submission.attempts else None
    result = last.result if last else None
    evidence = sorted({item for _, found in words.values() for item in found})
    return {
        "outcome": submission.outcome,
        "attribution": submission.attribution,
        "late": submission.late,
        "submission_version": submission.version,
        "attempts": len(submission.attempts),
        "reason": submission.reason,
        "retry_of": submission.retry_of,
        "enhancement": words[UpstreamJob.ENHANCEMENT][0],
        "analysis": words[UpstreamJob.ANALYSIS][0],
        "evidence": evidence,
        "replayed": submission.heard.replayed if submission.heard else None,
        "created_at": rfc3339(submission.created_ms),
        "sent_at": rfc3339(submission.sent_ms),
        "accepted_at": rfc3339(submission.accepted_ms),
        "heard_at": rfc3339(submission.heard_ms),
        "closed_at": rfc3339(submission.closed_ms),
        "queued_ms": _between(submission.created_ms, submission.sent_ms),
        "post_ms": _between(last.began_ms, last.ended_ms) if last else None,
        "confirm_ms": _between(submission.sent_ms, submission.heard_ms),
        "total_ms": _between(submission.created_ms, submission.closed_ms),
        "deaf_ms": submission.deaf_ms,
        "duplicates": submission.duplicates,
        "http_status": result.http_status if result else None,
        "upstream_status": submission.reply.status if submission.reply else None,
        "cv_id": submission.reply.cv_id if submission.reply else None,
        "size": submission.file.size,
        "kind": submission.file.kind,
    }


def _between(start_ms: int | None, end_ms: int | None) -> int | None:
    return None if start_ms is None or end_ms is None else max(0, end_ms - start_ms)


def _deadline(submission: Submission) -> Millis | None:
    if submission.state is State.QUEUED and not possibly_sent(submission):
        return submission.deliver_by_ms
    if submission.state is State.IN_DOUBT and not accepted(submission):
        return submission.give_up_ms
    return submission.deadline_ms
