"""Who watches sees the shape of every frame, and nobody else pays for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from listener.adapters.socket_source.overhearing import A_SECOND, KEPT, Overhearing
from listener.core.wire import read_event

from .ear import Ear, eventually, now_ms
from .scripted_server import Peer, ScriptedServer, event_frame
from .test_polling import ADMITTED, PollingServer

SECRET = "Cv9E#nH4$xTz8!pY2aW^mK6rL"
FRAMES: list[str | bytes] = [
    event_frame(SECRET),
    '42["cv_changed",{"cvCode":"' + SECRET + '"}]',
    '42/other,["cv_updated",{"cv_code":"' + SECRET + '"}]',
    '42["cv_updated",{"' + SECRET + '":{"id":1}}]',
    '42["cv_updated"',
    '451-["cv_updated",{"_placeholder":true,"num":0}]',
    SECRET.encode(),
]
EXPECTED = [
    ("event", "/", "cv_updated", "{cv_code: string}", "yes"),
    ("event", "/", "cv_changed", "{cvCode: string}", "other_event"),
    ("event", "/other", "cv_updated", "{cv_code: string}", "other_namespace"),
    ("event", "/", "cv_updated", "{(1 hidden): {id: integer}}", "no_code"),
    ("unreadable", None, None, "", "no_event"),
    ("event", "/", "cv_updated", "binary", "no_code"),
    ("attachment", None, None, "", "no_event"),
]


def told(frames: list[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    names = ("kind", "namespace", "name", "text", "understood")
    assert SECRET not in json.dumps(frames)
    return [tuple(frame[name] for name in names) for frame in frames if frame["kind"] != "connect"]


async def watched(ear: Ear, go: asyncio.Event, count: int) -> list[Mapping[str, Any]]:
    """The frames that come while it is watched, ``count`` at least."""
    frames: list[Mapping[str, Any]] = []
    with ear.source.overhearing.watch() as watching:
        go.set()
        async with asyncio.timeout(60):
            while len(told(frames)) < count:
                found, missed = await watching.next(30)
                assert missed == 0
                frames += found
    return frames


async def test_every_kind_of_frame_is_seen_by_its_shape(fast_path: bool) -> None:
    go, done = asyncio.Event(), asyncio.Event()

    async def scene(peer: Peer) -> None:
        await peer.open()
        await peer.admit()
        await peer.event("before")
        await go.wait()
        await peer.send(*FRAMES)
        await done.wait()
        await peer.event("after")
        await peer.gone()

    async with ScriptedServer(scene) as server, Ear(server.url, fast_path=fast_path) as ear:
        await ear.hear(1)
        assert told(await watched(ear, go, len(EXPECTED))) == EXPECTED
        assert not ear.source.overhearing.watched
        done.set()
        codes = [event.code for event in await ear.hear(5)]
        assert (codes[0], codes[-1]) == (SECRET, "after"), "and all is heard as ever"


async def test_polled_frames_are_seen_too() -> None:
    go = asyncio.Event()
    async with PollingServer(ADMITTED, [event_frame("one"), '42["cv_changed"]']) as server:
        ear = Ear(server.url, transports=("polling",))
        with ear.source.overhearing.watch() as watching:
            async with ear:
                await ear.hear(1)
                go.set()
                frames, _ = await watching.next(30)
    assert told(frames) == [
        ("event", "/", "cv_updated", "{cv_code: string}", "yes"),
        ("event", "/", "cv_changed", "", "other_event"),
    ]


async def test_who_watches_slowly_loses_the_oldest_and_is_told_how_many() -> None:
    now = 0.0
    overhearing = Overhearing(now_ms, "/", "cv_updated", read_event, lambda: now)
    with overhearing.watch() as slow, overhearing.watch() as other:
        for second in range(10):
            now = second
            for _ in range(A_SECOND + 5):
                overhearing.frame(event_frame(f"{second}"))
                overhearing.frame("2")
        frames, missed = await slow.next(0)
        assert (len(frames), missed) == (KEPT, 10 * (A_SECOND + 5) - KEPT)
        assert await slow.next(0) == ([], 0)
        assert len((await other.next(0))[0]) == KEPT
    assert not overhearing.watched


async def test_an_event_that_a_handler_takes_is_told_as_that() -> None:
    overhearing = Overhearing(now_ms, "/", "cv_updated", read_event, others=["X9Y8", "cv_updated"])
    with overhearing.watch() as watching:
        overhearing.frame('42["X9Y8",{"id":1}]')
        overhearing.frame(event_frame("x"))
        frames, _ = await watching.next(0)
    assert [(name, word) for _, _, name, _, word in told(frames)] == [
        ("X9Y8", "handed_on"),
        ("cv_updated", "yes"),
    ]


@pytest.mark.parametrize("namespace", ["/", "/cv"])
async def test_what_a_reader_of_events_raises_is_told_and_harms_nobody(namespace: str) -> None:
    def broken(_: object) -> Any:
        raise RuntimeError(SECRET)

    overhearing = Overhearing(now_ms, namespace, "cv_updated", broken)
    with overhearing.watch() as watching:
        overhearing.frame(event_frame("x"))
        frames, _ = await watching.next(0)
    assert told(frames)[0][-1] == ("reading_failed" if namespace == "/" else "other_namespace")
    await eventually(lambda: not overhearing.watched)
