"""The upstream's own two requests, at our address: an existing client changes its base URL alone.

What is asked of a record is passed on, and so is the answer. An update is accepted first, as any
other is, and sent by the dispatcher; the client waits for the upstream's last word on it, and gets
that unchanged. What the daemon itself will act upon again is passed to nobody: two parties would
send the same update again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import assert_never

from aiohttp import web

from listener.core.errors import InvalidCode, JournalFault
from listener.core.names import State, SubmissionId
from listener.core.wire import check_code
from listener.ports.front import Front
from listener.ports.log import Log
from listener.ports.upstream import NoReply, RawReply

from .asked import idempotency_key
from .gate import Names, Scope, Tokens
from .gateway_path import BASE, TOKEN_PREFIX, Target, is_gateways, read_target
from .last_word import accepted, last_word
from .operations import Handler
from .passed_on import PassedOn, refusal, said, send_whole
from .preferences import Preferences, read_preferences
from .problems import Refused, of_journal
from .upload import Uploads
from .waiting import unless

LONGEST_WAIT_S = 300
"""The longest that ``Prefer: wait`` is honoured."""
RECORDS_AT_ONCE = 128
"""Records asked for, or being handed over; further ones wait for their turn."""
HELD_BYTES = 64 << 20
"""Of all that are being handed over together; one alone may be longer."""
TURN_S = 10.0
WITHOUT_A_WORD = (502, 504)


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
        self._held = 0

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
        return await self._record(request, target.code)

    # A record.

    async def _record(self, request: web.Request, code: str) -> web.StreamResponse:
        try:
            async with asyncio.timeout(TURN_S):
                await self._records.acquire()
        except TimeoutError:
            detail = f"expected a turn within {TURN_S:g} s, found {RECORDS_AT_ONCE} before it"
            raise Refused("busy", detail, headers={"Retry-After": "2"}) from None
        try:
            return await self._passed_on(request, await self._front.fetch_record(code))
        finally:
            self._records.release()

    async def _passed_on(
        self, request: web.Request, found: RawReply | NoReply
    ) -> web.StreamResponse:
        match found:
            case RawReply(body=body):
                if self._held and self._held + len(body) > HELD_BYTES:
                    detail = (
                        "expected clients that read what they asked for, found many that do not"
                    )
                    raise Refused("busy", detail, headers={"Retry-After": "2"})
                self._held += len(body)
                try:
                    response = PassedOn(found, {})
                    await send_whole(request, response)
                    return response
                finally:
                    self._held -= len(body)
            case NoReply(timed_out=True):
                return said(504, "The upstream did not answer in time.")
            case NoReply(detail=detail):
                return said(502, f"The upstream gave no answer that could be read ({detail}).")
            case _:
                assert_never(found)

    # An update.

    async def _update(self, request: web.Request, code: str) -> web.StreamResponse:
        prefers = read_preferences(request.headers.getall("Prefer", []), LONGEST_WAIT_S)
        taken = await self._uploads.take_cv(request, code, idempotency_key(request))
        submission_id = SubmissionId(taken.submission["id"])
        told_before = taken.repeated and taken.submission["state"] == State.CLOSED
        try:
            word = await self._word(code, submission_id, prefers)
            owed = not told_before and _is_none(word)
            if owed:
                await self._front.word_undelivered(submission_id)
            await send_whole(request, word)
        except (ConnectionError, asyncio.CancelledError):
            await self._front.word_undelivered(submission_id)
            raise
        # Who asked again once it was closed has had all there is.
        if not owed:
            await self._front.word_delivered(submission_id)
        return word

    async def _word(
        self, code: str, submission_id: SubmissionId, prefers: Preferences
    ) -> web.StreamResponse:
        if prefers.respond_async and prefers.wait_s is None:
            return accepted(submission_id, prefers)
        until_closed = prefers.wait_s is not None
        wait_s = self._policy.wait_s if prefers.wait_s is None else prefers.wait_s
        awaited = await unless(
            self._stopping,
            self._front.wait_reply(submission_id, wait_s, until_closed=until_closed),
        ) or await self._front.wait_reply(submission_id, 0)
        if awaited is None:
            raise Refused("not_found", "expected the update that was accepted, found it forgotten")
        if not awaited.replied and prefers.respond_async:
            return accepted(submission_id, prefers)
        return last_word(code, submission_id, awaited, prefers)


def _is_none(word: web.StreamResponse) -> bool:
    """Whether it says no more than that there is no word: who asks again is to get what there is
    by then."""
    return word.status in WITHOUT_A_WORD and not isinstance(word, PassedOn)


def _of_a_page(request: web.Request) -> bool:
    """Whether a browser says that a page made this request, and not one of ours."""
    site = request.headers.get("Sec-Fetch-Site", "none")
    return "Origin" in request.headers or site not in ("none", "same-origin")
