"""Submitting, looking, cancelling."""

from __future__ import annotations

import asyncio

from aiohttp import web

from listener.core.names import State
from listener.ports.front import Front, Turned

from . import asked
from .answers import as_json, known
from .gate import Scope
from .routes import Route
from .upload import Uploads, turned
from .waiting import until_closed

ALL = "/v1/submissions"
ONE = ALL + "/{id}"


class Submissions:
    """``stopping`` set: whoever waits is answered at once."""

    def __init__(self, front: Front, uploads: Uploads, stopping: asyncio.Event) -> None:
        self._front = front
        self._uploads = uploads
        self._stopping = stopping

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route("POST", ALL, self._submit, Scope.SUBMIT, early=True),
            Route("GET", ALL, self._list, Scope.READ),
            Route("GET", ONE, self._show, Scope.READ),
            Route("POST", ONE + "/cancel", self._cancel, Scope.SUBMIT),
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

    async def _cancel(self, request: web.Request) -> web.StreamResponse:
        answer = await self._front.cancel(asked.submission_id(request))
        if isinstance(answer, Turned):
            raise turned(answer)
        return as_json(known(answer))
