"""What happens, as it happens: Server-Sent Events, resumable at any place."""

from __future__ import annotations

import asyncio
import re
from functools import partial

import orjson
from aiohttp import web

from listener.core.facts import Fact
from listener.ports.front import Front, News, Place

from .asked import A_PLACE, AN_ID
from .gate import Scope
from .operations import Answer, Operation, Route
from .parameters import Header, Parameter, given, words
from .problems import Refused
from .streams import Stream

COMMITS = 200
AT_ONCE = 64

_OF_FACTS = sorted({kind.event for kind in Fact.__subclasses__()})
"""Each once: a dataclass with slots stands beside the one that it was made of, and where a pattern
has two ways to read a name, a list of names that ends badly has two to the power of its length."""
_NAMES = words(
    f"(?:{'|'.join(map(re.escape, _OF_FACTS))})",
    f"names with commas between, of {', '.join(_OF_FACTS)}",
)
"""Of one that no event has, a stream would say nothing for ever."""

FOLLOW = Operation(
    "GET",
    "/v1/events",
    "follow",
    "Follow what happens",
    Scope.READ,
    {
        200: Answer(
            "A stream without end: one event for each fact of a submission, once it is on disk.",
            "Event",
            media="text/event-stream",
        )
    },
    refusals=("busy", "invalid_header"),
    parameters=(
        Parameter("after", A_PLACE, "Go on after this event; 0: from the oldest that is kept."),
        Parameter("submission", AN_ID, "Only what is told of this one."),
        Parameter("event", _NAMES, "Only events of these names."),
    ),
    headers=(
        Header(
            "Last-Event-ID",
            A_PLACE.schema,
            "As `after`, and before it: a browser's EventSource sends it by itself.",
        ),
    ),
    about="It begins with now. `stream.reset` says that the place was one of another journal.",
)


class Events:
    """``stopping`` set: every stream ends."""

    def __init__(self, front: Front, stopping: asyncio.Event) -> None:
        self._front = front
        self._stopping = stopping
        self._open = 0

    @property
    def followed_by(self) -> int:
        """Streams that are open."""
        return self._open

    def routes(self) -> list[Route]:
        """What it answers."""
        return [Route(FOLLOW, self._stream)]

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        wanted = _Wanted(request)
        if self._open >= AT_ONCE:
            raise Refused(
                "busy",
                f"expected {AT_ONCE} streams of events at most, found another: close one",
                headers={"Retry-After": "10"},
            )
        self._open += 1
        try:
            return await self._send(request, wanted)
        finally:
            self._open -= 1

    async def _send(self, request: web.Request, wanted: _Wanted) -> web.StreamResponse:
        latest = await self._front.latest()
        after = wanted.after if wanted.after is not None else latest
        stream = await Stream.open(request, self._stopping)
        if after.sequence > latest.sequence:
            # Another journal than the one it came from: nothing of this one is after that place.
            after = latest
            await stream.write(f"event: stream.reset\nid: {_text(after)}\ndata: {{}}\n\n")
        while not stream.ends:
            news = await self._front.news(after, COMMITS)
            if not news:
                await stream.wait(partial(self._front.wait_news, after))
                continue
            after = news[-1].at
            text = "".join(_frame(one) for one in news if wanted.holds(one))
            if text:
                await stream.write(text)
            # Of others' news a client hears nothing, however much of it there is.
            await stream.live()
        return stream.response


class _Wanted:
    """What a client asks for."""

    def __init__(self, request: web.Request) -> None:
        asked = given(request)
        self.after = _place(request.headers.get("Last-Event-ID"), asked.get("after"))
        self._submission: str | None = asked.get("submission")
        self._events: frozenset[str] | None = asked.get("event")

    def holds(self, news: News) -> bool:
        """Whether it is to be told."""
        if self._submission is not None and news.told["submission_id"] != self._submission:
            return False
        return self._events is None or news.event in self._events


def _place(header: str | None, after: str | None) -> Place | None:
    if header is not None:
        try:
            after = A_PLACE.read(header)
        except ValueError:
            detail = f"expected Last-Event-ID as {A_PLACE.expected}; found another form"
            raise Refused("invalid_header", detail) from None
    if after is None:
        return None
    sequence, _, place = after.partition(".")
    return Place(int(sequence), int(place) if place else -1)


def _text(place: Place) -> str:
    return f"{place.sequence}.{place.place}"


def _frame(news: News) -> str:
    told = orjson.dumps(news.told).decode()
    return f"id: {_text(news.at)}\nevent: {news.event}\ndata: {told}\n\n"
