"""What supervisors ask: whether it lives, whether it takes submissions, and its figures.

They mostly know an address and no token; these answers tell nothing of a CV.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from aiohttp import web

from listener.ports.front import Front
from listener.ports.vitals import Check

from .answers import as_check, as_json
from .gate import Scope
from .operations import PLAIN, Answer, Operation, Route
from .parameters import SWITCH, Parameter, given

OPENMETRICS = "application/openmetrics-text"

VERBOSE = Parameter("verbose", SWITCH, "All that was looked at, too.")
_ABOUT = "In text or in JSON, whichever of the two `Accept` names first. Any `Host` will do."

LIVEZ = Operation(
    "GET",
    "/livez",
    "livez",
    "Whether the process lives",
    None,
    {
        200: Answer("Its loop and its journal live.", "Liveness", also=(PLAIN,)),
        503: Answer("They do not: end it, and start it anew.", "Liveness", also=(PLAIN,)),
    },
    parameters=(VERBOSE,),
    any_host=True,
    about=_ABOUT,
)
READYZ = Operation(
    "GET",
    "/readyz",
    "readyz",
    "Whether submissions are accepted",
    None,
    {
        200: Answer("They are.", "Readiness", also=(PLAIN,)),
        503: Answer("They are not: send them elsewhere, or later.", "Readiness", also=(PLAIN,)),
    },
    parameters=(VERBOSE,),
    any_host=True,
    about=_ABOUT,
)
METRICS = Operation(
    "GET",
    "/metrics",
    "metrics",
    "Its figures, for Prometheus",
    Scope.READ,
    {200: Answer("All of them.", media=PLAIN, also=(OPENMETRICS,))},
    about="Prometheus's text format; OpenMetrics where `Accept` names that.",
)


@dataclass(frozen=True, slots=True)
class Figures:
    """``scrape`` makes, of an ``Accept`` header, a page and its content type. ``open``: it wants no
    token."""

    scrape: Callable[[str], Awaitable[tuple[bytes, str]]]
    open: bool


class Probes:
    """Each probe answers 200 or 503, and says what does not hold; ``?verbose``, all that was looked
    at. As text or as JSON, as the client has it: without a word from it, as each always did."""

    def __init__(self, front: Front, figures: Figures | None = None) -> None:
        self._front = front
        self._figures = figures

    def routes(self) -> list[Route]:
        """What it answers."""
        probes = [
            Route(LIVEZ, self._livez),
            Route(READYZ, self._readyz),
        ]
        figures = self._figures
        if figures is None:
            return probes

        async def metrics(request: web.Request) -> web.StreamResponse:
            body, kind = await figures.scrape(request.headers.get("Accept", ""))
            return web.Response(body=body, headers={"Content-Type": kind})

        operation = replace(METRICS, scope=None) if figures.open else METRICS
        return [*probes, Route(operation, metrics)]

    async def _livez(self, request: web.Request) -> web.StreamResponse:
        found = await self._front.alive()
        json = prefers_json(request, otherwise=False)
        return _answer(request, json, "alive", found.alive, found.checks, found.failing)

    async def _readyz(self, request: web.Request) -> web.StreamResponse:
        found = await self._front.readiness()
        json = prefers_json(request, otherwise=True)
        return _answer(request, json, "ready", found.ready, found.checks, found.failing)


def prefers_json(request: web.Request, *, otherwise: bool) -> bool:
    """Whichever of ``application/json`` and ``text/plain`` is named first."""
    accepted = ",".join(request.headers.getall("Accept", [])).lower()
    places = {kind: accepted.find(kind) for kind in ("application/json", "text/plain")}
    named = [kind for kind in sorted(places, key=lambda kind: places[kind]) if places[kind] >= 0]
    return named[0] == "application/json" if named else otherwise


def _answer(
    request: web.Request,
    json: bool,
    word: str,
    holds: bool,
    checks: Sequence[Check],
    failing: Sequence[Check],
) -> web.Response:
    verbose, status = given(request).get("verbose", False), 200 if holds else 503
    reasons = [f"{check.name}: {check.detail}" for check in failing]
    if json:
        body: dict[str, object] = {word: holds}
        if reasons:
            body["reasons"] = reasons
        if verbose:
            body["checks"] = [as_check(check) for check in checks]
        return as_json(body, status)
    lines = [word if holds else f"not {word}: {'; '.join(reasons)}"]
    if verbose:
        lines += [f"{_mark(check)} {check.name}: {check.detail}" for check in checks]
    return web.Response(status=status, text="\n".join(lines) + "\n")


def _mark(check: Check) -> str:
    if check.ok:
        return "[+]"
    return "[-]" if check.required else "[ ]"
