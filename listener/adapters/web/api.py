"""The routes of the HTTP API, and what each answers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any, TypeVar

import orjson
from aiohttp import web

from listener.core.errors import JournalFault
from listener.core.names import Outcome, State, SubmissionId
from listener.core.view import rfc3339
from listener.ports.front import Check, Filter, Front, Public, Turned
from listener.ports.log import Log

from .gate import Names, Scope, Tokens
from .problems import Refused, of_http, problem
from .upload import Uploads, turned

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Word = TypeVar("Word", bound=StrEnum)

WAIT_S = 300
"""The longest that ``Prefer: wait`` is honoured."""
PAGE = 500
"""The longest page of a listing."""
PROBES = {"/livez", "/readyz"}
"""Asked by supervisors, which know an address alone and no token; they tell nothing of a CV."""

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_WAIT = re.compile(r"""(?:^|,)\s*wait\s*=\s*"?([0-9]{1,9})"?\s*(?:[,;]|$)""", re.IGNORECASE)
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class Api:
    """Handlers over a front. ``stopping`` set: whoever waits is answered at once."""

    def __init__(
        self,
        front: Front,
        uploads: Uploads,
        tokens: Tokens,
        names: Names,
        log: Log,
        version: str,
        stopping: asyncio.Event,
    ) -> None:
        self._front = front
        self._uploads = uploads
        self._tokens = tokens
        self._names = names
        self._log = log
        self._version = version
        self._stopping = stopping

    def app(self) -> web.Application:
        """The routes, behind the gate."""

        @web.middleware
        async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._answer(request, handler)

        app = web.Application(middlewares=[refusals])
        one = "/v1/submissions/{id}"
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_post("/v1/submissions", self._submit, expect_handler=self._before_the_body)
        app.router.add_get("/v1/submissions", self._list)
        app.router.add_get(one, self._show)
        app.router.add_post(one + "/cancel", self._cancel)
        app.router.add_get("/v1/status", self._status)
        return app

    # The gate.

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Whatever a handler does, the client gets an answer that tells it only its own."""
        try:
            if request.path not in PROBES:
                self._names.check(request.headers.get("Host"))
            response = await handler(request)
        except Refused as refused:
            response = problem(refused)
        except web.HTTPException as error:
            response = problem(of_http(error))
        except JournalFault as fault:
            self._front.failed(fault)
            response = problem(Refused("journal_failed", "the daemon stops; its log says why"))
        except ConnectionError:
            raise  # The client is gone.
        except Exception as error:  # noqa: BLE001 - our own fault, of any kind: told without its text
            self._log.emit("intake.request_failed", error_type=type(error).__name__)
            response = problem(Refused("internal", "not the request's fault; the log names it"))
        response.headers.update(_HEADERS)
        return response

    def _allow(self, request: web.Request, scope: Scope) -> None:
        self._tokens.check(request.headers.get("Authorization"), scope)

    async def _before_the_body(self, request: web.Request) -> web.StreamResponse | None:
        """``Expect: 100-continue``: a refusal spares the client the upload."""
        if request.headers.get("Expect", "").lower() != "100-continue":
            return None

        async def allow(request: web.Request) -> web.StreamResponse:
            self._allow(request, Scope.SUBMIT)
            return web.Response(status=100)

        response = await self._answer(request, allow)
        if response.status != 100:
            response.force_close()
            return response
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return None

    # Submissions.

    async def _submit(self, request: web.Request) -> web.StreamResponse:
        self._allow(request, Scope.SUBMIT)
        wait_s = _wait_s(request)
        taken = await self._uploads.take(request, _key(request))
        shown = taken.submission
        if wait_s and shown["state"] != State.CLOSED:
            shown = await self._wait(SubmissionId(shown["id"]), wait_s) or shown
        done = bool(wait_s) and shown["state"] == State.CLOSED
        headers = {"Location": f"/v1/submissions/{shown['id']}"}
        if taken.repeated:
            headers["Idempotent-Replayed"] = "true"
        if wait_s is not None:
            headers["Preference-Applied"] = f"wait={wait_s}"
        return _json(shown, 200 if done else 202, headers)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        self._allow(request, Scope.READ)
        page = await self._front.submissions(_filter(request))
        return _json({"submissions": page.submissions, "next_cursor": page.after})

    async def _show(self, request: web.Request) -> web.StreamResponse:
        self._allow(request, Scope.READ)
        submission_id, wait_s = _id(request), _wait_s(request)
        shown = await self._front.submission(submission_id)
        if shown is not None and wait_s and shown["state"] != State.CLOSED:
            shown = await self._wait(submission_id, wait_s)
        return _json(_known(shown))

    async def _cancel(self, request: web.Request) -> web.StreamResponse:
        self._allow(request, Scope.SUBMIT)
        answer = await self._front.cancel(_id(request))
        if isinstance(answer, Turned):
            raise turned(answer)
        return _json(_known(answer))

    async def _wait(self, submission_id: SubmissionId, wait_s: int) -> Public | None:
        waiting = asyncio.ensure_future(self._front.wait_closed(submission_id, wait_s))
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                return waiting.result()
            return await self._front.submission(submission_id)
        finally:
            waiting.cancel()
            stopping.cancel()
            await asyncio.gather(waiting, stopping, return_exceptions=True)

    # The daemon.

    async def _livez(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text="alive\n")

    async def _readyz(self, request: web.Request) -> web.StreamResponse:
        readiness = await self._front.readiness()
        body: dict[str, Any] = {"ready": readiness.ready}
        failing = [check for check in readiness.checks if check.required and not check.ok]
        if failing:
            body["reasons"] = [f"{check.name}: {check.detail}" for check in failing]
        if "verbose" in request.query:
            body["checks"] = [_check(check) for check in readiness.checks]
        return _json(body, 200 if readiness.ready else 503)

    async def _status(self, request: web.Request) -> web.StreamResponse:
        self._allow(request, Scope.READ)
        readiness, tally = await self._front.readiness(), await self._front.tally()
        return _json(
            {
                "version": self._version,
                "ready": readiness.ready,
                "checks": [_check(check) for check in readiness.checks],
                "open": {state.value: n for state, n in tally.open_by_state.items()},
                "closed": {outcome.value: n for outcome, n in tally.closed_by_outcome.items()},
                "oldest_open_at": rfc3339(tally.oldest_open_ms),
            }
        )


def _json(body: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status,
        body=orjson.dumps(body) + b"\n",
        headers={"Content-Type": "application/json", **(headers or {})},
    )


def _check(check: Check) -> dict[str, object]:
    return {
        "name": check.name,
        "ok": check.ok,
        "required": check.required,
        "detail": check.detail,
    }


def _known(shown: Public | None) -> Public:
    if shown is None:
        raise Refused("not_found", "expected the id of a submission, found none by that id")
    return shown


def _id(request: web.Request) -> SubmissionId:
    text = request.match_info["id"].lower()
    if not _ID.fullmatch(text):
        raise Refused("not_found", "expected the id of a submission, found another form")
    return SubmissionId(text)


def _wait_s(request: web.Request) -> int | None:
    """Seconds; None where no waiting is preferred. Preferences not understood are ignored."""
    found = _WAIT.search(", ".join(request.headers.getall("Prefer", [])))
    return None if found is None else min(int(found[1]), WAIT_S)


def _key(request: web.Request) -> str | None:
    keys = request.headers.getall("Idempotency-Key", [])
    if not keys:
        return None
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        raise Refused(
            "invalid_header",
            "expected one Idempotency-Key of 1 to 255 visible ASCII characters, found another",
        )
    return keys[0]


def _filter(request: web.Request) -> Filter:
    query = request.query
    if "cv_code" in query:
        raise Refused(
            "invalid_query",
            "a cv_code is a secret and never stands in a URL; filter by id or state",
        )
    allowed = ("state", "outcome", "limit", "cursor")
    if any(name not in allowed for name in query) or len(set(query)) < len(query):
        raise Refused("invalid_query", f"expected, once each at most: {', '.join(allowed)}")
    cursor = query.get("cursor")
    if cursor is not None and not _ID.fullmatch(cursor):
        raise Refused("invalid_query", "expected cursor as an earlier answer gave it")
    limit = query.get("limit", "50")
    if not re.fullmatch(r"[0-9]{1,4}", limit) or not 1 <= int(limit) <= PAGE:
        raise Refused("invalid_query", f"expected limit from 1 to {PAGE}")
    return Filter(
        state=_word(State, query.get("state"), "state"),
        outcome=_word(Outcome, query.get("outcome"), "outcome"),
        before=None if cursor is None else SubmissionId(cursor),
        limit=int(limit),
    )


def _word(kind: type[Word], text: str | None, name: str) -> Word | None:
    if text is None:
        return None
    try:
        return kind(text)
    except ValueError:
        words = ", ".join(word.value for word in kind)
        raise Refused("invalid_query", f"expected {name} as one of {words}") from None
