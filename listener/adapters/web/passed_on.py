"""Answers of the gateway: the upstream's own, and ours in the upstream's shape."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

from aiohttp import web
from multidict import CIMultiDict

from listener.ports.upstream import RawReply

from .problems import KINDS, Refused

SUBMISSION_ID = "CV-Submission-Id"
DISPATCH = "CV-Dispatch"
OUTCOME = "CV-Outcome"
APPLIED = "Preference-Applied"

UNREAD_S = 30.0
"""For a client that takes nothing of its answer."""
_OURS = {name.lower() for name in (SUBMISSION_ID, DISPATCH, OUTCOME, APPLIED)}
_LIBRARYS = ("Server", "Date", "Content-Type")
"""Headers that aiohttp adds where there are none."""
_STATUSES = {
    "missing_field": 422,
    "unexpected_field": 422,
    "empty_file": 422,
    "wrong_kind": 422,
    "not_a_form": 422,
}
"""Where the upstream's status for it is another than our API's."""


class PassedOn(web.Response):
    """The upstream's reply: its status, reason, end-to-end headers and bytes, and ``added``."""

    def __init__(self, raw: RawReply, added: Mapping[str, str]) -> None:
        headers = CIMultiDict((n, v) for n, v in raw.headers if n.lower() not in _OURS)
        self._theirs = frozenset(headers)
        headers.update(added)
        super().__init__(
            status=raw.status, reason=raw.reason or None, headers=headers, body=raw.body
        )

    def forget_the_librarys(self) -> None:
        """Drop what was put into the head besides."""
        for name in _LIBRARYS:
            if not any(name.lower() == theirs.lower() for theirs in self._theirs):
                self.headers.popall(name, None)


async def send_whole(request: web.Request, response: web.StreamResponse) -> None:
    """Until all of it has left us. Raises ConnectionError where the client is gone, or has taken
    nothing for ``UNREAD_S``: what is held for it would be held for ever."""
    await response.prepare(request)
    writing = asyncio.ensure_future(response.write_eof())
    try:
        await asyncio.sleep(0)
        left = _unsent(request)
        while not (await asyncio.wait({writing}, timeout=UNREAD_S))[0]:
            before, left = left, _unsent(request)
            if left >= before and request.transport is not None:
                request.transport.abort()
        writing.result()
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)


def _unsent(request: web.Request) -> int:
    """Bytes of it that the kernel has not taken yet."""
    transport = request.transport
    return transport.get_write_buffer_size() if isinstance(transport, asyncio.Transport) else 0


async def before_it_leaves(request: web.Request, response: web.StreamResponse) -> None:
    """A signal handler: the head is complete, and is about to be written."""
    if isinstance(response, PassedOn):
        response.forget_the_librarys()


def said(
    status: int,
    message: str,
    headers: Mapping[str, str] | None = None,
    word: str = "error",
    data: Mapping[str, object] | None = None,
) -> web.Response:
    """An answer of ours, in the upstream's shape; with ``data`` in the message's place."""
    told = {"message": message} if data is None else {"data": data}
    return web.Response(
        status=status,
        body=json.dumps({"status": word, **told}).encode(),
        headers={
            "Content-Type": "application/json",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            **(headers or {}),
        },
    )


def status_of(reason: str) -> int:
    """How the gateway answers a refusal for this reason."""
    return _STATUSES.get(reason, KINDS[reason].status.value)


def refusal(refused: Refused) -> web.Response:
    """A refusal of ours, in the upstream's shape."""
    return said(status_of(refused.reason), refused.detail, refused.headers)
