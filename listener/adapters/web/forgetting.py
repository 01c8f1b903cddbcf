"""Forgetting over HTTP. The code comes in the body: what stands in a URL is kept by others."""

from __future__ import annotations

import re

from aiohttp import web

from listener.core.names import SubmissionId
from listener.ports.front import Forget, Front, Turned

from . import asked
from .answers import as_json, unknown
from .gate import Scope
from .operations import Answer, Form, Operation, Route
from .parameters import given
from .problems import Refused
from .upload import OF_CODE, OF_FRONT, Uploads, turned

FIELDS = ("cv_code", "id", "older_than_days")
_DAY_MS = 86_400_000
_OPEN = (
    "expected only closed submissions of this code, found some that are open: wait for their"
    " outcome, or cancel them"
)


FORGET = Operation(
    "POST",
    "/v1/forget",
    "forget",
    "Delete all that is kept of one code, or what closed long ago",
    Scope.ADMIN,
    {200: Answer("How many submissions are gone, or would be (`dry_run=true`).", "Forgotten")},
    refusals=(
        *OF_CODE,
        *("malformed_form", "missing_field", "unexpected_field", "not_a_form", "too_slow"),
        *("too_large", "spool_failed", "not_found", "still_open"),
        *OF_FRONT,
    ),
    parameters=asked.FORGET,
    form=Form("ToForget", "One field, that says what."),
    about="While a submission of the code is open, nothing is deleted.",
)


class Forgetting:
    """``POST /v1/forget``: a form with one field, that says what."""

    def __init__(self, front: Front, uploads: Uploads) -> None:
        self._front = front
        self._uploads = uploads

    def routes(self) -> list[Route]:
        """What it answers."""
        return [Route(FORGET, self._forget)]

    async def _forget(self, request: web.Request) -> web.StreamResponse:
        dry_run = bool(given(request).get("dry_run"))
        with self._uploads.told(request):
            name, text = await self._uploads.one_field(request, FIELDS)
            found = await self._front.forget(_wanted(name, text), dry_run=dry_run)
        if isinstance(found, Turned):
            raise turned(found)
        if found is None:
            raise unknown()
        told = {"dry_run": dry_run, "submissions": found.submissions, "open": found.open}
        if found.open and not dry_run:
            raise Refused("still_open", _OPEN, also={"forget": told})
        return as_json(told)


def _wanted(name: str, text: str) -> Forget:
    if name == "cv_code":
        return Forget(code_text=text)
    if name == "id":
        if not re.fullmatch(asked.HEX_ID, text.lower()):
            raise unknown()
        return Forget(submission_id=SubmissionId(text.lower()))
    if not re.fullmatch(r"[0-9]{1,5}", text):
        raise Refused("malformed_form", "expected older_than_days as a whole number, found another")
    return Forget(older_than_ms=int(text) * _DAY_MS)
