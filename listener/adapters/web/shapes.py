"""What is heard on the subscription, by its shape: keys and types, never values."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from listener.core.view import rfc3339
from listener.ports.event_source import Watching
from listener.ports.front import Front

from .gate import Scope
from .operations import Answer, Operation, Route
from .problems import Refused
from .streams import Stream

AT_ONCE = 4

WATCH = Operation(
    "GET",
    "/v1/shapes",
    "shapes",
    "See the shapes of what is heard",
    Scope.ADMIN,
    {
        200: Answer(
            "A stream without end: one event for each frame of the subscription, with the keys and"
            " types of its arguments, and no value.",
            media="text/event-stream",
        )
    },
    refusals=("busy",),
    about="For a payload that is not understood. It begins with now, and is not kept. A key is"
    " shown where it is known or reads like an identifier. `missed` tells how many frames were not"
    " looked into.",
)


class Shapes:
    """``stopping`` set: every stream ends."""

    def __init__(self, front: Front, stopping: asyncio.Event) -> None:
        self._front = front
        self._stopping = stopping
        self._open = 0

    def routes(self) -> list[Route]:
        """What it answers."""
        return [Route(WATCH, self._watch)]

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        if self._open >= AT_ONCE:
            raise Refused(
                "busy",
                f"expected {AT_ONCE} who watch at most, found another: close one",
                headers={"Retry-After": "10"},
            )
        self._open += 1
        try:
            with self._front.overhear() as watching:
                stream = await Stream.open(request, self._stopping)
                await self._tell(stream, watching)
                return stream.response
        finally:
            self._open -= 1

    async def _tell(self, stream: Stream, watching: Watching) -> None:
        while not stream.ends:
            found = await stream.wait(watching.next)
            if found is None:
                return
            frames, missed = found
            text = "".join(_frame("frame", _told(frame)) for frame in frames)
            if missed:
                text += _frame("missed", {"count": missed})
            if text:
                await stream.write(text)


def _told(frame: Mapping[str, Any]) -> dict[str, Any]:
    return {"at": rfc3339(frame["at_ms"]), **{k: v for k, v in frame.items() if k != "at_ms"}}


def _frame(name: str, told: Mapping[str, Any]) -> str:
    return f"event: {name}\ndata: {orjson.dumps(told).decode()}\n\n"
