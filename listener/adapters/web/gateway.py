"""The upstream's own two requests, at our address: an existing client changes its base URL alone.

What is asked of a record is passed on, and so is the answer. An update is accepted first, as any
other is, and sent by the dispatcher; the client waits for the upstream's last word on it, and gets
that unchanged. What the daemon itself will act upon again is passed to nobody: two parties would
send the same update again.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import assert_never

from aiohttp import web

from listener.core.errors import InvalidCode, JournalFault
from listener.core.names import Outcome, State, SubmissionId
from listener.core.wire import check_code
from listener.ports.front import Awaited, Front
from listener.ports.log import Log
from listener.ports.upstream import NoReply, RawReply

from .gate import Names, Scope, Tokens
from .gateway_path import BASE, TOKEN_PREFIX, Target, is_gateways, read_target
from .operations import Handler
from .passed_on import APPLIED, DISPATCH, OUTCOME, SUBMISSION_ID, PassedOn, refusal, said
from .preferences import Preferences, read_preferences
from .problems import Refused, of_journal
from .upload import Uploads
from .waiting import unless

LONGEST_WAIT_S = 300
"""The longest that ``Prefer: wait`` is honoured."""
RECORDS_AT_ONCE = 16
"""Records asked for; further ones wait for their turn."""
TURN_S = 10.0


@dataclass(frozen=True, slots=True)
class GatewayPolicy:
    """``open``: no token is wanted. ``wait_s``: how long a client waits for the last word."""

    open: bool = False
    wait_s: float = 25.0


class Gateway:
    """``stopping`` set: whoever waits is answered at once."""

    def __init__(
        self,
        front: Front,
        uploads: Uploads,
        tokens: Tokens,
        names: Names,
        log: Log,
        policy: GatewayPolicy,
        stopping: asyncio.Event,
    ) -> None:
        self._front = front
        self._uploads = uploads
        self._tokens = tokens
        self._names = names
        self._log = log
        self._policy = policy
        self._stopping = stopping
        self._records = asyncio.Semaphore(RECORDS_AT_ONCE)

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Its paths. Which of them a request names is read from the raw path, by ``answer``."""
        for prefix in (BASE, TOKEN_PREFIX.rstrip("/")):
            path = prefix + r"{rest:[\s\S]*}"
            router.add_route("*", path, self.answer, expect_handler=self.before_the_body)

    def owns(self, request: web.Request) -> bool:
        """Whether it is this one's to answer."""
        return is_gateways(request.raw_path)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Whatever happens, the client gets an answer in the upstream's shape."""
        return await self._shaped(request, self._answer)

    async def before_the_body(self, request: web.Request) -> web.StreamResponse | None:
        """``Expect: 100-continue``: a refusal spares the client the upload."""
        if request.headers.get("Expect", "").lower() != "100-continue":
            return None

        async def admitted(request: web.Request) -> web.StreamResponse:
            self._admit(request)
            return web.Response(status=100)

        response = await self._shaped(request, admitted)
        if response.status != 100:
            response.force_close()
            return response
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return None

    async def _shaped(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Refused as refused:
            return refusal(refused)
        except JournalFault as fault:
            self._front.failed(fault)
            return refusal(of_journal())
        except ConnectionError:
            raise  # The client is gone.
        except Exception as error:  # noqa: BLE001 - our own fault, of any kind: told without its text
            self._log.emit("intake.request_failed", error_type=type(error).__name__)
            return refusal(Refused("internal", "not the request's fault; the log names it"))

    def _admit(self, request: web.Request) -> Target:
        """What is asked for, by somebody who may ask it. Raises Refused."""
        self._names.check(request.headers.get("Host"))
        target = read_target(request.raw_path)
        method = "POST" if target.edits else "GET"
        scope = Scope.SUBMIT if target.edits else Scope.READ
        if target.token is not None:
            self._tokens.check(f"Bearer {target.token}", scope)
        elif not self._policy.open:
            self._tokens.check(request.headers.get("Authorization"), scope)
        elif _of_a_page(request):
            raise Refused(
                "forbidden",
                "expected a request of a program, found one of a page in a browser: where no token"
                " is wanted, pages of other sites could ask",
            )
        if request.method != method:
            raise Refused("wrong_method", f"allowed here: {method}", headers={"Allow": method})
        try:
            check_code(target.code)
        except InvalidCode as error:
            raise Refused("invalid_code", str(error), cause=error.reason) from None
        return target

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        target = self._admit(request)
        if target.edits:
            return await self._update(request, target.code)
        return await self._record(target.code)

    # A record.

    async def _record(self, code: str) -> web.StreamResponse:
        try:
            async with asyncio.timeout(TURN_S):
                await self._records.acquire()
        except TimeoutError:
            detail = f"expected a turn within {TURN_S:g} s, found {RECORDS_AT_ONCE} before it"
            raise Refused("busy", detail, headers={"Retry-After": "2"}) from None
        try:
            found = await self._front.fetch_record(code)
        finally:
            self._records.release()
        match found:
            case RawReply():
                return PassedOn(found, {})
            case NoReply(timed_out=True):
                return said(504, "The upstream did not answer in time.")
            case NoReply(detail=detail):
                return said(502, f"The upstream gave no answer that could be read ({detail}).")
            case _:
                assert_never(found)

    # An update.

    async def _update(self, request: web.Request, code: str) -> web.StreamResponse:
        prefers = read_preferences(request.headers.getall("Prefer", []), LONGEST_WAIT_S)
        taken = await self._uploads.take_cv(request, code)
        submission_id = SubmissionId(taken.submission["id"])
        if prefers.respond_async and prefers.wait_s is None:
            return _accepted(submission_id, prefers)
        until_closed = prefers.wait_s is not None
        wait_s = self._policy.wait_s if prefers.wait_s is None else prefers.wait_s
        awaited = await unless(
            self._stopping,
            self._front.wait_reply(submission_id, wait_s, until_closed=until_closed),
        ) or await self._front.wait_reply(submission_id, 0)
        if awaited is None:
            raise Refused("not_found", "expected the update that was accepted, found it forgotten")
        if not awaited.replied and prefers.respond_async:
            return _accepted(submission_id, prefers)
        return _last_word(submission_id, awaited, prefers)


def _of_a_page(request: web.Request) -> bool:
    """Whether a browser says that a page made this request, and not one of ours."""
    site = request.headers.get("Sec-Fetch-Site", "none")
    return "Origin" in request.headers or site not in ("none", "same-origin")


def _added(submission_id: SubmissionId, prefers: Preferences) -> dict[str, str]:
    headers: dict[str, str] = {SUBMISSION_ID: submission_id}
    if applied := prefers.applied():
        headers[APPLIED] = applied
    return headers


def _accepted(submission_id: SubmissionId, prefers: Preferences) -> web.Response:
    headers = _added(submission_id, prefers)
    headers["Location"] = f"/v1/submissions/{submission_id}"
    message = "The update is kept and will be sent. Location tells how it stands."
    return said(202, message, headers, word="accepted")


def _last_word(
    submission_id: SubmissionId, awaited: Awaited, prefers: Preferences
) -> web.StreamResponse:
    """The upstream's, or what is to be said in its place."""
    shown, raw = awaited.submission, awaited.reply
    headers = _added(submission_id, prefers)
    well = raw is not None and raw.status < 300
    if shown["state"] == State.CLOSED and (prefers.wait_s is not None or not well):
        headers[OUTCOME] = str(shown["outcome"])
    if prefers.wait_s is not None:
        headers[DISPATCH] = json.dumps(shown["dispatch"], separators=(",", ":"))
    if raw is not None:
        return PassedOn(raw, headers)
    if not awaited.replied:
        message = (
            f"The upstream has not had its last word yet. The update is kept as {submission_id} and"
            " goes on; the same sent again waits for it, and is not sent twice."
        )
        return said(504, message, headers)
    return _without_a_word(awaited, headers)


def _without_a_word(awaited: Awaited, headers: dict[str, str]) -> web.Response:
    """It is closed, and there is no reply to pass on."""
    outcome = Outcome(awaited.submission["outcome"]) if awaited.submission["outcome"] else None
    if outcome is Outcome.SUPERSEDED:
        message = "A newer update of this CV took the place of this one before it was sent."
        return said(409, message, headers)
    if outcome is Outcome.CANCELLED:
        return said(409, "The update was withdrawn before it was sent.", headers)
    ends = "" if outcome is None else f" The update is closed as {outcome.value}."
    if awaited.timed_out:
        return said(504, "The upstream did not answer in time." + ends, headers)
    return said(502, "The upstream gave no answer that could be read." + ends, headers)
