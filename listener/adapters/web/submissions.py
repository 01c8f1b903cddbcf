"""Submitting, looking, cancelling."""

from __future__ import annotations

import asyncio

from aiohttp import web

from listener.core.names import State
from listener.ports.front import Front, Turned

from . import asked
from .answers import as_json, known
from .gate import Scope
from .operations import Answer, Form, Operation, Route
from .upload import OF_CODE, OF_FORM, OF_FRONT, OF_KEY, OF_LANE, OF_PLACE, Uploads, turned
from .waiting import until_closed

ALL = "/v1/submissions"
ONE = ALL + "/{id}"
LINKS = {"show": "/id", "story": "/id", "cancel": "/id", "retry": "/id"}

SUBMIT = Operation(
    "POST",
    ALL,
    "submit",
    "Submit an update of a CV",
    Scope.SUBMIT,
    {
        200: Answer(
            "The same, and it closed in the time that `Prefer: wait` gave.",
            "Submission",
            always=("Location", "Preference-Applied"),
            sometimes=("Idempotent-Replayed",),
            links=LINKS,
        ),
        202: Answer(
            "Accepted: it is on disk, and will reach an outcome.",
            "Submission",
            always=("Location",),
            sometimes=("Idempotent-Replayed", "Preference-Applied"),
            links=LINKS,
        ),
    },
    refusals=(
        *OF_CODE,
        *OF_FORM,
        *OF_PLACE,
        *OF_FRONT,
        *OF_LANE,
        *OF_KEY,
        "invalid_header",
    ),
    headers=(asked.KEY, asked.PREFER),
    form=Form(
        "NewSubmission",
        "Both fields, in any order; with `cv_code` first the file is streamed to disk as it comes.",
    ),
    early=True,
    about="A client that leaves before its answer has stored everything or nothing. After a"
    " refusal nothing is stored.",
)
LIST = Operation(
    "GET",
    ALL,
    "list",
    "List submissions, newest first",
    Scope.READ,
    {200: Answer("Those that pass every filter.", "Submissions")},
    parameters=asked.LISTING,
)
SHOW = Operation(
    "GET",
    ONE,
    "show",
    "Show a submission",
    Scope.READ,
    {200: Answer("How it stands.", "Submission", links=LINKS)},
    refusals=("not_found",),
    headers=(asked.PREFER,),
    ids=asked.AN_ID_IN_PATH,
)
STORY = Operation(
    "GET",
    ONE + "/story",
    "story",
    "Explain a submission, and tell its story",
    Scope.READ,
    {
        200: Answer(
            "What it waits for and what comes next, or what its outcome means; and all facts.",
            "Story",
        )
    },
    refusals=("not_found",),
    ids=asked.AN_ID_IN_PATH,
)
CANCEL = Operation(
    "POST",
    ONE + "/cancel",
    "cancel",
    "Withdraw a submission",
    Scope.SUBMIT,
    {200: Answer("How it stands then.", "Submission", links={"show": "/id"})},
    refusals=("not_found", *OF_FRONT),
    ids=asked.AN_ID_IN_PATH,
    about="Before anything was possibly sent it closes as `cancelled`. After that, cancelling only"
    " stops the watching, and the outcome is `unconfirmed`. What is closed is left as it is.",
)


class Submissions:
    """``stopping`` set: whoever waits is answered at once."""

    def __init__(self, front: Front, uploads: Uploads, stopping: asyncio.Event) -> None:
        self._front = front
        self._uploads = uploads
        self._stopping = stopping

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route(SUBMIT, self._submit),
            Route(LIST, self._list),
            Route(SHOW, self._show),
            Route(STORY, self._story),
            Route(CANCEL, self._cancel),
        ]

    async def _submit(self, request: web.Request) -> web.StreamResponse:
        wait_s = asked.wait_s(request)
        taken = await self._uploads.take(request, asked.idempotency_key(request))
        shown = await until_closed(self._front, self._stopping, taken.submission, wait_s)
        done = bool(wait_s) and shown["state"] == State.CLOSED
        headers = {"Location": f"{ALL}/{shown['id']}"}
        if taken.repeated:
            headers["Idempotent-Replayed"] = "true"
        if wait_s is not None:
            headers["Preference-Applied"] = f"wait={wait_s}"
        return as_json(shown, 200 if done else 202, headers)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        page = await self._front.submissions(asked.listing_filter(request))
        return as_json({"submissions": page.submissions, "next_cursor": page.after})

    async def _show(self, request: web.Request) -> web.StreamResponse:
        submission_id, wait_s = asked.submission_id(request), asked.wait_s(request)
        shown = known(await self._front.submission(submission_id))
        return as_json(await until_closed(self._front, self._stopping, shown, wait_s))

    async def _story(self, request: web.Request) -> web.StreamResponse:
        return as_json(known(await self._front.story(asked.submission_id(request))))

    async def _cancel(self, request: web.Request) -> web.StreamResponse:
        answer = await self._front.cancel(asked.submission_id(request))
        if isinstance(answer, Turned):
            raise turned(answer)
        return as_json(known(answer))
