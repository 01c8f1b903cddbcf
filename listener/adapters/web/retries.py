"""Sending an update again by hand."""

from __future__ import annotations

import asyncio

from aiohttp import web

from listener.core.names import Objection, State
from listener.ports.front import Front, OpenFile, Public, Retry, Turned

from . import asked
from .answers import as_json, known, unknown
from .gate import Scope
from .operations import Answer, Form, Operation, Route
from .parameters import given
from .problems import Refused
from .submissions import ALL, ONE
from .upload import OF_FORM, OF_FRONT, OF_KEY, OF_LANE, Uploads, turned
from .waiting import until_closed

_OBJECTIONS = {
    Objection.STILL_OPEN: "expected a closed submission, found an open one: wait for its outcome,"
    " or cancel it",
    Objection.EVIDENCE_IMPROVED: "expected no evidence that it was applied, found some"
    " (retry.drift.evidence): to dispatch both paid jobs again all the same, add force=true",
    Objection.NEWER_UPDATE: "expected no newer update of this CV, found one that is open or may"
    " have been applied (retry.drift.newer): to replace its file by this one, add force=true",
    Objection.FILE_GONE: "expected its file in the spool, found none that is whole: send the file"
    " with the retry, in the field cv",
}

RETRY = Operation(
    "POST",
    ONE + "/retry",
    "retry",
    "Send a closed update again",
    Scope.SUBMIT,
    {
        200: Answer(
            "It was only looked (`dry_run=true`); or the new one closed in the time that"
            " `Prefer: wait` gave.",
            "Retry",
            sometimes=("Location", "Idempotent-Replayed", "Preference-Applied"),
            links={"show": "/retry_of/id"},
        ),
        202: Answer(
            "Accepted as a new submission.",
            "Retry",
            always=("Location",),
            sometimes=("Idempotent-Replayed", "Preference-Applied"),
            links={"show": "/submission/id", "cancel": "/submission/id"},
        ),
    },
    refusals=(
        *("not_found", "invalid_header"),
        *(objection.value for objection in Objection),
        *OF_FORM,
        *OF_FRONT,
        *OF_LANE,
        *OF_KEY,
    ),
    parameters=asked.RETRY,
    headers=(asked.KEY, asked.PREFER),
    ids=asked.AN_ID_IN_PATH,
    form=Form(
        "CvFile",
        "The file to send. Without a body, the file that is kept of the first.",
        required=False,
    ),
    early=True,
    about="A retry is a second update: the upstream deletes the file it has, stores this one, and"
    " dispatches both of its paid jobs again. So it is looked at first.",
)


class Retries:
    """Answers what was looked at, with what came of it. ``stopping`` set: whoever waits is answered
    at once."""

    def __init__(self, front: Front, uploads: Uploads, stopping: asyncio.Event) -> None:
        self._front = front
        self._uploads = uploads
        self._stopping = stopping

    def routes(self) -> list[Route]:
        """What it answers."""
        return [Route(RETRY, self._retry)]

    async def _retry(self, request: web.Request) -> web.StreamResponse:
        submission_id, wait_s = asked.submission_id(request), asked.wait_s(request)
        wanted, key = given(request), asked.idempotency_key(request)

        async def retry(file: OpenFile | None) -> Retry | Turned | None:
            return await self._front.retry(submission_id, file, idempotency_key=key, **wanted)

        found = await self._uploads.with_cv(request, retry)
        if isinstance(found, Turned):
            raise turned(found)
        if found is None:
            raise unknown()
        if wanted.get("dry_run"):
            return as_json(_told(found, None))
        if found.objection is not None:
            detail = _OBJECTIONS[found.objection]
            raise Refused(found.objection, detail, also={"retry": _told(found, None)})
        new = await until_closed(self._front, self._stopping, known(found.submission), wait_s)
        headers = {"Location": f"{ALL}/{new['id']}"}
        if found.repeated:
            headers["Idempotent-Replayed"] = "true"
        if wait_s is not None:
            headers["Preference-Applied"] = f"wait={wait_s}"
        closed = bool(wait_s) and new["state"] == State.CLOSED
        return as_json(_told(found, new), 200 if closed else 202, headers)


def _told(found: Retry, new: Public | None) -> dict[str, object]:
    return {"submission": new, "objection": found.objection, **found.told}
