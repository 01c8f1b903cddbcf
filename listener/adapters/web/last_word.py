"""What a client of the gateway is told of its update: the upstream's last word, or what stands for
it."""

from __future__ import annotations

import json

from aiohttp import web

from listener.core.names import Attribution, Outcome, State, SubmissionId
from listener.ports.front import Awaited, Public

from .passed_on import APPLIED, DISPATCH, OUTCOME, SUBMISSION_ID, PassedOn, said
from .preferences import Preferences


def _added(submission_id: SubmissionId, prefers: Preferences) -> dict[str, str]:
    headers: dict[str, str] = {SUBMISSION_ID: submission_id}
    if applied := prefers.applied():
        headers[APPLIED] = applied
    return headers


def accepted(submission_id: SubmissionId, prefers: Preferences) -> web.Response:
    """It is kept, and no more is waited for."""
    headers = _added(submission_id, prefers)
    headers["Location"] = f"/v1/submissions/{submission_id}"
    message = "The update is kept and will be sent. Location tells how it stands."
    return said(202, message, headers, word="accepted")


def last_word(
    code: str, submission_id: SubmissionId, awaited: Awaited, prefers: Preferences
) -> web.StreamResponse:
    """The upstream's, or what is to be said in its place."""
    shown, raw = awaited.submission, awaited.reply
    headers = _added(submission_id, prefers)
    well = raw is not None and raw.status < 300 and shown["accepted_at"] is not None
    if shown["state"] == State.CLOSED and (prefers.wait_s is not None or not well):
        headers[OUTCOME] = str(shown["outcome"])
    if prefers.wait_s is not None:
        headers[DISPATCH] = json.dumps(shown["dispatch"], separators=(",", ":"))
    if raw is not None:
        return PassedOn(raw, headers)
    if not awaited.replied:
        message = (
            f"The upstream has not had its last word yet. The update is kept as {submission_id} and"
            " goes on; the same sent again waits for it, and is not sent twice: until an hour after"
            " its close, unless another update of this CV came after it."
        )
        return said(504, message, headers)
    return _without_a_reply(code, awaited, headers)


def _without_a_reply(code: str, awaited: Awaited, headers: dict[str, str]) -> web.Response:
    """Nothing more will come, and there is no reply to pass on: what fits how it ended."""
    shown = awaited.submission
    outcome = None if shown["outcome"] is None else Outcome(shown["outcome"])
    if outcome is not None:
        headers[OUTCOME] = outcome.value
    if outcome is Outcome.SUPERSEDED:
        message = "A newer update of this CV took the place of this one before it was sent."
        return said(409, message, headers)
    if outcome is Outcome.CANCELLED:
        return said(409, "The update was withdrawn before it was sent.", headers)
    own = outcome is Outcome.CONFIRMED and shown["attribution"] == Attribution.EXCLUSIVE
    if shown["accepted_at"] is not None or own:
        return _taken(code, shown, headers)
    if outcome is Outcome.REJECTED:
        message = "The upstream refused the update. Its answer is not kept."
        return said(awaited.status or 502, message, headers)
    ends = "" if outcome is None else f" The update is closed as {outcome.value}."
    if awaited.timed_out:
        return said(504, "The upstream did not answer in time." + ends, headers)
    return said(502, "The upstream gave no answer that could be read." + ends, headers)


def _taken(code: str, shown: Public, headers: dict[str, str]) -> web.Response:
    """The upstream has the update, by its own word or by its event: as far as the journal knows."""
    by = "its event was heard" if shown["accepted_at"] is None else "the upstream accepted it"
    data = {
        "cv_code": code,
        **(shown["upstream"] or {"cv_id": None, "application_id": None, "status": None}),
        "cv_updated": True,
        "message": f"CV updated: {by}. Its own reply is not kept.",
    }
    return said(200, "", headers, word="success", data=data)
