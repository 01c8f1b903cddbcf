"""How it went of late, drawn: confirmation latency and deafness, as SVG, and the signs of trouble.

The drawings are the report's own, of what the journal has.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from aiohttp import web

from listener.adapters.incidents import Incidents
from listener.core.names import Millis, Outcome, SubmissionId
from listener.core.usual import rank
from listener.core.view import rfc3339
from listener.plots import Row, Span, Tone, Track, Words, duration, number, series, timeline
from listener.ports.front import Filter, Front, Public

from .answers import as_json
from .gate import Scope
from .operations import Answer, Operation, Route
from .parameters import Parameter, given
from .parameters import number as a_number

SVG = "image/svg+xml"
HOUR_MS = 3_600_000
STEPS = 36
"""Of the time axis of the latency."""
PAGE = 200
MOST = 1_000
"""Of confirmed submissions, and of gaps, that one drawing is made of: the latest."""
KEPT_S = 20.0
"""For so long a drawing is shown again: a wall of screens asks for it often."""

_HOURS = (Parameter("hours", a_number(1, 48, 6), "How far it reaches back."),)


def _plot(name: str, summary: str) -> Operation:
    answers = {200: Answer("An SVG, with title and description.", media=SVG)}
    path = f"/v1/plots/{name}"
    return Operation("GET", path, name, summary, Scope.READ, answers, parameters=_HOURS)


LATENCY = _plot("latency", "How long confirmation took, drawn over time")
DEAF = _plot("deaf", "When it was deaf, drawn over time")
INCIDENTS = Operation(
    "GET",
    "/v1/incidents",
    "incidents",
    "The signs of trouble since the daemon started, the last seen first",
    Scope.READ,
    {200: Answer("Each kind of line of warning and above, and how often it came.", "Incidents")},
)


class Pictures:
    """``incidents`` None: nobody watches the log, and none are told."""

    def __init__(self, front: Front, incidents: Incidents | None) -> None:
        self._front = front
        self._incidents = incidents
        self._kept: dict[tuple[str, int], tuple[float, str]] = {}

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route(LATENCY, self._answer("latency", self._latency)),
            Route(DEAF, self._answer("deaf", self._deaf)),
            Route(INCIDENTS, self._signs),
        ]

    def _answer(
        self, name: str, draw: Callable[[int, int], Awaitable[str]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def answer(request: web.Request) -> web.StreamResponse:
            hours, now = given(request).get("hours", 6), time.monotonic()
            kept = self._kept.get((name, hours))
            if kept is None or now - kept[0] > KEPT_S:
                end_ms = time.time_ns() // 1_000_000
                kept = self._kept[(name, hours)] = now, await draw(end_ms - hours * HOUR_MS, end_ms)
            return web.Response(body=kept[1].encode(), headers={"Content-Type": SVG})

        return answer

    async def _latency(self, start_ms: int, end_ms: int) -> str:
        found = await self._confirmed(start_ms)
        return draw_latency([one for one in found if one[0] >= start_ms], start_ms, end_ms)

    async def _confirmed(self, start_ms: int) -> list[tuple[int, int]]:
        """When an event was heard, and how long after the sending: of the latest, live ones."""
        found: list[tuple[int, int]] = []
        before: SubmissionId | None = None
        while len(found) < MOST:
            page = await self._front.submissions(
                Filter(
                    outcome=Outcome.CONFIRMED,
                    created_from_ms=Millis(start_ms),
                    before=before,
                    limit=PAGE,
                )
            )
            found += (one for one in map(_taken, page.submissions) if one is not None)
            if page.after is None:
                break
            before = page.after
        return found

    async def _deaf(self, start_ms: int, end_ms: int) -> str:
        spans: list[tuple[int, int | None, str]] = []
        before: int | None = None
        while len(spans) < MOST:
            page = await self._front.gaps(before, PAGE)
            for gap in page.gaps:
                end = None if gap["end_at"] is None else _ms(gap["end_at"])
                if end is None or end >= start_ms:
                    spans.append((_ms(gap["start_at"]), end, str(gap["reason"])))
            before = page.after
            if before is None or _ms(page.gaps[-1]["start_at"]) < start_ms:
                break
        return draw_deafness(spans, start_ms, end_ms)

    async def _signs(self, request: web.Request) -> web.StreamResponse:
        signs = [] if self._incidents is None else self._incidents.signs()
        told: list[Mapping[str, object]] = [
            {
                "event": sign.event,
                "reason": sign.reason,
                "level": sign.level.value,
                "count": sign.count,
                "first_at": rfc3339(Millis(sign.first_ms)),
                "last_at": rfc3339(Millis(sign.last_ms)),
                "what_to_do": sign.what_to_do,
                "runbook": sign.runbook,
            }
            for sign in signs
        ]
        return as_json({"incidents": told})


def draw_latency(taken: Sequence[tuple[int, int]], start_ms: int, end_ms: int) -> str:
    """``taken``: when, and how long it took, in milliseconds."""
    step = (end_ms - start_ms) / STEPS
    by_step: list[list[int]] = [[] for _ in range(STEPS)]
    for at_ms, took_ms in taken:
        by_step[min(STEPS - 1, max(0, int((at_ms - start_ms) / step)))].append(took_ms)
    tracks = [
        Track(f"{percent} % within", [_within(times, percent) for times in by_step], tone)
        for percent, tone in ((50, Tone.GOOD), (90, Tone.PLAIN))
    ]
    times = sorted(took for _, took in taken)
    told = "Nothing was confirmed."
    if times:
        half, most = duration(rank(times, 50)), duration(rank(times, 90))
        told = f"Of {number(len(times))} confirmed, half within {half}, nine in ten within {most}."
        if len(times) >= MOST:
            told = f"The latest alone. {told}"
    words = Words("latency", f"From sending to the event. {told}", told)
    return series(words, start_ms, end_ms, tracks, lines=True, shown=duration)


def _within(times: list[int], percent: int) -> float | None:
    return rank(sorted(times), percent) if times else None


def draw_deafness(gaps: Iterable[tuple[int, int | None, str]], start_ms: int, end_ms: int) -> str:
    """``gaps``: from when to when (None: it lasts), and why."""
    cut = [(max(start_ms, begin), end, why) for begin, end, why in gaps]
    spans = [
        Span(begin, end, Tone.BAD, why.replace("_", " "))
        for begin, end, why in sorted(cut, key=lambda gap: gap[0])
    ]
    deaf_ms = sum((span.end_ms or end_ms) - span.start_ms for span in spans)
    told = "Never deaf."
    if spans:
        times = "once" if len(spans) == 1 else f"{number(len(spans))} times"
        told = f"Deaf {times}, for {duration(deaf_ms)} in all."
    words = Words("deaf", f"When events may have been missed. {told}", told)
    return timeline(words, start_ms, end_ms, [Row("deaf", spans, duration(deaf_ms))])


def _taken(submission: Public) -> tuple[int, int] | None:
    sent, heard = submission["sent_at"], submission["heard_at"]
    if sent is None or heard is None:
        return None
    return _ms(heard), max(0, _ms(heard) - _ms(sent))


def _ms(moment: Any) -> int:
    return round(datetime.fromisoformat(str(moment)).timestamp() * 1000)
