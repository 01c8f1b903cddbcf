"""The daemon itself: how it is, and what it is told to do."""

from __future__ import annotations

from aiohttp import web

from listener.core.view import rfc3339
from listener.ports.front import Front, Sending

from . import asked
from .answers import as_check, as_json
from .gate import Scope
from .operations import Answer, Operation, Route

STATUS = Operation(
    "GET",
    "/v1/status",
    "status",
    "How the daemon is",
    Scope.READ,
    {200: Answer("Whether it is ready, whether it sends, and how many of what.", "Status")},
)
GAPS = Operation(
    "GET",
    "/v1/gaps",
    "gaps",
    "When events may have been missed, newest first",
    Scope.READ,
    {200: Answer("The gaps, and what they touched.", "Gaps")},
    parameters=asked.GAPS,
)
PAUSE = Operation(
    "POST",
    "/v1/pause",
    "pause",
    "Begin no further attempt",
    Scope.ADMIN,
    {200: Answer("How it is now.", "Sending")},
    about="Accepting and listening go on. It is kept over restarts, and may be repeated.",
)
RESUME = Operation(
    "POST",
    "/v1/resume",
    "resume",
    "Begin attempts again",
    Scope.ADMIN,
    {200: Answer("How it is now.", "Sending")},
)
DRAIN = Operation(
    "POST",
    "/v1/drain",
    "drain",
    "End the daemon in good order",
    Scope.ADMIN,
    {202: Answer("It ends, as after SIGTERM.", "Sending")},
    about="Nothing new is accepted, what is under way ends, and the process exits with 0.",
)


class Control:
    """The status, when it was deaf, and the three commands: each may be repeated."""

    def __init__(self, front: Front, version: str) -> None:
        self._front = front
        self._version = version

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route(STATUS, self._status),
            Route(GAPS, self._gaps),
            Route(PAUSE, self._pause),
            Route(RESUME, self._resume),
            Route(DRAIN, self._drain),
        ]

    async def _status(self, request: web.Request) -> web.StreamResponse:
        readiness, tally = await self._front.readiness(), await self._front.tally()
        return as_json(
            {
                "version": self._version,
                "ready": readiness.ready,
                "checks": [as_check(check) for check in readiness.checks],
                **_as_sending(self._front.sending()),
                "open": {state.value: n for state, n in tally.open_by_state.items()},
                "closed": {outcome.value: n for outcome, n in tally.closed_by_outcome.items()},
                "oldest_open_at": rfc3339(tally.oldest_open_ms),
            }
        )

    async def _gaps(self, request: web.Request) -> web.StreamResponse:
        page = await self._front.gaps(*asked.gaps_page(request))
        after = None if page.after is None else str(page.after)
        return as_json({"gaps": page.gaps, "next_cursor": after})

    async def _pause(self, request: web.Request) -> web.StreamResponse:
        return as_json(_as_sending(await self._front.pause()))

    async def _resume(self, request: web.Request) -> web.StreamResponse:
        return as_json(_as_sending(await self._front.resume()))

    async def _drain(self, request: web.Request) -> web.StreamResponse:
        return as_json(_as_sending(self._front.drain()), 202)


def _as_sending(sending: Sending) -> dict[str, object]:
    quiet = sending.quiet
    return {
        "paused_since": rfc3339(sending.paused_ms),
        "draining": sending.draining,
        "in_flight": sending.in_flight,
        "gate": None if quiet is None else quiet.why,
        "gate_until": None if quiet is None else rfc3339(quiet.until_ms),
    }
